"""How programs on this host drive the agent: one JSON socket and the local HTTP."""
