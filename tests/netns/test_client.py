"""The engine under test against the independent client, which may also lie (row W-48).

near                                         client
eth0  192.0.2.1/24         ── cable ──       eth0  192.0.2.2/24, a UDP socket
wg0   10.9.0.1/24                            inner packets from 10.9.0.2, made by hand
"""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from .client import Client, timestamp_now
from .cookie import open_cookie
from .deadline import SLOWNESS, SOON_SECONDS, until
from .engine import Engine
from .flood import Flood
from .host import IN_NAMESPACES, Host
from .inner import ECHO_REPLY, ECHO_REQUEST, answer, echo, echoed
from .interface import Interface, endpoint
from .noise import COOKIE_REPLY, NO_PRESHARED_KEY, RESPONSE, TRANSPORT, Session
from .pair import OUTER
from .traffic import ping

pytestmark = [*IN_NAMESPACES, pytest.mark.security]


@pytest.fixture(params=[False, True], ids=["no-psk", "psk"])
def psk(request: pytest.FixtureRequest) -> bytes:
    return os.urandom(32) if request.param else NO_PRESHARED_KEY


@pytest.fixture
def near(hosts: tuple[Host, Host], warren: Engine) -> Interface:
    interface = Interface(hosts[0], warren)
    interface.up("10.9.0.1/24")
    return interface


def client_of(near: Interface, host: Host, psk: bytes = NO_PRESHARED_KEY) -> Client:
    """A client that `near` knows as a peer, with no endpoint."""
    client = Client(host, near, OUTER["near"][0], psk)
    secret = {"PresharedKey": base64.b64encode(psk).decode()} if psk != NO_PRESHARED_KEY else {}
    near.peer(client.keys, f"{client.inner}/32", **secret)
    return client


@pytest.fixture
def client(near: Interface, hosts: tuple[Host, Host]) -> Iterator[Client]:
    with client_of(near, hosts[1]) as made:
        yield made


def test_it_answers_a_handshake_and_carries_an_echo(near: Interface, hosts: tuple[Host, Host], psk: bytes) -> None:
    with client_of(near, hosts[1], psk) as client:
        session = client.initiate()
        for sequence in range(3):
            client.request(session, sequence, b"octets")
            assert echoed(client.packet(session)) == (ECHO_REPLY, sequence, b"octets")
        assert near.of_peer(client.keys, "endpoints") == endpoint(OUTER["far"][0], client.port)


def test_it_starts_a_handshake_and_carries_an_echo(near: Interface, hosts: tuple[Host, Host], psk: bytes) -> None:
    with client_of(near, hosts[1], psk) as client, ThreadPoolExecutor(1) as pool:
        near.set("peer", client.keys.text, "endpoint", endpoint(OUTER["far"][0], client.port))
        pinging = pool.submit(ping, near.host, client.inner, "-W", "10")
        session = client.respond()
        request = client.packet(session)
        assert echoed(request)[0] == ECHO_REQUEST
        client.socket.send(session.seal(answer(request)))
        assert pinging.result().returncode == 0


def test_it_sends_each_packet_once_and_nothing_else(near: Interface, client: Client) -> None:
    """Every datagram opens to a packet that was sent, in order: no octet of another one is under the seal."""
    session = client.initiate()
    client.socket.send(session.seal(b""))
    for size_bytes in (500, 8, 100):
        ping(near.host, client.inner, "-s", str(size_bytes), "-W", "0.2")
    requests = [client.packet(session) for _ in range(3)]
    assert [(packet[0], len(echoed(packet)[2])) for packet in requests] == [(0x45, 500), (0x45, 8), (0x45, 100)]
    assert client.is_silent(TRANSPORT)


def test_data_that_gets_no_answer_gets_a_keepalive(client: Client) -> None:
    """KEEPALIVE_TIMEOUT, 10 s after data came in (section 6.5): nobody answers an echo reply."""
    session = client.initiate()
    client.socket.send(session.seal(echo(ECHO_REPLY, client.inner, client.peer_inner, 1)))
    assert session.open(client.hear(TRANSPORT, seconds=5 * SOON_SECONDS)) == b""


def test_no_answer_to_what_is_not_a_handshake_for_it(client: Client) -> None:
    good = client.initiation()
    wrong_mac1 = good[:-17] + bytes([good[-17] ^ 1]) + good[-16:]
    for bad in (b"", good[:1], good[:-1], good + b"\0", b"\1\1" + good[2:], wrong_mac1):
        client.socket.send(bad)
    assert client.is_silent(RESPONSE, COOKIE_REPLY)
    client.socket.send(good)
    client.finish(client.hear(RESPONSE))


def test_no_answer_to_a_stranger(near: Interface, client: Client, hosts: tuple[Host, Host]) -> None:
    with Client(hosts[1], near, OUTER["near"][0]) as stranger:
        stranger.socket.send(stranger.initiation())
        assert stranger.is_silent(RESPONSE, COOKIE_REPLY)
    client.initiate()


def test_a_timestamp_is_taken_once_and_must_grow(client: Client) -> None:
    """Section 5.1: a replayed initiation is worth nothing."""
    early = client.initiation(timestamp_now())
    late = client.initiation(timestamp_now())
    client.socket.send(late)
    client.finish(client.hear(RESPONSE))
    for old in (late, early):
        client.socket.send(old)
    assert client.is_silent(RESPONSE)


def test_a_packet_is_delivered_once(near: Interface, client: Client) -> None:
    session = client.initiate()
    first = client.request(session, 1)
    client.packet(session)
    before = near.packets_in()
    for _ in range(5):
        client.socket.send(first)
    client.request(session, 2)
    assert echoed(client.packet(session))[1] == 2
    assert near.packets_in() == before + 1


def test_counters_may_come_late_but_not_too_late(near: Interface, client: Client) -> None:
    """Section 5.4.6; a window of at least 2,000 is asked for by the paper, 8192 less a word by the implementations."""
    session = client.initiate()
    session.counter = 9000
    client.request(session, 1)
    assert echoed(client.packet(session))[1] == 1
    for counter in (9000 - 1900, 8999, 9001):
        session.counter = counter
        client.request(session, counter & 0xFFFF)
        assert echoed(client.packet(session))[1] == counter & 0xFFFF
    before = near.packets_in()
    session.counter = 9001 - 8192
    client.request(session, 3)
    session.counter = 9002
    client.request(session, 4)
    assert echoed(client.packet(session))[1] == 4
    assert near.packets_in() == before + 1


def test_inner_packets_that_are_none_are_dropped(near: Interface, client: Client) -> None:
    """Wrong version, a length beyond the datagram, a source outside the allowed IPs (row H-54); the session goes on."""
    session = client.initiate()
    client.request(session, 1)
    client.packet(session)
    before = near.packets_in()
    good = echo(ECHO_REQUEST, client.inner, client.peer_inner, 2)
    longer = good[:2] + b"\xff\xff" + good[4:]
    foreign = echo(ECHO_REQUEST, "10.9.0.3", client.peer_inner, 2)
    for bad in (b"\0", b"E", b"\x15" + good[1:], b"e" + good[1:], longer, good[:10], foreign):
        client.socket.send(session.seal(bad))
    client.request(session, 3)
    assert echoed(client.packet(session))[1] == 3
    assert near.packets_in() == before + 1


def test_a_responder_speaks_only_once_it_was_spoken_to(near: Interface, client: Client) -> None:
    """Section 5.4.4: until the initiator's first transport message the response may be a replay's victim."""
    session = client.initiate()
    assert ping(near.host, client.inner).returncode != 0
    assert client.is_silent(TRANSPORT)
    client.socket.send(session.seal(b""))
    assert echoed(client.packet(session))[0] == ECHO_REQUEST


# A flood fills the responder's queue, so that some datagrams are lost: they are sent again.
RETRY_SECONDS = 1.0 * SLOWNESS


def cookie_of(client: Client) -> bytes | None:
    """Return the cookie that an initiation without one gets, or None while there is no load or a datagram was lost."""
    client.drain()
    plain = client.initiation()
    client.socket.send(plain)
    try:
        reply = client.hear(RESPONSE, COOKIE_REPLY, seconds=RETRY_SECONDS)
    except TimeoutError:
        return None
    return open_cookie(reply, plain, client.peer.keys.public) if reply[0] == COOKIE_REPLY else None


@pytest.fixture
def flooded(near: Interface, hosts: tuple[Host, Host]) -> Iterator[Flood]:
    with Flood(hosts[1], near.keys.public, (OUTER["near"][0], near.listen_port)) as flood:
        until(lambda: flood.cookie_replies, "cookie replies")
        yield flood


@pytest.mark.usefixtures("flooded")
def test_a_cookie_gets_a_handshake_through(client: Client) -> None:
    def completes_with_cookie() -> Session | None:
        cookie = until(lambda: cookie_of(client), "a cookie")
        client.socket.send(client.initiation(cookie=cookie))
        try:
            return client.finish(client.hear(RESPONSE, seconds=RETRY_SECONDS))
        except TimeoutError:
            return None

    assert until(completes_with_cookie, "a response to an initiation with a cookie")


@pytest.mark.usefixtures("flooded")
def test_a_cookie_is_for_one_address(client: Client, hosts: tuple[Host, Host]) -> None:
    """Section 5.4.7: the cookie binds address and port. The load must have lasted from before until after."""

    def answer_elsewhere() -> int:
        cookie = until(lambda: cookie_of(client), "a cookie")
        with hosts[1].socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
            elsewhere.settimeout(RETRY_SECONDS)
            elsewhere.sendto(client.initiation(cookie=cookie), (OUTER["near"][0], client.peer.listen_port))
            try:
                kind = elsewhere.recv(2048)[0]
            except TimeoutError:
                return 0
        return kind if cookie_of(client) else 0

    assert until(answer_elsewhere, "load from before until after") == COOKIE_REPLY
