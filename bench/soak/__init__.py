"""An hour of tunnels on a bad path: nothing may leak or stall, and both ends agree with the path on every octet."""
