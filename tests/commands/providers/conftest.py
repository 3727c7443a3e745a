"""Hosts of tests/netns."""

from tests.netns.conftest import hosts, make_host

__all__ = ["hosts", "make_host"]
