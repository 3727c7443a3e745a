"""Rules of a default route in a real network namespace: changed while the tunnel runs, and never left behind."""

from __future__ import annotations

import sys

from tests.cli.ends import Ends
from tests.cli.test_default_route import settled, state
from tests.netns.host import IN_NAMESPACES

pytestmark = IN_NAMESPACES

HEAD = """
import subprocess
from dataclasses import replace
from ipaddress import ip_interface, ip_network
from warren import InterfaceConfig, PeerConfig, PrivateKey, WarrenError, up
from warren._core import Netlink
from warren.tunnel.io.policy import active_marks, free_mark, remove_stale_policy
from warren.tunnel.plan import plan

def config(*allowed_ips, fwmark=0):
    peer = PeerConfig(PEER, allowed_ips=tuple(map(ip_network, allowed_ips)))
    addresses = (ip_interface("10.7.0.1/24"), ip_interface("fd07::1/64"))
    return InterfaceConfig("wg0", KEY, fwmark=fwmark, addresses=addresses, peers=(peer,))

def ip(words):
    subprocess.run(["ip", *words.split()], check=True)

def found(tunnel):
    status = tunnel.status()
    rules = [(rule.version, rule.fwmark, rule.table) for rule in status.rules]
    return status.fwmark, rules, sorted(str(route.destination) for route in status.link.routes)

KEY, PEER = PrivateKey.generate(), PrivateKey.generate().public_key()
netlink = Netlink.open()
"""


def said(ends: Ends, code: str) -> list[str]:
    """What a program in near printed; it leaves the host as it was."""
    settled(ends.near)
    before = state(ends.near)
    done = ends.near.attempt(sys.executable, "-c", HEAD + code)
    assert done.returncode == 0, done.stderr
    assert state(ends.near) == before
    return done.stdout.splitlines()


CHANGES = """
with up(config("10.9.0.0/16")) as tunnel:
    for wanted in (
        config("10.9.0.0/16", "0.0.0.0/0"),
        config("::/0", "0.0.0.0/0"),
        config("::/0", fwmark=7),
        config("10.9.0.0/16"),
    ):
        tunnel.reconfigure(wanted)
        print(*found(tunnel))
        print(plan(replace(wanted, fwmark=tunnel.status().fwmark), tunnel.status()))
"""


def test_a_default_route_comes_and_goes_while_the_tunnel_runs(ends: Ends) -> None:
    assert said(ends, CHANGES) == [
        "51820 [(4, 51820, 254), (4, 51820, 51820)] ['0.0.0.0/0', '10.9.0.0/16']",
        "()",
        "51820 [(4, 51820, 254), (4, 51820, 51820), (6, 51820, 254), (6, 51820, 51820)] ['0.0.0.0/0', '::/0']",
        "()",
        "7 [(6, 7, 254), (6, 7, 7)] ['::/0']",
        "()",
        "0 [] ['10.9.0.0/16']",
        "()",
    ]


REPAIRED = """
wanted = config("0.0.0.0/0", fwmark=51820)
with up(wanted) as tunnel:
    before = found(tunnel)
    ip("rule delete table main suppress_prefixlength 0")
    ip("route add 10.55.0.0/16 dev wg0")
    print([type(step).__name__ for step in plan(wanted, tunnel.status())])
    tunnel.reconfigure(wanted)
    print(found(tunnel) == before)
    ip("link set wg0 down")
    tunnel.reconfigure(wanted)
    print(found(tunnel) == before)
"""


def test_what_was_taken_away_comes_back_and_what_is_anothers_stays(ends: Ends) -> None:
    assert said(ends, REPAIRED) == ["['AddRule']", "True", "True"]


SWEPT = """
ip("rule add not fwmark 51820 table 51820 priority 32765")
with up(config("0.0.0.0/0")) as tunnel:
    remove_stale_policy(netlink)
    print(*found(tunnel))
    print(free_mark(netlink))
    ip("link set wg0 down")
    remove_stale_policy(netlink)
    print(len(netlink.rules()), len(netlink.fallbacks()), len(netlink.guards()))
    active_marks.record("wg0", None)  # as for another process
    remove_stale_policy(netlink)
    print(netlink.rules(), netlink.fallbacks(), netlink.guards())
    ip("route add default dev eth0 table 51820")
    print(free_mark(netlink))
print(subprocess.run(["ip", "rule", "show", "priority", "32765"], stdout=-1, text=True).stdout)
ip("rule delete not fwmark 51820 table 51820 priority 32765")
ip("route flush table 51820")
"""


def test_only_rules_whose_interface_is_gone_are_swept_away(ends: Ends) -> None:
    """Row H-94: a rule of another is left alone, even the same one."""
    assert said(ends, SWEPT) == [
        "51820 [(4, 51820, 254), (4, 51820, 51820)] ['0.0.0.0/0']",
        "51821",
        "2 1 1",
        "[] [] []",
        "51821",
        "32765:\tnot from all fwmark 0xca6c lookup 51820",
        "",
    ]


HALF_WAY = """
from warren.tunnel.io.bringup import bring_up
from warren.tunnel.io.in_process import InProcessEngine

class Refusing:
    '''The host, until it is asked for its fourth rule.'''
    asked = 0

    def __getattr__(self, name):
        return getattr(netlink, name)

    def add_rule(self, rule):
        self.asked += 1
        if self.asked == 4:
            raise MemoryError
        netlink.add_rule(rule)

try:
    bring_up(config("0.0.0.0/0", "::/0"), InProcessEngine("wg0"), Refusing())
except MemoryError:
    print(netlink.rules(), netlink.fallbacks())
"""


def test_what_fails_at_the_last_rule_takes_all_back(ends: Ends) -> None:
    assert said(ends, HALF_WAY) == ["[] []"]
