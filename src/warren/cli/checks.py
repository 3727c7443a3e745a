"""What can be wrong with a network, one check after the other, from the host outwards (H-95).

Each check looks at the host itself, and says in one sentence what it saw and what would mend it.
"""

from __future__ import annotations

import enum
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from warren._core import Link, Netlink
from warren.cli.format import format_age
from warren.telemetry.health import PeerHealth
from warren.tunnel.io.observe import find_link, link_status
from warren.tunnel.lifecycle import State

IPV4_AND_ICMP_BYTES = 28
LEAST_ECHO_BYTES = 1280 - 48  # what IPv6 wants of every link (RFC 8200, section 5), less its header and ICMPv6's
PING_SECONDS = 10


class Result(enum.StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check says."""

    check: str
    result: Result
    sentence: str
    hint: str = ""


def examine(
    network: Mapping[str, Any], peers: Sequence[Mapping[str, Any]], netlink: Netlink, now: float
) -> Iterator[Verdict]:
    """All checks of one network; `network` and `peers` are what the agent says of it."""
    yield state_verdict(network)
    link = find_link(network["interface"], netlink)
    yield link_verdict(network, link)
    if link is None or network["state"] != State.ACTIVE:
        return  # a link that is there is another's then
    yield routes_verdict(peers, link, netlink)
    yield port_verdict(network)
    yield firewall_verdict(network)
    for peer in peers:
        yield peer_verdict(peer, now)
    for address in probe_addresses(peers):
        yield mtu_verdict(address, link)


def state_verdict(network: Mapping[str, Any]) -> Verdict:
    """What the agent makes of it."""
    if network["state"] == State.ACTIVE:
        where = f"{network['interface']} ({network['backend']})"
        return Verdict("state", Result.OK, f"{network['network']} is active on {where}")
    reason = f": {network['error']}" if network["error"] else ""
    problem = f"{network['network']} is {network['state']}{reason}"
    hint = "it is tried again by itself" if network["state"] == State.ERROR else f"connect {network['network']}"
    return Verdict("state", Result.FAILED, problem, hint)


def link_verdict(network: Mapping[str, Any], link: Link | None) -> Verdict:
    """Whether the interface is there, up, and as wide as it should be."""
    name = network["interface"]
    if link is not None and network["state"] != State.ACTIVE:
        return Verdict("interface", Result.SKIPPED, f"{name} is not the network's while it is {network['state']}")
    if link is None:
        return Verdict("interface", Result.FAILED, f"there is no link {name}", "the log of the agent says why")
    if not link.up:
        return Verdict("interface", Result.FAILED, f"{name} is down", f"ip link set {name} up")
    if link.mtu != network["mtu"]:
        return Verdict("interface", Result.WARNING, f"{name} has an MTU of {link.mtu}, not {network['mtu']}")
    addresses = ", ".join(network["addresses"]) or "no address"
    return Verdict("interface", Result.OK, f"{name} is up, mtu {link.mtu}, {addresses}")


def routes_verdict(peers: Sequence[Mapping[str, Any]], link: Link, netlink: Netlink) -> Verdict:
    """Whether packets for every peer go into the interface."""
    status = link_status(link, netlink)
    there = {route.destination for route in status.routes} | {address.network for address in status.addresses}
    wanted = [ip_network(prefix) for peer in peers for prefix in peer["allowed_ips"]]
    missing = [str(prefix) for prefix in wanted if prefix not in there]
    if missing:
        problem = f"no route leads into {link.name} for {', '.join(missing)}"
        return Verdict("routes", Result.WARNING, problem, "right with table = 'off'; else: warren agent reload")
    what = "1 prefix leads" if len(wanted) == 1 else f"{len(wanted)} prefixes lead"
    return Verdict("routes", Result.OK, f"{what} into {link.name}")


def port_verdict(network: Mapping[str, Any]) -> Verdict:
    """Whether the engine has its UDP port."""
    port = network["listen_port"]
    if not port:
        return Verdict("port", Result.FAILED, "the engine has no UDP port", "`ss -ulpn` shows who has it")
    return Verdict("port", Result.OK, f"UDP port {port} is open")


def firewall_verdict(network: Mapping[str, Any]) -> Verdict:
    """Whether this host's own firewall may drop what comes from outside. It is only read."""
    port, name = network["listen_port"], network["interface"]
    rules = _said("nft", "list", "ruleset")
    if rules is None:
        return Verdict(
            "firewall", Result.SKIPPED, "nft is not installed, or this user may not ask it", hints(port, name)
        )
    drops = any("hook input" in line and "policy drop" in line for line in rules.splitlines())
    if drops and str(port) not in rules:
        problem = f"the firewall drops what nobody asked for, and no rule names UDP port {port}"
        return Verdict("firewall", Result.WARNING, problem, hints(port, name))
    return Verdict("firewall", Result.OK, f"no chain of nftables drops UDP port {port}")


def hints(port: int, interface: str) -> str:
    """The lines that let WireGuard in, in the words of each firewall (H-94)."""
    return "\n".join(
        (
            f"nftables:  nft add rule inet filter input udp dport {port} accept",
            f"iptables:  iptables -A INPUT -p udp --dport {port} -j ACCEPT",
            f"firewalld: firewall-cmd --permanent --add-port={port}/udp && firewall-cmd --reload",
            f"pf:        pass in proto udp to port {port}; pass on {interface}",
        )
    )


def peer_verdict(peer: Mapping[str, Any], now: float) -> Verdict:
    """Whether a peer has been heard of."""
    check, handshake = f"peer {peer['name']}", peer["latest_handshake"]
    if peer["pending"]:
        return Verdict(check, Result.FAILED, peer["pending"], "check the name and this host's resolver")
    if handshake is None and peer["endpoint"] is None:
        problem = "has no endpoint, and has not been heard of"
        return Verdict(check, Result.WARNING, problem, "the far side must come first, or name its endpoint")
    if handshake is None and peer["health"] == PeerHealth.WAITING:
        problem = f"nothing was sent to {peer['endpoint']} yet, and no keepalive is configured"
        return Verdict(check, Result.WARNING, problem, "send something to it, or set persistent_keepalive_secs")
    if handshake is None:
        hint = "is the far side up, is our public key known there, does UDP get through?"
        return Verdict(check, Result.FAILED, f"no handshake with {peer['endpoint']} yet", hint)
    seen = f"last handshake {format_age(max(0.0, now - handshake))}"
    if peer["health"] != PeerHealth.HEALTHY:
        return Verdict(
            check, Result.WARNING, f"{seen}, at {peer['endpoint']}", "it may be down, or have nothing to say"
        )
    latency = "" if peer["latency_seconds"] is None else f", {peer['latency_seconds'] * 1000:.1f} ms away"
    return Verdict(check, Result.OK, f"{seen}, at {peer['endpoint']}{latency}")


def probe_addresses(peers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Single IPv4 addresses of peers that are healthy: whom an echo can be sent to."""
    for peer in peers:
        prefixes = [ip_network(prefix) for prefix in peer["allowed_ips"]]
        if peer["health"] == PeerHealth.HEALTHY:
            yield from (str(each.network_address) for each in prefixes if each.version == 4 and each.num_addresses == 1)


def mtu_verdict(address: str, link: Link) -> Verdict:
    """The longest echo that comes back unfragmented, found by halving."""
    check = f"mtu to {address}"
    if shutil.which("ping") is None:
        return Verdict(check, Result.SKIPPED, "the program ping is not installed")
    if not _comes_back(address, LEAST_ECHO_BYTES):
        return Verdict(check, Result.WARNING, f"{address} answers no echo", "it may not want to; try another address")
    least, most = LEAST_ECHO_BYTES, link.mtu - IPV4_AND_ICMP_BYTES
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if _comes_back(address, middle) else (least, middle - 1)
    found = least + IPV4_AND_ICMP_BYTES
    if found < link.mtu:
        problem = f"only {found} octets get through, and {link.name} has an MTU of {link.mtu}"
        return Verdict(check, Result.WARNING, problem, f"mtu = {found} in the network's table, and reload")
    return Verdict(check, Result.OK, f"{found} octets get through")


def _comes_back(address: str, payload_bytes: int) -> bool:
    done = subprocess.run(
        ["ping", "-n", "-q", "-M", "do", "-c", "1", "-W", "1", "-s", str(payload_bytes), address],  # noqa: S607
        capture_output=True,
        timeout=PING_SECONDS,
        check=False,
    )
    return done.returncode == 0


def _said(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PING_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
