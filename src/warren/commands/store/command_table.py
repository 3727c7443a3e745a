"""The rows of commands and used nonces. The database's thread calls every method, all but `tick` in a transaction.

A row is deleted when both clocks have passed its deadline (`warren.elapsed_clock`), and leaves its time in `forgotten`:
a nonce or an intent that may have had a row is refused. So a wall clock that is set ahead deletes nothing, and
one that is set back afterwards revives nothing.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from warren.audit.event import RECORD_LOWERED, AuditEvent
from warren.commands.command import VerifiedCommand
from warren.commands.replay import Accepted, ReplayState, SeenCommand, State, Verdict, decide, interrupted, keep_until
from warren.commands.result import Code, CommandError, Result
from warren.commands.result_json import MAX_RESULT_BYTES, acknowledge, decode_result, encode_result
from warren.commands.store.database import Database
from warren.commands.store.forgotten import ForgottenTimes, forget
from warren.commands.store.group_commit import Work
from warren.commands.store.outbox import Outbox
from warren.commands.store.store_clock import StoreClock
from warren.elapsed_clock import Deadline, Moment

SWEEP_SECONDS = 60
PROBE = ("INSERT OR REPLACE INTO meta VALUES ('probe', zeroblob(16384))", "DELETE FROM meta WHERE name = 'probe'")
"""Four pages: the row of a command, its indices and the log's line. Each commit is on the disk."""
RESULT_BYTES = 2 * MAX_RESULT_BYTES
"""Reserved for the result of each command that runs: JSON in ASCII is longer than the RESULT in UTF-8."""
KNOWN = "SELECT corr_id, verb, actor, kid, nonce, args_sha256, state, result FROM command"
RUNNING = "SELECT COUNT(*) FROM command WHERE state = 1"
NONCE, INTENT = "nonce", "intent"
"""The kinds of forgotten times: until when a nonce was kept, and when an intent was signed."""
OLD_NONCES = "SELECT DISTINCT keep_until FROM used WHERE keep_until < ? AND keep_elapsed < ?"
DELETE_NONCES = "DELETE FROM used WHERE keep_until < ? AND keep_elapsed < ?"
OLD_INTENTS = """
SELECT DISTINCT intent_iat FROM command
WHERE keep_until < ? AND keep_elapsed < ? AND state <> 1 AND intent_iat IS NOT NULL
"""
DELETE_COMMANDS = "DELETE FROM command WHERE keep_until < ? AND keep_elapsed < ? AND state <> 1"
DELETE_RECORDS = "DELETE FROM record WHERE expires <= ? AND expires_elapsed <= ?"

BIND = """
INSERT INTO command (
    corr_id, verb, actor, kid, nonce, args_sha256, state, keep_until, keep_elapsed, intent_iat, answer_until,
    answer_elapsed
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
ANSWERS = """
SELECT corr_id, result FROM command
WHERE answer_until < ? AND answer_elapsed < ? AND result IS NOT NULL LIMIT 1000
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of what is stored."""

    rows: int
    """Stored nonces per dispatch key."""
    retention_seconds: int
    """How long the `corr_id` and result of a command with an intent are stored."""
    max_bytes: int
    """The size of the database. Without an operator's intent, commands get three quarters of it."""

    def share(self, *, has_intent: bool) -> int:
        """Return the size at which such a command is refused."""
        return self.max_bytes if has_intent else self.max_bytes * 3 // 4


class CommandTable:
    """The command rows of an open database."""

    def __init__(self, database: Database, outbox: Outbox, limits: Limits, clock: StoreClock) -> None:
        self.connection = database.connection
        self.outbox = outbox
        self.clock = clock
        self.full_problem: str | None = None
        """Why the last command or record had no room; None if it had."""
        self.begun = database.begun
        """When the record begins, in seconds since the Unix epoch."""
        self._limits = limits
        self._live: Counter[str] = Counter()
        self._forgotten = ForgottenTimes(self.connection)
        self._reserved_bytes = limits.max_bytes
        """At least the size with the results of all that run; measured again when it exceeds a share."""
        self._swept = clock.moment().elapsed
        self._load()

    def accept(self, command: VerifiedCommand, event: AuditEvent | None, *, read_only: bool) -> Verdict:
        """Decide on a command and bind it.

        Raises as `replay.decide`; STORE_FULL if there is no room, QUEUE_FULL if the audit log cannot be written.
        """
        self._require_log(read_only=read_only)
        verdict, now = decide(command, self._replay_state(command)), self.clock.moment()
        self.require_room(has_intent=command.has_intent and isinstance(verdict, Accepted))
        nonce = _later(now, keep_until(command), 0)
        row = (command.kid, command.nonce, nonce.wall, nonce.elapsed)
        self.connection.execute("INSERT INTO used VALUES (?, ?, ?, ?)", row)
        self._live[command.kid] += 1
        if isinstance(verdict, Accepted):
            self._bind(command, now, nonce, read_only=read_only)
        elif event is not None:
            event = replace(event, event="command.repeated", result="repeated")
        self._put(event)
        return verdict

    def lower_beginning(self, begun: int) -> bool:
        """Have the record begin at `begun` if it begins later, with an audit line; return whether it did."""
        if self.begun <= begun:
            return False
        self.connection.execute("UPDATE meta SET value = ? WHERE name = 'begun'", (begun,))
        details = {"from": self.begun, "to": begun}
        self._put(AuditEvent(RECORD_LOWERED, int(self.clock.moment().wall), details=details))
        self.begun = begun
        return True

    def finish(self, corr_id: str, result: Result, octets: bytes, event: AuditEvent | None) -> None:
        """Store a result. Raises LookupError for a command that is not in progress."""
        row = (State.DONE, octets, corr_id, State.ACCEPTED)
        updated = self.connection.execute(
            "UPDATE command SET state = ?, result = ? WHERE corr_id = ? AND state = ?", row
        )
        if not updated.rowcount:
            raise LookupError(f"command {result.corr_id} is not in progress")
        self._put(event)

    def write_event(self, event: AuditEvent, *, essential: bool) -> None:
        """Add an audit line. Raises CommandError QUEUE_FULL if the outbox is full, STORE_FULL if the log is."""
        if self.outbox.is_full:
            raise self._log_failed()
        self._require_log_room(has_intent=essential)
        self._put(event)

    def undo(self, command: VerifiedCommand, event: AuditEvent | None, problem: str) -> None:
        """Delete a command that nobody runs: its nonce stays used, its `corr_id` is free."""
        row = (command.corr_id, command.nonce, State.ACCEPTED)
        self.connection.execute("DELETE FROM command WHERE corr_id = ? AND nonce = ? AND state = ?", row)
        if event is not None:
            now = int(self.clock.moment().wall)
            event = replace(event, event="command.refused", timestamp=now, result="denied", status="DENIED")
            self._put(replace(event, error_code=Code.CANCELLED, details={"why": problem}))

    def interrupt(self, agent_id: str) -> tuple[Result, ...]:
        """Mark the commands that a killed process was running, and return their results."""
        now = int(self.clock.moment().wall)
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
        """Mark a result as received and keep its outcome and hash alone; return whether it was unacknowledged."""
        query = "SELECT result FROM command WHERE corr_id = ? AND acknowledged = 0 AND result IS NOT NULL"
        row = self.connection.execute(query, (corr_id,)).fetchone()
        if row is not None:
            self._drop_answer(corr_id, row[0])
        return row is not None

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
        """Write a checkpoint if one is due, delete what is over by both clocks, and store the elapsed clock."""
        now = self.clock.moment()
        if self.outbox.error is not None:
            self.outbox.committed()
        self.outbox.checkpoint_if_due(now, closing=closing)
        if now.elapsed >= self._swept + SWEEP_SECONDS:
            self._swept = now.elapsed
            self._sweep(now)
        self.clock.save_if_due(closing=closing)

    def idle_seconds(self) -> float:
        """Return for how long nothing is due."""
        now = self.clock.moment()
        return min(self._swept + SWEEP_SECONDS - now.elapsed, self.outbox.idle_seconds(now))

    def probe(self) -> None:
        """Write and delete as much as a command and its result usually need."""
        for statement in PROBE:
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.execute(statement)
            self.connection.execute("COMMIT")

    def require_room(self, *, has_intent: bool) -> None:
        """Raise CommandError STORE_FULL unless one more command fits, with its result and those of all that run."""
        share = self._limits.share(has_intent=has_intent)
        self._reserved_bytes += RESULT_BYTES
        if self._reserved_bytes > share:
            (running,) = self.connection.execute(RUNNING).fetchone()
            self._reserved_bytes = self._used_bytes() + (running + 1) * RESULT_BYTES
        if self._reserved_bytes > share:
            self.full_problem = (
                f"command store is full: its results need {self._reserved_bytes >> 20} of {share >> 20} MiB"
            )
            raise CommandError(Code.STORE_FULL, self.full_problem)
        self._require_log_room(has_intent=has_intent)
        self.full_problem = None

    def _require_log_room(self, *, has_intent: bool) -> None:
        if problem := self.outbox.full_problem(has_intent=has_intent):
            self.full_problem = problem
            raise CommandError(Code.STORE_FULL, problem)

    def _used_bytes(self) -> int:
        pages, free, size = (
            self.connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _sweep(self, now: Moment) -> None:
        clocks = (int(now.wall), now.elapsed)
        self.connection.execute("BEGIN IMMEDIATE")
        forget(self.connection, NONCE, (time for (time,) in self.connection.execute(OLD_NONCES, clocks)))
        self.connection.execute(DELETE_NONCES, clocks)
        for corr_id, octets in self.connection.execute(ANSWERS, clocks).fetchall():
            self._drop_answer(corr_id, octets)
        forget(self.connection, INTENT, (time for (time,) in self.connection.execute(OLD_INTENTS, clocks)))
        self.connection.execute(DELETE_COMMANDS, clocks)
        self.connection.execute(DELETE_RECORDS, clocks)
        self.connection.execute("COMMIT")
        self._load()
        if self.full_problem is not None:
            with suppress(CommandError):
                self.require_room(has_intent=False)

    def _drop_answer(self, corr_id: str, octets: bytes) -> None:
        """Keep the outcome of a result and its hash; nobody asks for the rest of it any more."""
        row = (acknowledge(octets), corr_id)
        self.connection.execute(
            "UPDATE command SET acknowledged = 1, result = ?, answer_until = NULL WHERE corr_id = ?", row
        )

    def _replay_state(self, command: VerifiedCommand) -> ReplayState:
        query = "SELECT 1 FROM used WHERE kid = ? AND nonce = ?"
        return ReplayState(
            begun=self.begun,
            nonce_seen=self.connection.execute(query, (command.kid, command.nonce)).fetchone() is not None,
            known=self._find(command.corr_id),
            live=self._live[command.kid],
            limit=self._limits.rows,
            nonce_forgotten=self._forgotten.has(NONCE, keep_until(command)),
            intent_forgotten=command.intent_iat is not None and self._forgotten.has(INTENT, command.intent_iat),
        )

    def _find(self, corr_id: str) -> SeenCommand | None:
        row = self.connection.execute(f"{KNOWN} WHERE corr_id = ?", (corr_id,)).fetchone()
        return _parse_row(row) if row else None

    def _bind(self, command: VerifiedCommand, now: Moment, nonce: Deadline, *, read_only: bool) -> None:
        """Insert the row: with an intent for the retention, else as long as the nonce, like answers of reads."""
        kept = _later(now, keep_until(command), self._limits.retention_seconds) if command.has_intent else nonce
        answer = (nonce.wall, nonce.elapsed) if read_only else (None, None)
        row = (command.corr_id, command.verb, command.actor.id, command.kid, command.nonce, command.args_sha256)
        deadlines = (kept.wall, kept.elapsed, command.intent_iat, *answer)
        self.connection.execute(BIND, (*row, State.ACCEPTED, *deadlines))

    def _put(self, event: AuditEvent | None) -> None:
        if event is not None:
            self.outbox.put(event)

    def _load(self) -> None:
        self._live = Counter(dict(self.connection.execute("SELECT kid, COUNT(*) FROM used GROUP BY kid")))
        self._forgotten = ForgottenTimes(self.connection)
        (begun,) = self.connection.execute("SELECT value FROM meta WHERE name = 'begun'").fetchone()
        self.begun = int(begun)

    def _require_log(self, *, read_only: bool) -> None:
        if self.outbox.is_full or (self.outbox.error is not None and not read_only):
            raise self._log_failed()

    def _log_failed(self) -> CommandError:
        return CommandError(Code.QUEUE_FULL, f"audit log cannot be written: {self.outbox.error}")


def _later(now: Moment, until: int, at_least_seconds: int) -> Deadline:
    """Return the deadline at `until` of the wall clock, but `at_least_seconds` from now, by both clocks."""
    wall = max(until, int(now.wall) + at_least_seconds)
    return Deadline(wall, now.elapsed + max(0.0, wall - now.wall))


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
