"""WireGuard interfaces: desired state, observed state, the plan between them, and what applies it (`io/`)."""
