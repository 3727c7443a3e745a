"""The DNS service on real sockets: dnspython asks it, unbound(8) stands behind it."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest

from tests.dns_service.programs import TIMEOUT_SECONDS, DnsService, Unbound, addresses, free_port, serving

pytestmark = [pytest.mark.integration, pytest.mark.needs("cargo")]
needs_unbound = pytest.mark.needs("unbound")

Start = Callable[..., Unbound]

OWN = "mesh 10.10.0.0/16\nown a.warren.internal 10.10.0.1 fd00::1\n"
MAX_QUERIES = 1024
MAX_QUERIES_PER_PEER = 128


@needs_unbound
def test_names_are_split_between_servers_by_the_longest_suffix(unbound: Start) -> None:
    corp = unbound("www.corp.example. 60 A 10.1.0.1", "x.lab.corp.example. 60 A 10.1.0.2")
    lab = unbound("x.lab.corp.example. 60 A 10.2.0.2")
    others = unbound("www.example.org. 60 A 198.51.100.1", "www.example.org. 60 AAAA 2001:db8::1")
    table = f"{OWN}route corp.example {corp.at}\nroute lab.corp.example {lab.at}\nothers {others.at}\n"
    with serving(table) as service:
        assert addresses(service.ask("www.corp.example")) == ["10.1.0.1"]
        assert addresses(service.ask("x.lab.corp.example", tcp=True)) == ["10.2.0.2"]
        assert addresses(service.ask("www.example.org")) == ["198.51.100.1"]
        assert addresses(service.ask("www.example.org", "AAAA", edns=False)) == ["2001:db8::1"]
        gone = service.ask("gone.corp.example")
        assert gone.rcode() == dns.rcode.NXDOMAIN
        assert gone.authority
    assert not corp.was_asked("x.lab.corp.example")
    assert not any(others.was_asked(name) for name in ("www.corp.example", "gone.corp.example", "x.lab.corp.example"))
    assert not any(server.was_asked("www.example.org") for server in (corp, lab))


@needs_unbound
def test_own_names_and_special_names_reach_no_server(unbound: Start) -> None:
    others = unbound()
    with serving(f"{OWN}others {others.at}\n") as service:
        own = service.ask("a.warren.internal")
        assert addresses(own) == ["10.10.0.1"]
        assert own.flags & dns.flags.AA
        assert own.answer[0].ttl == 60
        assert service.ask("a.warren.internal", "MX").rcode() == dns.rcode.NOERROR
        pointer = service.ask("1.0.10.10.in-addr.arpa", "PTR").answer[0]
        assert [data.to_text() for data in pointer] == ["a.warren.internal."]
        assert addresses(service.ask("localhost", "AAAA")) == ["::1"]
        names = ("b.warren.internal", "9.0.10.10.in-addr.arpa", "x.invalid", "x.onion")
        assert all(service.ask(name).rcode() == dns.rcode.NXDOMAIN for name in names)
        hinfo = service.ask("www.example.org", "ANY").answer[0]
        assert [data.to_text() for data in hinfo] == ['"RFC8482" ""']
    asked = ("a.warren.internal", "1.0.10.10.in-addr.arpa", "localhost", "www.example.org", *names)
    assert not any(others.was_asked(name) for name in asked)


@needs_unbound
def test_a_long_answer_comes_over_tcp_on_both_sides(unbound: Start) -> None:
    texts = sorted(f"198.51.100.{number}" for number in range(1, 200))
    others = unbound(*(f"many.example.org. 60 A {text}" for text in texts))
    with serving(f"others {others.at}\n") as service:
        cut = service.ask("many.example.org")
        assert cut.flags & dns.flags.TC
        assert not cut.answer
        assert addresses(service.ask("many.example.org", tcp=True)) == texts


@needs_unbound
def test_a_dead_server_is_servfail_and_no_other_server_is_asked(unbound: Start) -> None:
    others = unbound("www.corp.example. 60 A 198.51.100.9")
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.settimeout(TIMEOUT_SECONDS)
        port = silent.getsockname()[1]
        table = (
            f"route corp.example 127.0.0.1:{port}\nroute closed.example 127.0.0.1:{free_port()}\nothers {others.at}\n"
        )
        with serving(table) as service:
            assert service.ask("www.closed.example").rcode() == dns.rcode.SERVFAIL
            assert service.ask("www.corp.example").rcode() == dns.rcode.SERVFAIL
            tries = [silent.recvfrom(4096) for _ in range(3)]
            silent.setblocking(False)
            with pytest.raises(BlockingIOError):
                silent.recv(4096)
    assert len({dns.message.from_wire(query).id for query, _ in tries}) > 1, "an identity for each try"
    assert len({client for _, client in tries}) > 1, "a port for each try"
    assert not any(others.was_asked(name) for name in ("www.corp.example", "www.closed.example"))


@needs_unbound
def test_internal_addresses_come_only_from_the_servers_of_a_domain(unbound: Start) -> None:
    internal = ("127.0.0.1", "0.1.2.3", "169.254.169.254", "10.0.0.1", "192.168.0.1", "100.64.0.1", "10.10.0.1")
    records = [f"{name}. 60 A {text}" for text in internal for name in ("bad.example.org", "nas.home.example")]
    server = unbound(*records, "bad.example.org. 60 A 198.51.100.1", "bad.example.org. 60 AAAA ::ffff:10.0.0.1",
                     "fd.example.org. 60 AAAA fd00::7", "www.corp.example. 60 A 10.0.0.1")  # fmt: skip
    with serving(f"{OWN}others {server.at}\nroute corp.example {server.at}\nallow home.example\n") as service:
        assert addresses(service.ask("bad.example.org")) == ["198.51.100.1"]
        assert addresses(service.ask("bad.example.org")) == ["198.51.100.1"], "from the cache"
        assert addresses(service.ask("bad.example.org", "AAAA")) == []
        assert service.ask("fd.example.org", "AAAA").rcode() == dns.rcode.NOERROR
        assert addresses(service.ask("www.corp.example")) == ["10.0.0.1"]
        assert addresses(service.ask("nas.home.example")) == sorted(internal)


@needs_unbound
def test_answers_are_cached_and_stale_ones_serve_while_the_server_is_gone(unbound: Start) -> None:
    server = unbound("www.example.org. 1 A 198.51.100.1")
    with serving(f"others {server.at}\n") as service:
        assert addresses(service.ask("www.example.org")) == ["198.51.100.1"]
        server.stop()
        time.sleep(1.1)
        stale = service.ask("www.example.org")
        assert addresses(stale) == ["198.51.100.1"]
        assert stale.answer[0].ttl == 30
        service.set_table(f"others {server.at}\n")
        assert service.ask("www.example.org").rcode() == dns.rcode.SERVFAIL, "a new table has an empty cache"


@needs_unbound
def test_a_name_of_an_endpoint_is_asked_of_the_host(unbound: Start) -> None:
    host, network = unbound("vpn.example.org. 60 A 198.51.100.1"), unbound("vpn.example.org. 60 A 198.51.100.2")
    with serving(f"host vpn.example.org {host.at}\nothers {network.at}\n") as service:
        assert addresses(service.ask("vpn.example.org")) == ["198.51.100.1"]
    assert not network.was_asked("vpn.example.org")


def exchanged(service: DnsService, message: bytes) -> bytes:
    """Return the answer to a message; an empty one if there is none before that to a query sent behind it."""
    last = dns.message.make_query("localhost", "A", id=0xFFFF)
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(TIMEOUT_SECONDS)
        sock.connect(service.address)
        sock.send(message)
        sock.send(last.to_wire())
        first = sock.recv(65535)
        return b"" if first[:2] == b"\xff\xff" else first


QUERY = dns.message.make_query("www.example.org", "A", id=7, use_edns=0).to_wire()
QUESTION_BYTES = 12 + 17 + 4
MALFORMED = {
    "no question": (QUERY[:4] + bytes(2) + QUERY[6:], dns.rcode.FORMERR),
    "two questions": (QUERY[:5] + b"\x02" + QUERY[6:], dns.rcode.FORMERR),
    "cut in the name": (QUERY[:20], dns.rcode.FORMERR),
    "cut in the option": (QUERY[:-1], dns.rcode.FORMERR),
    "a pointer to itself": (QUERY[:12] + b"\xc0\x0c" + QUERY[-15:], dns.rcode.FORMERR),
    "a pointer ahead": (QUERY[:12] + b"\xc0\xff" + QUERY[-15:], dns.rcode.FORMERR),
    "a label of 64 octets": (QUERY[:12] + b"\x40" + bytes(80), dns.rcode.FORMERR),
    "a name of 300 octets": (QUERY[:12] + b"\x3b" * 300 + bytes(5), dns.rcode.FORMERR),
    "records that are not there": (QUERY[:7] + b"\xff" + QUERY[8:], dns.rcode.FORMERR),
    "two options": (QUERY[:11] + b"\x02" + QUERY[12:] + QUERY[QUESTION_BYTES:], dns.rcode.FORMERR),
    "longer than 4096 octets": (QUERY + bytes(4097 - len(QUERY)), dns.rcode.FORMERR),
    "status": (QUERY[:2] + b"\x10" + QUERY[3:], dns.rcode.NOTIMP),
    "notify": (QUERY[:2] + b"\x20" + QUERY[3:], dns.rcode.NOTIMP),
    "update": (QUERY[:2] + b"\x28" + QUERY[3:], dns.rcode.NOTIMP),
    "a transfer": (dns.message.make_query("example.org", "AXFR").to_wire(), dns.rcode.REFUSED),
    "class CHAOS": (dns.message.make_query("version.bind", "TXT", "CH").to_wire(), dns.rcode.REFUSED),
    "no recursion": (dns.message.make_query("example.org", "A", flags=0).to_wire(), dns.rcode.REFUSED),
    "EDNS 1": (dns.message.make_query("example.org", "A", use_edns=1).to_wire(), dns.rcode.BADVERS),
}
UNANSWERED = {
    "nothing": b"",
    "one octet": b"\x00",
    "half a header": QUERY[:11],
    "an answer": QUERY[:2] + b"\x81\x80" + QUERY[4:],
    "an answer that is cut off": QUERY[:2] + b"\x81\x80" + bytes(8),
    "an answer of another operation": QUERY[:2] + b"\xa8" + QUERY[3:],
}


def test_malformed_queries_get_their_code_and_answers_get_none() -> None:
    with serving(f"{OWN}others 127.0.0.1:{free_port()}\n") as service:
        for what, (message, code) in MALFORMED.items():
            answer = dns.message.from_wire(exchanged(service, message))
            assert (answer.id, answer.rcode()) == (struct.unpack_from("!H", message)[0], code), what
            assert answer.flags & dns.flags.QR, what
            assert answer.opcode() == dns.opcode.from_flags(struct.unpack_from("!H", message, 2)[0]), what
        for what, message in UNANSWERED.items():
            assert exchanged(service, message) == b"", what
        assert addresses(service.ask("a.warren.internal", tcp=True)) == ["10.10.0.1"]


def test_so_many_queries_are_in_flight_and_no_more() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with serving(f"{OWN}others 127.0.0.1:{silent.getsockname()[1]}\n") as service:
            peers = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(MAX_QUERIES // MAX_QUERIES_PER_PEER + 1)]
            try:
                for number, peer in enumerate(peers):
                    peer.settimeout(TIMEOUT_SECONDS)
                    peer.bind((f"127.0.1.{number + 1}", 0))
                    peer.connect(service.address)
                # The last peer has no query in flight, and is refused because the others have them all.
                floods = [*(queries(number) for number in range(len(peers) - 1)), []]
                more = dns.message.make_query("more.example.org", "A", id=0xEEEE).to_wire()
                for peer, messages in zip(peers, floods, strict=True):
                    send_all(peer, messages)
                    peer.send(more)
                    answer = dns.message.from_wire(peer.recv(4096))
                    assert (answer.id, answer.rcode()) == (0xEEEE, dns.rcode.REFUSED)
                assert addresses(service.ask("a.warren.internal")) == ["10.10.0.1"]
                assert f"forwarded: {MAX_QUERIES}" in service.counters()
                for peer in peers[:-1]:
                    codes = [dns.message.from_wire(peer.recv(4096)).rcode() for _ in range(MAX_QUERIES_PER_PEER)]
                    assert set(codes) == {dns.rcode.SERVFAIL}
            finally:
                for peer in peers:
                    peer.close()


def queries(number: int) -> list[bytes]:
    """Return as many queries as one peer may have in flight, each for a name of its own."""
    names = (f"n{each}.p{number}.example.org" for each in range(MAX_QUERIES_PER_PEER))
    return [dns.message.make_query(name, "A", id=each).to_wire() for each, name in enumerate(names)]


def send_all(peer: socket.socket, messages: list[bytes]) -> None:
    """Send messages, and wait now and then until the service has read them, so that no buffer overflows."""
    last = dns.message.make_query("localhost", "A", id=0xFFFF).to_wire()
    for start in range(0, len(messages), 32):
        for message in [*messages[start : start + 32], last]:
            peer.send(message)
        assert peer.recv(4096)[:2] == b"\xff\xff"
