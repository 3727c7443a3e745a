"""What others have on a host, some of it as Warren would make it, and all of it to the octet."""

from __future__ import annotations

from pathlib import Path

from tests.cli.test_default_route import settled

from .agent import OF_A_LINK, Agent

VALID_MARK = "/proc/sys/net/ipv4/conf/all/src_valid_mark"
RESOLV_CONF = b"# of the administrator\nnameserver 192.0.2.53\n\xff no text\nsearch example.org"
RULESET = """
table ip wg-quick-wg1 { chain premangle { type filter hook prerouting priority mangle; }; }
table ip6 warren-wg9 { comment "another's"; }
table inet filter {
    set friends { type ipv4_addr; flags interval; elements = { 192.0.2.0/24, 198.51.100.7 }; }
    chain input {
        type filter hook input priority filter; policy accept;
        ct state invalid drop
        ip saddr @friends udp dport 51820 accept comment "theirs"
    }
    chain output { type filter hook output priority filter; meta mark 0x7 ct mark set meta mark; }
}
"""
WORDS = """
route add default via 192.0.2.2 proto dhcp
route add 203.0.113.0/24 via 192.0.2.9 proto static metric 7
route add 10.42.0.0/16 dev eth0 metric 50
route add blackhole 198.18.0.0/15
route add 10.66.0.0/16 dev eth0 table 51820
route add default via 192.0.2.9 table 100 proto 18
-6 route add 2001:db8:77::/48 via 2001:db8::9 proto static
-6 route add default via 2001:db8::2 table 100
rule add not fwmark 51820 table 51820 priority 32765
rule add not fwmark 51821 table main suppress_prefixlength 0 priority 32764
rule add fwmark 7/0xff lookup 100 protocol 18
rule add iif eth0 from 192.0.2.0/24 lookup 100 priority 119
-6 rule add from 2001:db8::/32 lookup 100 protocol 3
""".strip().splitlines()
SHOWN = ("-d -4 rule", "-d -6 rule", "-d -4 route show table all", "-d -6 route show table all")


def occupy(agent: Agent) -> None:
    """Puts it all there. Every link checks the reverse path strictly."""
    settled(agent.host)
    for words in WORDS:
        agent.host.ip(*words.split())
    agent.host.run("nft", "-f", "-", stdin=RULESET)
    agent.host.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter")
    file = resolv_conf(agent)
    file.write_bytes(RESOLV_CONF)
    file.chmod(0o640)


def resolv_conf(agent: Agent) -> Path:
    """The host's own, below the agent's directory."""
    return agent.directory / "etc/resolv.conf"


def snapshot(agent: Agent) -> dict[str, object]:
    """All of it as it is. The kernel's own link-local routes come and go."""
    shown = {words: agent.host.ip(*words.split()).splitlines() for words in SHOWN}
    status = resolv_conf(agent).lstat()
    return {
        **{words: [line for line in lines if not OF_A_LINK.search(line)] for words, lines in shown.items()},
        "links": agent.host.links(),
        "ruleset": agent.host.run("nft", "list", "ruleset"),
        "src_valid_mark": agent.host.run("cat", VALID_MARK),
        "resolv.conf": (resolv_conf(agent).read_bytes(), status.st_mode, status.st_uid, status.st_gid),
    }
