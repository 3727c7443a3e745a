"""Sockets of the local API."""
