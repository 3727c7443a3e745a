"""Crypto-key routing: which peer gets a packet, from which a packet is taken, and tables of every size (row H-54)."""

from __future__ import annotations

from ipaddress import ip_address

from .deadline import until
from .host import IN_NAMESPACES, address
from .interface import Interface, KeyPair
from .pair import FAR_INNER, INNER, Pair
from .traffic import ping, reach

pytestmark = IN_NAMESPACES

FOREIGN = "10.99.0.1"
IPV4_BASE, IPV6_BASE = int(ip_address("10.128.0.0")), int(ip_address("fd00:128::"))
HALF = 65_280  # of the 130,560 of wireguard-linux's own netns.sh


def test_a_source_outside_is_dropped_until_it_is_allowed(pair: Pair) -> None:
    pair.open()
    near, far = pair.near, pair.far
    address(far.host, "wg0", f"{FOREIGN}/32")
    near.host.ip("route", "add", f"{FOREIGN}/32", "dev", "wg0")
    before = near.packets_in()
    assert ping(far.host, INNER["near"][0], "-I", FOREIGN).returncode != 0
    assert near.packets_in() == before
    near.set("peer", far.keys.text, "allowed-ips", f"{FAR_INNER[0]}/32,{FOREIGN}/32")
    until(lambda: ping(far.host, INNER["near"][0], "-I", FOREIGN).returncode == 0, "the foreign source is let in")


def test_a_prefix_moves_from_peer_to_peer(pair: Pair) -> None:
    """And the longest prefix wins: the other peer, which nobody hears, takes only its own part away."""
    pair.open()
    near, far, silent = pair.near, pair.far, KeyPair()
    near.peer(silent, f"{FAR_INNER[0]}/32")
    assert near.of_peer(silent, "allowed-ips") == f"{FAR_INNER[0]}/32"
    assert near.of_peer(far.keys, "allowed-ips") == f"{FAR_INNER[1]}/128"
    assert ping(near.host, FAR_INNER[0]).returncode != 0
    assert ping(near.host, FAR_INNER[1]).returncode == 0

    near.set("peer", far.keys.text, "allowed-ips", f"{FAR_INNER[0]}/32,{FAR_INNER[1]}/128")
    assert near.of_peer(silent, "allowed-ips") == "(none)"
    reach(near.host, FAR_INNER[0])

    near.set("peer", far.keys.text, "allowed-ips", "0.0.0.0/0,::/0")
    near.set("peer", silent.text, "allowed-ips", "10.9.0.0/31")
    reach(near.host, FAR_INNER[0])
    near.set("peer", silent.text, "allowed-ips", "10.9.0.0/30")
    assert ping(near.host, FAR_INNER[0]).returncode != 0
    near.set("peer", silent.text, "remove")
    reach(near.host, FAR_INNER[0])


def test_one_prefix_is_taken_away(alone: Interface) -> None:
    """`allowed_ip=-…`, which wireguard-go has since 2025; a prefix of another peer stays where it is."""
    first, second = KeyPair(), KeyPair()
    alone.peer(first, "10.1.0.0/16", "10.2.0.0/16", "fd01::/32")
    alone.peer(second, "10.3.0.0/16")
    less = "allowed_ip=-10.1.0.0/16\nallowed_ip=-fd01::/32\nallowed_ip=-10.3.0.0/16\n"
    answer = alone.uapi(f"set=1\npublic_key={first.public.hex()}\nupdate_only=true\n{less}\n")
    assert answer == "errno=0\n\n"
    assert alone.of_peer(first, "allowed-ips") == "10.2.0.0/16"
    assert alone.of_peer(second, "allowed-ips") == "10.3.0.0/16"


def many() -> list[str]:
    """130,560 single addresses, half of each kind, none beside another."""
    return [f"{ip_address(IPV4_BASE + 2 * number)}/32" for number in range(HALF)] + [
        f"{ip_address(IPV6_BASE + (number << 65))}/128" for number in range(HALF)
    ]


def test_130560_in_one_message(alone: Interface) -> None:
    peer, prefixes = KeyPair(), many()
    lines = "".join(f"allowed_ip={prefix}\n" for prefix in prefixes)
    assert alone.uapi(f"set=1\npublic_key={peer.public.hex()}\n{lines}\n") == "errno=0\n\n"
    assert set(alone.of_peer(peer, "allowed-ips").split(" ")) == set(prefixes)


def test_130560_by_setconf(alone: Interface) -> None:
    peer, prefixes = KeyPair(), many()
    text = f"[Peer]\nPublicKey = {peer.text}\nAllowedIPs = {', '.join(prefixes)}\n"
    alone.configure(text, "setconf")
    assert set(alone.of_peer(peer, "allowed-ips").split(" ")) == set(prefixes)
    alone.configure(text, "syncconf")
    assert set(alone.of_peer(peer, "allowed-ips").split(" ")) == set(prefixes)


def test_host_bits_are_cut(alone: Interface) -> None:
    peer = KeyPair()
    alone.peer(peer, "10.1.2.3/8", "fd01::5/32", "0.0.0.0/0", "::/0")
    shown = alone.of_peer(peer, "allowed-ips").split(" ")
    assert sorted(shown) == sorted(["10.0.0.0/8", "fd01::/32", "0.0.0.0/0", "::/0"])
