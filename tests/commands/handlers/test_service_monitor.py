"""Services that are to run, on this host."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import psutil
import pytest

from warren.commands.handlers.host import HostMetrics
from warren.commands.handlers.service_monitor import ServiceMonitor
from warren.commands.settings import ServiceSettings

pytestmark = pytest.mark.integration


async def until(watch: ServiceMonitor, told: list[str]) -> None:
    async with asyncio.timeout(60):
        while [condition.sentence for condition in watch.conditions()] != told:  # noqa: ASYNC110, nobody tells
            await asyncio.sleep(0.01)


def test_stopped_service_is_a_condition_if_it_is_watched() -> None:
    async def play() -> None:
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)  # noqa: ASYNC220
        name = psutil.Process(process.pid).name()
        units = {"busy": name, "gone": "nowhere-at-all"}  # and nginx, which is not named
        services = ServiceSettings(named=units)
        host = HostMetrics(30)

        async def states(asked: tuple[str, ...]) -> dict[str, str]:
            found = dict(await host.states(asked))
            # Other interpreters run tests here: only this process counts.
            return found | {name: "active" if process.poll() is None else "inactive"}

        watch = ServiceMonitor(services, 0.05, states)
        task = asyncio.create_task(watch.watch())
        try:
            await until(watch, ["gone (nowhere-at-all) is inactive"])
            process.communicate(b"\n")
            await until(watch, [f"busy ({name}) is inactive", "gone (nowhere-at-all) is inactive"])
        finally:
            process.kill()
            task.cancel()

    asyncio.run(play())


def test_unreachable_systemd_is_reported_with_the_reason() -> None:
    async def states(_: tuple[str, ...]) -> dict[str, str]:
        raise FileNotFoundError(2, "No such file or directory")

    async def play() -> None:
        watch = ServiceMonitor(ServiceSettings(named={"nginx": "nginx"}), 30, states)
        task = asyncio.create_task(watch.watch())
        await until(watch, ["nginx (nginx) is unknown: [Errno 2] No such file or directory"])
        task.cancel()

    asyncio.run(play())
