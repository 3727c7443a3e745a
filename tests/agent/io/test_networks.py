"""Networks of which much is asked at the same time: in the end each is what its state says, and nothing is left.

Real interfaces, in a host of the test's own. The program prints what does not fit; the order of events is chance.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.host import IN_NAMESPACES, Host
from tests.scenario.agent import open_directory

pytestmark = IN_NAMESPACES

PROGRAM = """
import asyncio, contextlib, random, sys, traceback
from dataclasses import replace
from ipaddress import ip_interface
from pathlib import Path

from warren._core import Netlink, PrivateKey
from warren.agent.io.exit_nodes import ExitNodes
from warren.agent.io.name_servers import NameServers
from warren.agent.io.network_context import NetworkContext
from warren.agent.io.networks import AgentNetworks, Loaded
from warren.agent.io.probes import Probes
from warren.privsep.io.privileged_ops import direct_privileged_ops
from warren.errors import WarrenError
from warren.files.key_file import write_private_key
from warren.tunnel.io.dns import Resolver
from warren.tunnel.io.nft_exit import ExitForwarding
from warren.tunnel.io.observe import find_link
from warren.tunnel.network import NetworkConfig

root, seed = Path(sys.argv[1]), int(sys.argv[2])
chance = random.Random(seed)
write_private_key(root / "private.key", PrivateKey.generate(), trust=None)


def config(number):
    address = ip_interface(f"10.{number}.0.1/24")
    return NetworkConfig(
        f"n{number}", str(root / "private.key"), enabled=True, interface=f"wg{number}", addresses=(address,),
        backend="userspace", table="off", listen_port=7000 + number,
    )


CONFIGS = [config(number) for number in range(3)]
file = CONFIGS


def load():
    return Loaded([replace(each, mtu=chance.choice((1300, 1400)), enabled=chance.random() < 0.8) for each in file])


async def ask(networks, work):
    await asyncio.sleep(chance.random() * 0.05)
    with contextlib.suppress(WarrenError):
        await work()


def some_work(networks, number):
    global file
    name = f"n{chance.randrange(3)}"
    if number % 4 == 3:
        file = chance.sample(CONFIGS, chance.choice((1, 2, 3)))
    return chance.choice((
        lambda: networks.connect(name, None), lambda: networks.disconnect(name), networks.reload,
        lambda: networks.disconnect(name),
    ))


async def settled(networks):
    for _ in range(2000):
        if all(view.state in ("active", "stopped", "uninitialized", "error") for view in networks.views()):
            return
        await asyncio.sleep(0.01)
    print("not settled", [view.state for view in networks.views()])


def check(networks, netlink):
    states = {view.sample.interface: view.state for view in networks.views()}
    for each in CONFIGS:
        state, there = states.get(each.interface), find_link(each.interface, netlink) is not None
        if there != (state == "active"):
            print("seed", seed, each.interface, state, "link" if there else "no link")


async def main():
    netlink = Netlink.open()
    async with asyncio.TaskGroup() as group:
        privileged = direct_privileged_ops(None, Resolver(root / "state", root), ExitForwarding(root / "state"))
        exit_nodes = ExitNodes(privileged.exits, netlink, group)
        host = NetworkContext(netlink, Probes(15), NameServers(privileged.resolver), exit_nodes, privileged, group)
        networks = AgentNetworks(CONFIGS, load, host)
        networks.start()
        for _ in range(6):
            await asyncio.gather(*(ask(networks, some_work(networks, number)) for number in range(12)))
            await settled(networks)
            check(networks, netlink)
        late = [asyncio.ensure_future(ask(networks, some_work(networks, number))) for number in range(24)]
        await asyncio.sleep(0.02)
        await networks.close()
        for each in late:
            each.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    check(networks, netlink)
    left = [each.interface for each in CONFIGS if find_link(each.interface, netlink) is not None]
    if left:
        print("seed", seed, "left at the end:", left)


asyncio.run(main())
"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    if not Path("/dev/net/tun").exists():
        pytest.skip("the device /dev/net/tun")
    with Host("near", tmp_path) as host:
        yield host


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_asked_at_the_same_time_state_and_host_agree(host: Host, seed: int) -> None:
    with open_directory() as directory:
        done = host.attempt(sys.executable, "-c", PROGRAM, directory, str(seed))
    assert (done.stdout, done.returncode) == ("", 0), done.stdout + done.stderr[-3000:]
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
