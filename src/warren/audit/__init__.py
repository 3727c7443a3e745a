"""The audit log: events in a hash chain, with signed checkpoints."""
