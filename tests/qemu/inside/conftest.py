"""The fixtures of the namespace tests, for those that only the guest can run."""

from __future__ import annotations

from tests.netns.conftest import hosts, make_host, pair, peer, warren

__all__ = ["hosts", "make_host", "pair", "peer", "warren"]
