"""Two hosts, one cable, one tunnel; `near` runs the engine under test, `far` a peer implementation.

near                                                     far
eth0  192.0.2.1/24  2001:db8::1/64  ─── cable ───  eth0  192.0.2.2/24  2001:db8::2/64
wg0   10.9.0.1/24   fd09::1/64      ═══ tunnel ══  wg0   10.9.0.2/24   fd09::2/64
"""

from __future__ import annotations

from dataclasses import dataclass

from .engine import Engine
from .host import Host, address, join
from .interface import Interface, endpoint
from .kernel import interface
from .traffic import reach

OUTER = {"near": ("192.0.2.1", "2001:db8::1"), "far": ("192.0.2.2", "2001:db8::2")}
INNER = {"near": ("10.9.0.1", "fd09::1"), "far": ("10.9.0.2", "fd09::2")}
NEAR_INNER, FAR_INNER = INNER["near"], INNER["far"]


def prefixes(addresses: tuple[str, str]) -> tuple[str, str]:
    """An address pair with the lengths of its subnets."""
    return f"{addresses[0]}/24", f"{addresses[1]}/64"


def single(addresses: tuple[str, str]) -> tuple[str, str]:
    """An address pair as allowed IPs of one host."""
    return f"{addresses[0]}/32", f"{addresses[1]}/128"


@dataclass(slots=True)
class Pair:
    """The two ends. They know of each other only after `introduce`."""

    near: Interface
    far: Interface

    def outer(self, side: str, version: int = 4) -> str:
        """The UDP endpoint of an end over IPv4 or IPv6."""
        interface = self.near if side == "near" else self.far
        return endpoint(OUTER[side][version == 6], interface.listen_port)

    def introduce(self, *, initiator: str = "near", version: int = 4, psk: str = "") -> None:
        """Makes each the other's peer; only the initiator is told where the other is."""
        secret = {"PresharedKey": psk} if psk else {}
        for here, other, theirs in ((self.near, self.far, "far"), (self.far, self.near, "near")):
            knows = {"Endpoint": self.outer(theirs, version)} if initiator != theirs else {}
            here.peer(other.keys, *single(INNER[theirs]), **knows, **secret)

    def open(self, *, initiator: str = "near", version: int = 4, psk: str = "") -> None:
        """Introduces them and lets the initiator reach the other."""
        self.introduce(initiator=initiator, version=version, psk=psk)
        if initiator == "near":
            reach(self.near.host, FAR_INNER[0])
        else:
            reach(self.far.host, NEAR_INNER[0])

    def both_ways(self) -> None:
        """Waits until each reaches the other, over IPv4 and IPv6 inside."""
        for host, others in ((self.near.host, FAR_INNER), (self.far.host, NEAR_INNER)):
            for other in others:
                reach(host, other)


def cabled(near: Host, far: Host, mtu: int = 1500) -> None:
    """The hosts with their cable and outer addresses."""
    join(near, far, mtu=mtu)
    for host in (near, far):
        address(host, "eth0", *prefixes(OUTER[host.name]))


def pair_of(near: Host, near_engine: Engine, far: Host, far_engine: Engine, mtu: int = 1420) -> Pair:
    """Both interfaces on cabled hosts, up, with their inner addresses."""
    ends = [interface(near, near_engine), interface(far, far_engine)]
    for end in ends:
        end.up(*prefixes(INNER[end.host.name]), mtu=mtu)
    return Pair(*ends)
