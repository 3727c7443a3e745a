"""A name with several addresses, of which the best leads nowhere: without an agent, too, the peer is reached.

near                                                        far
eth0  192.0.2.1/24  2001:db8::1/64  ─── cable ───  eth0  192.0.2.2/24  2001:db8::2/64, which forwards nothing
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES
from tests.netns.pair import FAR_INNER, OUTER

from .ends import PORT, Ends

pytestmark = IN_NAMESPACES

NAME, DEAD, LIVING = "vpn.example.org", "2001:db8:dead::1", OUTER["far"][0]
NOWHERE, ALSO_DEAD = "nowhere.example.org", "2001:db8:dead::2"
KEEPALIVE = "PersistentKeepalive = 25"


@pytest.fixture
def named(ends: Ends, tmp_path: Path) -> Ends:
    """With `far` up under the living address, and both addresses in hosts(5); RFC 6724 prefers IPv6."""
    hosts = tmp_path / "hosts"
    hosts.write_text(
        f"{LIVING} {NAME}\n{DEAD} {NAME}\n{DEAD} nowhere.example.org\n2001:db8:dead::2 nowhere.example.org\n"
    )
    ends.near.run("mount", "--bind", str(hosts), "/etc/hosts")
    ends.near.ip("-6", "route", "add", "2001:db8:dead::/64", "via", OUTER["far"][1])
    ends.done(ends.far, "up", ends.conf(ends.far))
    return ends


def endpoint(ends: Ends) -> str:
    return ends.near.run("wg", "show", "wg0", "endpoints").split()[-1]


def test_up_reaches_a_peer_behind_a_dead_address(named: Ends) -> None:
    conf = named.conf(named.near, endpoint=f"{NAME}:{PORT}", peer=KEEPALIVE)
    done = named.warren(named.near, "up", conf)
    assert (done.returncode, done.stderr) == (0, "")
    assert endpoint(named) == f"{LIVING}:{PORT}"
    assert named.near.run("wg", "show", "wg0", "latest-handshakes").split()[-1] != "0"


def test_up_names_the_addresses_that_do_not_answer(named: Ends) -> None:
    name = f"{NOWHERE}:{PORT}"
    done = named.warren(named.near, "up", named.conf(named.near, endpoint=name, peer=KEEPALIVE))
    assert done.returncode == 0
    assert "wg0 is up" in done.stdout
    assert f"{name} has not answered yet; tried [" in done.stderr
    assert all(address in done.stderr for address in (DEAD, ALSO_DEAD))


def test_up_waits_for_nobody_without_keepalives(named: Ends) -> None:
    """Nothing is sent, so nothing can be learnt."""
    done = named.warren(named.near, "up", named.conf(named.near, endpoint=f"{NAME}:{PORT}"))
    assert (done.returncode, done.stderr) == (0, "")
    assert endpoint(named) == f"[{DEAD}]:{PORT}"


PROGRAM = """
import subprocess, sys, time, warren
from dataclasses import replace
from pathlib import Path
from warren.tunnel.io.conffile import read_supported
config = read_supported(Path(sys.argv[1])).content.interface
with warren.up(config) as tunnel:
    print(tunnel.status().peers[0].endpoint, flush=True)
    subprocess.call(["ping", "-qc1", "-W60", sys.argv[2]], stdout=2)
    deadline = time.monotonic() + 60
    while tunnel.status().peers[0].latest_handshake is None and time.monotonic() < deadline:
        subprocess.call(["ping", "-qc1", "-W1", sys.argv[2]], stdout=2)
    print(tunnel.status().peers[0].endpoint)
    tunnel.reconfigure(replace(config, mtu=1380))
    print(tunnel.status().peers[0].endpoint, tunnel.status().link.mtu)
    subprocess.call(["ip", "link", "delete", "wg0"])
"""


def test_tunnel_of_a_program_reaches_a_peer_and_stays_there(named: Ends) -> None:
    conf = named.conf(named.near, endpoint=f"{NAME}:{PORT}")
    done = named.near.attempt(sys.executable, "-c", PROGRAM, conf, FAR_INNER[0])
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"[{DEAD}]:{PORT}", f"{LIVING}:{PORT}", f"{LIVING}:{PORT} 1380"]
    until(lambda: "wg0" not in named.near.links(), "the tunnel has ended")
