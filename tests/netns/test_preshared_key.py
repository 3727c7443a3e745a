"""The preshared key: right, wrong, and mended at run time."""

from __future__ import annotations

import pytest

from .deadline import until
from .host import IN_NAMESPACES
from .interface import KeyPair
from .noise import RESPONSE
from .pair import FAR_INNER, NEAR_INNER, Pair
from .traffic import ping, reach
from .wire import Wire

pytestmark = IN_NAMESPACES

ROLES = pytest.mark.parametrize("initiator", ["near", "far"])


@ROLES
def test_the_same_key_opens_the_tunnel(pair: Pair, initiator: str) -> None:
    pair.open(initiator=initiator, psk=KeyPair().private_text)
    pair.both_ways()


@ROLES
def test_another_key_lets_nothing_through_until_it_is_mended(pair: Pair, initiator: str) -> None:
    """A responder cannot tell a wrong key, so it answers; the initiator must refuse the answer."""
    right, wrong = KeyPair().private_text, KeyPair().private_text
    pair.introduce(initiator=initiator, psk=right)
    starts, address = (pair.near, FAR_INNER[0]) if initiator == "near" else (pair.far, NEAR_INNER[0])
    pair.far.set("peer", pair.near.keys.text, "preshared-key", "/dev/stdin", stdin=wrong)
    with Wire(pair.near.host) as wire:
        assert ping(starts.host, address).returncode != 0
        until(lambda: wire.count(lambda datagram: datagram.kind == RESPONSE), "a response")
    assert ping(starts.host, address).returncode != 0
    assert starts.show("latest-handshakes").endswith("\t0")

    pair.far.set("peer", pair.near.keys.text, "preshared-key", "/dev/stdin", stdin=right)
    reach(starts.host, address)


def test_taken_away_at_run_time(pair: Pair) -> None:
    """The session in use goes on; the next handshake needs none."""
    pair.open(psk=KeyPair().private_text)
    for here, other in ((pair.near, pair.far), (pair.far, pair.near)):
        here.set("peer", other.keys.text, "preshared-key", "/dev/null")
        assert here.of_peer(other.keys, "preshared-keys") == "(none)"
    pair.both_ways()
    with Wire(pair.near.host) as wire:
        pair.near.host.ip("link", "set", "wg0", "down")  # ends its sessions
        pair.near.host.ip("link", "set", "wg0", "up")
        reach(pair.near.host, FAR_INNER[0])
        until(lambda: wire.count(lambda datagram: datagram.kind == RESPONSE), "a new handshake")
