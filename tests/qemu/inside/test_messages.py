"""Who sends what: in the same situation the engine sends the messages that the kernel sends, of the same sizes.

near (the engine) ── far (kernel)      and beside it      near (kernel) ── far (kernel)

Both pairs go through each situation at once, and what their cables carried is compared.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from tests.netns.conftest import MakeHost
from tests.netns.deadline import until
from tests.netns.engine import Engine
from tests.netns.host import Host
from tests.netns.noise import INITIATION, INITIATION_BYTES, RESPONSE, RESPONSE_BYTES, TRANSPORT
from tests.netns.pair import FAR_INNER, NEAR_INNER, Pair, cabled, pair_of
from tests.netns.traffic import ping
from tests.netns.wire import KEEPALIVE_BYTES, Wire

PORT = 9999
LONG_SECONDS = 300.0
ROLES = pytest.mark.parametrize("initiator", ["near", "far"])
Step = Callable[[Pair], object]
Message = tuple[str, int, int]  # who sent it, its type, its octets


@pytest.fixture
def pairs(make_host: MakeHost, warren: Engine, peer: Engine) -> list[Pair]:
    """The engine's pair and the kernel's."""
    made = []
    for engine in (warren, peer):
        near, far = make_host("near"), make_host("far")
        cabled(near, far)
        made.append(pair_of(near, engine, far, peer))
    return made


@pytest.fixture
def listening(pairs: list[Pair]) -> Iterator[None]:
    """Someone takes what `send` sends, so that no ICMP message answers it."""
    with ExitStack() as sockets:
        for pair in pairs:
            for host in (pair.near.host, pair.far.host):
                listener = sockets.enter_context(closing(host.socket(socket.AF_INET6, socket.SOCK_DGRAM)))
                listener.bind(("::", PORT))
        yield


def towards(pair: Pair, sender: str) -> tuple[Host, tuple[str, str]]:
    """The host that sends, and the inner addresses of the other."""
    return (pair.near.host, FAR_INNER) if sender == "near" else (pair.far.host, NEAR_INNER)


def send(pair: Pair, sender: str, address: str = "", size_bytes: int = 20) -> None:
    """One UDP datagram through the tunnel."""
    host, inner = towards(pair, sender)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with closing(host.socket(family, socket.SOCK_DGRAM)) as out:
        out.sendto(bytes(size_bytes), (address or inner[0], PORT))


def messages(wire: Wire) -> list[Message]:
    """What near's cable has carried so far."""
    return [("near" if seen.outgoing else "far", seen.kind, len(seen.payload)) for seen in list(wire.seen)]


def alike(pairs: list[Pair], before: Step, act: Step, count: int) -> list[Message]:
    """The first `count` messages after `act`, which must be the same for both pairs; `before` is not watched."""
    with ExitStack() as watching:
        wires = []
        for pair in pairs:
            before(pair)
            wires.append(watching.enter_context(Wire(pair.near.host)))
            act(pair)
        until(lambda: all(len(wire.seen) >= count for wire in wires), f"{count} messages on each", LONG_SECONDS)
        ours, kernels = (messages(wire)[:count] for wire in wires)
    assert ours == kernels
    return ours


def echo(pair: Pair, sender: str = "near") -> None:
    """One echo request, and time for its reply."""
    host, inner = towards(pair, sender)
    ping(host, inner[0], "-W", "60")


@ROLES
def test_the_first_packet(pairs: list[Pair], initiator: str) -> None:
    """No keepalive confirms a session that data confirms (paper, section 5.4.4)."""
    sent = alike(pairs, lambda pair: pair.introduce(initiator=initiator), lambda pair: echo(pair, initiator), 4)
    assert [message[1] for message in sent] == [INITIATION, RESPONSE, TRANSPORT, TRANSPORT]


@ROLES
def test_a_persistent_keepalive(pairs: list[Pair], initiator: str) -> None:
    """It starts the handshake, confirms it, and then comes from that side only."""

    def keep_alive(pair: Pair) -> None:
        here, other = (pair.near, pair.far) if initiator == "near" else (pair.far, pair.near)
        here.set("peer", other.keys.text, "persistent-keepalive", "1")

    sent = alike(pairs, lambda pair: pair.introduce(initiator=initiator), keep_alive, 5)
    assert [message[2] for message in sent] == [INITIATION_BYTES, RESPONSE_BYTES, *[KEEPALIVE_BYTES] * 3]


@pytest.mark.usefixtures("listening")
@ROLES
def test_data_that_nobody_answers(pairs: list[Pair], initiator: str) -> None:
    """The receiver sends one keepalive after ten seconds, and the sender is content (section 6.5)."""
    sent = alike(pairs, lambda pair: pair.open(initiator=initiator), lambda pair: send(pair, initiator), 2)
    assert [message[2] for message in sent] == [80, KEEPALIVE_BYTES]


@pytest.mark.usefixtures("listening")
def test_a_peer_that_is_gone(pairs: list[Pair]) -> None:
    """Fifteen seconds after data the sender begins anew, and tries again five seconds later (section 6.4)."""

    def before(pair: Pair) -> None:
        pair.open()
        pair.far.host.ip("link", "set", "wg0", "down")

    sent = alike(pairs, before, lambda pair: send(pair, "near"), 3)
    assert [message[2] for message in sent] == [80, INITIATION_BYTES, INITIATION_BYTES]


@pytest.mark.usefixtures("listening")
def test_padding(pairs: list[Pair]) -> None:
    """To 16 octets and never past the MTU (section 5.4.6)."""
    sizes = {FAR_INNER[0]: (0, 3, 4, 5, 20, 1380, 1391, 1392), FAR_INNER[1]: (0, 1, 16, 1371, 1372)}

    def each(pair: Pair) -> None:
        for address, octets in sizes.items():
            for size_bytes in octets:
                send(pair, "near", address, size_bytes)

    sent = alike(pairs, Pair.open, each, 13)
    assert {message[:2] for message in sent} == {("near", TRANSPORT)}


def test_the_link_down_and_up(pairs: list[Pair]) -> None:
    """The session is forgotten, the port kept. As few programs as possible: 15 s later, far would begin anew."""
    ports = [pair.near.listen_port for pair in pairs]

    def cycle(pair: Pair) -> None:
        pair.near.host.run("ip", "-batch", "-", stdin="link set wg0 down\nlink set wg0 up\n")
        echo(pair)

    sent = alike(pairs, Pair.open, cycle, 4)
    assert [message[1] for message in sent] == [INITIATION, RESPONSE, TRANSPORT, TRANSPORT]
    assert [pair.near.listen_port for pair in pairs] == ports


def test_settings_that_change_nothing(pairs: list[Pair]) -> None:
    """The session goes on. One program for all of them: 10 s later, near would send a keepalive."""
    present = [
        ("listen-port", str(pair.near.listen_port), "peer", pair.far.keys.text, "endpoint", pair.outer("far"))
        for pair in pairs
    ]

    def again(pair: Pair) -> None:
        words = ("private-key", "/dev/stdin", *present[pairs.index(pair)], "persistent-keepalive", "off")
        pair.near.set(*words, stdin=pair.near.keys.private_text)
        echo(pair)

    sent = alike(pairs, Pair.open, again, 2)
    assert [message[1] for message in sent] == [TRANSPORT, TRANSPORT]
