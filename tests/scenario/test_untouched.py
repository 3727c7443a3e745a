"""What others have on a host is the same to the octet when networks have come and gone, however they went (H-14, H-94).

near has two networks: `office`, with some prefixes and a name server, and `everything`, with the default routes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from tests.faults import CHANGING, Kill, crash_points, is_killed, sampled
from tests.netns.deadline import SLOWNESS, until
from tests.netns.host import IN_NAMESPACES
from tests.netns.pair import OUTER, cabled
from warren._core import PrivateKey

from .agent import PORT, Agent, Network, Peer
from .conftest import MakeAgent
from .foreign import VALID_MARK, occupy, resolv_conf, snapshot

pytestmark = [*IN_NAMESPACES, pytest.mark.security, pytest.mark.needs("nft")]
PREFIXES = ("10.42.0.0/16", "192.168.100.0/24")


def stranger(*allowed_ips: str) -> Peer:
    """A peer that nobody is, on the cable."""
    return Peer("far", str(PrivateKey.generate().public_key()), allowed_ips, f"{OUTER['far'][0]}:{PORT}")


OFFICE = Network("office", "wg0", "10.9.0.1/24", peers=(stranger(*PREFIXES),), lines=('dns = ["10.42.0.53"]',))
EVERYTHING = Network("everything", "wg1", "10.8.0.1/24", port=0, peers=(stranger("0.0.0.0/0", "::/0"),))


@pytest.fixture
def near(make_agent: MakeAgent) -> Agent:
    """A host that others use, with an agent that does not run yet."""
    near, far = make_agent("near"), make_agent("far")
    cabled(near.host, far.host)
    occupy(near)
    near.configure(OFFICE, EVERYTHING)
    return near


def bring_up(near: Agent) -> None:
    """Both networks, and all that belongs to them."""
    near.start()
    for name in ("office", "everything"):
        near.until_state("active", name)
    until(lambda: b"10.42.0.53" in resolv_conf(near).read_bytes(), "its name server is there")
    assert near.host.run("nft", "list", "tables").count(" warren-wg1") == 2
    assert near.host.run("cat", VALID_MARK) == "1\n"
    assert near.host.ip("rule").count("proto 119") == 2


def test_a_split_tunnel_adds_its_prefixes_and_nothing_else(near: Agent) -> None:
    """Row H-14."""
    near.configure(OFFICE)
    before = snapshot(near)
    near.start()
    near.until_state("active", "office")
    up = snapshot(near)
    changed = {key for key in before if up[key] != before[key]} - {"links", "resolv.conf"}
    assert changed == {"-d -4 route show table all"}
    lines = near.host.ip("route", "show", "proto", "119").splitlines()
    assert [line.split() for line in lines] == [[prefix, "dev", "wg0", "scope", "link"] for prefix in PREFIXES]
    assert near.attempt("agent", "stop").returncode == 0
    until(lambda: snapshot(near) == before, "all is as it was")


def stop(near: Agent) -> None:
    assert near.attempt("agent", "stop").returncode == 0
    assert near.ended() == 0


def kill(near: Agent) -> None:
    near.host.kill(near.pid())
    near.ended()


def kill_and_recover(near: Agent) -> None:
    kill(near)
    done = near.attempt("recover")
    assert (done.returncode, done.stdout) == (0, "nothing left to clean up\n"), done.stderr


def kill_and_start_again(near: Agent) -> None:
    kill(near)
    bring_up(near)
    stop(near)


def kill_and_start_without(near: Agent) -> None:
    kill(near)
    near.configure(OFFICE.but(lines=("enable_wireguard = false",)))
    near.config.write_text(near.config.read_text().replace("enable_wireguard = true\n", ""))
    near.start()
    until(lambda: near.said("agent.ready"), "it has recovered")
    stop(near)


def flush(near: Agent) -> None:
    """Others load their ruleset anew, which is the usual way to change it."""
    near.host.run("nft", "delete table ip warren-wg1; delete table ip6 warren-wg1")
    tables = ("nft", "list", "tables")
    until(lambda: near.host.run(*tables).count(" warren-wg1") == 2, "the tables are there again", 60 * SLOWNESS)
    stop(near)


@pytest.mark.parametrize("end", [stop, kill_and_recover, kill_and_start_again, kill_and_start_without, flush])
def test_all_is_as_it_was(near: Agent, end: Callable[[Agent], None]) -> None:
    before = snapshot(near)
    bring_up(near)
    assert snapshot(near) != before
    end(near)
    until(lambda: snapshot(near) == before, "all is as it was")


# One process does what an agent does, in an order that does not change, so that calls can be counted.
UP_AND_DOWN = """
import sys
from pathlib import Path
from warren._core import Netlink
from warren.config.defaults import defaults_for
from warren.agent.io.config_file import read_config
from warren.agent.io.interface import Interface
from warren.agent.io.key_ring import read_keys
from warren.privsep.io.separation import host_resolver
from warren.privsep.io.privileged_ops import DirectKeyAccess
from warren.tunnel.backend_rule import backend_rule
from warren.tunnel.desired import desired_interface
from warren.tunnel.io.link_owner import agent_id_of

defaults, netlink = defaults_for("warren", sys.argv[1]), Netlink.open()
settings = read_config(Path(defaults.config), defaults)
resolver = host_resolver(settings, defaults)
interfaces = []
for network in settings.networks:
    agent_id = agent_id_of(Path(settings.daemon.state))
    interface = Interface(network.interface, backend_rule(network), netlink, agent_id=agent_id)
    interface.create(desired_interface(network, read_keys(network, DirectKeyAccess()), {}))
    interfaces.append(interface)
    if network.dns:
        resolver.apply(network.name, network.interface, network.dns)
for interface in interfaces:
    interface.remove()
for network in settings.networks:
    resolver.revert(network.name)
"""
CALLS = (*CHANGING, "sendto", "sendmsg", "ioctl")


@pytest.mark.needs("strace")
@pytest.mark.timeout(3600)  # in a soak each of some two hundred calls, at a second or more
def test_killed_at_any_call_recover_gives_it_back(near: Agent) -> None:
    """Row H-55."""
    before = snapshot(near)
    inside = ("nsenter", "-t", str(near.host.pid), "-n", "-m", "-p", "--")
    command = [*inside, sys.executable, "-B", "-c", UP_AND_DOWN, str(near.directory)]
    points = crash_points(command, CALLS)
    assert snapshot(near) == before
    tried = sampled(points, kind=lambda point: point.call)
    kills = [kill for kill in tried if is_killed(command, kill) and _is_recovered(near, before, kill)]
    print(f"killed at {len(kills)} of {len(points)} calls")
    assert len(kills) >= len(tried) // 2 > 5


def _is_recovered(near: Agent, before: dict[str, object], kill: Kill) -> bool:
    done = near.attempt("recover")
    assert done.returncode == 0, f"{kill}: {done.stderr}"
    after = snapshot(near)
    assert after == before, f"{kill}: {[key for key in before if after[key] != before[key]]}"
    return True
