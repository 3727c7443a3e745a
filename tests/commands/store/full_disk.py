"""A gateway whose disk, or whose log's disk, is full for a while; run in a mount namespace of its own.

    python -m tests.commands.store.full_disk PLACE

It says what it saw, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.commands.pipeline.gateway import place_of, prepare
from tests.commands.sandbox_requests import accepted, finished, order, result
from warren.audit.io.logfiles import log_of
from warren.audit.verify import verify_log
from warren.commands.command import VerifiedCommand
from warren.commands.replay import Accepted
from warren.commands.result import CommandError
from warren.commands.store.command_store import CommandStore

SIZE = "512k"


@contextmanager
def full(directory: Path) -> Iterator[None]:
    """Not one octet more goes there."""
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    yield
    filler.unlink()


def mount(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "full", str(directory)], check=True)


async def answer(store: CommandStore, command: VerifiedCommand, *, read_only: bool = False) -> str:
    """`ran`, or the code of the refusal."""
    try:
        assert await store.accept(command, accepted(command), read_only=read_only) == Accepted()
    except CommandError as error:
        return error.code
    await store.finish(command.corr_id, result(command), finished(command))
    return "ran"


async def ran(store: CommandStore, number: int) -> int:
    """How often it was refused before it ran."""
    refused = 0
    while await answer(store, replace(order(number), nonce=f"n-{number}-{refused}")) != "ran":
        refused += 1
        await asyncio.sleep(0.05)
    return refused


async def log_is_full(place: Path) -> dict[str, object]:
    where = place_of(prepare(place))
    mount(where.log)
    async with where.opened() as store:
        first = await answer(store, order(1))
        with full(where.log):
            running: list[VerifiedCommand] = []
            seen = [await _until_refused(store, running), await answer(store, order(3))]
            last = 1000 + len(running)
            reading = await answer(store, order(4), read_only=True)
            trouble = store.audit_error is not None
        await ran(store, last)
        again = await answer(store, order(5))
    verdict = verify_log(log_of(where.log).lines(), [])
    lines = [json.loads(line) for _, line in log_of(where.log).lines()]
    told = [line["event"].removeprefix("command.") for line in lines if line["correlation_id"] == f"c-{last}"]
    return {
        "before": first,
        "changing": seen,
        "reading": reading,
        "trouble": trouble,
        "after": again,
        "findings": len(verdict.findings),
        "told of the refused": told,
    }


async def disk_is_full(place: Path) -> dict[str, object]:
    where = place_of(place)
    mount(where.directory)
    prepare(place)
    async with where.opened() as store:
        running = [order(number) for number in range(1000, 1005)]
        for command in running:
            await store.accept(command, accepted(command))
        with full(where.directory):
            refused = await _until_refused(store, running)
            waiting = [
                asyncio.ensure_future(store.finish(each.corr_id, result(each), finished(each))) for each in running
            ]
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)
        kept = [await store.result_of(each.corr_id) == result(each) for each in running]
        freed = await ran(store, 5000) >= 0
    return {"refused": refused, "running": len(running) > 0, "kept": all(kept), "after": freed}


async def _until_refused(store: CommandStore, running: list[VerifiedCommand]) -> str:
    """Pages that are there already have room for some more."""
    while True:
        command = order(1000 + len(running))
        try:
            await store.accept(command, accepted(command))
        except CommandError as error:
            return error.code
        running.append(command)


def main() -> None:
    root = Path(sys.argv[1])
    seen = {}
    for name, story in ("log", log_is_full), ("disk", disk_is_full):
        (root / name).mkdir()
        seen[name] = asyncio.run(story(root / name))
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
