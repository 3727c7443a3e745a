"""Listeners and the HTTP server."""
