"""Fixtures that several attackers share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .served_agent import ServedAgent, serve_agent


@pytest.fixture
def agent() -> Iterator[ServedAgent]:
    """Return an agent whose sockets other users of this host can reach."""
    with serve_agent() as served:
        yield served
