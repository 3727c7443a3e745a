"""What commands do to the host."""
