"""Group commit: one thread owns the database and commits all pending work together; outcomes follow the commit.

So one fsync serves all commands that arrived during the previous one. Work that `must` be done is retried while the
disk is full; any other fails with the database's error. After an error the thread tries by backoff whether the database
can be written again, and tells its owner of both.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from warren.backoff import Backoff, BackoffPolicy
from warren.clock import monotonic_seconds
from warren.errors import HostError

T = TypeVar("T")
log = logging.getLogger(__name__)

MAX_BATCH = 256
MIN_IDLE_SECONDS = 1.0
RETRY = BackoffPolicy.exponential(1.0, 15.0)
"""Before the database is tried again. Commands are tried meanwhile; only work that must be done waits."""


class StoreConnection(Protocol):
    """The hooks around a transaction; the database's thread calls all of them."""

    connection: sqlite3.Connection

    def committed(self, done: Sequence[Work]) -> None:
        """Handle a commit; may change outcomes before callers get them. Raises nothing."""

    def rolled_back(self) -> None:
        """Handle a rollback: read cached state again. May raise sqlite3.Error."""

    def tick(self, *, closing: bool) -> None:
        """Do periodic work after each batch, when idle, and on close, outside transactions. May raise sqlite3.Error."""

    def idle_seconds(self) -> float:
        """Return for how long `tick` has nothing to do."""

    def probe(self) -> None:
        """Write and delete as much as a command needs, durably. Raises sqlite3.Error."""


@dataclass(slots=True)
class Work:
    """One piece of work in a transaction, and its outcome."""

    run: Callable[[], object]
    future: asyncio.Future[Any]
    must: bool = False
    undo: Callable[[], None] | None = None
    """Reverts it, in a transaction of its own, if its caller never gets the outcome."""
    needs_log: bool = False
    """True if it fails unless its audit line is in the file."""
    outcome: object = None
    problem: Exception | None = None

    def attempt(self) -> None:
        """Run it. An error of the database fails the whole batch, any other only this work."""
        try:
            self.outcome, self.problem = self.run(), None
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001, raised to the caller that awaits it
            self.outcome, self.problem = None, error


@dataclass(slots=True)
class GroupCommit:
    """Group commit on an open database; `stop` ends it."""

    database: StoreConnection
    loop: asyncio.AbstractEventLoop
    on_state: Callable[[sqlite3.Error | None], None] = lambda _: None
    """Called in the loop with the error when the database can no longer be written, and with None when it can again."""
    error: sqlite3.Error | None = None
    """Why the database cannot be written now; None if it can."""
    retry: BackoffPolicy = RETRY
    _backoff: Backoff = field(init=False)
    _waiting: deque[Work] = field(default_factory=deque)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _closing: bool = False
    _retries: bool = True
    """True if work that must be done is retried."""
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self._backoff = Backoff(self.retry, random.random)

    def start(self) -> None:
        """Start the thread."""
        # A daemon: it must not keep a process alive that ends without `stop`; all outcomes returned so far are durable.
        self._thread = threading.Thread(target=self._run, name="command-store", daemon=True)
        self._thread.start()

    async def do(
        self,
        run: Callable[[], T],
        *,
        must: bool = False,
        undo: Callable[[], None] | None = None,
        needs_log: bool = False,
    ) -> T:
        """Run work in a transaction and return its outcome after the commit.

        Work that is cancelled before it starts is skipped, unless it `must` be done; later it is undone.

        Raises:
            sqlite3.Error: it could not be committed; also raises what `run` raises.
        """
        future: asyncio.Future[T] = self.loop.create_future()
        self._enqueue(Work(run, future, must, undo, needs_log))
        return await future

    def _enqueue(self, work: Work) -> None:
        with self._changed:
            if self._closing:
                raise RuntimeError("store is closed")
            self._waiting.append(work)
            self._changed.notify()

    def stop_retrying(self) -> None:
        """Try work that must be done once, like any other."""
        with self._changed:
            self._retries = False
            self._changed.notify()

    async def stop(self) -> None:
        """End the thread after pending work is done or given up."""
        with self._changed:
            self._closing = True
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
                self.database.committed(batch)
                self._deliver(batch)
                if self.error is not None and self._backoff.is_due(monotonic_seconds()):
                    self._probe()  # a batch that only read proves nothing
            self._tick()
        self._tick(closing=True)
        self.database.connection.close()

    def _tick(self, *, closing: bool = False) -> None:
        try:
            self.database.tick(closing=closing)
        except sqlite3.Error as error:
            self._roll_back()
            if self.error is None:
                log.exception("store.failed")
            self._set_error(error)

    def _probe(self) -> None:
        try:
            self.database.probe()
        except sqlite3.Error as error:
            self._roll_back()
            self._set_error(error)
        else:
            self._set_error(None)

    def _set_error(self, error: sqlite3.Error | None) -> None:
        """Keep the present state, and report a change of it."""
        is_change, self.error = str(error) != str(self.error), error
        now = monotonic_seconds()
        if error is None:
            self._backoff.reset()
        elif self._backoff.is_due(now):  # work that fails meanwhile is no attempt of its own
            self._backoff.fail(HostError(str(error), code="command.store_failed"), now)
        if is_change:
            with suppress(RuntimeError):  # the loop has ended
                self.loop.call_soon_threadsafe(self.on_state, error)

    def _take(self) -> list[Work] | None:
        with self._changed:
            if not self._waiting and not self._closing:
                self._changed.wait(self._idle_seconds())
            if self._closing and not self._waiting:
                return None
            taken = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
        return [work for work in taken if work.must or not work.future.cancelled()]

    def _idle_seconds(self) -> float:
        if self.error is not None:
            return self._backoff.remaining_seconds(monotonic_seconds())
        return max(MIN_IDLE_SECONDS, self.database.idle_seconds())

    def _commit(self, batch: Sequence[Work]) -> None:
        if batch:
            self.database.connection.execute("BEGIN IMMEDIATE")
            for work in batch:
                work.attempt()
            self.database.connection.execute("COMMIT")

    def _give_up(self, batch: Sequence[Work], error: sqlite3.Error) -> None:
        self._roll_back()
        self._set_error(error)
        retried = [] if self._closing or not self._retries else [work for work in batch if work.must]
        given_up = [work for work in batch if work not in retried]
        for work in given_up:
            work.outcome, work.problem = None, error
        self._deliver(given_up)
        with self._changed:
            self._waiting.extendleft(reversed(retried))
            if retried and self._retries and not self._closing:
                self._changed.wait(self._backoff.remaining_seconds(monotonic_seconds()))

    def _roll_back(self) -> None:
        if self.database.connection.in_transaction:
            self.database.connection.execute("ROLLBACK")
        with suppress(sqlite3.Error):
            self.database.rolled_back()

    def _deliver(self, done: Sequence[Work]) -> None:
        with suppress(RuntimeError):  # the loop has ended and nobody waits
            self.loop.call_soon_threadsafe(self._settle, done)

    def _settle(self, done: Sequence[Work]) -> None:
        for work in done:
            if work.future.cancelled():
                self._undo(work)
            elif work.problem is not None:
                work.future.set_exception(work.problem)
            else:
                work.future.set_result(work.outcome)

    def _undo(self, work: Work) -> None:
        if work.undo is not None and work.problem is None:
            with suppress(RuntimeError):  # closed: the next start recovers it
                self._enqueue(Work(work.undo, self.loop.create_future(), must=True))
