"""Persistent keepalives: by the second from an idle tunnel, none when turned off (row H-48)."""

from __future__ import annotations

import time

from .deadline import until
from .host import IN_NAMESPACES
from .noise import TRANSPORT
from .pair import Pair
from .wire import KEEPALIVE_BYTES, Datagram, Wire

pytestmark = IN_NAMESPACES

QUIET_SECONDS = 4.0


def is_keepalive_sent(datagram: Datagram) -> bool:
    """An empty transport message that leaves the watched host."""
    return datagram.outgoing and datagram.kind == TRANSPORT and len(datagram.payload) == KEEPALIVE_BYTES


def test_one_each_second_from_an_idle_tunnel(pair: Pair) -> None:
    """Also the handshake starts by itself, with no packet that asks for it."""
    pair.introduce()
    start = time.monotonic()
    with Wire(pair.near.host) as wire:
        pair.near.set("peer", pair.far.keys.text, "persistent-keepalive", "1")
        until(lambda: wire.count(is_keepalive_sent) >= 5, "five keepalives")
        assert wire.count(is_keepalive_sent) <= time.monotonic() - start + 2


def test_none_once_turned_off(pair: Pair) -> None:
    pair.introduce()
    pair.near.set("peer", pair.far.keys.text, "persistent-keepalive", "1")
    with Wire(pair.near.host) as wire:
        until(lambda: wire.count(is_keepalive_sent) >= 2, "two keepalives")
        pair.near.set("peer", pair.far.keys.text, "persistent-keepalive", "off")
        assert pair.near.of_peer(pair.far.keys, "persistent-keepalive") == "off"
    with Wire(pair.near.host) as wire:
        time.sleep(QUIET_SECONDS)  # silence can only be waited for
        assert wire.count(lambda datagram: datagram.outgoing) == 0
