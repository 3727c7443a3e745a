"""Privilege separation: the root helper, the privileged runner, and their protocols."""
