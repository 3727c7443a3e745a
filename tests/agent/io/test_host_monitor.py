"""The kernel's reports wake the networks that they may concern."""

from __future__ import annotations

import sys

from tests.cli.ends import Ends
from tests.netns.host import IN_NAMESPACES

pytestmark = IN_NAMESPACES

WATCHED = """
import asyncio, subprocess
from ipaddress import ip_interface, ip_network
from warren import InterfaceConfig, PeerConfig, PrivateKey, up
from warren.agent.io.host_monitor import HostWatcher
from warren.tunnel.host_changes import may_concern

peer = PeerConfig(PrivateKey.generate().public_key(), allowed_ips=(ip_network("0.0.0.0/0"),))
config = InterfaceConfig("wg0", PrivateKey.generate(), addresses=(ip_interface("10.7.0.1/24"),), peers=(peer,))
CONCERNING = (
    "ip address add 10.7.0.9/32 dev wg0",
    "ip address delete 10.7.0.1/24 dev wg0",
    "ip route delete default dev wg0 table 51820",
    "ip route delete unreachable default table 51820",
    "ip rule delete priority 32765",
    "nft delete table ip warren-wg0",
    "ip link set wg0 mtu 1300",
    "ip link set wg0 down",
    "ip link delete wg0",
)
OTHERS = ("ip address add 10.8.0.1/24 dev eth0", "ip rule add priority 9 table 9", "nft add table ip filter")

async def main():
    concerned = asyncio.Queue()
    with up(config) as tunnel:
        status = tunnel.status()
        watcher = HostWatcher(lambda changes: concerned.put_nowait(may_concern(changes, status)))
        task = asyncio.create_task(watcher.subsystem().run())
        await asyncio.sleep(0)
        for command, wanted in [(each, False) for each in OTHERS] + [(each, True) for each in CONCERNING]:
            subprocess.run(command.split(), check=True)
            async with asyncio.timeout(60):
                while await concerned.get() is not wanted:
                    pass
            print(wanted)
        task.cancel()

asyncio.run(main())
"""


def test_watcher_reports_each_change_of_an_interface_and_tells_others_apart(ends: Ends) -> None:
    done = ends.near.attempt(sys.executable, "-c", WATCHED)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["False"] * 3 + ["True"] * 9
