"""A client whose traffic leaves through an exit node without a TUN, and servers outside.

client                                 exit                                      outside
eth0 192.0.2.1   ─── cable ───  eth0 192.0.2.2   eth1 203.0.113.1 ── cable ── eth0 203.0.113.2
     2001:db8::1                     2001:db8::2      2001:db8:1::1                2001:db8:1::2
wg0  10.9.0.1    ═══ tunnel ══  stack 10.9.0.2                                lo   198.51.100.7
     fd09::1                          fd09::2                                      2001:db8:7::7
"""

from __future__ import annotations

import socket
from contextlib import closing
from dataclasses import dataclass

from .deadline import SOON_SECONDS
from .engine import Engine
from .host import Host, address, join
from .interface import Interface, endpoint
from .kernel import interface
from .own_stack import StackInterface
from .pair import INNER, OUTER, prefixes, single

SERVER = {4: "198.51.100.7", 6: "2001:db8:7::7"}
UPLINK = {"exit": ("203.0.113.1", "2001:db8:1::1"), "outside": ("203.0.113.2", "2001:db8:1::2")}
EVERYTHING = ("0.0.0.0/0", "::/0")
LINK_MTU = 1420


@dataclass(slots=True)
class ExitNetwork:
    """The three hosts, and both ends of the tunnel."""

    client: Host
    exit: Host
    outside: Host
    near: Interface
    stack: StackInterface

    def connect(self, destination: str, port: int, seconds: float = SOON_SECONDS) -> socket.socket:
        """Return a connection of the client. Raises OSError."""
        family = socket.AF_INET6 if ":" in destination else socket.AF_INET
        connection = self.client.socket(family, socket.SOCK_STREAM)
        connection.settimeout(seconds)
        try:
            connection.connect((destination, port))
        except OSError:
            connection.close()
            raise
        return connection

    def serve(self, host: Host, at: str, port: int = 7000) -> int:
        """Start a server at an address of a host that answers each connection by its source, and return its port."""
        kind, bound = ("TCP6-LISTEN", f"[{at}]") if ":" in at else ("TCP4-LISTEN", at)
        listen = f"{kind}:{port},bind={bound},fork,reuseaddr"
        host.start("socat", listen, "SYSTEM:echo $SOCAT_PEERADDR", log="socat")
        return port


def cables(client: Host, exit_host: Host, outside: Host) -> None:
    """Connect the hosts and give them their addresses."""
    join(client, exit_host)
    address(client, "eth0", *prefixes(OUTER["near"]))
    address(exit_host, "eth0", *prefixes(OUTER["far"]))
    exit_host.ip("link", "add", "eth1", "type", "veth", "peer", "name", "eth0", "netns", str(outside.pid))
    for host, link, name in ((exit_host, "eth1", "exit"), (outside, "eth0", "outside")):
        host.ip("link", "set", link, "up")
        address(host, link, *prefixes(UPLINK[name]))
    address(outside, "lo", f"{SERVER[4]}/32", f"{SERVER[6]}/128")
    exit_host.ip("route", "add", "default", "via", UPLINK["outside"][0])
    exit_host.ip("-6", "route", "add", "default", "via", UPLINK["outside"][1])


def exit_network(
    client: Host, exit_host: Host, outside: Host, engine: Engine, *arguments: str, wrapper: tuple[str, ...] = ()
) -> ExitNetwork:
    """Connect the hosts and bring up the tunnel, with the client's default route through it."""
    cables(client, exit_host, outside)
    near = interface(client, engine)
    near.up(*prefixes(INNER["near"]), mtu=LINK_MTU)
    own = [f"address={prefix}" for prefix in prefixes(INNER["far"])]
    stack = StackInterface(exit_host, *own, *(f"exit={prefix}" for prefix in EVERYTHING), *arguments, wrapper=wrapper)
    near.peer(stack.keys, *EVERYTHING, Endpoint=endpoint(OUTER["far"][0], stack.listen_port))
    stack.peer(near.keys, *single(INNER["near"]))
    client.ip("route", "add", "default", "dev", "wg0")
    client.ip("-6", "route", "add", "default", "dev", "wg0")
    return ExitNetwork(client, exit_host, outside, near, stack)


def answer(connection: socket.socket) -> bytes:
    """Read a connection to its end and close it."""
    with closing(connection):
        received = bytearray()
        while part := connection.recv(1 << 16):
            received += part
        return bytes(received)
