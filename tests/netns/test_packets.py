"""Packet by packet: what was sent into the tunnel leaves it as the same packets, octet for octet, in the order of each
flow, however many of them were one on their way (row H-57).

client                     near, under test                       a TUN without offloads
inner packets by hand  ═══ wg0 ── joined ── forwarded ── cut ───  lan: what the kernel itself makes of them
"""

from __future__ import annotations

import socket
import struct
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass

import pytest

from . import engine
from .client import Client
from .crafted import ACK, CWR, DF, FIN, PSH, TCP, UDP, Ip, flow, forwarded, sealed_ipv4, tcp, udp
from .deadline import SOON_SECONDS
from .host import IN_NAMESPACES, Host, address
from .inner import ECHO_REQUEST, checksum, echo, echoed
from .interface import Interface
from .mixes import MIXES, payload, stream
from .noise import Session
from .pair import FAR_INNER, OUTER, cabled
from .stopped import Stopped
from .tun import NEEDS_USO, Tun, joined
from .wire import ETH_P_ALL

pytestmark = IN_NAMESPACES

LAN = ("10.8.0.2", "fd08::2")
SOURCE = ("10.7.0.2", "fd07::2")
IN = {4: Ip(FAR_INNER[0], LAN[0]), 6: Ip(FAR_INNER[1], LAN[1])}
OUT = {4: Ip(SOURCE[0], FAR_INNER[0]), 6: Ip(SOURCE[1], FAR_INNER[1])}
VERSIONS = pytest.mark.parametrize("version", [4, 6])
END = "the last packet of a test"
BETWEEN_INITIATIONS_SECONDS = 0.05  # what comes within 20 ms of the last is passed over


@dataclass(slots=True)
class Site:
    """The engine, a client of it, and what lies behind it."""

    near: Interface
    client: Client
    lan: Tun
    source: Tun

    def session(self) -> Session:
        """A fresh one."""
        time.sleep(BETWEEN_INITIATIONS_SECONDS)
        return self.client.initiate()

    def deliver(self, packets: list[bytes], *, trains: bool) -> list[bytes]:
        """What arrives of these packets. They lie ready before the engine takes the first: it finds many at once."""
        session = self.session()
        end = echo(ECHO_REQUEST, FAR_INNER[0], LAN[0], 1, END.encode())
        datagrams = [session.seal(packet) for packet in [*packets, end]]
        with Stopped(self.near):
            if trains:
                self.client.burst(datagrams)
            else:
                for datagram in datagrams:
                    self.client.socket.send(datagram)
        return list(iter(self._next, forwarded(end)))

    def _next(self) -> bytes:
        """The next packet of the client's; the host has some of its own to say."""
        while (packet := self.lan.read())[0] >> 4 == 6 and packet[8:24] != socket.inet_pton(
            socket.AF_INET6, FAR_INNER[1]
        ):
            pass
        return packet


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    warren = engine.warren()
    with ExitStack() as stack:
        near, far = (stack.enter_context(Host(name, tmp_path_factory.mktemp(name))) for name in ("near", "far"))
        cabled(near, far)
        for setting in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            near.run("sh", "-c", f"echo 1 > /proc/sys/net/{setting}")
        interface = Interface(near, warren)
        interface.up("10.9.0.1/24", "fd09::1/64")
        lan, source = (stack.enter_context(Tun(near, name, header=name == "src")) for name in ("lan", "src"))
        address(near, "lan", "10.8.0.1/24", "fd08::1/64")
        address(near, "src", "10.7.0.1/24", "fd07::1/64")
        client = stack.enter_context(Client(far, interface, OUTER["near"][0]))
        interface.peer(client.keys, f"{FAR_INNER[0]}/32", f"{FAR_INNER[1]}/128")
        yield Site(interface, client, lan, source)


def by_flow(packets: list[bytes]) -> dict[bytes, list[bytes]]:
    """The packets of each flow in their order."""
    flows = defaultdict(list)
    for packet in packets:
        flows[flow(packet)].append(packet)
    return flows


def unidentified(packet: bytes) -> bytes:
    """An atomic datagram without its identification."""
    return sealed_ipv4(packet[:4] + bytes(2) + packet[6:20]) + packet[20:]


def assert_same(sent: list[bytes], came: list[bytes]) -> None:
    """As forwarded. Of an atomic IPv4 datagram sent without an identification that field means nothing (RFC 6864,
    section 4.1): as out of the kernel's own GRO, joined ones count it up.
    """
    expected, found = by_flow([forwarded(packet) for packet in sent]), by_flow(came)
    assert {key: len(packets) for key, packets in found.items()} == {
        key: len(packets) for key, packets in expected.items()
    }
    for key, packets in expected.items():
        for number, (packet, arrived) in enumerate(zip(packets, found[key], strict=True)):
            atomic = packet[0] == 0x45 and packet[4:8] == struct.pack(">HH", 0, DF)
            compared = unidentified(arrived) if atomic else arrived
            assert compared.hex() == packet.hex(), f"packet {number} of the flow {key.hex()}"


@VERSIONS
@pytest.mark.parametrize("trains", [True, False], ids=["trains", "singly"])
@pytest.mark.parametrize("name", MIXES)
def test_packets_arrive_as_they_were_sent(site: Site, name: str, version: int, *, trains: bool) -> None:
    sent = MIXES[name](IN[version])
    assert_same(sent, site.deliver(sent, trains=trains))


@NEEDS_USO
@VERSIONS
@pytest.mark.parametrize(("name", "writes"), [("bulk", 4), ("datagrams", 40), ("atomic_datagrams", 1)])
def test_what_can_be_joined_is_joined(site: Site, name: str, version: int, writes: int) -> None:
    """Else the tests above would prove nothing. The last packet of a test is one write too."""
    before = site.near.packets_in()
    site.deliver(MIXES[name](IN[version]), trains=True)
    assert site.near.packets_in() - before <= writes + 1


def test_a_wrong_ip_checksum_reaches_the_host_as_it_is(site: Site) -> None:
    """No router forwards such a packet, so it is looked at on wg0 itself."""
    sent = stream(IN[4], [1000] * 12)
    for number in (3, 4, 11):
        sent[number] = sent[number][:10] + bytes([sent[number][10] ^ 1]) + sent[number][11:]
    with closing(site.near.host.socket(socket.AF_PACKET, socket.SOCK_DGRAM)) as wire:
        wire.bind(("wg0", ETH_P_ALL))
        wire.settimeout(SOON_SECONDS)
        came = site.deliver(sent, trains=True)
        seen: list[bytes] = []
        while not seen or seen[-1][0] != 0x45 or seen[-1][9] != 1 or echoed(seen[-1])[2] != END.encode():
            seen.append(wire.recv(1 << 17))
    assert_same([packet for number, packet in enumerate(sent) if number not in (3, 4, 11)], came)
    assert [packet for packet in seen if checksum(packet[:20]) and packet[0] == 0x45] == [sent[3], sent[4], sent[11]]


OF_TCP: dict[str, dict[str, int | bytes]] = {
    "plain": {},
    "pushed": {"flags": ACK | PSH},
    "ending": {"flags": ACK | PSH | FIN},
    "congestion": {"flags": ACK | CWR | PSH},
    "options": {"options": b"\1\1\10\12\0\0\0\1\0\0\0\2"},
    "wrapping": {"sequence": (1 << 32) - 2000},
}
LENGTHS = [1300 * 10, 1300 * 10 + 1, 1300 * 40 - 1, 1301 + 20]


@pytest.fixture
def session(site: Site) -> Session:
    """One that the engine may speak in."""
    made = site.session()
    site.client.socket.send(made.seal(b""))
    return made


def way_out(site: Site, session: Session, header: bytes, packet: bytes) -> tuple[list[bytes], list[bytes]]:
    """What the kernel makes of a joined packet, and what comes through the tunnel."""
    version = packet[0] >> 4
    route = (f"-{version}", "route", "replace", f"{FAR_INNER[version == 6]}/{32 if version == 4 else 128}", "dev")
    end = Ip(SOURCE[version == 6], FAR_INNER[version == 6]).udp(END.encode(), (9, 9))
    results = []
    for link in ("lan", "wg0"):
        site.near.host.ip(*route, link)
        site.source.write(header + packet)
        site.source.write(bytes(10) + end)
        packets: list[bytes] = []
        while not packets or packets[-1] != forwarded(end):
            packets.append(whole(site.client.packet(session)) if link == "wg0" else site.lan.read())
        results.append([one for one in packets if one[9 if version == 4 else 6] in (TCP, UDP)])
    return results[0], results[1]


def whole(padded: bytes) -> bytes:
    """The packet without its padding."""
    at, more = (2, 0) if padded[0] >> 4 == 4 else (4, 40)
    return padded[: int.from_bytes(padded[at : at + 2], "big") + more]


def pending(ip: Ip, protocol: int, body: bytes) -> bytes:
    """A packet whose checksum field holds the sum of the pseudo-header, for whoever cuts it."""
    at = 16 if protocol == TCP else 6
    total = ~checksum(ip.addresses + struct.pack(">IHH", len(body), 0, protocol)) & 0xFFFF
    return ip.packet(protocol, body[:at] + struct.pack(">H", total) + body[at + 2 :])


@VERSIONS
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("kind", OF_TCP)
def test_tcp_is_cut_as_the_kernel_cuts_it(site: Site, session: Session, version: int, kind: str, length: int) -> None:
    ip = OUT[version].changed(identification=65_530)
    packet = pending(ip, TCP, tcp(payload(length), **OF_TCP[kind]))
    header = joined(1 if version == 4 else 4, 1300, 20 if version == 4 else 40, 16)
    by_kernel, through_tunnel = way_out(site, session, header, packet)
    assert len(by_kernel) == -(-length // 1300) + 1
    assert through_tunnel == by_kernel


@NEEDS_USO
@VERSIONS
@pytest.mark.parametrize("length", LENGTHS)
def test_udp_is_cut_as_the_kernel_cuts_it(site: Site, session: Session, version: int, length: int) -> None:
    packet = pending(OUT[version].changed(identification=5), UDP, udp(payload(length)))
    by_kernel, through_tunnel = way_out(site, session, joined(5, 1300, 20 if version == 4 else 40, 6), packet)
    assert len(by_kernel) == -(-length // 1300) + 1
    assert through_tunnel == by_kernel
