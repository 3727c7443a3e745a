"""Input and output of telemetry: ICMP echoes and logs."""
