"""Exit nodes opened on a host of their own: killed at each step, and beside other programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.host import IN_NAMESPACES, Host

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("nft")]

HEAD = """
import os, signal, subprocess, sys
from ipaddress import ip_address
from pathlib import Path
from warren.errors import HostError
from warren.tunnel.exit_policy import ExitNode, parse_exit_entry
from warren.tunnel.exit_sets import ExitHost
from warren.tunnel.io import forwarding_settings, nft_exit
from warren.tunnel.io.exit_journal_file import ExitJournalFile
from warren.tunnel.io.firewall_programs import table_comment
from warren.tunnel.io.nft_exit import ExitForwarding
from warren.tunnel.nft_exit import ExitRules

state = Path(sys.argv[1])
if sys.argv[2] == "whole host":  # as on a kernel before 6.17
    forwarding_settings.FIELDS = ("forwarding", "accept_ra")

def rules(network="home", interface="wg0", **policy):
    return ExitRules(network, interface, ExitNode(enabled=True, **policy), ExitHost())

def values():
    return forwarding_settings.read_settings()

def has_table():
    return table_comment("inet", "warren_exit") is not None

UPLINKS = {4: ("eth0",), 6: ("eth0",)}
"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host with two tunnels, an uplink and another link, which takes router advertisements."""
    with Host("exit", tmp_path) as host:
        for link, other in (("wg0", "eth0"), ("wg1", "eth1")):
            host.ip("link", "add", link, "type", "veth", "peer", other)
        yield host


@pytest.fixture(params=["each link", "whole host"])
def mode(request: pytest.FixtureRequest) -> str:
    """How this kernel can forward IPv6: by a setting of each link (Linux 6.17), or for the whole host."""
    mode = str(request.param)
    if mode == "each link" and not Path("/proc/sys/net/ipv6/conf/lo/force_forwarding").exists():
        pytest.skip("a kernel with force_forwarding (Linux 6.17)")
    return mode


def printed(host: Host, directory: Path, mode: str, code: str) -> list[str]:
    """Return what a program on the host prints."""
    return host.run(sys.executable, "-c", HEAD + code, directory / "state", mode).splitlines()


KILLED = """
def killed_at(number):
    # Opens and closes an exit node in a child, which is killed at one of its steps; returns whether it was.
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] != 0
    left = [number]
    def at(function, before):
        def step(*arguments, **named):
            if before:
                count()
            result = function(*arguments, **named)
            if not before:
                count()
            return result
        return step
    def count():
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    for before in (True, False):
        ExitJournalFile.store = at(ExitJournalFile.store, before)
        nft_exit.load_ruleset = at(nft_exit.load_ruleset, before)
        nft_exit.write_setting = at(nft_exit.write_setting, before)
    try:
        exits = ExitForwarding(state)
        exits.apply(rules(), UPLINKS)
        exits.apply(rules(deny=(parse_exit_entry("8.8.8.8"),)), UPLINKS)
        exits.revert("home")
    except BaseException:
        os._exit(3)
    os._exit(0)

before, number, problems = values(), 1, []
while killed_at(number):
    if not has_table() and any(value != before[key] for key, value in values().items()):
        problems.append(f"step {number}: the host forwards and nothing limits it")
    problems += map(str, ExitForwarding(state).recover())
    if values() != before or has_table() or [*state.glob("*")]:
        problems.append(f"step {number}: something is left")
    number += 1
print(number > 20, values() == before, has_table(), problems)
"""


@pytest.mark.security
def test_exit_node_killed_at_any_step_is_never_open_without_its_table_and_is_restored(
    host: Host, mode: str, tmp_path: Path
) -> None:
    """W-56."""
    assert printed(host, tmp_path, mode, KILLED) == ["True True False []"]


TOGETHER = """
before = values()
exits = ExitForwarding(state)
exits.apply(rules(), UPLINKS)
exits.apply(rules("office", "wg1"), {4: ("eth1",), 6: ("eth1",)})
changed = {key for key, value in values().items() if value != before[key]}
exits.revert("home")
still = {key for key, value in values().items() if value != before[key]}
print(sorted({key.split("/")[2] for key in changed - still if key.startswith("ipv4")}), has_table())
exits.revert("office")
print(values() == before, has_table())
"""


def test_exit_node_that_closes_leaves_what_another_one_needs(host: Host, mode: str, tmp_path: Path) -> None:
    assert printed(host, tmp_path, mode, TOGETHER) == ["['eth0', 'wg0'] True", "True False"]


ROUTER = """
host_key = Path("/proc/sys/net/ipv6/conf/all/forwarding")
exits = ExitForwarding(state)
before = values()
exits.apply(rules(), UPLINKS)
print("nfproto ipv6 iifname != \\"wg0\\"" in subprocess.getoutput("nft list table inet warren_exit"))
print(values()["ipv6/conf/eth1/accept_ra"], values()["ipv6/conf/eth1/forwarding"])
host_key.write_text("0")
host_key.write_text("1")  # another program makes the host a router
print([str(error) for error in exits.check("home")])
exits.revert("home")
print(values()["ipv6/conf/all/forwarding"], values()["ipv4/conf/eth0/forwarding"])
"""


def test_host_that_another_program_made_a_router_stays_one(host: Host, tmp_path: Path) -> None:
    """W-56: the messages of the kernel show the other writer, although Warren's value still stands."""
    assert printed(host, tmp_path, "whole host", ROUTER) == ["True", "2 1", "[]", "1 0"]


REFUSED = """
before = values()
subprocess.run(["nft", "add table inet warren_exit"], check=True)
try:
    ExitForwarding(state).apply(rules(), UPLINKS)
except HostError as error:
    print(error.code, error.hint)
print(values() == before, [*state.glob("*")])
"""


def test_table_of_another_program_is_left_alone(host: Host, mode: str, tmp_path: Path) -> None:
    assert printed(host, tmp_path, mode, REFUSED) == [
        "exit.refused remove it: nft delete table inet warren_exit",
        "True []",
    ]


UNBELIEVED = """
state.mkdir(mode=0o700)
(state / "exit.json").write_text('{"version": 1, "table": true, "settings": '
    '[{"key": "ipv4/conf/eth0/forwarding", "former": "1", "ours": "0", "others": false}]}')
os.chown(state / "exit.json", 65534, 65534)
print([error.code for error in ExitForwarding(state).recover()], values()["ipv4/conf/eth0/forwarding"])
os.chown(state / "exit.json", 0, 0)
os.chmod(state, 0o777)
print([error.code for error in ExitForwarding(state).recover()], values()["ipv4/conf/eth0/forwarding"])
"""


@pytest.mark.security
def test_journal_that_another_user_can_write_is_not_believed(host: Host, tmp_path: Path) -> None:
    assert printed(host, tmp_path, "whole host", UNBELIEVED) == ["['path.untrusted'] 0"] * 2
