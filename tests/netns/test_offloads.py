"""Every offload refused, from the start or while it is in use: traffic goes on, and the status says what is off and why
(rows H-57, W-44).

near                                                      far
warren-wg, and a supervisor that the kernel asks  ═══  warren-wg as it is
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.cli.program import WARREN

from .calls import (
    GSO_TCP,
    GSO_UDP,
    TSO,
    UDP_GRO,
    UDP_SEGMENT,
    USO,
    Wanted,
    asks_for,
    makes_tun_with_header,
    sends,
    sends_train,
    sets,
    writes,
    writes_joined,
)
from .deadline import until
from .engine import Engine
from .host import IN_NAMESPACES, Host
from .interface import Interface
from .pair import FAR_INNER, INNER, NEAR_INNER, OUTER, Pair, prefixes
from .supervisor import Supervised, Supervisor
from .traffic import BULK_BYTES, ping, reach, tcp_copy, udp_exchange, udp_trains
from .tun import NEEDS_USO

pytestmark = [*IN_NAMESPACES, NEEDS_USO]

TUN = {"tun_tcp", "tun_udp"}
SIOCETHTOOL, FEATURES = 0x8946, (0x1F, 0x24, 0x17)  # ETHTOOL_STSO, _SGSO, _STXCSUM (linux/ethtool.h)


@dataclass(frozen=True, slots=True)
class Case:
    """What fails, how, and what is off for it."""

    wanted: Wanted
    errno: int
    off: set[str]


ASKED = {
    "virtio-header": Case(makes_tun_with_header, errno.EINVAL, TUN),
    "tun-offload": Case(asks_for(TSO), errno.EINVAL, TUN),
    "tun-udp": Case(asks_for(USO), errno.EINVAL, {"tun_udp"}),
    "udp-gro": Case(sets(UDP_GRO), errno.ENOPROTOOPT, {"udp_gro"}),
    "udp-segment": Case(sets(UDP_SEGMENT), errno.ENOPROTOOPT, {"udp_segment"}),
}
USED = {
    "train-eio": Case(sends_train, errno.EIO, {"udp_segment"}),
    "train-einval": Case(sends_train, errno.EINVAL, {"udp_segment"}),
    "train-emsgsize": Case(sends_train, errno.EMSGSIZE, {"udp_segment"}),
    "joined-tcp": Case(writes_joined(*GSO_TCP), errno.EINVAL, {"tun_tcp"}),
    "joined-udp": Case(writes_joined(*GSO_UDP), errno.EINVAL, {"tun_udp"}),
}
# Which calls, the error, and every how many of them.
TRANSIENT = {
    "train-enobufs": (sends_train, errno.ENOBUFS, 3),
    "train-eagain": (sends_train, errno.EAGAIN, 3),
    "train-enomem": (sends_train, errno.ENOMEM, 3),
    "train-eperm": (sends_train, errno.EPERM, 3),
    "train-enetunreach": (sends_train, errno.ENETUNREACH, 3),
    "any-enobufs": (sends, errno.ENOBUFS, 7),
    "any-eperm": (sends, errno.EPERM, 7),
    "tun-enobufs": (writes, errno.ENOBUFS, 50),
    "tun-eagain": (writes, errno.EAGAIN, 50),
    "tun-eintr": (writes, errno.EINTR, 50),
}


@pytest.fixture
def supervisor(hosts: tuple[Host, Host]) -> Iterator[Supervisor]:
    with Supervisor(hosts[0]) as kernel:
        yield kernel


def supervised_pair(hosts: tuple[Host, Host], warren: Engine) -> Pair:
    """A pair whose near end asks the supervisor, and the tunnel between them."""
    ends = Supervised(hosts[0], warren), Interface(hosts[1], warren)
    for end in ends:
        end.up(*prefixes(INNER[end.host.name]))
    pair = Pair(*ends)
    pair.open()
    return pair


@pytest.fixture
def pair(hosts: tuple[Host, Host], warren: Engine, supervisor: Supervisor) -> Pair:
    """Nothing is refused yet."""
    made = supervised_pair(hosts, warren)
    assert supervisor.refusals == []
    assert off(made.near) == {}
    return made


def off(interface: Interface) -> dict[str, str]:
    """What the status says is off, and why; the UAPI's answer and wg(8) stand beside it."""
    (status,) = json.loads(interface.host.run(*WARREN, "status", "--json"))["interfaces"]
    told: dict[str, str] = status["offloads_off"]
    lines = {line for line in interface.uapi("get=1\n\n").splitlines() if line.startswith("warren_offload_off=")}
    assert lines == {f"warren_offload_off={name} {why}" for name, why in told.items()}
    assert interface.host.run("wg", "show", interface.name).count("peer: ") == 1
    return told


def everything_passes(pair: Pair) -> None:
    """Streams, datagrams and echoes, both ways, over IPv4 and IPv6, with every octet compared."""
    near, far = pair.near.host, pair.far.host
    for here, there, addresses in ((near, far, FAR_INNER), (far, near, NEAR_INNER)):
        for address in addresses:
            reach(here, address)
            tcp_copy(here, there, address, BULK_BYTES // 4)
            udp_trains(here, there, address)
            udp_exchange(here, there, address, 4000)


@pytest.mark.parametrize("case", [*ASKED.values(), *USED.values()], ids=[*ASKED, *USED])
def test_an_offload_that_never_works(
    hosts: tuple[Host, Host], warren: Engine, supervisor: Supervisor, case: Case
) -> None:
    refusal = supervisor.refuse(case.wanted, case.errno)
    pair = supervised_pair(hosts, warren)
    everything_passes(pair)
    told = off(pair.near)
    assert set(told) == case.off
    assert refusal.refused
    assert all(os.strerror(case.errno) in why for why in told.values()), told


def test_no_offload_works(hosts: tuple[Host, Host], warren: Engine, supervisor: Supervisor) -> None:
    for case in (ASKED["tun-offload"], ASKED["udp-gro"], ASKED["udp-segment"]):
        supervisor.refuse(case.wanted, case.errno)
    pair = supervised_pair(hosts, warren)
    everything_passes(pair)
    assert set(off(pair.near)) == {*TUN, "udp_gro", "udp_segment"}


def tcp_stream(sender: Host, receiver: Host, address: str, midway: Callable[[], object]) -> None:
    """Long enough to be in full swing midway."""
    tcp_copy(sender, receiver, address, BULK_BYTES, midway)


@pytest.mark.parametrize("case", USED.values(), ids=USED)
def test_an_offload_lost_in_the_middle_of_a_stream(pair: Pair, supervisor: Supervisor, case: Case) -> None:
    """Not one datagram is lost with it: what was refused as one goes singly."""
    near, far = pair.near.host, pair.far.host
    everything_passes(pair)
    assert off(pair.near) == {}
    way = (near, far, FAR_INNER[0]) if case.wanted is sends_train else (far, near, NEAR_INNER[0])
    stream = tcp_stream if case.off == {"tun_tcp"} else udp_trains
    stream(*way, midway=lambda: supervisor.refuse(case.wanted, case.errno))
    tcp_stream(*way, midway=lambda: None)
    (refusal,) = supervisor.refusals
    assert refusal.refused
    told = off(pair.near)
    assert set(told) == case.off
    assert os.strerror(case.errno) in told[min(case.off)]
    until(lambda: "offload.disabled" in near.log(), "the log tells of it")
    everything_passes(pair)


def test_what_a_new_port_cannot_have(pair: Pair, supervisor: Supervisor) -> None:
    """Offloads of the sockets are asked for anew with each port, and lost or found again with it."""
    for case in (ASKED["udp-gro"], ASKED["udp-segment"]):
        supervisor.refuse(case.wanted, case.errno)
    pair.near.set("listen-port", "40404")
    everything_passes(pair)
    assert set(off(pair.near)) == {"udp_gro", "udp_segment"}
    supervisor.relent()
    pair.near.set("listen-port", "40405")
    everything_passes(pair)
    assert off(pair.near) == {}


def without_features(host: Host, link: str) -> None:
    """As `ethtool -K LINK tso off gso off tx off`."""
    with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in FEATURES:
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            fcntl.ioctl(control, SIOCETHTOOL, struct.pack("16sP16x", link.encode(), ctypes.addressof(value)))


def test_features_taken_from_the_link(pair: Pair) -> None:
    """Then the kernel cuts before the TUN, and what is joined is still taken: nothing is refused."""
    near, far = pair.near.host, pair.far.host
    tcp_stream(near, far, FAR_INNER[0], midway=lambda: without_features(near, "wg0"))
    everything_passes(pair)
    assert off(pair.near) == {}


def test_a_route_that_takes_no_trains_takes_them_again(pair: Pair, supervisor: Supervisor) -> None:
    """EMSGSIZE is of the route and its MTU: trains are tried again, as routes change."""
    near, far = pair.near.host, pair.far.host
    supervisor.refuse(sends_train, errno.EMSGSIZE)
    tcp_stream(near, far, FAR_INNER[0], midway=lambda: None)
    assert set(off(pair.near)) == {"udp_segment"}
    supervisor.relent()

    def passes() -> bool:
        tcp_stream(near, far, FAR_INNER[0], midway=lambda: None)
        return not off(pair.near)

    until(passes, "a train has passed and the status says so")
    everything_passes(pair)
    assert off(pair.near) == {}


@pytest.mark.parametrize(("wanted", "number", "every"), TRANSIENT.values(), ids=TRANSIENT)
def test_an_error_that_passes_turns_nothing_off(
    pair: Pair, supervisor: Supervisor, wanted: Wanted, number: int, every: int
) -> None:
    """A full queue, a firewall, a route that is away for a moment: packets are lost or late, as on any link."""
    refusal = supervisor.refuse(wanted, number, every)
    tcp_stream(pair.near.host, pair.far.host, FAR_INNER[0], midway=lambda: None)
    tcp_stream(pair.far.host, pair.near.host, NEAR_INNER[0], midway=lambda: None)
    assert refusal.refused
    assert off(pair.near) == {}
    supervisor.relent()
    everything_passes(pair)
    assert off(pair.near) == {}


@pytest.mark.needs("nft")
def test_a_firewall_that_drops_for_a_while_turns_nothing_off(pair: Pair) -> None:
    """EPERM of the real kernel."""
    near, far = pair.near.host, pair.far.host

    def drop_for_a_while() -> None:
        near.run("nft", "-f", "-", stdin="table inet wall { chain out { type filter hook output priority 0; }; }")
        near.run("nft", "add", "rule", "inet", "wall", "out", "oifname", "eth0", "drop")
        assert ping(near, FAR_INNER[0]).returncode != 0
        near.run("nft", "delete", "table", "inet", "wall")

    tcp_stream(near, far, FAR_INNER[0], midway=drop_for_a_while)
    assert off(pair.near) == {}
    everything_passes(pair)


def test_a_route_that_is_away_for_a_while_turns_nothing_off(pair: Pair) -> None:
    """ENETUNREACH of the real kernel."""
    near, far = pair.near.host, pair.far.host

    def away_for_a_while() -> None:
        near.ip("route", "delete", "192.0.2.0/24", "dev", "eth0")
        assert ping(near, FAR_INNER[0]).returncode != 0
        near.ip("route", "add", "192.0.2.0/24", "dev", "eth0", "src", OUTER["near"][0])

    tcp_stream(near, far, FAR_INNER[0], midway=away_for_a_while)
    assert off(pair.near) == {}
    everything_passes(pair)
