"""`make bench-footprint`: what an agent that has nothing to do takes, beside wireguard-go alone.

From start to a tunnel that is up, resident memory, CPU while idle; an answer about a hundred networks; a thousand
peers at once; and the time until a change of another program is undone. An agent is more than an engine: wireguard-go
has no configuration, no API and no metrics.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import engines
import harness
import machine
import markdown
import process
from daemon import Daemon
from engines import Absent, Engine
from harness import tell
from host import Host, until
from tunnel import OUTER, PORT, Interface, KeyPair, cabled
from verdict import Verdict, at_most

MIB = 1 << 20
NETWORKS, PEERS = 100, 1000
FOREIGN_CHANGES = {
    "route": ("ip route delete 10.44.0.0/16 dev wg0", "ip route show", "10.44.0.0/16"),
    "address": ("ip address delete 10.9.0.1/24 dev wg0", "ip -4 address show dev wg0", "10.9.0.1/24"),
    "default route": ("ip route delete default dev wg0 table 51820", "ip route show table 51820", "default dev wg0"),
    "rule": ("ip rule delete priority 32765", "ip rule show priority 32765", "51820"),
    "nftables table": ("nft delete table ip warren-wg0", "nft list tables", "ip warren-wg0"),
    "link down": ("ip link set wg0 down", "ip route show", "10.44.0.0/16"),
}
"""What another program does, and the command that shows when it is undone."""
SETTLE_SECONDS = 3


@dataclass(slots=True)
class Figures:
    """Of one contestant, one of each for a round."""

    ready_seconds: list[float] = field(default_factory=list)
    resident_mib: list[float] = field(default_factory=list)
    idle_percent: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Results:
    """All that was measured."""

    agent: Figures = field(default_factory=Figures)
    other: Figures = field(default_factory=Figures)
    list_seconds: list[float] = field(default_factory=list)
    apply_seconds: list[float] = field(default_factory=list)
    withdraw_seconds: list[float] = field(default_factory=list)
    repair_seconds: dict[str, list[float]] = field(default_factory=dict)


def main() -> int:
    """0 when it measured, whatever came of it."""
    parser = argparse.ArgumentParser(description="Measures what an idle agent takes.")
    parser.add_argument("--rounds", type=int, default=5, help="whose median counts (5)")
    parser.add_argument("--idle", type=float, default=20, help="seconds of doing nothing in each (20)")
    parser.add_argument("--quick", action="store_true", help="one round of 5 seconds, for trying")
    given = parser.parse_args()
    rounds, idle = (1, 5.0) if given.quick else (given.rounds, given.idle)
    peer = harness.prepare(engines.wireguard_go)
    results = Results()
    for number in range(rounds):
        tell(f"round {number + 1} of {rounds}")
        measure_agent(results, idle)
        if isinstance(peer, Engine):
            measure_engine(peer, results.other, idle)
        measure_networks(results)
        measure_peers(results)
        measure_repairs(results)
    show(results, peer, rounds)
    return 0


def measure_agent(results: Results, idle: float) -> None:
    """One network to a far end that answers."""
    with two_hosts() as (near, far, directory), daemon_on(near, directory) as agent:
        here, there = KeyPair.generate(), Interface(far, engines.warren())
        there.configure("addconf", f"[Peer]\nPublicKey = {here.public}\nAllowedIPs = 10.9.0.1/32\n")
        agent.key(here.private)
        agent.configure(network("default", "wg0", 51000, [peer(there.keys.public, "10.9.0.2/32", OUTER["far"])]))
        results.agent.ready_seconds.append(agent.start(1))
        near.run("ping", "-c", "1", "-W", "10", "10.9.0.2")
        rest(agent.pid, results.agent, idle)


def measure_engine(engine: Engine, figures: Figures, idle: float) -> None:
    """The same tunnel by wireguard-go and wg."""
    with two_hosts() as (near, far, _):
        begin = time.perf_counter()
        here = Interface(near, engine)
        figures.ready_seconds.append(time.perf_counter() - begin)
        there = Interface(far, engines.warren())
        there.configure("addconf", f"[Peer]\nPublicKey = {here.keys.public}\nAllowedIPs = 10.9.0.1/32\n")
        where = f"AllowedIPs = 10.9.0.2/32\nEndpoint = {OUTER['far']}:{PORT}\nPersistentKeepalive = 25\n"
        here.configure("addconf", f"[Peer]\nPublicKey = {there.keys.public}\n{where}")
        near.run("ping", "-c", "1", "-W", "10", "10.9.0.2")
        if here.pid is not None:
            rest(here.pid, figures, idle)


def rest(pid: int, figures: Figures, seconds: float) -> None:
    """Memory and CPU of a process that is left alone."""
    time.sleep(SETTLE_SECONDS)
    before = process.read(pid)
    time.sleep(seconds)
    after = process.read(pid)
    if before and after:
        figures.idle_percent.append(100 * (after.own_seconds - before.own_seconds) / seconds)
    figures.resident_mib.append(process.resident_bytes(pid) / MIB)


def measure_networks(results: Results) -> None:
    """An answer about a hundred networks that are up."""
    with two_hosts() as (near, _, directory), daemon_on(near, directory) as agent:
        agent.key(KeyPair.generate().private)
        key = KeyPair.generate().public
        texts = (
            network(
                f"n{number}", f"wg{number}", 20_000 + number, [peer(key, f"10.{number}.0.2/32", "")], f"10.{number}.0.1"
            )
            for number in range(NETWORKS)
        )
        agent.configure("\n".join(texts))
        agent.start(NETWORKS)
        results.list_seconds.append(statistics.median(agent.timed("list") for _ in range(20)))


def measure_peers(results: Results) -> None:
    """A thousand peers that come by one reload, and go by another."""
    keys = [peer(KeyPair.generate().public, f"10.10.{n // 250}.{n % 250 + 1}/32", "") for n in range(PEERS)]
    with two_hosts() as (near, _, directory), daemon_on(near, directory) as agent:
        agent.key(KeyPair.generate().private)
        agent.configure(network("default", "wg0", 51000, []))
        agent.start(1)
        agent.configure(network("default", "wg0", 51000, keys))
        results.apply_seconds.append(agent.timed("reload"))
        agent.configure(network("default", "wg0", 51000, []))
        results.withdraw_seconds.append(agent.timed("reload", config={"allowEmpty": True}))


def measure_repairs(results: Results) -> None:
    """What others take away from a full tunnel, until it is there again; includes a command that looks."""
    key = KeyPair.generate().public
    with two_hosts() as (near, _, directory), daemon_on(near, directory) as agent:
        agent.key(KeyPair.generate().private)
        peers = [peer(key, "0.0.0.0/0", OUTER["far"]), peer(KeyPair.generate().public, "10.44.0.0/16", "")]
        agent.configure(network("default", "wg0", 51000, peers))
        agent.start(1)
        for name, (change, look, wanted) in FOREIGN_CHANGES.items():
            until(partial(shows, near, look, wanted), f"the {name} is there")
            time.sleep(1)  # so that nothing is under way any more
            begin = time.perf_counter()
            near.run(*change.split())
            while not shows(near, look, wanted):
                pass
            results.repair_seconds.setdefault(name, []).append(time.perf_counter() - begin)


def shows(host: Host, command: str, wanted: str) -> bool:
    """Whether the output of a command has that text."""
    return wanted in host.run(*command.split())


def network(name: str, interface: str, port: int, peers: list[str], address: str = "10.9.0.1") -> str:
    """Its tables."""
    return (
        f'[network.{name}]\nenable_wireguard = true\ninterface = "{interface}"\nlisten_port = {port}\n'
        f'private_key_path = "/etc/warren/private.key"\naddress = "{address}/24"\n'
    ) + "".join(each.replace("@", name) for each in peers)


def peer(public_key: str, prefix: str, host: str) -> str:
    """A peer of a network whose name takes the place of @."""
    where = f'endpoint = "{host}:{PORT}"\n' if host else "persistent_keepalive_secs = 0\n"
    name = prefix.partition("/")[0].replace(".", "-")
    return f'[[network.@.peers]]\nname = "{name}"\npublic_key = "{public_key}"\nallowed_ips = ["{prefix}"]\n{where}'


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host, Path]]:
    """With their cable, and a directory for files."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory()))
        near, far = stack.enter_context(cabled())
        yield near, far, directory


@contextmanager
def daemon_on(host: Host, directory: Path) -> Iterator[Daemon]:
    """An agent that is told to stop at the end."""
    (host.path("/run") / "wireguard").mkdir(exist_ok=True)
    daemon = Daemon(host, directory / "agent")
    yield daemon
    daemon.stop()


def show(results: Results, peer: Engine | Absent, rounds: int) -> None:
    """The table and the verdicts."""
    print(f"Footprint, {machine.today()}, `make bench-footprint` (bench/footprint.py), tree {machine.commit()}.")
    print(f"{machine.description()}; one tunnel that is up; medians of {rounds} rounds.\n")
    ours, other = row("warren agent, HTTP and metrics on", results.agent), row(peer.name, results.other)
    print(markdown.table(["", "ready, s", "resident, MiB", "idle CPU, %", ""], [ours, other]), end="\n\n")
    rows = [[name, markdown.number(ms(seconds))] for name, seconds in results.repair_seconds.items()]
    print(markdown.table(["taken away by another program", "restored after, ms"], rows), end="\n\n")
    for verdict in verdicts(results):
        print(verdict)


def row(name: str, figures: Figures) -> list[str]:
    """One contestant."""
    columns = (figures.ready_seconds, figures.resident_mib, figures.idle_percent)
    return [name, *(markdown.number(median(column)) for column in columns)]


def verdicts(results: Results) -> Iterator[Verdict]:
    """What an agent must keep to."""
    agent = results.agent
    yield at_most("ready within 0.5 s of its start", median(agent.ready_seconds), 0.5, "s")
    yield at_most("at most 50 MiB resident", median(agent.resident_mib), 50, "MiB")
    yield at_most("aim: at most 45 MiB resident", median(agent.resident_mib), 45, "MiB")
    yield at_most("at most 0.2 % of a core while idle", median(agent.idle_percent), 0.2, "%")
    yield at_most(f"an answer about {NETWORKS} networks within 50 ms", ms(results.list_seconds), 50, "ms")
    yield at_most(f"{PEERS:,} peers planned and applied within 2 s", median(results.apply_seconds), 2, "s")
    yield at_most(f"{PEERS:,} peers taken away within 2 s", median(results.withdraw_seconds), 2, "s")

    slowest = max((ms(seconds) or 0.0 for seconds in results.repair_seconds.values()), default=None)
    yield at_most("what another program takes away is restored within 200 ms", slowest, 200, "ms")


def median(values: list[float]) -> float | None:
    """None of nothing."""
    return statistics.median(values) if values else None


def ms(values: list[float]) -> float | None:
    """The median of seconds, in milliseconds."""
    middle = median(values)
    return None if middle is None else middle * 1000


if __name__ == "__main__":
    sys.exit(main())
