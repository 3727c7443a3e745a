"""Interfaces: what should be, what is, the difference, and what carries it out (`io/`)."""
