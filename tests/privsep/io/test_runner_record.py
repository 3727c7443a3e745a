"""Root lowers the beginning of the runner's record, which was begun while the clock was ahead."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands.pipeline.bundles import trusted_directory
from tests.commands.sandbox_requests import GATEWAY
from warren.audit.event import Origin
from warren.clock import wall_seconds
from warren.commands.command import SKEW_SECONDS
from warren.commands.store.command_store import CommandStore, initialize_store
from warren.errors import HostError
from warren.privsep.io.runner_record import begin_runner_record

pytestmark = [
    pytest.mark.integration,
    pytest.mark.security,
    pytest.mark.skipif(os.geteuid() != 0, reason="the runner is root"),
]
YEAR = 31_536_000


@pytest.fixture
def directory() -> Iterator[Path]:
    with trusted_directory() as parent:
        yield parent / "runner"


def begun(directory: Path) -> int:
    with closing(sqlite3.connect(directory / "commands.db")) as database:
        return int(database.execute("SELECT value FROM meta WHERE name = 'begun'").fetchone()[0])


def test_record_that_begins_ahead_of_the_clock_is_lowered_to_the_clock(directory: Path) -> None:
    directory.mkdir(mode=0o700)
    initialize_store(directory, wall_seconds() + YEAR)
    assert "begins at" in begin_runner_record(directory, directory / "trust.jws")
    assert abs(begun(directory) - wall_seconds() - SKEW_SECONDS) < YEAR / 2


def test_record_that_has_begun_stays_as_it_is(directory: Path) -> None:
    directory.mkdir(mode=0o700)
    initialize_store(directory, wall_seconds() - 3_600)
    before = begun(directory)
    assert begin_runner_record(directory, directory / "trust.jws") == f"begins at {before}, as before"
    assert begun(directory) == before


def test_missing_record_is_not_made(directory: Path) -> None:
    assert begin_runner_record(directory, directory / "trust.jws") == "there is none"
    assert not directory.exists()


def test_record_that_a_runner_has_open_is_an_error(directory: Path) -> None:
    directory.mkdir(mode=0o700)
    initialize_store(directory, wall_seconds() + YEAR)

    async def running() -> None:
        store = CommandStore(directory, Origin(GATEWAY))
        await store.recover()
        try:
            with pytest.raises(HostError, match=r"commands[.]db"):
                await asyncio.to_thread(begin_runner_record, directory, directory / "trust.jws")
        finally:
            await store.close()

    asyncio.run(running())
