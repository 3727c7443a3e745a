"""Which echoes say something of a peer; they go over this host's own loopback."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from ipaddress import ip_address

from tests.netns.deadline import SOON_SECONDS
from tests.netns.host import IN_NAMESPACES
from tests.tunnel.strategies import PUBLIC_KEYS
from warren.agent.io.probes import Probes
from warren.tunnel.network import NetworkConfig, NetworkPeer

pytestmark = IN_NAMESPACES

PEER = NetworkPeer("far", PUBLIC_KEYS[0], probe=ip_address("127.0.0.1"))
NETWORK = NetworkConfig("home", "/k", peers=(PEER,))
object.__setattr__(NETWORK, "interface", "lo")  # every host has it, and no configuration may name it
INTERVAL_SECONDS = 0.05


async def until(condition: Callable[[], object]) -> None:
    for _ in itertools.repeat(None):
        if condition():
            return
        await asyncio.sleep(INTERVAL_SECONDS)


def test_echoes_before_the_first_handshake_do_not_count() -> None:
    """A first latency would else be that of the handshake, and a loss that of the time before it."""

    async def figures() -> tuple[int, int, int]:
        probes = Probes(INTERVAL_SECONDS)
        async with asyncio.TaskGroup() as group, asyncio.timeout(SOON_SECONDS):
            task = group.create_task(probes.prober.run())
            probes.set_targets(NETWORK, frozenset())
            await until(lambda: any(echoes.figures(1e12) for echoes in probes.prober._echoes.values()))
            before = len(probes.figures("home"))
            probes.record_handshakes("home", [PEER.public_key])
            at_once = len(probes.figures("home"))
            await until(lambda: probes.figures("home"))
            probes.record_handshakes("home", [PEER.public_key])
            task.cancel()
            return before, at_once, len(probes.figures("home"))

    assert asyncio.run(figures()) == (0, 0, 1)


def test_measurements_restart_after_a_network_was_down() -> None:
    async def figures() -> int:
        probes = Probes(INTERVAL_SECONDS)
        async with asyncio.TaskGroup() as group, asyncio.timeout(SOON_SECONDS):
            task = group.create_task(probes.prober.run())
            probes.set_targets(NETWORK, frozenset())
            probes.record_handshakes("home", [PEER.public_key])
            await until(lambda: probes.figures("home"))
            probes.remove_network("home")
            probes.set_targets(NETWORK, frozenset())
            await asyncio.sleep(4 * INTERVAL_SECONDS)
            task.cancel()
            return len(probes.figures("home"))

    assert asyncio.run(figures()) == 0
