"""Two hosts with a router between them, whose second link is narrow and which says nothing when a packet is too large.

near ── eth0 198.51.100.2  198.51.100.1 eth0 ── router ── eth1 192.0.2.1  192.0.2.2 eth0 ── far
             2001:db8:1::2   2001:db8:1::1                2001:db8:2::1   2001:db8:2::2
"""

from __future__ import annotations

from .host import Host, address, join

NEAR_OUTER = ("198.51.100.2", "2001:db8:1::2")
FAR_OUTER = ("192.0.2.2", "2001:db8:2::2")
NEAR_LINK = (("198.51.100.2/24", "2001:db8:1::2/64"), ("198.51.100.1/24", "2001:db8:1::1/64"))
FAR_LINK = (("192.0.2.2/24", "2001:db8:2::2/64"), ("192.0.2.1/24", "2001:db8:2::1/64"))
SILENT = """
table inet silent {
  chain out {
    type filter hook output priority 0
    icmp type { destination-unreachable, time-exceeded } drop
    icmpv6 type { packet-too-big, destination-unreachable } drop
  }
}
"""


def routed(near: Host, router: Host, far: Host, width: int) -> None:
    """Connects the hosts; packets of at most `width` bytes pass to the far host."""
    join(near, router)
    router.ip("link", "add", "eth1", "type", "veth", "peer", "eth0", "netns", str(far.pid))
    for host, link in ((router, "eth1"), (far, "eth0")):
        host.ip("link", "set", link, "up")
    for host, link, (own, others) in ((near, "eth0", NEAR_LINK), (far, "eth0", FAR_LINK)):
        address(host, link, *own)
        address(router, "eth0" if host is near else "eth1", *others)
        for gateway in others:
            host.ip("route", "add", "default", "via", gateway.partition("/")[0])
    for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        router.run("sh", "-c", f"echo 1 > /proc/sys/net/{name}")
    router.run("nft", "-f", "-", stdin=SILENT)
    narrow(router, width)


def narrow(router: Host, width: int) -> None:
    """Lets packets of at most `width` bytes pass to the far host."""
    router.ip("link", "set", "eth1", "mtu", str(width))
