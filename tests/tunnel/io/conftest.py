"""The two ends of tests/cli, for tunnels without the command."""

from __future__ import annotations

from tests.cli.conftest import ends, hosts

__all__ = ["ends", "hosts"]
