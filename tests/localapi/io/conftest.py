"""What tests of the control socket share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

NOBODY = 65534


@pytest.fixture
def other_user() -> int:
    """A uid that is not ours, and that this process can take."""
    mapped = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
    if not any(int(first) <= NOBODY < int(first) + int(count) for first, _, count in mapped):
        pytest.skip("other users (run as root, outside a user namespace)")
    return NOBODY


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user may enter."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory
