"""The rows of commands and used nonces. The database's thread calls every method, all but `tick` in a transaction."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from warren.audit.event import AuditEvent
from warren.commands.command import VerifiedCommand
from warren.commands.replay import Accepted, ReplayState, SeenCommand, State, Verdict, decide, interrupted, keep_until
from warren.commands.result import Code, CommandError, Result
from warren.commands.result_json import decode_result, encode_result
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
    """The limits of what is stored."""

    rows: int
    """Stored nonces per dispatch key."""
    retention_seconds: int
    """How long a command's `corr_id` and result are stored."""


class CommandTable:
    """The command rows of an open database."""

    def __init__(self, database: Database, outbox: Outbox, limits: Limits, now: Callable[[], float]) -> None:
        self.connection = database.connection
        self.outbox = outbox
        self._created = database.created
        self._limits = limits
        self._now = now
        self._live: Counter[str] = Counter()
        self._deleted_until = 0
        self._swept = now()
        self._load()

    def accept(self, command: VerifiedCommand, event: AuditEvent | None, *, read_only: bool) -> Verdict:
        """Decide on a command and bind it. Raises as `replay.decide`; QUEUE_FULL if the audit log cannot be written."""
        self._require_log(read_only=read_only)
        verdict = decide(command, self._replay_state(command))
        nonce_until = keep_until(command)
        self.connection.execute("INSERT INTO used VALUES (?, ?, ?)", (command.kid, command.nonce, nonce_until))
        self._live[command.kid] += 1
        if isinstance(verdict, Accepted):
            self._bind(command, max(int(self._now()) + self._limits.retention_seconds, nonce_until))
        elif event is not None:
            event = replace(event, event="command.repeated", result="repeated")
        self._put(event)
        return verdict

    def finish(self, corr_id: str, result: Result, octets: bytes, event: AuditEvent | None) -> None:
        """Store a result. Raises LookupError for a command that is not in progress."""
        row = (State.DONE, octets, corr_id, State.ACCEPTED)
        updated = self.connection.execute(
            "UPDATE command SET state = ?, result = ? WHERE corr_id = ? AND state = ?", row
        )
        if not updated.rowcount:
            raise LookupError(f"command {result.corr_id} is not in progress")
        self._put(event)

    def write_event(self, event: AuditEvent) -> None:
        """Add an audit line. Raises CommandError QUEUE_FULL if the outbox is full."""
        if self.outbox.is_full:
            raise self._log_failed()
        self._put(event)

    def undo(self, command: VerifiedCommand, event: AuditEvent | None, problem: str) -> None:
        """Delete a command that nobody runs: its nonce stays used, its `corr_id` is free."""
        row = (command.corr_id, command.nonce, State.ACCEPTED)
        self.connection.execute("DELETE FROM command WHERE corr_id = ? AND nonce = ? AND state = ?", row)
        if event is not None:
            event = replace(
                event, event="command.refused", timestamp=int(self._now()), result="denied", status="DENIED"
            )
            self._put(replace(event, error_code=Code.CANCELLED, details={"why": problem}))

    def interrupt(self, agent_id: str) -> tuple[Result, ...]:
        """Mark the commands that a killed process was running, and return their results."""
        now = int(self._now())
        unfinished = [_parse_row(row) for row in self.connection.execute(f"{KNOWN} WHERE state = {State.ACCEPTED:d}")]
        results = [interrupted(known, agent_id, now) for known in unfinished]
        for known, result in zip(unfinished, results, strict=True):
            row = (State.INTERRUPTED, encode_result(result), known.corr_id)
            self.connection.execute("UPDATE command SET state = ?, result = ? WHERE corr_id = ?", row)
            self._put(_interrupted_event(known, now))
        return tuple(results)

    def result_of(self, corr_id: str) -> Result | None:
        """Return the stored result; None if the command is unknown or in progress."""
        known = self._find(corr_id)
        return known.result if known else None

    def unacknowledged(self) -> tuple[Result, ...]:
        """Return the unacknowledged results, oldest first."""
        query = "SELECT result FROM command WHERE acknowledged = 0 AND result IS NOT NULL ORDER BY rowid"
        return tuple(decode_result(octets) for (octets,) in self.connection.execute(query))

    def acknowledge(self, corr_id: str) -> bool:
        """Mark a result as received; return whether it was unacknowledged."""
        query = "UPDATE command SET acknowledged = 1 WHERE corr_id = ? AND acknowledged = 0 AND result IS NOT NULL"
        return bool(self.connection.execute(query, (corr_id,)).rowcount)

    def committed(self, done: Sequence[Work]) -> None:
        """Write the audit lines to the file; if that fails, undo the accepted commands that change state."""
        self.outbox.committed()
        unlogged = [work for work in done if work.needs_log and isinstance(work.outcome, Accepted)]
        if self.outbox.error is not None and unlogged:
            self._undo(unlogged)

    def _undo(self, works: Sequence[Work]) -> None:
        for work in works:
            work.problem = self._log_failed()
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            for work in works:
                if work.undo is not None:
                    work.undo()
            self.connection.execute("COMMIT")
            self.outbox.committed()
        except sqlite3.Error:  # they stay accepted: nobody runs them, and the next start marks them interrupted
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            self.outbox.rolled_back()

    def rolled_back(self) -> None:
        """Read cached state again."""
        self.outbox.rolled_back()
        self._load()

    def tick(self, *, closing: bool) -> None:
        """Write a checkpoint if one is due, and delete expired rows."""
        now = self._now()
        if self.outbox.error is not None:
            self.outbox.committed()
        self.outbox.checkpoint_if_due(now, closing=closing)
        if not self._swept <= now < self._swept + SWEEP_SECONDS:
            self._swept = now
            self._sweep(int(now))

    def idle_seconds(self) -> float:
        """Return for how long nothing is due."""
        now = self._now()
        return min(self._swept + SWEEP_SECONDS - now, self.outbox.idle_seconds(now))

    def _sweep(self, now: int) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        (last,) = self.connection.execute("SELECT MAX(keep_until) FROM used WHERE keep_until < ?", (now,)).fetchone()
        if last is not None:
            row = (max(last, self._deleted_until),)
            self.connection.execute("INSERT OR REPLACE INTO meta VALUES ('forgotten', ?)", row)
            self.connection.execute("DELETE FROM used WHERE keep_until < ?", (now,))
        self.connection.execute("DELETE FROM command WHERE keep_until < ? AND state <> ?", (now, State.ACCEPTED))
        self.connection.execute("DELETE FROM record WHERE expires <= ?", (now,))
        self.connection.execute("COMMIT")
        self._load()

    def _replay_state(self, command: VerifiedCommand) -> ReplayState:
        query = "SELECT 1 FROM used WHERE kid = ? AND nonce = ?"
        seen = self.connection.execute(query, (command.kid, command.nonce)).fetchone() is not None
        live = self._live[command.kid]
        return ReplayState(
            self._created, seen, self._find(command.corr_id), live, self._limits.rows, self._deleted_until
        )

    def _find(self, corr_id: str) -> SeenCommand | None:
        row = self.connection.execute(f"{KNOWN} WHERE corr_id = ?", (corr_id,)).fetchone()
        return _parse_row(row) if row else None

    def _bind(self, command: VerifiedCommand, keep_until: int) -> None:
        row = (command.corr_id, command.verb, command.actor.id, command.kid, command.nonce, command.args_sha256)
        self.connection.execute(BIND, (*row, State.ACCEPTED, keep_until))

    def _put(self, event: AuditEvent | None) -> None:
        if event is not None:
            self.outbox.put(event)

    def _load(self) -> None:
        self._live = Counter(dict(self.connection.execute("SELECT kid, COUNT(*) FROM used GROUP BY kid")))
        row = self.connection.execute("SELECT value FROM meta WHERE name = 'forgotten'").fetchone()
        self._deleted_until = int(row[0]) if row else 0

    def _require_log(self, *, read_only: bool) -> None:
        if self.outbox.is_full or (self.outbox.error is not None and not read_only):
            raise self._log_failed()

    def _log_failed(self) -> CommandError:
        return CommandError(Code.QUEUE_FULL, f"audit log cannot be written: {self.outbox.error}")


def _parse_row(row: tuple[str, str, str, str, str, str, int, bytes | None]) -> SeenCommand:
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
