"""A tunnel with someone behind its far end, who sees each packet alone, as it came out.

near ── eth0 ══ wg0 ══ eth0 ── far ── behind      beyond ── sink
                                      cuts what is joined and completes checksums before it sends
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from tests.netns.deadline import until
from tests.netns.host import Host, address
from tests.netns.interface import Interface
from tests.netns.kernel import KernelInterface
from tests.netns.pair import INNER, Pair
from tests.netns.traffic import reach

from .packets import Route

GATEWAY, SINK = ("10.98.0.1", "fd98::1"), ("10.98.0.2", "fd98::2")
BEYOND = ("198.51.100.9", "2001:db8:9::9")  # routed to the sink, which does not have them, so that nothing answers
ROUTES = [Route(source, beyond) for source, beyond in zip(INNER["near"], BEYOND, strict=True)]
FORWARDING = ("ipv4/ip_forward", "ipv6/conf/all/forwarding")
# linux/sockios.h, linux/ethtool.h, linux/if_packet.h, linux/if_ether.h.
SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17
SOL_PACKET, PACKET_VNET_HDR = 263, 15
ETH_P_IP, ETH_P_IPV6, ETH_P_ALL = 0x0800, 0x86DD, 3
ETHERNET_BYTES = 14
POLL_SECONDS = 0.2


class Passage:
    """Use as a context manager. `pair` is open on its hosts; `sink` is a host with no cable yet."""

    def __init__(self, pair: Pair, sink: Host) -> None:
        self.pair, self.received = pair, list[bytes]()
        _lead_on(pair, sink)
        self._in = sink.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._in.bind(("beyond", ETH_P_ALL))
        self._in.settimeout(POLL_SECONDS)
        self._out = pair.near.host.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._out.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self._closing, self._thread = threading.Event(), threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()
        self._in.close()
        self._out.close()

    def carry(self, packets: Sequence[bytes], count: int) -> list[bytes]:
        """Hands packets, each after its offload header, to near's wg0, and returns what reached the sink, `count` of
        them. An engine that is a process stands still meanwhile, so that it finds them all at once.
        """
        self.received.clear()
        with _still(self.pair.near), _still(self.pair.far):
            for packet in packets:
                version = packet[10] >> 4
                self._out.sendto(packet, ("wg0", ETH_P_IP if version == 4 else ETH_P_IPV6))
        until(lambda: len(self.received) >= count, f"{count} packets behind the tunnel")
        return list(self.received)

    def _read(self) -> None:
        destinations = [ip_address(beyond).packed for beyond in BEYOND]
        while not self._closing.is_set():
            try:
                packet = self._in.recv(1 << 17)[ETHERNET_BYTES:]
            except TimeoutError:
                continue
            if packet[16:20] == destinations[0] or packet[24:40] == destinations[1]:
                self.received.append(packet)


def _lead_on(pair: Pair, sink: Host) -> None:
    near, far = pair.near, pair.far
    far.host.ip("link", "add", "behind", "type", "veth", "peer", "beyond", "netns", str(sink.pid))
    _complete_checksums(far.host, "behind")
    far.host.ip("link", "set", "behind", "gso_max_segs", "1", "up")
    sink.ip("link", "set", "beyond", "up")
    for host, link, addresses in ((far.host, "behind", GATEWAY), (sink, "beyond", SINK)):
        address(host, link, f"{addresses[0]}/24", f"{addresses[1]}/64")
    for each, beyond in zip(SINK, BEYOND, strict=True):
        far.host.ip("route", "add", beyond, "via", each)
        reach(far.host, each)  # and knows its Ethernet address from now on
    for setting in FORWARDING:
        far.host.run("sh", "-c", f"echo 1 > /proc/sys/net/{setting}")
    allowed = [*INNER["far"], *BEYOND]
    near.set("peer", far.keys.text, "allowed-ips", ",".join(allowed))


def _complete_checksums(host: Host, link: str) -> None:
    """As `ethtool -K LINK tx off`: the link carries neither open checksums nor, therefore, joined segments."""
    value = ctypes.create_string_buffer(struct.pack("=II", ETHTOOL_STXCSUM, 0))
    with closing(host.socket(socket.AF_INET, socket.SOCK_DGRAM)) as any_socket:
        fcntl.ioctl(any_socket, SIOCETHTOOL, struct.pack("@16sP16x", link.encode(), ctypes.addressof(value)))


@contextmanager
def _still(end: Interface) -> Iterator[None]:
    """Stops the process, if it is one. The nsenter that waits for it stops itself then, and wakes it when woken."""
    if isinstance(end, KernelInterface):
        yield
        return
    nsenter = Path(f"/proc/{end.process.pid}")
    (engine,) = (nsenter / "task" / nsenter.name / "children").read_text().split()
    os.kill(int(engine), signal.SIGSTOP)
    until(lambda: (nsenter / "stat").read_text().rpartition(")")[2].split()[0] == "T", "nsenter has stopped too")
    try:
        yield
    finally:
        end.process.send_signal(signal.SIGCONT)
