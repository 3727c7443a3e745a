"""A gateway that carries out commands under load, as a process that can be killed at any of its calls.

What a command does to the world is a line in `world`, with a random number of that run; what a controller was told is a
line in `told`. Both are on the disk before the gateway goes on.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from tests.commands.sandbox_requests import accepted, finished, order, result
from tests.commands.store.stores import KEY, Place
from warren.audit.io.journal import Retention
from warren.audit.io.logfiles import log_of
from warren.audit.verify import read_checkpoints, verify_log
from warren.commands.replay import Accepted, Stored
from warren.commands.result import Code, Result
from warren.commands.result_json import decode_result, encode_result
from warren.commands.store.command_store import CommandStore

SMALL = Retention(max_bytes=3_000, seconds=10**10)  # files are of today, commands are not


def prepare(place: Path, *, begun: bool = True) -> Path:
    """An empty gateway, whose store began an hour ago."""
    for name in ("world", "told"):
        (place / name).touch()
    if begun:
        place_of(place).begin()
    return place


def place_of(place: Path) -> Place:
    """Where its store is."""
    return Place(place / "commands", rows=100_000, keeping=SMALL)


async def carry_out(place: Path, count: int, at_once: int, first: int = 0) -> None:
    """So many commands from that number on, the same each time it is called, each with a fresh nonce."""
    async with place_of(place).opened() as store:
        room, sent = asyncio.Semaphore(at_once), os.urandom(8).hex()
        await asyncio.gather(*(_carry_out(place, store, number, sent, room) for number in range(first, first + count)))


async def _carry_out(place: Path, store: CommandStore, number: int, sent: str, room: asyncio.Semaphore) -> None:
    command = replace(order(number), nonce=f"n-{number}-{sent}")
    async with room:
        verdict = await store.accept(command, accepted(command))
        if verdict == Accepted():
            run = os.urandom(8).hex()
            _write(place / "world", {"corr_id": command.corr_id, "run": run})
            done = replace(result(command), data={"run": run})
            await store.finish(command.corr_id, done, finished(command))
            verdict = Stored(done)
        if isinstance(verdict, Stored):
            _write(place / "told", json.loads(encode_result(verdict.result)))


def _write(path: Path, members: dict[str, object]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, json.dumps(members).encode() + b"\n")
    os.fsync(descriptor)
    os.close(descriptor)


def _read(path: Path) -> list[str]:
    return path.read_text().splitlines()


def check(place: Path, count: int) -> Counter[Code]:
    """After a last time without a kill: no command ran twice, no result is lost, and the log says what the rows say."""
    world = [(run["corr_id"], run["run"]) for run in map(json.loads, _read(place / "world"))]
    assert len({corr_id for corr_id, _ in world}) == len(world), "a command was run twice"
    results = _rows(place)
    assert sorted(results) == sorted(f"c-{number}" for number in range(count)), "a command has no result"
    for told in map(str.encode, _read(place / "told")):
        assert decode_result(told) == results[decode_result(told).corr_id], "a result was lost, or became another"
    for found in results.values():
        if found.error_code is not Code.INTERRUPTED:
            assert (found.corr_id, found.data["run"]) in world
    _check_log(place, results)
    return Counter(found.error_code for found in results.values())


def _rows(place: Path) -> dict[str, Result]:
    with closing(sqlite3.connect(place / "commands" / "commands.db")) as connection:
        rows = connection.execute("SELECT corr_id, result FROM command").fetchall()
    return {corr_id: decode_result(octets) for corr_id, octets in rows}


def _check_log(place: Path, results: dict[str, Result]) -> None:
    log = log_of(place_of(place).log)
    anchors, findings = read_checkpoints(log.tokens(), {KEY.public.kid: KEY.public})
    verdict = verify_log(log.lines(), anchors)
    assert (findings, verdict.findings, verdict.covered) == ([], (), verdict.head.n)
    told: dict[str, list[str]] = {corr_id: [] for corr_id in results}
    for _, line in log.lines():
        members = json.loads(line)
        if members["correlation_id"] in told and members["event"] != "command.repeated":
            told[members["correlation_id"]].append(members["event"])
    for corr_id, found in results.items():
        end = "interrupted" if found.error_code is Code.INTERRUPTED else "finished"
        assert told[corr_id] == ["command.accepted", f"command.{end}"]


def live(place: Path, count: int, at_once: int, generations: int) -> None:
    """One process after another, each with so many new commands, and each beginning with what the last one left.

    They are forks, so that a call is counted in each of them anew.
    """
    for generation in range(generations):
        child = os.fork()
        if not child:
            asyncio.run(carry_out(place, count, at_once, generation * count))
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, -signal.SIGKILL), f"a gateway ended with {status} by itself"


def main(arguments: Sequence[str]) -> None:
    """`PLACE COUNT AT_ONCE GENERATIONS`."""
    place, *numbers = arguments
    live(Path(place), *map(int, numbers))


if __name__ == "__main__":
    main(sys.argv[1:])


def command_line(place: Path, count: int, at_once: int, generations: int = 1) -> list[str]:
    """What runs it as a process of its own."""
    numbers = map(str, (count, at_once, generations))
    return [sys.executable, "-B", "-m", "tests.commands.pipeline.gateway", str(place), *numbers]
