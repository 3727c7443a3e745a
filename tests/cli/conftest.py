"""Fixtures: two connected hosts and their wg-quick files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.host import Host
from tests.netns.pair import cabled

from .ends import Ends


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[Host, Host]]:
    """Return `near` and `far` of tests/netns/pair.py, with their outer addresses."""
    if not Path("/dev/net/tun").exists():
        pytest.skip("the device /dev/net/tun")
    with Host("near", tmp_path) as near, Host("far", tmp_path) as far:
        cabled(near, far)
        yield near, far


@pytest.fixture
def ends(hosts: tuple[Host, Host], tmp_path: Path) -> Ends:
    """Return both ends with a file `wg0.conf` each; no interface is up."""
    return Ends(*hosts, tmp_path)
