"""Fixtures of the namespace tests: engines, hosts and the pair of `pair.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from . import engine
from .engine import Engine
from .host import Host
from .interface import Interface
from .pair import Pair, cabled, pair_of

MakeHost = Callable[[str], Host]


@pytest.fixture
def make_host(tmp_path: Path) -> Iterator[MakeHost]:
    """Makes hosts by name; all end with the test."""
    if not Path("/dev/net/tun").exists():
        pytest.skip("the device /dev/net/tun")
    with ExitStack() as hosts:
        yield lambda name: hosts.enter_context(Host(name, tmp_path))


@pytest.fixture
def warren() -> Engine:
    return engine.warren()


@pytest.fixture(params=engine.PEERS)
def peer(request: pytest.FixtureRequest) -> Engine:
    """Each peer implementation in turn."""
    return engine.PEERS[request.param]()


@pytest.fixture
def hosts(make_host: MakeHost) -> tuple[Host, Host]:
    """`near` and `far` with their cable and outer addresses, and nothing else."""
    near, far = make_host("near"), make_host("far")
    cabled(near, far)
    return near, far


@pytest.fixture
def pair(hosts: tuple[Host, Host], warren: Engine, peer: Engine) -> Pair:
    """The topology of `pair.py`, once with each peer implementation."""
    return pair_of(hosts[0], warren, hosts[1], peer)


@pytest.fixture
def alone(make_host: MakeHost, warren: Engine) -> Interface:
    """An interface of the engine under test with nobody to speak to; its link is down."""
    return Interface(make_host("near"), warren)
