"""The command store: at-most-once execution on disk, each step in one transaction with its audit line.

    accept   (kid, nonce) and corr_id are bound before anything runs         commit, then the caller may run it
    finish   the result is stored, unacknowledged until its receiver has it  commit, then the caller may answer
    recover  what a killed process was running is INTERRUPTED, and is never run again by itself

A database that is missing, damaged or older than its own audit log is initialized again, and rejects every command and
every intent that was signed before that or in the minute after (V-39). So no old command runs.

This is the public module of the package. The others are its parts: `database` opens the file, `group_commit` batches
transactions, `command_table` and `records` hold the rows, `store_clock` has the time by which they are deleted, and
`outbox` carries audit lines to the log.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from warren.audit.chain import Head
from warren.audit.event import RECORD_BEGUN, AuditEvent, Origin
from warren.audit.io.journal import DAY_SECONDS, Journal
from warren.clock import RELEASE_SECONDS, read_clocks
from warren.commands.command import SKEW_SECONDS, VerifiedCommand
from warren.commands.replay import Verdict
from warren.commands.result import Code, CommandError, Result
from warren.commands.result_json import encode_result
from warren.commands.store.command_table import CommandTable, Limits
from warren.commands.store.database import NAME, Database, initialize_again, open_database, store_failed
from warren.commands.store.group_commit import GroupCommit
from warren.commands.store.outbox import Outbox
from warren.commands.store.records import Records, RecordValue
from warren.commands.store.store_clock import StoreClock
from warren.commands.store.time_floor import TimeFloor
from warren.elapsed_clock import ClockReading, Deadline, Moment
from warren.errors import HostError

T = TypeVar("T")
DEFAULT_ROWS = 200_000  # per dispatch key: 500 commands per second over the six minutes of a lifetime
DEFAULT_BYTES = 512 << 20
MIN_RETENTION_SECONDS = 30 * DAY_SECONDS
FLOOR_MARGIN_SECONDS = DAY_SECONDS
"""A bundle is signed on a machine that is offline, whose clock may be ahead by this much and lock nobody out."""


class CommandStore:
    """The store in a directory, which one process opens. Without a journal nothing is audited, as in the runner.

    `on_failure` is told the error when the database can no longer be written, and None when it can again.
    Call `recover` first and `close` last. `floor()` is a time that has certainly passed: of the trust bundle, for
    example. A new record begins after it, and the time floor is at least that.
    """

    def __init__(  # noqa: PLR0913, its parts and limits
        self,
        directory: Path,
        origin: Origin,
        journal: Journal | None = None,
        *,
        rows: int = DEFAULT_ROWS,
        retention_seconds: int = MIN_RETENTION_SECONDS,
        max_bytes: int = DEFAULT_BYTES,
        floor: Callable[[], int] = lambda: RELEASE_SECONDS,
        clocks: Callable[[], ClockReading] = read_clocks,
        on_failure: Callable[[HostError | None], None] = lambda _: None,
    ) -> None:
        self._path = directory / NAME
        self._origin = origin
        self._journal = journal
        self._limits = Limits(rows, max(retention_seconds, MIN_RETENTION_SECONDS), max_bytes)
        self._floor = floor
        self._clocks = clocks
        self._on_failure = on_failure
        self._opened: tuple[CommandTable, GroupCommit, Records] | None = None

    async def recover(self) -> tuple[Result, ...]:
        """Open the store, complete the audit log, and return the results of the interrupted commands.

        Raises:
            HostError: the store cannot be used.
        """
        table = await asyncio.to_thread(self._open)
        commits = GroupCommit(table, asyncio.get_running_loop(), self._report)
        self._opened = table, commits, Records(commits, table)
        commits.start()
        try:
            return await self._do(lambda: table.interrupt(self._origin.agent_id))
        except HostError:
            await self.close()
            raise

    def stop_retrying(self) -> None:
        """Give up from now on what cannot be written, so that a full disk does not delay the end of the process."""
        if self._opened is not None:
            self._commits.stop_retrying()

    async def close(self) -> None:
        """Close the store after pending transactions; the audit log ends with a checkpoint."""
        if self._opened is not None:
            await self._commits.stop()
            self._opened = None

    async def accept(
        self, command: VerifiedCommand, event: AuditEvent | None = None, *, read_only: bool = False
    ) -> Verdict:
        """Decide on a command; the caller runs it if the verdict is Accepted, which is durable with its audit line.

        A caller that is cancelled meanwhile has not accepted it. A rejection is the caller's to record with
        `write_event`.

        Raises:
            CommandError: REPLAY_DETECTED; EXPIRED_TOKEN for a command or intent older than the record; STORE_FULL if
                the store or the audit log has reached its size; QUEUE_FULL if the nonces of its key or the disk are
                full or, unless it is `read_only`, if the audit log cannot be written (G-48).
        """
        table = self._table

        def undo() -> None:
            table.undo(command, event, "not run: its sender disconnected, or the audit log could not be written")

        try:
            return await self._commits.do(
                lambda: table.accept(command, event, read_only=read_only),
                undo=undo,
                needs_log=not read_only,
            )
        except sqlite3.Error as error:
            raise CommandError(Code.QUEUE_FULL, f"command store cannot be written: {error}") from error

    async def finish(self, corr_id: str, result: Result, event: AuditEvent | None = None) -> None:
        """Store the result of a command, unacknowledged. Retries while the disk is full, until `stop_retrying`.

        Raises:
            LookupError: the command is not in progress.
            ValueError, TypeError: its data cannot be expressed in JSON.
            HostError: it could not be stored before the store was closed.
        """
        octets, table = encode_result(result), self._table
        await self._do(lambda: table.finish(corr_id, result, octets, event), must=True)

    async def lower_beginning(self) -> tuple[int, bool]:
        """Have a record that was begun while the clock was ahead begin now; return its beginning, and if it changed.

        The caller vouches for the present wall clock. The record never begins before an intent that the log names. The
        time floor becomes that of the present bundle, if an earlier one was signed while a clock was ahead.

        Raises:
            HostError: the store cannot be written.
        """
        table = self._table

        def lower() -> bool:
            table.clock.lower_floor(self._floor() - FLOOR_MARGIN_SECONDS)
            return table.lower_beginning(self._vouched_beginning())

        lowered = await self._do(lower)
        return table.begun, lowered

    async def write_event(self, event: AuditEvent, *, essential: bool = True) -> None:
        """Write the audit line of a rejection or another event that is not a step of a command.

        Lines that are not `essential`, like that of a rejection, leave a quarter of the log to the others.

        Raises:
            CommandError, HostError: the line could not be written.
        """
        table = self._table
        await self._do(lambda: table.write_event(event, essential=essential))

    async def result_of(self, corr_id: str) -> Result | None:
        """Return the stored result; None if the command is unknown or in progress."""
        table = self._table
        return await self._do(lambda: table.result_of(corr_id))

    async def unacknowledged(self) -> tuple[Result, ...]:
        """Return the unacknowledged results, oldest first."""
        return await self._do(self._table.unacknowledged)

    async def acknowledge(self, corr_id: str) -> bool:
        """Mark a result as received; return whether it was unacknowledged. Its outcome and hash alone are kept."""
        table = self._table
        return await self._do(lambda: table.acknowledge(corr_id))

    async def moment(self) -> Moment:
        """Return the present moment by the clocks of this store, by which its records expire."""
        return await self._do(self._table.clock.moment)

    def read_clocks(self) -> ClockReading:
        """Return the clocks of the host, with a wall clock that shows at least the time floor: verify by these."""
        return read_floored(self._table.clock.floor, self._floor(), self._clocks())

    async def put_record(self, kind: str, key: str, value: RecordValue, expires: Deadline | None = None) -> None:
        """Store a record durably, replacing one of the same key. It expires by either clock.

        Raises:
            ValueError: the value cannot be expressed in JSON.
            CommandError: STORE_FULL.
        """
        await self._records.put(kind, key, value, expires)

    async def get_record(self, kind: str, key: str) -> RecordValue | None:
        """Return a record; None if there is none or it has expired."""
        return await self._records.get(kind, key)

    async def list_records(self, kind: str) -> Mapping[str, RecordValue]:
        """Return all records of a kind, by key."""
        return await self._records.list(kind)

    async def delete_record(self, kind: str, key: str) -> bool:
        """Delete a record; return whether there was one. Of two callers, only one gets True."""
        return await self._records.delete(kind, key)

    @property
    def head(self) -> Head:
        """The head of the audit log; `chain.EMPTY` without a journal."""
        return self._table.outbox.head

    @property
    def audit_error(self) -> OSError | None:
        """Why the audit log cannot be written now; None if it can."""
        return self._table.outbox.error

    @property
    def ahead_problem(self) -> str | None:
        """Why every command is refused for longer than the first minute of a record; None if it is not."""
        begun = self._table.begun
        if begun <= self._clocks().wall + SKEW_SECONDS:
            return None
        return f"the record of used commands was begun while the clock was ahead; commands are refused until {begun}"

    @property
    def behind_problem(self) -> str | None:
        """Why the wall clock is certainly wrong; None if it can be right."""
        reading = self._clocks()
        floor = self.read_clocks().wall
        if reading.wall >= floor - SKEW_SECONDS:
            return None
        return f"the clock shows {reading.wall:.0f}, and {floor:.0f} has certainly passed"

    @property
    def error(self) -> HostError | None:
        """Why the database cannot be written now; None if it can."""
        error = self._commits.error
        return None if error is None else store_failed(self._path, error)

    @property
    def full_problem(self) -> str | None:
        """Why commands are refused for lack of room; None if they are not."""
        return self._table.full_problem

    @property
    def _open_parts(self) -> tuple[CommandTable, GroupCommit, Records]:
        if self._opened is None:
            raise RuntimeError("store is not open")
        return self._opened

    @property
    def _table(self) -> CommandTable:
        return self._open_parts[0]

    @property
    def _commits(self) -> GroupCommit:
        return self._open_parts[1]

    @property
    def _records(self) -> Records:
        return self._open_parts[2]

    async def _do(self, run: Callable[[], T], *, must: bool = False) -> T:
        try:
            return await self._commits.do(run, must=must)
        except sqlite3.Error as error:
            raise store_failed(self._path, error) from error

    def _report(self, error: sqlite3.Error | None) -> None:
        self._on_failure(None if error is None else store_failed(self._path, error))

    def _open(self) -> CommandTable:
        try:
            if self._journal is not None:
                self._journal.open()
            database = open_database(self._path.parent, self._begin)
        except (OSError, sqlite3.Error) as error:
            raise store_failed(self._path, error) from error
        try:
            return self._open_table(database)
        except (OSError, sqlite3.Error) as error:
            database.connection.close()  # its lock would keep the next attempt out
            raise store_failed(self._path, error) from error

    def _begin(self) -> int:
        """Return when a record begins that is initialized now: after all that can have been signed for the last one.

        The wall clock may have been set back. So the audit log counts, if it is left, with the beginning of the record
        before, and every time that has certainly passed.
        """
        logged = before = 0
        if self._journal is not None:
            logged, before = self._journal.latest_time(), self._journal.last_beginning()
        return max(self._vouched_beginning(), logged + SKEW_SECONDS, before)

    def _vouched_beginning(self) -> int:
        """Return when a record begins if the wall clock is right: after now and all intents that the log names."""
        signed = 0 if self._journal is None else self._journal.latest_intent()
        return max(int(self._clocks().wall), self._floor(), signed) + SKEW_SECONDS

    def _open_table(self, database: Database) -> CommandTable:
        clock = StoreClock(database.connection, self._clocks)
        outbox = Outbox(database.connection, self._journal, self._origin)
        if self._journal is not None and database.init_reason is None and outbox.is_older_than_file():
            database.connection.close()
            return self._open_table(initialize_again(self._path.parent, self._begin(), "outdated"))
        outbox.recover(clock.moment(), resume_after_file=database.init_reason is not None)
        if database.init_reason is not None:
            self._audit_initialization(database, outbox, clock.moment())
        return CommandTable(database, outbox, self._limits, clock)

    @staticmethod
    def _audit_initialization(database: Database, outbox: Outbox, now: Moment) -> None:
        details = {"why": database.init_reason, "begun": database.begun}
        database.connection.execute("BEGIN IMMEDIATE")
        database.connection.execute("DELETE FROM meta WHERE name = 'init_reason'")
        outbox.put(AuditEvent(RECORD_BEGUN, int(now.wall), details=details))
        database.connection.execute("COMMIT")
        outbox.committed()


def read_floored(floor: TimeFloor, signed: int, reading: ClockReading) -> ClockReading:
    """Raise the floor by a time that somebody has signed, and return the reading with a wall clock of at least that."""
    floor.raise_to(signed - FLOOR_MARGIN_SECONDS, reading)
    return floor.apply(reading)


def has_store(directory: Path) -> bool:
    """Return whether there is a store in a directory, intact or not."""
    return os.path.lexists(directory / NAME)


def initialize_store(directory: Path, now: float) -> None:
    """Create the database of a store that does not exist yet, so that it accepts commands a minute later.

    Raises:
        HostError: it cannot be created.
    """
    open_database(directory, lambda: int(now) + SKEW_SECONDS).connection.close()
