"""The link as the kernel's own: down is silent and keeps the settings, up again works by itself."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from .deadline import until
from .host import IN_NAMESPACES, Host
from .interface import Interface
from .pair import FAR_INNER, INNER, NEAR_INNER, Pair
from .traffic import ping, reach

pytestmark = IN_NAMESPACES


def is_open(host: Host, port: int) -> bool:
    """Whether a UDP socket of the host has this port."""
    return f":{port} " in host.run("ss", "-Huln")


@pytest.mark.parametrize("speaks", ["near", "far"])
def test_down_and_up(pair: Pair, speaks: str) -> None:
    """While it is down the port is closed; afterwards traffic returns, whoever speaks first."""
    pair.open()
    near = pair.near
    port, peers = near.listen_port, near.show("endpoints")
    near.host.ip("link", "set", "wg0", "down")
    until(lambda: not is_open(near.host, port), "the port is closed")
    assert near.listen_port == port
    assert near.show("endpoints") == peers
    assert ping(pair.far.host, NEAR_INNER[0]).returncode != 0

    near.host.ip("link", "set", "wg0", "up")
    until(lambda: is_open(near.host, port), "the port is open")
    starts, other = (near.host, FAR_INNER) if speaks == "near" else (pair.far.host, NEAR_INNER)
    reach(starts, other[0])


def test_settings_made_while_it_is_down_hold(pair: Pair) -> None:
    near = pair.near
    near.host.ip("link", "set", "wg0", "down")
    near.set("listen-port", "40404", "fwmark", "0x51")
    near.peer(pair.far.keys, f"{FAR_INNER[0]}/32", Endpoint=pair.outer("far"), PersistentKeepalive=1)
    pair.far.peer(near.keys, f"{NEAR_INNER[0]}/32")
    near.host.ip("link", "set", "wg0", "up")
    reach(near.host, FAR_INNER[0])
    assert near.show("fwmark") == "0x51"
    assert pair.far.of_peer(near.keys, "endpoints").endswith(":40404")


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_busy_port_is_refused_and_changes_nothing(pair: Pair, family: socket.AddressFamily) -> None:
    pair.open()
    near = pair.near
    before = near.show("dump").splitlines()[0]
    with closing(near.host.socket(family, socket.SOCK_DGRAM)) as other:
        if family == socket.AF_INET6:
            other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        other.bind((INNER["near"][family == socket.AF_INET6], 0))
        refused = near.host.attempt("wg", "set", "wg0", "listen-port", str(other.getsockname()[1]))
    assert refused.returncode != 0
    assert "Address already in use" in refused.stderr
    assert near.show("dump").splitlines()[0] == before
    assert is_open(near.host, near.listen_port)
    pair.both_ways()


def test_a_port_that_became_busy_while_the_link_was_down(pair: Pair) -> None:
    """The engine says so with the number, lives, and works once the port is free and the link comes up again."""
    pair.open()
    near, port = pair.near, pair.near.listen_port
    near.host.ip("link", "set", "wg0", "down")
    until(lambda: not is_open(near.host, port), "the port is closed")
    with closing(near.host.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other:
        other.bind((INNER["near"][0], port))
        near.host.attempt("ip", "link", "set", "wg0", "up")
        until(lambda: says_busy(near, port), "the log names the port and that it is in use")
        assert near.answers()
    near.host.ip("link", "set", "wg0", "down")
    near.host.ip("link", "set", "wg0", "up")
    reach(near.host, FAR_INNER[0])
    assert near.listen_port == port


def says_busy(interface: Interface, port: int) -> bool:
    """Whether a line of the log tells of the busy port."""
    lines = interface.host.log().lower().splitlines()
    return any("address already in use" in line and str(port) in line for line in lines)
