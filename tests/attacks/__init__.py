"""One file for each attacker of docs/operations/threat-model.md: what they try, and what comes of it."""
