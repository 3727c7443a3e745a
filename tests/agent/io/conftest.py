"""The two ends of tests/cli, for what an agent does beside its networks."""

from __future__ import annotations

from tests.cli.conftest import ends, hosts

__all__ = ["ends", "hosts"]
