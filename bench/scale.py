"""`make bench-scale`: time against size for each stage between the file and the kernel, with the fitted exponent.

Three kinds of file grow: prefixes of one peer, peers of one network, and networks. Each stage runs on its own, in this
process and in a namespace of its own; the figure is the least processor time of the rounds, as a short time is easily
disturbed. Each size has as many rounds: the least of more would be smaller, and the exponent not that of the work. The
exponent is the slope of the times in a plot with two logarithmic axes: 1 is proportional to the size, 2 grows with its
square. Beside the stages that wg and ip have too, theirs: `wg setconf` to the same engine, and one `ip -batch` for the
routes. At the end the whole of `warren validate` and of an agent, with one network (scale_agent.py).
"""

from __future__ import annotations

import argparse
import base64
import ctypes
import gc
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import harness
import machine
import markdown
import scale_agent
from harness import tell
from scale_agent import processor_seconds
from verdict import Verdict, at_most
from warren._core import Netlink, PrivateKey
from warren.agent.config import AgentConfig, load_config
from warren.config.defaults import WARREN
from warren.tunnel.config import InterfaceConfig
from warren.tunnel.desired import NetworkKeys
from warren.tunnel.io.apply import apply_steps
from warren.tunnel.io.in_process import InProcessEngine
from warren.tunnel.io.observe import join_status
from warren.tunnel.network import NetworkConfig
from warren.tunnel.plan import AddRoute, CreateInterface, InterfaceChange, Step, plan
from warren.tunnel.reconcile_state import ReconcileState
from warren.tunnel.wgquick import encode_wgquick
from warren.tunnel.wgquick_import import network_to_wgquick

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
LINK = "wg0"
PREFIXES, PEERS, NETWORKS = 20_000, 10_000, 1_000
PARTS = (8, 4, 2, 1)  # of the largest size
VALIDATE_SECONDS, APPLY_SECONDS, EXPONENT = 1.0, 3.0, 1.1
UP_SECONDS = VALIDATE_SECONDS + APPLY_SECONDS
IDLE_SECONDS = 0.05 * 60  # of a minute
TIMEOUT_SECONDS = 10.0  # of the clients
AGENT_AIMS = {
    scale_agent.VALIDATE: VALIDATE_SECONDS,
    scale_agent.UP: UP_SECONDS,
    scale_agent.RELOAD_WALL: TIMEOUT_SECONDS,
    scale_agent.IDLE: IDLE_SECONDS,
}
READ, PLAN, ENGINE, ROUTES, OBSERVE, REPEAT = "read and check", "plan", "engine", "routes", "observe", "plan again"
WG, IP = "wg setconf", "ip -batch"
APPLY = (PLAN, ENGINE, ROUTES)
KEYS = NetworkKeys(PrivateKey.generate())


@dataclass(slots=True)
class Curve:
    """The least time of each stage by size, in seconds."""

    seconds: dict[str, dict[int, float]] = field(default_factory=dict)

    def add(self, stage: str, size: int, seconds: float) -> None:
        """Keep the time if it is the least so far."""
        of = self.seconds.setdefault(stage, {})
        of[size] = min(of.get(size, math.inf), seconds)

    def at(self, size: int, *stages: str) -> float:
        """Return the time of some stages together."""
        return sum(self.seconds[stage][size] for stage in stages)

    def exponent(self, stage: str) -> float:
        """Return the slope of the times over the sizes, both in logarithms, by least squares."""
        points = [(math.log(size), math.log(seconds)) for size, seconds in self.seconds[stage].items()]
        mean_x, mean_y = (sum(axis) / len(points) for axis in zip(*points, strict=True))
        spread = sum((x - mean_x) ** 2 for x, _ in points)
        return float(sum((x - mean_x) * (y - mean_y) for x, y in points) / spread)


def main() -> int:
    """Return 0 when it measured, whatever came of it."""
    parser = argparse.ArgumentParser(description="Measures how the time of each stage grows with the size.")
    parser.add_argument("--rounds", type=int, default=8, help="whose least time counts (8)")
    parser.add_argument("--quick", action="store_true", help="a trial: one round of a tenth of the sizes")
    options = parser.parse_args()
    share, rounds = (10, 1) if options.quick else (1, options.rounds)
    harness.prepare(lambda: None)
    curves: dict[str, Curve] = {}
    agents = {title: _measure_agent(title, largest // share, write) for title, largest, write in KINDS[:2]}
    _unshare_network()
    for title, largest, write in KINDS:
        curve = curves[title] = Curve()
        for size in (largest // share // part for part in PARTS):
            tell(f"{title}: {size}")
            text = write(size)
            for _ in range(rounds):
                _measure(curve, size, text)
    print("\n".join(_report(curves, agents, share)))
    return 0


def _measure_agent(title: str, largest: int, write: Callable[[int], str]) -> Curve:
    curve = Curve()
    for size in (largest // part for part in PARTS):
        tell(f"agent, {title}: {size}")
        for stage, seconds in scale_agent.measure(write(size)).items():
            curve.add(stage, size, seconds)
    return curve


def _unshare_network() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        sys.exit("no network namespace can be made here")


def prefixes_of_one_peer(count: int) -> str:
    """Return a file with one peer."""
    return _network("home", 0, (_peer("home", 0, map(_prefix, range(count))),))


def peers_of_one_network(count: int) -> str:
    """Return a file with peers of one prefix each."""
    return _network("home", 0, (_peer("home", number, (_prefix(number),)) for number in range(count)))


def networks(count: int) -> str:
    """Return a file with networks of one peer each."""
    names = [f"net-{number}" for number in range(count)]
    return "".join(
        _network(name, number, (_peer(name, number, (_prefix(number),)),)) for number, name in enumerate(names)
    )


KINDS: Sequence[tuple[str, int, Callable[[int], str]]] = (
    ("prefixes of one peer", PREFIXES, prefixes_of_one_peer),
    ("peers of one network", PEERS, peers_of_one_network),
    ("networks", NETWORKS, networks),
)


def _network(name: str, number: int, peers: Iterator[str] | Sequence[str]) -> str:
    head = f'[network.{name}]\nenable_wireguard = true\nprivate_key_path = "/k"\ninterface = "wg{number}"\n'
    return "".join((head, 'address = "198.18.0.1/32"\n', *peers))


def _peer(network: str, number: int, prefixes: Iterator[str] | Sequence[str]) -> str:
    key = base64.b64encode((number + 1).to_bytes(4, "big") * 8).decode()
    listed = ", ".join(f'"{prefix}"' for prefix in prefixes)
    return (
        f'[[network.{network}.peers]]\nname = "peer-{number}"\npublic_key = "{key}"\n'
        f'endpoint = "192.0.2.1:{1 + number % 60_000}"\n'
        f"allowed_ips = [{listed}]\n"
    )


def _prefix(number: int) -> str:
    return f"10.{number >> 14}.{number >> 6 & 255}.{(number & 63) << 2}/30"


def _measure(curve: Curve, size: int, text: str) -> None:
    def timed(stage: str, work: Callable[[], T]) -> T:
        gc.collect()  # so that no stage pays for what another has left
        begun = processor_seconds()
        done = work()
        curve.add(stage, size, processor_seconds() - begun)
        return done

    config: AgentConfig = timed(READ, lambda: load_config(text, "agent.toml", WARREN))
    if len(config.networks) > 1:  # each has a link of its own, and none knows of the others
        timed(PLAN, lambda: [plan(_desired(network), None) for network in config.networks])
        return
    (network,) = config.networks
    desired, steps = timed(PLAN, lambda: _planned(network))
    with TemporaryDirectory() as directory:
        _apply(network, desired, steps, timed, Path(directory))


def _desired(network: NetworkConfig) -> InterfaceConfig:
    state = ReconcileState(network, 0.0)
    state.take_questions(0.0, 0.0)
    return state.desired(KEYS)


def _planned(network: NetworkConfig) -> tuple[InterfaceConfig, Sequence[Step]]:
    desired = _desired(network)
    return desired, plan(desired, None)


def _apply(
    network: NetworkConfig,
    desired: InterfaceConfig,
    steps: Sequence[Step],
    timed: Callable[[str, Callable[[], object]], object],
    directory: Path,
) -> None:
    engine, netlink = InProcessEngine(LINK), Netlink.open()
    engine.create()
    try:
        of_engine = [step for step in steps if isinstance(step, InterfaceChange)]
        routes = [step for step in steps if isinstance(step, AddRoute)]
        others = [step for step in steps if not isinstance(step, InterfaceChange | AddRoute | CreateInterface)]
        timed(ENGINE, lambda: apply_steps(of_engine, engine, netlink))
        apply_steps(others, engine, netlink)
        timed(ROUTES, lambda: apply_steps(routes, engine, netlink))
        observed = timed(OBSERVE, lambda: join_status(LINK, engine.status(), netlink))
        timed(REPEAT, lambda: plan(desired, observed))  # type: ignore[arg-type]
        _with_tools(network, routes, timed, directory)
    finally:
        engine.remove()


def _with_tools(
    network: NetworkConfig, routes: Sequence[AddRoute], timed: Callable[[str, Callable[[], object]], object], at: Path
) -> None:
    """Do the same with wg and ip: the engine replaces its peers, the routes are removed and added again."""
    file = network_to_wgquick(network, KEYS)
    lines = [line for line in encode_wgquick(file).splitlines() if not line.startswith("Address")]
    (at / "wg.conf").write_text("\n".join(lines))
    timed(WG, lambda: subprocess.run(["wg", "setconf", LINK, at / "wg.conf"], check=True))
    for action in ("delete", "add"):
        words = (f"route {action} {step.route.destination} dev {LINK}" for step in routes)
        (at / action).write_text("\n".join(words))
    subprocess.run(["ip", "-batch", at / "delete"], check=True)
    timed(IP, lambda: subprocess.run(["ip", "-batch", at / "add"], check=True))


def _report(curves: Mapping[str, Curve], agents: Mapping[str, Curve], share: int) -> Iterator[str]:
    yield f"# Time against size\n\n{machine.description()}, {machine.today()}, commit {machine.commit()}\n"
    yield f"Load average {' '.join(f'{load:.1f}' for load in os.getloadavg())}\n"
    for title, curve in (*curves.items(), *((f"agent, {title}", curve) for title, curve in agents.items())):
        sizes = [*next(iter(curve.seconds.values()))]
        head = [title, *(f"{size:,}" for size in sizes), "exponent"]
        rows = [
            [stage, *(markdown.number(seconds, 3) for seconds in of.values()), markdown.number(curve.exponent(stage))]
            for stage, of in curve.seconds.items()
        ]
        yield f"## {title.capitalize()}, seconds\n\n{markdown.table(head, rows)}\n"
    yield from map(str, (*_verdicts(curves, share), *_agent_verdicts(agents, share)))


def _agent_verdicts(agents: Mapping[str, Curve], share: int) -> Iterator[Verdict]:
    for title, largest, _ in KINDS[:2]:
        curve, size = agents[title], largest // share
        for stage, seconds in AGENT_AIMS.items():
            yield at_most(f"agent, {size:,} {title}, {stage}", curve.at(size, stage), seconds, "s")
        for stage in curve.seconds:
            yield at_most(f"agent, exponent of {stage}, {title}", curve.exponent(stage), EXPONENT, "")


def _verdicts(curves: Mapping[str, Curve], share: int) -> Iterator[Verdict]:
    for title, largest, _ in KINDS:
        curve, size = curves[title], largest // share
        yield at_most(f"{size:,} {title} validated", curve.at(size, READ), VALIDATE_SECONDS, "s")
        if ENGINE in curve.seconds:
            yield at_most(f"{size:,} {title} applied", curve.at(size, *APPLY), APPLY_SECONDS, "s")
        for stage in curve.seconds:
            if stage not in {WG, IP}:
                yield at_most(f"exponent of {stage}, {title}", curve.exponent(stage), EXPONENT, "")


if __name__ == "__main__":
    raise SystemExit(main())
