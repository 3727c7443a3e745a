"""Which reloads would remove every network, or every peer of one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.tunnel.network import NetworkConfig, NetworkPeer
from warren.tunnel.removal import removal_findings

from .strategies import PUBLIC_KEYS

pytestmark = pytest.mark.unit

PEERS = (NetworkPeer("gateway", PUBLIC_KEYS[0]), NetworkPeer("standby", PUBLIC_KEYS[1]))


def network(name: str, *, enabled: bool = True, peers: tuple[NetworkPeer, ...] = PEERS) -> NetworkConfig:
    """Return a network of the file."""
    return NetworkConfig(name, "/k", enabled=enabled, peers=peers)


HOME, OFFICE = network("home"), network("office")


def problems(
    before: list[NetworkConfig], after: list[NetworkConfig], disabled: frozenset[str] = frozenset()
) -> list[str]:
    return [str(finding) for finding in removal_findings(before, after, disabled)]


@pytest.mark.parametrize("after", [[], [network("home", enabled=False)], [network("home", enabled=False, peers=())]])
def test_a_file_without_an_enabled_network_removes_every_network(after: list[NetworkConfig]) -> None:
    expected = "network: no enabled network is left: this would remove home, office; expected at least one"
    assert problems([HOME, OFFICE], after) == [expected]


def test_a_network_without_peers_removes_every_peer() -> None:
    expected = "network.home.peers: no peer is left: this would remove gateway, standby; expected at least one"
    assert problems([HOME, OFFICE], [replace(HOME, peers=()), OFFICE]) == [expected]


def test_both_networks_without_peers_are_reported() -> None:
    assert len(problems([HOME, OFFICE], [replace(HOME, peers=()), replace(OFFICE, peers=())])) == 2


@pytest.mark.parametrize(
    ("before", "after", "disabled"),
    [
        ([], [], frozenset()),
        ([HOME], [OFFICE], frozenset()),
        ([HOME, OFFICE], [OFFICE], frozenset()),
        ([HOME], [replace(HOME, peers=PEERS[:1])], frozenset()),
        ([HOME], [replace(HOME, peers=(NetworkPeer("other", PUBLIC_KEYS[2]),))], frozenset()),
        ([HOME], [network("home", enabled=False)], frozenset({"home"})),
        ([HOME], [network("home", enabled=False, peers=())], frozenset({"home"})),
        ([network("home", enabled=False)], [], frozenset()),
        ([replace(HOME, peers=())], [replace(HOME, peers=())], frozenset()),
    ],
)
def test_other_changes_are_no_removal_of_everything(
    before: list[NetworkConfig], after: list[NetworkConfig], disabled: frozenset[str]
) -> None:
    assert problems(before, after, disabled) == []


@given(st.lists(st.sampled_from(["a", "b", "c"]), unique=True), st.lists(st.sampled_from(["a", "b", "c"]), unique=True))
def test_a_reload_is_confirmed_exactly_if_nothing_would_be_left(before: list[str], after: list[str]) -> None:
    found = problems([network(name) for name in before], [network(name) for name in after])
    assert bool(found) == (bool(before) and not after)


def test_a_long_list_is_named_in_part_and_counted() -> None:
    (problem,) = problems([network(f"n{number}") for number in range(1000)], [])
    assert "this would remove n0, n1, n2, n3, n4 and 995 more" in problem
