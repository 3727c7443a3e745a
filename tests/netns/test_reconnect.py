"""A tunnel that was cut comes back by itself, with nobody touching the engine under test (row W-42)."""

from __future__ import annotations

import time

import pytest

from .deadline import until
from .host import IN_NAMESPACES
from .noise import RESPONSE
from .pair import FAR_INNER, INNER, NEAR_INNER, OUTER, Pair, prefixes, single
from .stopped import Stopped
from .traffic import ping, reach
from .wire import Wire

pytestmark = IN_NAMESPACES

RETURN_SECONDS = 60.0
CUT_SECONDS = 6.0  # longer than REKEY_TIMEOUT, so that a handshake is lost too


def cut_for_a_while(pair: Pair) -> None:
    """Traffic is asked for all the time; nothing may come through."""
    end = time.monotonic() + CUT_SECONDS
    while time.monotonic() < end:
        assert ping(pair.near.host, FAR_INNER[0]).returncode != 0


@pytest.mark.parametrize("side", ["near", "far"])
def test_after_link_loss(pair: Pair, side: str) -> None:
    pair.open()
    host = pair.near.host if side == "near" else pair.far.host
    host.ip("link", "set", "eth0", "down")
    cut_for_a_while(pair)
    host.ip("link", "set", "eth0", "up")
    reach(pair.near.host, FAR_INNER[0], RETURN_SECONDS)


def test_after_a_blackhole(pair: Pair) -> None:
    """The far host drops what arrives, and says nothing."""
    pair.open()
    pair.far.host.ip("rule", "add", "pref", "10", "iif", "eth0", "blackhole")
    pair.far.host.ip("rule", "del", "pref", "0")  # local delivery comes after the blackhole now
    pair.far.host.ip("rule", "add", "pref", "20", "lookup", "local")
    cut_for_a_while(pair)
    pair.far.host.ip("rule", "del", "pref", "10")
    reach(pair.near.host, FAR_INNER[0], RETURN_SECONDS)


def test_after_the_address_went_and_another_came(pair: Pair) -> None:
    pair.open()
    pair.near.host.ip("address", "flush", "dev", "eth0")
    cut_for_a_while(pair)
    pair.near.host.ip("address", "add", "192.0.2.77/24", "dev", "eth0")
    reach(pair.near.host, FAR_INNER[0], RETURN_SECONDS)


@pytest.mark.parametrize("speaks", ["near", "far"])
def test_after_the_peer_was_killed_and_started_again(pair: Pair, speaks: str) -> None:
    """It has the same key and port, and knows nothing of the session."""
    pair.open()
    port = str(pair.far.listen_port)
    pair.far.kill()
    cut_for_a_while(pair)
    pair.far.restart()
    pair.far.set("listen-port", port)
    pair.far.up(*prefixes(INNER["far"]))
    pair.far.peer(pair.near.keys, *single(INNER["near"]), Endpoint=pair.outer("near"))
    if speaks == "near":
        reach(pair.near.host, FAR_INNER[0], RETURN_SECONDS)
    else:
        reach(pair.far.host, NEAR_INNER[0], RETURN_SECONDS)


def test_after_the_engine_under_test_was_killed_and_started_again(pair: Pair) -> None:
    pair.open()
    pair.near.kill()
    pair.near.restart()
    pair.near.up(*prefixes(INNER["near"]))
    pair.near.peer(pair.far.keys, *single(INNER["far"]), Endpoint=pair.outer("far"))
    reach(pair.near.host, FAR_INNER[0], RETURN_SECONDS)
    assert pair.far.of_peer(pair.near.keys, "endpoints").startswith(OUTER["near"][0])


def test_after_the_link_was_down_while_the_engine_could_not_look(pair: Pair) -> None:
    """Setting the link down ends its sessions, as in the kernel, even if it is up again by then."""
    pair.open()
    near = pair.near
    with Wire(near.host) as wire:
        with Stopped(near):
            near.host.ip("link", "set", "wg0", "down")
            near.host.ip("link", "set", "wg0", "up")
        reach(near.host, FAR_INNER[0], RETURN_SECONDS)
        until(lambda: wire.count(lambda datagram: datagram.kind == RESPONSE), "a new handshake")
