"""A database that cannot be written is tried again by backoff, and used again by itself."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from warren.backoff import BackoffPolicy
from warren.clock import monotonic_seconds
from warren.commands.store.group_commit import GroupCommit, Work

pytestmark = pytest.mark.integration

RETRY = BackoffPolicy((0.05, 0.1, 0.2), jitter=0.0)
INSERT = "INSERT INTO t VALUES (1)"


@dataclass
class Table:
    """A table of one column, on a connection that waits for no lock."""

    connection: sqlite3.Connection
    on_probe: Callable[[], object]
    probed_at: list[float] = field(default_factory=list)

    def committed(self, done: Sequence[Work]) -> None:
        pass

    def rolled_back(self) -> None:
        pass

    def tick(self, *, closing: bool) -> None:
        pass

    def idle_seconds(self) -> float:
        return 60.0

    def probe(self) -> None:
        self.probed_at.append(monotonic_seconds())
        self.on_probe()
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.execute("ROLLBACK")


def test_a_locked_database_is_tried_by_backoff_until_it_is_unlocked(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
    connection.execute("CREATE TABLE t (n)")
    other = sqlite3.connect(path, isolation_level=None)
    states: list[str] = []
    probed_at: list[float] = []

    async def whole() -> None:
        loop, unlocked, probes = asyncio.get_running_loop(), asyncio.Event(), asyncio.Semaphore(0)
        table = Table(connection, lambda: loop.call_soon_threadsafe(probes.release), probed_at)

        def on_state(error: sqlite3.Error | None) -> None:
            states.append(str(error))
            if error is None:
                unlocked.set()

        commits = GroupCommit(table, loop, on_state, retry=RETRY)
        commits.start()
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            await commits.do(lambda: connection.execute(INSERT))
        for _ in range(len(RETRY.delays) + 1):
            await probes.acquire()
        other.execute("COMMIT")
        await unlocked.wait()
        await commits.do(lambda: connection.execute(INSERT))
        await commits.stop()

    asyncio.run(whole())
    assert states == ["database is locked", "None"]
    gaps = [after - before for before, after in pairwise(probed_at)]
    assert all(gap >= delay for gap, delay in zip(gaps, RETRY.delays[1:], strict=False)), gaps
