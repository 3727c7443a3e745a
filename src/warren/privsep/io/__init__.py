"""Processes and sockets of the helper and the runner."""
