"""Samples, health, conditions and metrics of the agent."""
