"""Performs the effects that measure the host: psutil's numbers, and services by systemd or the process table."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from warren.clock import monotonic_seconds
from warren.commands.effects.effect import EffectError
from warren.commands.effects.host import GetServiceStates, HostReading, ReadHostMetrics
from warren.commands.execution import Execution, Handlers
from warren.commands.handlers.resources import Resources

SYSTEMD = Path("/run/systemd/system")
"""Exists while systemd is the service manager (sd_booted(3))."""
SYSTEMCTL = "/usr/bin/systemctl"
TIMEOUT_SECONDS = 10
MEGABYTE = 1 << 20
MIN_INTERVAL_SECONDS = 0.5  # a load over a shorter interval is noise
STATES = {"active": "active", "reloading": "active", "activating": "active", "failed": "failed"}


def handlers(resources: Resources) -> Handlers:
    """Return the handlers; none outside the agent."""
    if resources.agent is None:
        return {}
    host = resources.agent.host

    async def read(_: ReadHostMetrics, __: Execution) -> HostReading:
        return await asyncio.to_thread(host.read)

    async def get_states(effect: GetServiceStates, _: Execution) -> Mapping[str, str]:
        try:
            return await host.states(effect.units)
        except OSError as error:
            raise EffectError(f"systemd: {error.strerror}") from error

    return {ReadHostMetrics: read, GetServiceStates: get_states}


class HostMetrics:
    """Samples the load every `status_interval_seconds`: a load is an average over an interval (G-05)."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval = interval_seconds
        self._self = _this_process()
        self._started = self._sampled = monotonic_seconds()
        self._loads = (psutil.cpu_percent(), self._self.cpu_percent())

    async def watch(self) -> None:
        """Sample until cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            self._sample()

    def _sample(self) -> None:
        self._sampled = monotonic_seconds()
        self._loads = (psutil.cpu_percent(), self._self.cpu_percent())

    def read(self) -> HostReading:
        """Return a reading; its loads are of the last interval, or since the start during the first one."""
        if self._sampled == self._started and monotonic_seconds() - self._started >= MIN_INTERVAL_SECONDS:
            self._loads = (psutil.cpu_percent(), self._self.cpu_percent())
        memory, load = psutil.virtual_memory(), psutil.getloadavg()
        return HostReading(
            uptime_seconds=round(monotonic_seconds() - self._started),
            memory_mb=round(self._self.memory_info().rss / MEGABYTE, 1),
            cpu_percent=self._loads[1],
            host_cpu_percent=self._loads[0],
            host_memory_percent=memory.percent,
            host_memory_total_mb=memory.total // MEGABYTE,
            host_memory_used_mb=memory.used // MEGABYTE,
            load_average=(round(load[0], 2), round(load[1], 2), round(load[2], 2)),
            disks=dict(_disks()),
        )

    async def states(self, units: tuple[str, ...]) -> Mapping[str, str]:
        """Return the state of each service, by unit.

        Raises:
            EffectError, OSError: systemd did not answer.
        """
        if not await asyncio.to_thread(SYSTEMD.is_dir):
            return await asyncio.to_thread(self._states_by_process, units)
        return await _states_by_systemd(units)

    def _states_by_process(self, units: tuple[str, ...]) -> Mapping[str, str]:
        """Report a service as active if a process has its name."""
        running = {each.info["name"] for each in psutil.process_iter(["name", "status"]) if _is_alive(each)}
        return {unit: "active" if _program(unit) in running else "inactive" for unit in units}


def _disks() -> Iterator[tuple[str, float]]:
    for mount in sorted({"/", *(each.mountpoint for each in psutil.disk_partitions())}):
        with suppress(OSError):  # one that has gone meanwhile, or that this user may not look at
            yield mount, psutil.disk_usage(mount).percent


def _this_process() -> psutil.Process:
    """Return this process by its PID in /proc, which differs in a PID namespace without its own /proc."""
    with suppress(OSError):
        return psutil.Process(int(Path("/proc/self").readlink().name))
    return psutil.Process()


def _is_alive(process: psutil.Process) -> bool:
    return bool(process.info["status"] != "zombie")


def _program(unit: str) -> str:
    """Return the name of its process, cut to 15 octets as the kernel keeps it."""
    return unit.removesuffix(".service").partition("@")[0][:15]


async def _states_by_systemd(units: tuple[str, ...]) -> Mapping[str, str]:
    """Query all units at once; the answer has a block of two lines for each."""
    process = await asyncio.create_subprocess_exec(
        SYSTEMCTL, "show", "--property=LoadState,ActiveState", "--", *units, stdout=subprocess.PIPE
    )
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            stdout, _ = await process.communicate()
    except TimeoutError as error:
        process.kill()
        raise EffectError(f"no answer from systemd within {TIMEOUT_SECONDS} s") from error
    blocks = stdout.decode(errors="replace").strip().split("\n\n")
    return {unit: _state(block) for unit, block in zip(units, blocks, strict=False)}


def _state(block: str) -> str:
    properties = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    if properties.get("LoadState") != "loaded":
        return "unknown"
    return STATES.get(properties.get("ActiveState", ""), "inactive")
