"""TCP through an exit node without a TUN: what passes, what is refused and how, and that nothing is tried before."""

from __future__ import annotations

import errno
import re
import socket
from contextlib import closing
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest

from .conftest import MakeHost
from .crafted import RST, SYN, TCP, Ip
from .deadline import SOON_SECONDS, until
from .engine import Engine
from .exit_network import SERVER, UPLINK, ExitNetwork, answer, exit_network
from .host import IN_NAMESPACES, Host, address
from .pair import INNER, OUTER
from .traffic import BULK_BYTES, tcp_copy

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("cargo", "socat")]

# Addresses that no exit reaches, most of which this test gives to the exit's own host: each has a listener there.
OWN = [
    "127.0.0.1", "127.8.0.1", OUTER["far"][0], UPLINK["exit"][0], "100.100.100.200", "168.63.129.16", "192.0.0.8",
    "169.254.169.254", "10.77.0.1", "172.16.3.1", "192.168.9.1", "100.64.0.1", "198.18.0.1",
    "::1", OUTER["far"][1], UPLINK["exit"][1], "fec0::1", "fd00:ec2::254", "fd77::1",
]  # fmt: skip
# Other notations of addresses of that host, and addresses that are never a destination.
ALIASES = ["0.0.0.1", "::ffff:7f00:1", "64:ff9b::7f00:1", "64:ff9b::c000:202", "2002:7f00:1::1", "::7f00:1"]
CRAFTED_PORT = 2000
PROHIBITED = {4: (3, 13), 6: (1, 1)}
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 3, 0x0800, 0x86DD


@pytest.fixture
def network(make_host: MakeHost, warren: Engine) -> ExitNetwork:
    return exit_network(make_host("near"), make_host("exit"), make_host("outside"), warren)


@pytest.mark.parametrize("version", [4, 6])
def test_a_copy_passes_and_comes_from_the_exit(network: ExitNetwork, version: int) -> None:
    tcp_copy(network.client, network.outside, SERVER[version], BULK_BYTES)
    port = network.serve(network.outside, SERVER[version])
    until(lambda: refused(network, SERVER[version], port) is None, "the server listens")
    source = answer(network.connect(SERVER[version], port)).decode().strip().strip("[]")
    assert ip_address(source) == ip_address(UPLINK["exit"][version == 6])


def test_what_the_outside_refuses_is_refused_inside(network: ExitNetwork) -> None:
    assert refused(network, SERVER[4], 9) == errno.ECONNREFUSED
    network.exit.ip("route", "add", "unreachable", "198.51.100.8/32")
    assert refused(network, "198.51.100.8", 9) == errno.EHOSTUNREACH
    network.exit.ip("route", "del", "default")
    assert refused(network, "198.51.100.9", 9) == errno.ENETUNREACH


def test_no_address_of_the_exit_and_no_private_one_is_reached(network: ExitNetwork) -> None:
    """The SYNs are made by hand, since the client's kernel would keep some of the destinations to itself."""
    links = {"127.0.0.1", "::1", *OUTER["far"], *UPLINK["exit"]}
    for own in set(OWN) - links:
        address(network.exit, "lo", f"{own}/{128 if ':' in own else 32}")
    network.serve(network.exit, "::", port=CRAFTED_PORT)
    for destination in OWN:
        until(partial(listens, network.exit, destination), f"a listener at {destination}")
    assert syn_answers(network, *OWN, *ALIASES) == dict.fromkeys([*OWN, *ALIASES], "prohibited")
    assert syn_answers(network, *INNER["far"]) == dict.fromkeys(INNER["far"], "reset")


def test_no_socket_is_opened_for_a_destination_that_policy_refuses(
    make_host: MakeHost, warren: Engine, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    wrapper = ("strace", "-f", "-qq", "-e", "trace=socket,connect", "-o", str(trace))
    hosts = make_host("near"), make_host("exit"), make_host("outside")
    network = exit_network(*hosts, warren, "deny=198.51.100.64/26", wrapper=wrapper)
    assert refused(network, SERVER[4], 9) == errno.ECONNREFUSED
    before = connects(trace)
    assert before == 1, "the refused connection was tried outside"
    for destination in ("10.1.2.3", "198.51.100.65", "169.254.169.254", UPLINK["exit"][0]):
        assert refused(network, destination, 9) == errno.EHOSTUNREACH
    assert connects(trace) == before


def test_mail_is_refused_and_an_entry_of_allow_closes_everything_else(make_host: MakeHost, warren: Engine) -> None:
    hosts = make_host("near"), make_host("exit"), make_host("outside")
    network = exit_network(*hosts, warren, "allow=198.51.100.0/24:7000-7001")
    assert refused(network, SERVER[4], 7001) == errno.ECONNREFUSED
    assert refused(network, SERVER[4], 7002) == errno.EHOSTUNREACH
    assert refused(network, SERVER[4], 25) == errno.EHOSTUNREACH
    assert refused(network, SERVER[6], 7001) == errno.EACCES


def listens(host: Host, destination: str) -> bool:
    target = f"TCP:{bracketed(destination)}:{CRAFTED_PORT}"
    return host.attempt("socat", "-u", "OPEN:/dev/null", target).returncode == 0


def bracketed(destination: str) -> str:
    return f"[{destination}]" if ":" in destination else destination


def connects(trace: Path) -> int:
    return len(re.findall(r"socket\(AF_INET6?, SOCK_STREAM", trace.read_text()))


def syn_answers(network: ExitNetwork, *destinations: str) -> dict[str, str]:
    """Send a SYN to each destination through the tunnel, and return what came back about each."""
    answers: dict[str, str] = {}
    with closing(network.client.socket(socket.AF_PACKET, socket.SOCK_DGRAM)) as wire:
        wire.bind(("wg0", ETH_P_ALL))
        wire.settimeout(SOON_SECONDS)
        for destination in destinations:
            version = 6 if ":" in destination else 4
            packet = Ip(INNER["near"][version == 6], destination).tcp(b"", flags=SYN)
            wire.sendto(packet, ("wg0", {4: ETH_P_IP, 6: ETH_P_IPV6}[version]))
        while len(answers) < len(destinations):
            packet, (*_, kind, _, _) = wire.recvfrom(1 << 16)
            if kind != socket.PACKET_OUTGOING:
                answers.update([judged(packet)])
    return answers


def judged(packet: bytes) -> tuple[str, str]:
    """Return the destination that an answer is about, and what it says."""
    version = packet[0] >> 4
    protocol, body = (packet[9], packet[20:]) if version == 4 else (packet[6], packet[40:])
    source = packet[12:16] if version == 4 else packet[8:24]
    if protocol == TCP:
        flags = body[13]
        return str(ip_address(source)), "reset" if flags & RST else "accepted"
    quoted = body[8:]
    about = quoted[16:20] if version == 4 else quoted[24:40]
    verdict = "prohibited" if tuple(body[:2]) == PROHIBITED[version] else f"ICMP {body[0]} {body[1]}"
    return str(ip_address(about)), verdict


def refused(network: ExitNetwork, destination: str, port: int) -> int | None:
    """Return the error of a connection of the client; None if there is none."""
    try:
        network.connect(destination, port).close()
    except OSError as error:
        return error.errno
    return None
