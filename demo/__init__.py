"""`make demo`: two hosts, one tunnel and signed commands, run for real on this machine."""
