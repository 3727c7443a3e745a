"""Run in a host as `probing.py UID INTERFACE/ADDRESS…`: probes as that user, and writes what it
measures, as one object on a line, whenever that changes.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict
from ipaddress import ip_address

from warren.telemetry.io.echo import Prober, Target
from warren.telemetry.io.logging import start_logging
from warren.telemetry.levels import Level

INTERVAL_SECONDS = 0.05


async def probe(targets: list[Target]) -> None:
    prober = Prober(INTERVAL_SECONDS)
    prober.set_targets(targets)
    async with asyncio.TaskGroup() as group:
        group.create_task(prober.run(), name="prober")
        said = ""
        while True:
            figures = {str(target.address): _shown(prober, target) for target in targets}
            line = json.dumps({"figures": figures, "unavailable": prober.unavailable})
            if line != said:
                print(line, flush=True)
                said = line
            await asyncio.sleep(INTERVAL_SECONDS)


def _shown(prober: Prober, target: Target) -> dict[str, float | None] | None:
    figures = prober.figures(target)
    return None if figures is None else asdict(figures)


def main() -> None:
    uid, *words = sys.argv[1:]
    if uid != "0":
        os.setgroups([])
        os.setgid(int(uid))
        os.setuid(int(uid))
    start_logging(Level.DEBUG)
    pairs = [word.split("/") for word in words]
    asyncio.run(probe([Target(interface, ip_address(address)) for interface, address in pairs]))


if __name__ == "__main__":
    main()
