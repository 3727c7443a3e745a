"""One thread that has the database: all that waits is committed together, and is told of after the commit.

So one fsync serves as many commands as came while the last one was made. A piece of work that `must` be done waits
through a full disk; any other is given up with the database's error.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)

MAX_BATCH = 256
LEAST_REST_SECONDS = 1.0


class StoreConnection(Protocol):
    """What is done round a transaction. Everything is called by the database's thread."""

    connection: sqlite3.Connection

    def committed(self, done: Sequence[Work]) -> None:
        """The transaction is on the disk; outcomes may be changed before they are told. Raises nothing."""

    def rolled_back(self) -> None:
        """Nothing of it is: what was remembered beside the database is to be read anew. May raise sqlite3.Error."""

    def tick(self, *, ends: bool) -> None:
        """After each batch, each rest, and at the end, outside of any transaction. May raise sqlite3.Error."""

    def rest_seconds(self) -> float:
        """How long `tick` has nothing to do, if nothing comes."""


@dataclass(slots=True)
class Work:
    """A piece of it, and what came of it."""

    run: Callable[[], object]
    future: asyncio.Future[Any]
    must: bool = False
    take_back: Callable[[], None] | None = None
    """For an outcome that nobody was told of, or may be; in a transaction of its own."""
    needs_log: bool = False
    """Whether nobody may be told where its audit line is not in the file."""
    outcome: object = None
    problem: Exception | None = None

    def attempt(self) -> None:
        """Does it. A database's error is everybody's; any other is its caller's alone."""
        try:
            self.outcome, self.problem = self.run(), None
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001, it is raised where it is awaited
            self.outcome, self.problem = None, error


@dataclass(slots=True)
class GroupCommit:
    """Of an open keeper; `stop` ends it."""

    keeper: StoreConnection
    loop: asyncio.AbstractEventLoop
    _waiting: deque[Work] = field(default_factory=deque)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _ends: bool = False
    _waits: bool = True
    """For a disk that takes nothing."""
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins."""
        # A daemon: a process that ends without `stop` must end; whatever was told is on the disk.
        self._thread = threading.Thread(target=self._run, name="single-use", daemon=True)
        self._thread.start()

    async def do(
        self,
        run: Callable[[], T],
        *,
        must: bool = False,
        take_back: Callable[[], None] | None = None,
        needs_log: bool = False,
    ) -> T:
        """What `run` returns or raises, after it was committed. Raises sqlite3.Error where it could not be.

        Cancelled before it is begun it is left out, unless it `must` be done; later it is taken back.
        """
        future: asyncio.Future[T] = self.loop.create_future()
        self._enqueue(Work(run, future, must, take_back, needs_log))
        return await future

    def _enqueue(self, work: Work) -> None:
        with self._changed:
            if self._ends:
                raise RuntimeError("the store is closed")
            self._waiting.append(work)
            self._changed.notify()

    def wait_no_more(self) -> None:
        """What must be done is tried once, as anything else."""
        with self._changed:
            self._waits = False
            self._changed.notify()

    async def stop(self) -> None:
        """After what waits is done, or given up."""
        with self._changed:
            self._ends = True
            self._changed.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while (batch := self._take()) is not None:
            try:
                self._commit(batch)
            except sqlite3.Error as error:
                self._give_up(batch, error)
            else:
                self.keeper.committed(batch)
                self._tell(batch)
            self._tick()
        self._tick(ends=True)
        self.keeper.connection.close()

    def _tick(self, *, ends: bool = False) -> None:
        try:
            self.keeper.tick(ends=ends)
        except sqlite3.Error:
            self._roll_back()
            log.exception("store.failed")

    def _take(self) -> list[Work] | None:
        with self._changed:
            if not self._waiting and not self._ends:
                self._changed.wait(max(LEAST_REST_SECONDS, self.keeper.rest_seconds()))
            if self._ends and not self._waiting:
                return None
            taken = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
        return [work for work in taken if work.must or not work.future.cancelled()]

    def _commit(self, batch: Sequence[Work]) -> None:
        if batch:
            self.keeper.connection.execute("BEGIN IMMEDIATE")
            for work in batch:
                work.attempt()
            self.keeper.connection.execute("COMMIT")

    def _give_up(self, batch: Sequence[Work], error: sqlite3.Error) -> None:
        self._roll_back()
        again = [] if self._ends or not self._waits else [work for work in batch if work.must]
        given_up = [work for work in batch if work not in again]
        for work in given_up:
            work.outcome, work.problem = None, error
        self._tell(given_up)
        with self._changed:
            self._waiting.extendleft(reversed(again))
            if again and self._waits and not self._ends:
                self._changed.wait(LEAST_REST_SECONDS)

    def _roll_back(self) -> None:
        if self.keeper.connection.in_transaction:
            self.keeper.connection.execute("ROLLBACK")
        with suppress(sqlite3.Error):
            self.keeper.rolled_back()

    def _tell(self, done: Sequence[Work]) -> None:
        with suppress(RuntimeError):  # the loop has ended, and nobody waits
            self.loop.call_soon_threadsafe(self._settle, done)

    def _settle(self, done: Sequence[Work]) -> None:
        for work in done:
            if work.future.cancelled():
                self._take_back(work)
            elif work.problem is not None:
                work.future.set_exception(work.problem)
            else:
                work.future.set_result(work.outcome)

    def _take_back(self, work: Work) -> None:
        if work.take_back is not None and work.problem is None:
            with suppress(RuntimeError):  # closed: the next start finds it
                self._enqueue(Work(work.take_back, self.loop.create_future(), must=True))
