"""What the daemon asks of the host."""
