"""Servers that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.dns_service.programs import Unbound


@pytest.fixture
def unbound(tmp_path: Path) -> Iterator[Callable[..., Unbound]]:
    """Return a function that starts an unbound(8) with these records."""
    started: list[Unbound] = []

    def start(*records: str) -> Unbound:
        started.append(Unbound(tmp_path / f"unbound-{len(started)}", list(records)))
        return started[-1]

    yield start
    for server in started:
        server.stop()
