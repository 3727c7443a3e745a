"""`warren up` with a default route: all traffic except the engine's own and more specific routes uses the tunnel.

near                                                   far
eth0  192.0.2.1/24  2001:db8::1/64  ─── cable ───  eth0  192.0.2.2/24  2001:db8::2/64
wg0   10.9.0.1/24   fd09::1/64      ═══ tunnel ══  wg0   10.9.0.2/24   fd09::2/64
default via far's eth0                             lo    203.0.113.1, where its engine is reached
                                                         198.51.100.9 and fd99::9, behind the tunnel
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES, Host, address
from tests.netns.pair import FAR_INNER, NEAR_INNER, OUTER
from tests.netns.traffic import reach

from .ends import PORT, Ends

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("nft")]

BEYOND = ("198.51.100.9", "fd99::9")
FAR_ENGINE = "203.0.113.1"
VALID_MARK = "/proc/sys/net/ipv4/conf/all/src_valid_mark"
GUARD = """table ip warren-wg0 {
	comment "made by Warren"
	chain preraw {
		type filter hook prerouting priority raw; policy accept;
		iifname != "wg0" ip daddr 10.9.0.1 fib saddr type != local drop
	}

	chain premangle {
		type filter hook prerouting priority mangle; policy accept;
		meta l4proto udp ct mark 0x0000ca6c meta mark set ct mark
	}

	chain postmangle {
		type filter hook postrouting priority mangle; policy accept;
		meta l4proto udp meta mark 0x0000ca6c ct mark set meta mark
	}
}
"""
EVERYTHING = "0.0.0.0/0, ::/0"


@pytest.fixture
def routed(ends: Ends) -> Ends:
    """Return both ends with far up; near has default routes by the cable, which the engine needs."""
    address(ends.far, "lo", f"{FAR_ENGINE}/32", f"{BEYOND[0]}/32", f"{BEYOND[1]}/128")
    ends.near.ip("route", "add", "default", "via", OUTER["far"][0])
    ends.near.ip("-6", "route", "add", "default", "via", OUTER["far"][1])
    ends.done(ends.far, "up", ends.conf(ends.far))
    settled(ends.near)
    return ends


def everything(ends: Ends, interface: str = "", allowed_ips: str = EVERYTHING) -> Path:
    """Write near's file with all traffic through the tunnel."""
    return ends.conf(ends.near, interface=interface, endpoint=f"{FAR_ENGINE}:{PORT}", allowed_ips=allowed_ips)


def settled(host: Host) -> None:
    """Wait for the routes of the cable's address, which exist after duplicate address detection (RFC 4862)."""
    until(lambda: "local fe80:" in host.ip("-6", "route", "show", "table", "local"), "eth0 has its link-local address")


def state(host: Host) -> list[str]:
    """Return the rules, tables and settings of policy routing."""
    asked = ("-4 rule show", "-6 rule show", "-4 route show table all", "-6 route show table all", "link show")
    return [
        *(host.ip(*words.split()) for words in asked),
        host.run("nft", "list", "ruleset"),
        host.run("cat", VALID_MARK),
    ]


def by(host: Host, destination: str, *more: str) -> str:
    """Return the outgoing link for a destination."""
    return host.ip("route", "get", destination, *more).partition(" dev ")[2].split()[0]


def test_up_with_default_route_keeps_local_routes_and_tunnel_endpoint(routed: Ends) -> None:
    """Row H-14."""
    near, before = routed.near, state(routed.near)
    assert "1 peer; 2 routes" in routed.done(near, "up", everything(routed))
    for beyond, inner in zip(BEYOND, FAR_INNER, strict=True):
        assert (by(near, beyond), by(near, inner)) == ("wg0", "wg0")
        reach(near, beyond)
    assert [by(near, OUTER["far"][version]) for version in (0, 1)] == ["eth0", "eth0"]
    assert by(near, FAR_ENGINE) == "wg0"
    assert by(near, FAR_ENGINE, "mark", "51820") == "eth0"
    assert near.run("wg", "show", "wg0", "fwmark").strip() == hex(51820)
    for version, rules in (("-4", before[0]), ("-6", before[1])):
        added = [line for line in near.ip(version, "rule", "show").splitlines() if line not in rules.splitlines()]
        assert added == [
            "32764:\tnot from all fwmark 0xca6c/0xffffff00 lookup main suppress_prefixlength 0 proto 119",
            "32765:\tnot from all fwmark 0xca6c/0xffffff00 lookup 51820 proto 119",
        ]
    assert "default dev wg0" not in near.ip("route", "show")

    assert routed.done(near, "down", "wg0") == "wg0 is down\n"
    assert state(near) == before


def test_up_skips_routing_table_in_use(routed: Ends) -> None:
    near = routed.near
    near.ip("route", "add", "10.66.0.0/16", "dev", "eth0", "table", "51820")
    near.ip("rule", "add", "not", "fwmark", "51820", "table", "51820", "priority", "32765")
    before = state(near)
    routed.done(near, "up", everything(routed))
    assert near.run("wg", "show", "wg0", "fwmark").strip() == hex(51821)
    reach(near, BEYOND[0])
    routed.done(near, "down", "wg0")
    assert state(near) == before


def test_up_rejects_fwmark_whose_table_has_a_default_route(routed: Ends) -> None:
    near = routed.near
    near.ip("route", "add", "default", "dev", "eth0", "table", "119")
    before = state(near)
    output = routed.refused(near, "up", everything(routed, "FwMark = 119"))
    assert output.startswith('warren: adding route 0.0.0.0/0 on link "wg0" in table 119: File exists')
    assert state(near) == before


def strict(host: Host, value: int = 1) -> None:
    """Set the reverse path filter of all links (RFC 3704 section 2.2)."""
    host.run("sh", "-c", f"echo {value} > /proc/sys/net/ipv4/conf/all/rp_filter")


def test_up_sets_src_valid_mark_with_strict_reverse_path_filter(routed: Ends) -> None:
    """Row H-14: src_valid_mark is set while the tunnel is up."""
    near = routed.near
    strict(near)
    before = state(near)
    routed.done(near, "up", everything(routed))
    for beyond in BEYOND:
        reach(near, beyond)
    assert near.run("cat", VALID_MARK) == "1\n"
    assert near.run("nft", "list", "table", "ip", "warren-wg0") == GUARD.replace(
        "Warren", "Warren, which set src_valid_mark"
    )
    routed.done(near, "down", "wg0")
    assert state(near) == before
    routed.done(near, "up", everything(routed, allowed_ips="::/0"))
    assert near.run("cat", VALID_MARK) == "0\n"


def test_up_keeps_src_valid_mark_with_loose_reverse_path_filter(routed: Ends) -> None:
    near = routed.near
    strict(near, 2)
    routed.done(near, "up", everything(routed))
    assert near.run("cat", VALID_MARK) == "0\n"
    assert near.run("nft", "list", "table", "ip", "warren-wg0") == GUARD
    reach(near, BEYOND[0])


def test_up_reports_read_only_src_valid_mark(routed: Ends) -> None:
    near = routed.near
    strict(near)
    near.run("mount", "--bind", "/proc/sys", "/proc/sys")
    near.run("mount", "-o", "remount,bind,ro", "/proc/sys")
    before = state(near)
    output = routed.refused(near, "up", everything(routed))
    assert "this host would drop packets from the peer: /proc/sys/net/ipv4/conf/all/src_valid_mark: Read-only" in output
    assert state(near) == before


@pytest.mark.security
def test_up_rejects_nftables_table_of_another_program(routed: Ends) -> None:
    """Row H-94."""
    near = routed.near
    near.run("nft", "add table ip warren-wg0; add table ip6 warren-wg0; add chain ip6 warren-wg0 preraw")
    before = state(near)
    output = routed.refused(near, "up", everything(routed))
    assert output.startswith("warren: adding nftables table ip warren-wg0: File exists")
    assert state(near) == before


@pytest.mark.security
def test_inner_address_is_unreachable_from_the_outer_link(routed: Ends) -> None:
    """CVE-2019-14899: replies there would reveal connections in the tunnel."""
    near, far = routed.near, routed.far
    far.ip("route", "add", NEAR_INNER[0], "via", OUTER["near"][0], "table", "99")
    far.ip("rule", "add", "fwmark", "9", "table", "99")
    by_the_cable = ("ping", "-c1", "-W1", "-m9", NEAR_INNER[0])
    routed.done(near, "up", routed.conf(near))
    until(lambda: far.attempt(*by_the_cable).returncode == 0, "without a default route it answers by any link")
    routed.done(near, "down", "wg0")
    routed.done(near, "up", everything(routed))
    reach(near, BEYOND[0])
    assert far.attempt(*by_the_cable).returncode != 0
    assert far.run("ping", "-c1", "-W10", NEAR_INNER[0])


def test_two_default_routes_have_separate_rules(routed: Ends) -> None:
    """One routes IPv4, the other IPv6; taking one down leaves the other's rules."""
    near, before = routed.near, state(routed.near)
    routed.done(near, "up", everything(routed, allowed_ips="0.0.0.0/0"))
    first = state(near)[:2]
    other = routed.conf(near, name="wg1", address="10.8.0.1/24, fd08::1/64", allowed_ips="::/0")
    other.write_text(other.read_text().replace(f"ListenPort = {PORT}\n", ""))
    routed.done(near, "up", other)
    assert near.run("wg", "show", "wg1", "fwmark").strip() == hex(51821)
    assert (by(near, BEYOND[0]), by(near, BEYOND[1])) == ("wg0", "wg1")
    routed.done(near, "down", "wg1")
    assert state(near)[:2] == first
    routed.done(near, "down", "wg0")
    assert state(near) == before


def test_up_after_kill_removes_leftover_rules(routed: Ends) -> None:
    """Row H-55: the kernel removes routes with their link, but no rules."""
    near = routed.near
    strict(near)
    before = state(near)
    routed.done(near, "up", everything(routed))
    as_up = state(near)
    near.run("pkill", "-KILL", "-x", "warren-wg")
    until(lambda: "wg0" not in near.links(), "the link is gone with its engine")
    assert state(near)[:2] == as_up[:2]
    reach(near, FAR_ENGINE)  # the rules lead into an empty table, and so past it

    routed.done(near, "up", everything(routed))
    assert state(near)[:2] == as_up[:2]
    until(lambda: near.attempt("ping", "-c1", "-W5", BEYOND[0]).returncode == 0, "the tunnel is back", 10 * 60)
    near.run("pkill", "-KILL", "-x", "warren-wg")
    until(lambda: "wg0" not in near.links(), "the link is gone with its engine")
    routed.done(near, "up", routed.conf(near))
    routed.done(near, "down", "wg0")
    assert state(near) == before
