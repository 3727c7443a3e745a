"""At most once, on the disk: what was accepted, what came of it, and its audit line, in one transaction each.

    accept   (kid, nonce) and corr_id are bound before anything runs       commit, then the caller may run it
    finish   the result is stored, and spooled until it is acknowledged    commit, then the caller may answer
    recover  what a killed process had begun is INTERRUPTED, and is never run again by itself

A database that is missing, damaged or older than its own log is begun anew, and refuses every command that was issued
before it began or in the minute after (V-39): so no old one runs, whatever the clocks say.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from warren.audit.chain import Head
from warren.audit.event import AuditEvent, Origin
from warren.audit.io.journal import DAY_SECONDS, Journal
from warren.clock import wall_seconds
from warren.commands.command import VerifiedCommand
from warren.commands.replay import Verdict
from warren.commands.result import Code, CommandError, Result
from warren.commands.resulttext import encode_result
from warren.commands.store.command_table import CommandTable, Limits
from warren.commands.store.database import NAME, Database, begin_anew, open_database, unusable
from warren.commands.store.group_commit import GroupCommit
from warren.commands.store.outbox import Outbox
from warren.commands.store.records import Records

T = TypeVar("T")
DEFAULT_ROWS = 200_000  # of one dispatch key: 500 commands each second of the six minutes that one may live
MIN_RETENTION_SECONDS = 30 * DAY_SECONDS


class CommandStore:
    """In `directory`, which one process may have. Without a journal nothing is audited: the root runner's own rows.

    `recover` comes first, `close` last.
    """

    def __init__(  # noqa: PLR0913, its parts and its limits
        self,
        directory: Path,
        origin: Origin,
        journal: Journal | None = None,
        *,
        rows: int = DEFAULT_ROWS,
        retention_seconds: int = MIN_RETENTION_SECONDS,
        now: Callable[[], float] = wall_seconds,
    ) -> None:
        self._path = directory / NAME
        self._origin = origin
        self._journal = journal
        self._limits = Limits(rows, max(retention_seconds, MIN_RETENTION_SECONDS))
        self._now = now
        self._opened: tuple[CommandTable, GroupCommit, Records] | None = None

    async def recover(self) -> tuple[Result, ...]:
        """Opens it, completes the audit log, and answers for the commands that were interrupted. Raises HostError."""
        ledger = await asyncio.to_thread(self._open)
        commits = GroupCommit(ledger, asyncio.get_running_loop())
        self._opened = ledger, commits, Records(commits, self._now)
        commits.start()
        return await self._do(lambda: ledger.interrupt(self._origin.agent_id))

    def wait_no_more(self) -> None:
        """From now on what cannot be written is given up: a full disk keeps nobody from ending."""
        if self._opened is not None:
            self._commits.wait_no_more()

    async def close(self) -> None:
        """After all that waits is done; the log ends with a checkpoint."""
        if self._opened is not None:
            await self._commits.stop()
            self._opened = None

    async def accept(
        self, command: VerifiedCommand, event: AuditEvent | None = None, *, read_only: bool = False
    ) -> Verdict:
        """To be run now by the caller if it is Accepted; on the disk, with its audit line, when it is told.

        A caller that is cancelled meanwhile has not accepted it. Raises CommandError: REPLAY_DETECTED,
        EXPIRED_TOKEN for one from before the store, QUEUE_FULL where the store or its disk is full; and where the log
        cannot be written, for what is not `read_only` (G-48). The refusal itself is the caller's to `note`.
        """
        ledger = self._ledger

        def take_back() -> None:
            ledger.take_back(command, event, "nobody runs it: its caller has gone, or the log could not be written")

        try:
            return await self._commits.do(
                lambda: ledger.accept(command, event, read_only=read_only),
                take_back=take_back,
                needs_log=not read_only,
            )
        except sqlite3.Error as error:
            raise CommandError(Code.QUEUE_FULL, f"the record of used commands cannot be written: {error}") from error

    async def finish(self, corr_id: str, result: Result, event: AuditEvent | None = None) -> None:
        """Stores what came of it, and spools it. Waits for a disk that is full, until `wait_no_more`.

        Raises LookupError for a command that is not in progress, ValueError or TypeError for data that JSON cannot
        say, HostError where it could not be stored before the end.
        """
        octets, ledger = encode_result(result), self._ledger
        await self._do(lambda: ledger.finish(corr_id, result, octets, event), must=True)

    async def note(self, event: AuditEvent) -> None:
        """A refusal, or anything else that is no step of a command. Raises CommandError and HostError."""
        ledger = self._ledger
        await self._do(lambda: ledger.note(event))

    async def result_of(self, corr_id: str) -> Result | None:
        """None where it is not known, or in progress."""
        ledger = self._ledger
        return await self._do(lambda: ledger.result_of(corr_id))

    async def unacknowledged(self) -> tuple[Result, ...]:
        """The spool, the oldest first."""
        return await self._do(self._ledger.unacknowledged)

    async def acknowledge(self, corr_id: str) -> bool:
        """Whoever it is for has it on the disk. Whether it waited for that."""
        ledger = self._ledger
        return await self._do(lambda: ledger.acknowledge(corr_id))

    @property
    def records(self) -> Records:
        """What providers keep."""
        return self._open_parts[2]

    @property
    def head(self) -> Head:
        """The audit log up to its last line; `chain.EMPTY` without a journal."""
        return self._ledger.outbox.head

    @property
    def audit_trouble(self) -> OSError | None:
        """Why the log's file takes no lines now."""
        return self._ledger.outbox.trouble

    @property
    def _open_parts(self) -> tuple[CommandTable, GroupCommit, Records]:
        if self._opened is None:
            raise RuntimeError("the store is not open")
        return self._opened

    @property
    def _ledger(self) -> CommandTable:
        return self._open_parts[0]

    @property
    def _commits(self) -> GroupCommit:
        return self._open_parts[1]

    async def _do(self, run: Callable[[], T], *, must: bool = False) -> T:
        try:
            return await self._commits.do(run, must=must)
        except sqlite3.Error as error:
            raise unusable(self._path, error) from error

    def _open(self) -> CommandTable:
        try:
            if self._journal is not None:
                self._journal.open()
            return self._ledger_of(open_database(self._path.parent, self._now()))
        except (OSError, sqlite3.Error) as error:
            raise unusable(self._path, error) from error

    def _ledger_of(self, database: Database) -> CommandTable:
        outbox = Outbox(database.connection, self._journal, self._origin)
        if self._journal is not None and database.begun is None and outbox.is_older_than_file():
            database.connection.close()
            return self._ledger_of(begin_anew(self._path.parent, self._now(), "outdated"))
        outbox.recover(self._now(), adopts=database.begun is not None)
        ledger = CommandTable(database, outbox, self._limits, self._now)
        if database.begun is not None:
            ledger.connection.execute("BEGIN IMMEDIATE")
            ledger.connection.execute("DELETE FROM meta WHERE name = 'begun'")
            outbox.put(AuditEvent("store.begun", int(self._now()), details={"why": database.begun}))
            ledger.connection.execute("COMMIT")
            outbox.committed()
        return ledger
