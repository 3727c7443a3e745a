"""What the agent reports: samples, health, metrics."""
