"""One connection of the crate `tcp` against the kernel's TCP, through a TUN in a namespace.

    pytest's socket ── kernel ── tun0 10.9.0.1, fd09::1 ── veil ── connection 10.9.0.2, fd09::2
                       (in the host)                       (program of own_tcp.py)

The veil of the program drops, doubles, reorders and cuts packets where a test says so.
"""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .conftest import MakeHost
from .deadline import COMMAND_SECONDS, SLOWNESS
from .host import IN_NAMESPACES, Host, address
from .own_tcp import OwnTcp
from .tun import Tun

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("cargo")]

PORT = 5000
KERNEL, OWN = {"ipv4": "10.9.0.1", "ipv6": "fd09::1"}, {"ipv4": "10.9.0.2", "ipv6": "fd09::2"}
FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
MSS = {"ipv4": 1380, "ipv6": 1360}
BULK_BYTES = int(8_000_000 / SLOWNESS)
SHORT_BYTES = int(400_000 / SLOWNESS)
VEIL: dict[str, Any] = {"loss": 0.02, "duplication": 0.03, "reordering": 0.05, "truncation": 0.01}
# Settings of the kernel's side, by what they do.
WITHOUT = {
    "plain": {},
    "no-sack": {"tcp_sack": 0},
    "no-timestamps": {"tcp_timestamps": 0},
    "no-window-scaling": {"tcp_window_scaling": 0},
    "nothing": {"tcp_sack": 0, "tcp_timestamps": 0, "tcp_window_scaling": 0},
}


@dataclass(frozen=True, slots=True)
class Bench:
    """A host with the TUN, and where files may lie."""

    host: Host
    tun: Tun
    directory: Path

    def own(self, sent: bytes = b"", *, family: str = "ipv4", **arguments: object) -> OwnTcp:
        """Start the program with a connection to the kernel, or that waits for the kernel's."""
        words = {"local": OWN[family], "remote": KERNEL[family], "local_port": PORT, "remote_port": PORT}
        words |= {"mss": MSS[family], "seconds": int(COMMAND_SECONDS)}
        return OwnTcp(self.tun, self.directory, sent, **words | arguments)

    def set(self, **settings: int) -> None:
        """Set keys of net.ipv4 in the namespace."""
        for key, value in settings.items():
            self.host.run("sysctl", "-qw", f"net.ipv4.{key}={value}")

    def connect(self, family: str = "ipv4", receive_buffer: int = 0) -> socket.socket:
        """Return a socket of the kernel that is connected to the program."""
        connection = self.host.socket(FAMILIES[family], socket.SOCK_STREAM)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(COMMAND_SECONDS)
        connection.connect((OWN[family], PORT))
        return connection

    def listen(self, family: str = "ipv4") -> socket.socket:
        """Return a socket of the kernel to which the program can connect."""
        listener = self.host.socket(FAMILIES[family], socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.settimeout(COMMAND_SECONDS)
        listener.bind((KERNEL[family], PORT))
        listener.listen()
        return listener


@pytest.fixture
def bench(make_host: MakeHost, tmp_path: Path) -> Iterator[Bench]:
    host = make_host("near")
    with Tun(host, "tun0") as tun:
        host.ip("link", "set", "tun0", "mtu", "1420")
        address(host, "tun0", f"{KERNEL['ipv4']}/24", f"{KERNEL['ipv6']}/64")
        yield Bench(host, tun, tmp_path)


def content(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311 - bytes to compare


def read_all(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def exchange(connection: socket.socket, sent: bytes) -> bytes:
    """Send and receive at the same time; close for writing after everything was sent."""

    def send() -> None:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)

    with ThreadPoolExecutor(1) as thread:
        sending = thread.submit(send)
        received = read_all(connection)
        sending.result()
    return received


def send_for_ever(connection: socket.socket) -> None:
    while True:
        connection.sendall(bytes(10_000))


def check_exchange(connection: socket.socket, own: OwnTcp, to_own: bytes, to_kernel: bytes) -> dict[str, object]:
    """Compare both streams byte for byte, and the end of the connection."""
    with connection:
        assert exchange(connection, to_own) == to_kernel
        report = own.report(COMMAND_SECONDS)
    assert own.received == to_own
    assert report["events"][0] == "Connected"
    assert "PeerClosed" in report["events"]
    assert not {"TimedOut", "Reset(Peer)", "Reset(Refused)"} & set(report["events"])
    return report


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("congestion", ["bbr", "cubic"])
def test_bulk_passes_both_ways_at_once(bench: Bench, family: str, congestion: str) -> None:
    to_own, to_kernel = content(1, BULK_BYTES), content(2, BULK_BYTES)
    with bench.own(to_kernel, family=family, congestion=congestion) as own:
        check_exchange(bench.connect(family), own, to_own, to_kernel)


def test_the_program_connects_to_a_listener_of_the_kernel(bench: Bench) -> None:
    to_own, to_kernel = content(1, SHORT_BYTES), content(2, SHORT_BYTES)
    with bench.listen() as listener, bench.own(to_kernel, role="connect", local_port=40_000) as own:
        connection, peer = listener.accept()
        connection.settimeout(COMMAND_SECONDS)
        assert peer == (OWN["ipv4"], 40_000)
        check_exchange(connection, own, to_own, to_kernel)


@pytest.mark.parametrize("without", WITHOUT)
@pytest.mark.parametrize("congestion", ["bbr", "cubic"])
def test_every_byte_passes_a_veil_with_any_options(bench: Bench, without: str, congestion: str) -> None:
    bench.set(**WITHOUT[without])
    to_own, to_kernel = content(3, SHORT_BYTES), content(4, SHORT_BYTES)
    with bench.own(to_kernel, seed=7, congestion=congestion, **VEIL) as own:
        report = check_exchange(bench.connect(), own, to_own, to_kernel)
    assert report["retransmitted"] != 0, "the veil lost nothing"


@pytest.mark.parametrize("off", ["sack", "timestamps"])
def test_options_that_the_program_does_not_offer_are_not_used(bench: Bench, off: str) -> None:
    to_own, to_kernel = content(3, SHORT_BYTES), content(4, SHORT_BYTES)
    without: dict[str, Any] = {off: 0}
    with bench.own(to_kernel, seed=8, **without, **VEIL) as own:
        check_exchange(bench.connect(), own, to_own, to_kernel)


def test_the_kernel_closes_and_goes_on_to_receive(bench: Bench) -> None:
    to_own, to_kernel = content(5, SHORT_BYTES), content(6, BULK_BYTES)
    with bench.own(to_kernel, after_peer=1) as own, bench.connect() as connection:
        connection.sendall(to_own)
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == to_kernel
        own.report(COMMAND_SECONDS)
        assert own.received == to_own


def test_the_program_closes_and_goes_on_to_receive(bench: Bench) -> None:
    to_own = content(5, BULK_BYTES)
    with bench.own(b"") as own, bench.connect() as connection:
        assert connection.recv(1) == b"", "it has nothing to send and closes"
        connection.sendall(to_own)
        connection.shutdown(socket.SHUT_WR)
        report = own.report(COMMAND_SECONDS)
        assert own.received == to_own
        assert report["state"] == "Some(TimeWait)"


def test_an_rst_of_the_kernel_ends_the_connection(bench: Bench) -> None:
    with bench.own(b"", after_peer=1) as own, bench.connect() as connection:
        connection.sendall(b"before")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
        report = own.report(COMMAND_SECONDS)
        assert report["events"][-1] == "Reset(Peer)"
        assert own.received in (b"", b"before")


def test_an_abort_of_the_program_resets_the_kernels_socket(bench: Bench) -> None:
    with bench.own(b"", abort=10_000) as own, bench.connect() as connection:
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            send_for_ever(connection)
        own.report(COMMAND_SECONDS)


def test_a_port_of_the_kernel_without_a_listener_refuses(bench: Bench) -> None:
    with bench.own(b"", role="connect", local_port=40_001) as own:
        report = own.report(COMMAND_SECONDS)
        assert report["events"] == ["Reset(Refused)"]


def test_a_reader_of_the_kernel_that_pauses_closes_the_window(bench: Bench) -> None:
    to_kernel = content(6, BULK_BYTES)
    with bench.own(to_kernel) as own, bench.connect(receive_buffer=20_000) as connection:
        # Longer than the retransmission timeout, so that probes are needed.
        time.sleep(1.5)
        assert read_all(connection) == to_kernel
        connection.shutdown(socket.SHUT_WR)
        assert own.report(COMMAND_SECONDS)["least_window"] == 0


def test_a_program_that_pauses_closes_its_window(bench: Bench) -> None:
    to_own = content(7, BULK_BYTES)
    with bench.own(b"", pause=1_500, buffer=64 << 10) as own:
        check_exchange(bench.connect(), own, to_own, b"")


def test_a_program_that_reads_in_pieces_receives_everything(bench: Bench) -> None:
    to_own = content(7, SHORT_BYTES)
    with bench.own(b"", read=3_000, buffer=8_000) as own:
        check_exchange(bench.connect(), own, to_own, b"")


@pytest.mark.parametrize("receive_buffer", [1, 5_000])
def test_a_tiny_window_of_the_kernel_is_filled_and_not_exceeded(bench: Bench, receive_buffer: int) -> None:
    to_kernel = content(8, SHORT_BYTES // 4)
    with bench.own(to_kernel, seed=9, loss=0.01) as own:
        check_exchange(bench.connect(receive_buffer=receive_buffer), own, b"", to_kernel)


def test_a_small_mss_of_the_kernel_is_kept(bench: Bench) -> None:
    bench.host.ip("route", "change", "10.9.0.0/24", "dev", "tun0", "src", KERNEL["ipv4"], "advmss", "700")
    to_own, to_kernel = content(1, SHORT_BYTES), content(2, SHORT_BYTES)
    with bench.own(to_kernel) as own:
        report = check_exchange(bench.connect(), own, to_own, to_kernel)
    assert report["mss"] == 700 - 12, "without the timestamps"
