"""The rows of single use. Every method is called by the database's thread, and all but `tick` in a transaction."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from warren.audit.event import AuditEvent
from warren.commands.command import VerifiedCommand
from warren.commands.replay import Accepted, ReplayState, SeenCommand, State, Verdict, decide, interrupted, keep_until
from warren.commands.result import Code, CommandError, Result
from warren.commands.resulttext import decode_result, encode_result
from warren.commands.store.database import Database
from warren.commands.store.group_commit import Work
from warren.commands.store.outbox import Outbox

SWEEP_SECONDS = 60
KNOWN = "SELECT corr_id, verb, actor, kid, nonce, args_sha256, state, result FROM command"

BIND = """
INSERT INTO command (corr_id, verb, actor, kid, nonce, args_sha256, state, keep_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept."""

    rows: int
    """Live nonces of one dispatch key."""
    retention_seconds: int
    """How long a command's `corr_id` and result are known."""


class CommandTable:
    """Of an open database."""

    def __init__(self, database: Database, outbox: Outbox, limits: Limits, now: Callable[[], float]) -> None:
        self.connection = database.connection
        self.outbox = outbox
        self._created = database.created
        self._limits = limits
        self._now = now
        self._live: Counter[str] = Counter()
        self._forgotten = 0
        self._swept = now()
        self._count()

    def accept(self, command: VerifiedCommand, event: AuditEvent | None, *, read_only: bool) -> Verdict:
        """Raises CommandError as `replay.judge` does, and QUEUE_FULL where the log cannot be written."""
        self._refuse_unwritten(read_only=read_only)
        verdict = decide(command, self._memory(command))
        known_until = keep_until(command)
        self.connection.execute("INSERT INTO used VALUES (?, ?, ?)", (command.kid, command.nonce, known_until))
        self._live[command.kid] += 1
        if isinstance(verdict, Accepted):
            self._bind(command, max(int(self._now()) + self._limits.retention_seconds, known_until))
        elif event is not None:
            event = replace(event, event="command.repeated", result="repeated")
        self._put(event)
        return verdict

    def finish(self, corr_id: str, result: Result, octets: bytes, event: AuditEvent | None) -> None:
        """Raises LookupError for a command that is not in progress."""
        row = (State.DONE, octets, corr_id, State.ACCEPTED)
        done = self.connection.execute("UPDATE command SET state = ?, result = ? WHERE corr_id = ? AND state = ?", row)
        if not done.rowcount:
            raise LookupError(f"the command {result.corr_id} is not in progress")
        self._put(event)

    def note(self, event: AuditEvent) -> None:
        """Raises CommandError QUEUE_FULL where no more lines are held for a file that takes none."""
        if self.outbox.is_full:
            raise self._unwritten()
        self._put(event)

    def take_back(self, command: VerifiedCommand, event: AuditEvent | None, problem: str) -> None:
        """Lets go of a command that nobody runs: its nonce stays used, its `corr_id` is free."""
        row = (command.corr_id, command.nonce, State.ACCEPTED)
        self.connection.execute("DELETE FROM command WHERE corr_id = ? AND nonce = ? AND state = ?", row)
        if event is not None:
            event = replace(
                event, event="command.refused", timestamp=int(self._now()), result="denied", status="DENIED"
            )
            self._put(replace(event, error_code=Code.CANCELLED, details={"why": problem}))

    def interrupt(self, agent_id: str) -> tuple[Result, ...]:
        """At a start: what is in progress is not any more, and says so."""
        now = int(self._now())
        found = [_known(row) for row in self.connection.execute(f"{KNOWN} WHERE state = {State.ACCEPTED:d}")]
        results = [interrupted(known, agent_id, now) for known in found]
        for known, result in zip(found, results, strict=True):
            row = (State.INTERRUPTED, encode_result(result), known.corr_id)
            self.connection.execute("UPDATE command SET state = ?, result = ? WHERE corr_id = ?", row)
            self._put(_interrupted_event(known, now))
        return tuple(results)

    def result_of(self, corr_id: str) -> Result | None:
        """None where it is not known, or in progress."""
        known = self._known(corr_id)
        return known.result if known else None

    def unacknowledged(self) -> tuple[Result, ...]:
        """Those that nobody has said he has, the oldest first."""
        query = "SELECT result FROM command WHERE acknowledged = 0 AND result IS NOT NULL ORDER BY rowid"
        return tuple(decode_result(octets) for (octets,) in self.connection.execute(query))

    def acknowledge(self, corr_id: str) -> bool:
        """Whether it waited for that."""
        query = "UPDATE command SET acknowledged = 1 WHERE corr_id = ? AND acknowledged = 0 AND result IS NOT NULL"
        return bool(self.connection.execute(query, (corr_id,)).rowcount)

    def committed(self, done: Sequence[Work]) -> None:
        """Gives the lines to the file; where it takes none, what changes state is taken back before it is told of."""
        self.outbox.committed()
        unheard = [work for work in done if work.needs_log and isinstance(work.outcome, Accepted)]
        if self.outbox.trouble is not None and unheard:
            self._take_back(unheard)

    def _take_back(self, works: Sequence[Work]) -> None:
        for work in works:
            work.problem = self._unwritten()
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            for work in works:
                if work.take_back is not None:
                    work.take_back()
            self.connection.execute("COMMIT")
            self.outbox.committed()
        except sqlite3.Error:  # they stay accepted: nobody runs them, and the next start calls them interrupted
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            self.outbox.rolled_back()

    def rolled_back(self) -> None:
        """Reads anew what is remembered."""
        self.outbox.rolled_back()
        self._count()

    def tick(self, *, ends: bool) -> None:
        """Signs the log when it is time, and forgets what has expired."""
        now = self._now()
        if self.outbox.trouble is not None:
            self.outbox.committed()
        self.outbox.seal_if_due(now, ends=ends)
        if not self._swept <= now < self._swept + SWEEP_SECONDS:
            self._swept = now
            self._sweep(int(now))

    def rest_seconds(self) -> float:
        """Until there is something to sign or to forget."""
        now = self._now()
        return min(self._swept + SWEEP_SECONDS - now, self.outbox.rest_seconds(now))

    def _sweep(self, now: int) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        (last,) = self.connection.execute("SELECT MAX(keep_until) FROM used WHERE keep_until < ?", (now,)).fetchone()
        if last is not None:
            row = (max(last, self._forgotten),)
            self.connection.execute("INSERT OR REPLACE INTO meta VALUES ('forgotten', ?)", row)
            self.connection.execute("DELETE FROM used WHERE keep_until < ?", (now,))
        self.connection.execute("DELETE FROM command WHERE keep_until < ? AND state <> ?", (now, State.ACCEPTED))
        self.connection.execute("DELETE FROM record WHERE expires <= ?", (now,))
        self.connection.execute("COMMIT")
        self._count()

    def _memory(self, command: VerifiedCommand) -> ReplayState:
        query = "SELECT 1 FROM used WHERE kid = ? AND nonce = ?"
        seen = self.connection.execute(query, (command.kid, command.nonce)).fetchone() is not None
        live = self._live[command.kid]
        return ReplayState(self._created, seen, self._known(command.corr_id), live, self._limits.rows, self._forgotten)

    def _known(self, corr_id: str) -> SeenCommand | None:
        row = self.connection.execute(f"{KNOWN} WHERE corr_id = ?", (corr_id,)).fetchone()
        return _known(row) if row else None

    def _bind(self, command: VerifiedCommand, keep_until: int) -> None:
        row = (command.corr_id, command.verb, command.actor.id, command.kid, command.nonce, command.args_sha256)
        self.connection.execute(BIND, (*row, State.ACCEPTED, keep_until))

    def _put(self, event: AuditEvent | None) -> None:
        if event is not None:
            self.outbox.put(event)

    def _count(self) -> None:
        self._live = Counter(dict(self.connection.execute("SELECT kid, COUNT(*) FROM used GROUP BY kid")))
        row = self.connection.execute("SELECT value FROM meta WHERE name = 'forgotten'").fetchone()
        self._forgotten = int(row[0]) if row else 0

    def _refuse_unwritten(self, *, read_only: bool) -> None:
        if self.outbox.is_full or (self.outbox.trouble is not None and not read_only):
            raise self._unwritten()

    def _unwritten(self) -> CommandError:
        return CommandError(Code.QUEUE_FULL, f"the audit log cannot be written: {self.outbox.trouble}")


def _known(row: tuple[str, str, str, str, str, str, int, bytes | None]) -> SeenCommand:
    *_, state, octets = row
    return SeenCommand(*row[:6], State(state), decode_result(octets) if octets is not None else None)


def _interrupted_event(known: SeenCommand, now: int) -> AuditEvent:
    return AuditEvent(
        "command.interrupted",
        now,
        known.corr_id,
        known.verb,
        result="error",
        actor=known.actor,
        status="ERROR",
        error_code=Code.INTERRUPTED,
        kid=known.kid,
        nonce=known.nonce,
        hashes={"args": known.args_sha256},
    )
