"""What one peer of an exit node can take from the others: nothing that they would notice."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing

import pytest

from .conftest import MakeHost
from .crafted import SYN, Ip
from .deadline import SLOWNESS
from .engine import Engine
from .exit_network import LINK_MTU, SERVER, ExitNetwork, exit_network
from .host import IN_NAMESPACES
from .interface import Interface, endpoint
from .pair import INNER, OUTER
from .traffic import BULK_BYTES, tcp_copy

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("cargo", "socat", "nft")]

SYNS = int(100_000 / SLOWNESS)
SILENT = "198.51.100.200"
DEAF = f"table ip deaf {{ chain in {{ type filter hook input priority 0; ip daddr {SILENT} drop; }}; }}"
OTHER = "10.9.0.3"
ETH_P_IP = 0x0800
KEEP_OPEN = 200
MEMORY_MIB = 16
"""The budget of the stack in the test about memory: two peers may hold half of it each."""
SLACK_MIB = 24
"""What a process may grow by beyond its budget: code that was not used before, tables, and the allocator's reserve."""


@pytest.fixture
def network(make_host: MakeHost, warren: Engine) -> ExitNetwork:
    """Return an exit network with a second peer on the client's host, to which all traffic to the server belongs."""
    hosts = make_host("near"), make_host("exit"), make_host("outside")
    network = exit_network(*hosts, warren, f"memory={MEMORY_MIB << 20}")
    network.outside.run("nft", "-f", "-", stdin=DEAF)
    network.outside.ip("address", "add", f"{SILENT}/32", "dev", "lo")
    other = Interface(network.client, warren, name="wg1")
    other.up(f"{OTHER}/32", mtu=LINK_MTU)
    other.peer(network.stack.keys, "0.0.0.0/0", Endpoint=endpoint(OUTER["far"][0], network.stack.listen_port))
    network.stack.peer(other.keys, f"{OTHER}/32")
    network.client.ip("route", "add", f"{SERVER[4]}/32", "dev", "wg1", "src", OTHER)
    return network


def resident_mib(network: ExitNetwork) -> float:
    status = network.exit.path(f"/proc/{network.stack.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def test_a_flood_of_dials_takes_bounded_memory_and_leaves_others_alone(network: ExitNetwork) -> None:
    tcp_copy(network.client, network.outside, SERVER[4], BULK_BYTES)
    before = resident_mib(network)
    with closing(network.client.socket(socket.AF_PACKET, socket.SOCK_DGRAM)) as wire:
        for number in range(SYNS):
            ports = {"source_port": 1024 + number % 60_000, "sequence": number}
            wire.sendto(Ip(INNER["near"][0], SILENT).tcp(b"", flags=SYN, **ports), ("wg0", ETH_P_IP))
    tcp_copy(network.client, network.outside, SERVER[4], BULK_BYTES)
    assert resident_mib(network) - before < SLACK_MIB
    descriptors = list(network.exit.path(f"/proc/{network.stack.pid}/fd").iterdir())
    assert len(descriptors) < 256 + 64, "one peer dials at most 256 destinations at once"


def test_readers_that_stop_take_their_share_of_the_budget(network: ExitNetwork) -> None:
    """Each connection is filled until the exit takes no more; nobody reads at the other end."""
    network.outside.start("socat", "TCP4-LISTEN:9000,fork,reuseaddr,backlog=512", "EXEC:sleep 1000,nofork")
    tcp_copy(network.client, network.outside, SERVER[4], BULK_BYTES)
    before = resident_mib(network)
    filler = b"x" * (1 << 20)
    with ExitStack() as open_connections:
        for _ in range(KEEP_OPEN):
            connection = open_connections.enter_context(network.client.socket(socket.AF_INET, socket.SOCK_STREAM))
            connection.bind((INNER["near"][0], 0))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"wg0")
            connection.settimeout(1)
            try:
                connection.connect((SERVER[4], 9000))
                connection.sendall(filler)
            except OSError:
                continue
        assert resident_mib(network) - before < MEMORY_MIB + SLACK_MIB
        tcp_copy(network.client, network.outside, SERVER[4], BULK_BYTES)
