"""Signed commands in the agent: opening, control socket actions, and the service that runs them."""
