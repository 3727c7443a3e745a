"""UDP and ICMP echo through an exit node without a TUN: what passes, from where, and what is refused."""

from __future__ import annotations

import errno
import re
import select
import socket
from contextlib import closing
from pathlib import Path

import pytest

from .conftest import MakeHost
from .deadline import SOON_SECONDS
from .engine import Engine
from .exit_network import SERVER, UPLINK, ExitNetwork, exit_network
from .host import IN_NAMESPACES, Host, address
from .pair import INNER

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("cargo", "strace")]

IP_RECVERR, MSG_ERRQUEUE = 11, 0x2000
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
PORT = 7001
BEYOND, STRANGER = "198.51.100.99", "198.51.100.8"


@pytest.fixture
def network(make_host: MakeHost, warren: Engine) -> ExitNetwork:
    return exit_network(make_host("near"), make_host("exit"), make_host("outside"), warren)


def udp(host: Host, version: int, at: str = "", port: int = 0) -> socket.socket:
    opened = host.socket(FAMILIES[version], socket.SOCK_DGRAM)
    opened.settimeout(SOON_SECONDS)
    opened.bind((at, port))
    return opened


@pytest.mark.parametrize("version", [4, 6])
def test_datagrams_pass_both_ways_from_the_port_of_the_client(network: ExitNetwork, version: int) -> None:
    server = udp(network.outside, version, SERVER[version], PORT)
    client = udp(network.client, version, INNER["near"][version == 6], 4321)
    with closing(server), closing(client):
        for size in (0, 1, 1200, 1500, 9000, 40_000):
            client.sendto(bytes(size), (SERVER[version], PORT))
            received, source = server.recvfrom(1 << 16)
            assert (len(received), source[:2]) == (size, (UPLINK["exit"][version == 6], 4321))
            server.sendto(bytes(range(256)) * (size // 256), source)
            received, source = client.recvfrom(1 << 16)
            assert (received, source[:2]) == (bytes(range(256)) * (size // 256), (SERVER[version], PORT))


def test_a_mapping_is_one_for_all_destinations_and_only_they_may_answer(network: ExitNetwork) -> None:
    address(network.outside, "lo", f"{STRANGER}/32")
    client = udp(network.client, 4)
    asked, other_port, stranger = (
        udp(network.outside, 4, at, port) for at, port in ((SERVER[4], PORT), (SERVER[4], 9), (STRANGER, 9))
    )
    with closing(client), closing(asked), closing(other_port), closing(stranger):
        client.sendto(b"?", (SERVER[4], PORT))
        _, mapped = asked.recvfrom(100)
        stranger.sendto(b"from an address that was not asked", mapped)
        other_port.sendto(b"from another port of one that was", mapped)
        assert client.recvfrom(100) == (b"from another port of one that was", (SERVER[4], 9))
        client.sendto(b"?", (STRANGER, 9))
        assert stranger.recvfrom(100) == (b"?", mapped)
        stranger.sendto(b"asked now", mapped)
        assert client.recvfrom(100)[0] == b"asked now"


@pytest.mark.parametrize("version", [4, 6])
def test_a_closed_port_outside_is_refused_inside(network: ExitNetwork, version: int) -> None:
    assert refused(network, version, SERVER[version], 9) == errno.ECONNREFUSED


def test_no_socket_is_opened_for_a_destination_that_policy_refuses(
    make_host: MakeHost, warren: Engine, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    wrapper = ("strace", "-f", "-qq", "-e", "trace=socket", "-o", str(trace))
    hosts = make_host("near"), make_host("exit"), make_host("outside")
    network = exit_network(*hosts, warren, "deny=198.51.100.64/26", wrapper=wrapper)

    def sockets() -> int:
        return len(re.findall(r"socket\(AF_INET6?, SOCK_DGRAM", trace.read_text()))

    before = sockets()
    for destination in ("10.1.2.3", "198.51.100.65", "169.254.169.254", UPLINK["exit"][0]):
        assert refused(network, 4, destination, PORT) == errno.EHOSTUNREACH
    assert sockets() == before
    assert refused(network, 4, SERVER[4], 9) == errno.ECONNREFUSED
    assert sockets() == before + 1


def test_the_hops_behind_the_exit_are_those_that_a_router_would_show(network: ExitNetwork) -> None:
    network.outside.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    network.outside.ip("route", "add", f"{BEYOND}/32", "via", UPLINK["exit"][0])
    assert [hop(network, ttl) for ttl in (1, 2)] == [INNER["far"][0], UPLINK["outside"][0]]


def hop(network: ExitNetwork, ttl: int) -> str:
    """Return who reports that a datagram with so many hops did not arrive."""
    with closing(udp(network.client, 4)) as probe:
        probe.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        probe.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        probe.sendto(b"probe", (BEYOND, 33434))
        poller = select.poll()
        poller.register(probe, 0)
        assert poller.poll(SOON_SECONDS * 1000), "no error came back"
        _, ((_, _, error), *_), _, _ = probe.recvmsg(100, 512, MSG_ERRQUEUE)
        return socket.inet_ntoa(error[20:24])


@pytest.mark.parametrize("version", [4, 6])
def test_an_echo_passes_and_returns(network: ExitNetwork, version: int) -> None:
    network.exit.run("sh", "-c", "echo 0 0 > /proc/sys/net/ipv4/ping_group_range")
    for size in (8, 1300, 4000):
        network.client.run("ping", "-c", "2", "-i", "0.2", "-W", "10", "-s", str(size), SERVER[version])


def refused(network: ExitNetwork, version: int, destination: str, port: int) -> int | None:
    """Return the error that a datagram of the client meets; None if none came back."""
    with closing(udp(network.client, version)) as client:
        client.connect((destination, port))
        client.send(b"?")
        try:
            client.recv(100)
        except OSError as error:
            return error.errno
    return None
