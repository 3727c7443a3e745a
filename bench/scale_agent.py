"""The whole of `warren validate` and of an agent, for one configuration: processor time, and seconds until answers.

Processor time says what the work costs, also on a machine that has other work; seconds say what a user waits for.
"""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import process
from daemon import COMMAND, Daemon
from failure import BenchError
from host import Host
from tunnel import KeyPair

VALIDATE, VALIDATE_WALL = "warren validate, processor", "warren validate"
UP, UP_WALL = "start to up, processor", "start to up"
RELOAD, RELOAD_WALL = "reload, processor", "reload"
IDLE = "idle for a minute, processor"
STAGES = (VALIDATE, VALIDATE_WALL, UP, UP_WALL, RELOAD, RELOAD_WALL, IDLE)
VALIDATIONS = 5  # whose least time counts
ENDPOINT = re.compile(r"^endpoint = .*\n", re.MULTILINE)
UP_SECONDS, SETTLE_SECONDS, IDLE_SECONDS, GLANCE_SECONDS = 120.0, 5.0, 30.0, 0.02


def measure(text: str) -> dict[str, float]:
    """Return the figure of each stage, in seconds.

    The peers have no endpoints, so that none of the time is that of handshakes which nobody answers.
    """
    text = ENDPOINT.sub("", text).replace('"/k"', '"/etc/warren/private.key"')
    with TemporaryDirectory() as directory, Host("near", Path(directory) / "log") as host:
        root = Path(directory) / "near"
        agent = Daemon(host, root)
        agent.key(KeyPair.generate().private)
        agent.configure(text)
        return dict(_stages(host, agent, root))


def _stages(host: Host, agent: Daemon, root: Path) -> Iterator[tuple[str, float]]:
    validations = [_validate(root) for _ in range(VALIDATIONS)]
    yield VALIDATE, min(processor for processor, _ in validations)
    yield VALIDATE_WALL, min(wall for _, wall in validations)
    begun = time.perf_counter()
    started = host.start(*COMMAND, root)
    _wait_until_up(host, begun)
    yield UP_WALL, time.perf_counter() - begun
    yield UP, _tree_seconds(started.pid)
    time.sleep(SETTLE_SECONDS)
    before, begun = _tree_seconds(started.pid), time.perf_counter()
    agent.ask("reload")
    yield RELOAD_WALL, time.perf_counter() - begun
    yield RELOAD, _tree_seconds(started.pid) - before
    time.sleep(SETTLE_SECONDS)
    before, begun = _tree_seconds(started.pid), time.perf_counter()
    time.sleep(IDLE_SECONDS)
    yield IDLE, (_tree_seconds(started.pid) - before) * 60 / (time.perf_counter() - begun)
    agent.ask("stop")
    started.wait(UP_SECONDS)


def _validate(root: Path) -> tuple[float, float]:
    """Return the processor time of `warren validate`, and how long it took."""
    begun, before = time.perf_counter(), processor_seconds()
    command = [*COMMAND[:3], "validate", "--root", str(root)]
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"warren validate: {done.stderr or done.stdout}")
    return processor_seconds() - before, time.perf_counter() - begun


def _wait_until_up(host: Host, begun: float) -> None:
    """Wait for the log line of the network: asking the agent would cost it time."""
    while '"network.up"' not in host.log.read_text(errors="replace"):
        if time.perf_counter() > begun + UP_SECONDS:
            sys.exit(f"the agent has not brought its network up: {host.log.read_text(errors='replace')[-300:]}")
        time.sleep(GLANCE_SECONDS)


def processor_seconds() -> float:
    """Return the processor time of this process, and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _tree_seconds(root: int) -> float:
    """Return the processor time of a process and all below it."""
    everything = process.all_processes()
    family, size = {root}, 0
    while size != len(family):
        size = len(family)
        family |= {each.pid for each in everything.values() if each.parent in family}
    return sum(everything[pid].own_seconds for pid in family if pid in everything)
