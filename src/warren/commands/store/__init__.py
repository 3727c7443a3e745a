"""The durable store of commands: at most once, with the audit line in the same transaction."""
