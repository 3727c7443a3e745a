"""Performs what verbs ask of the host's state: psutil's numbers, and services by systemd or the process table."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from warren.clock import monotonic_seconds
from warren.commands.effects.effect import EffectError
from warren.commands.pipeline.executor import Execution, Handlers
from warren.commands.providers.system import AskServices, ReadHost, Reading

SYSTEMD = Path("/run/systemd/system")
"""There while it is the one that runs the host (sd_booted(3))."""
SYSTEMCTL = "/usr/bin/systemctl"
SYSTEMCTL_SECONDS = 10
MEGABYTE = 1 << 20
STEADY_SECONDS = 0.5  # a load over less is noise
STATES = {"active": "active", "reloading": "active", "activating": "active", "failed": "failed"}


class HostState:
    """Loads are what happened in between two looks: `status_interval_seconds` lie between them (G-05)."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval = interval_seconds
        self._self = _this_process()
        self._started = self._looked = monotonic_seconds()
        self._loads = (psutil.cpu_percent(), self._self.cpu_percent())

    def handlers(self) -> Handlers:
        """Of `ReadHost` and `AskServices`."""
        return {ReadHost: self._read, AskServices: self._ask}

    async def _read(self, _: ReadHost, __: Execution) -> Reading:
        return await asyncio.to_thread(self.read)

    async def watch(self) -> None:
        """Looks again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            self._look()

    def _look(self) -> None:
        self._looked = monotonic_seconds()
        self._loads = (psutil.cpu_percent(), self._self.cpu_percent())

    def read(self) -> Reading:
        """As it is now; the loads of the last interval, or, before it has ended, since the start."""
        if self._looked == self._started and monotonic_seconds() - self._started >= STEADY_SECONDS:
            self._loads = (psutil.cpu_percent(), self._self.cpu_percent())
        memory, load = psutil.virtual_memory(), psutil.getloadavg()
        return Reading(
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
        """Of services, by unit. Raises EffectError, OSError."""
        if not await asyncio.to_thread(SYSTEMD.is_dir):
            return await asyncio.to_thread(self._of_processes, units)
        return await _of_systemd(units)

    async def _ask(self, effect: AskServices, _: Execution) -> Mapping[str, str]:
        try:
            return await self.states(effect.units)
        except OSError as error:
            raise EffectError(f"systemd cannot be asked: {error.strerror}") from error

    def _of_processes(self, units: tuple[str, ...]) -> Mapping[str, str]:
        """A service runs if a process has its name."""
        running = {each.info["name"] for each in psutil.process_iter(["name", "status"]) if _lives(each)}
        return {unit: "active" if _program(unit) in running else "inactive" for unit in units}


def _disks() -> Iterator[tuple[str, float]]:
    for mount in sorted({"/", *(each.mountpoint for each in psutil.disk_partitions())}):
        with suppress(OSError):  # one that has gone meanwhile, or that this user may not look at
            yield mount, psutil.disk_usage(mount).percent


def _this_process() -> psutil.Process:
    """By its number in /proc, which is another than its own in a PID namespace that has no /proc of its own."""
    with suppress(OSError):
        return psutil.Process(int(Path("/proc/self").readlink().name))
    return psutil.Process()


def _lives(process: psutil.Process) -> bool:
    return bool(process.info["status"] != "zombie")


def _program(unit: str) -> str:
    """The name that its process has, at 15 octets as the kernel keeps it."""
    return unit.removesuffix(".service").partition("@")[0][:15]


async def _of_systemd(units: tuple[str, ...]) -> Mapping[str, str]:
    """Of all units in one question; each answers a block of two lines."""
    process = await asyncio.create_subprocess_exec(
        SYSTEMCTL, "show", "--property=LoadState,ActiveState", "--", *units, stdout=subprocess.PIPE
    )
    try:
        async with asyncio.timeout(SYSTEMCTL_SECONDS):
            said, _ = await process.communicate()
    except TimeoutError as error:
        process.kill()
        raise EffectError(f"systemd did not answer in {SYSTEMCTL_SECONDS} s") from error
    blocks = said.decode(errors="replace").strip().split("\n\n")
    return {unit: _state(block) for unit, block in zip(units, blocks, strict=False)}


def _state(block: str) -> str:
    found = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    if found.get("LoadState") != "loaded":
        return "unknown"
    return STATES.get(found.get("ActiveState", ""), "inactive")
