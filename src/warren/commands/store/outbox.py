"""The outbox of audit lines: written in the transaction of their step, then to the journal's file (G-48, G-49).

A line is deleted here when the file has it on disk; after a restart the remaining ones complete the file.
Without a journal there is no audit, and events are dropped. Used by the database's thread only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from warren.audit.chain import EMPTY, Head
from warren.audit.checkpoint import INTERVAL_SECONDS, is_due
from warren.audit.event import AuditEvent, Origin, encode_line
from warren.audit.io.journal import Journal
from warren.elapsed_clock import Moment

MAX_PENDING = 10_000  # of about 700 octets; the number of read-only commands while the file cannot be written
MAX_PENDING_BYTES = 16 << 20  # a line can have 64 KiB


class Outbox:
    """The outbox of an open database."""

    def __init__(self, connection: sqlite3.Connection, journal: Journal | None, origin: Origin) -> None:
        self._connection = connection
        self._journal = journal
        self._origin = origin
        self._head = self._committed = EMPTY
        self._sealed_n = 0
        self._new: list[bytes] = []
        self._pending: list[bytes] = []
        self._since = 0.0
        self.error: OSError | None = None
        """Why the file cannot be written now; None if it can."""

    @property
    def head(self) -> Head:
        """The head of the log, up to the last committed line."""
        return self._head

    @property
    def is_full(self) -> bool:
        """True if it can hold no more lines while the file cannot be written."""
        return len(self._pending) >= MAX_PENDING or sum(map(len, self._pending)) >= MAX_PENDING_BYTES

    def full_problem(self, *, has_intent: bool) -> str | None:
        """Return why the log has no room for such a command; None if it has."""
        if self._journal is None:
            return None
        size, limit = self._journal.total_bytes, self._journal.retention.max_total_bytes
        share = limit if has_intent else limit * 3 // 4
        problem = f"audit log is full: {size >> 20} of {share >> 20} MiB are used ([monitoring] audit_log_max_mb)"
        return problem if size >= share else None

    def is_older_than_file(self) -> bool:
        """Return whether the file has lines that this database does not know: another database wrote them."""
        return self._journal is not None and self._journal.last.n > self._read_head().n

    def recover(self, now: Moment, *, resume_after_file: bool) -> None:
        """Complete the file, or, for a database without lines of its own, resume after the file's last line.

        Raises:
            OSError, sqlite3.Error: the file or the database cannot be used.
        """
        if self._journal is None:
            return
        lines = [line for (line,) in self._connection.execute("SELECT line FROM outbox ORDER BY n")]
        self._journal.restore(None if resume_after_file else self._base, lines)
        self._head = self._committed = self._journal.last if resume_after_file else self._read_head()
        self._sealed_n = self._journal.checkpoint_n
        # What an agent that was killed has left without a checkpoint is due.
        self._since = now.elapsed if self._head.n <= self._sealed_n else now.elapsed - INTERVAL_SECONDS
        self._trim(self._journal)

    def put(self, event: AuditEvent) -> None:
        """Add a line in the open transaction. Raises ValueError for an event that JSON cannot express."""
        if self._journal is None:
            return
        line = encode_line(event, self._origin, self._head.n + 1, self._head.digest)
        self._head = self._head.followed_by(line)
        self._connection.execute("INSERT INTO outbox VALUES (?, ?)", (self._head.n, line))
        self._new.append(line)

    def committed(self) -> None:
        """Write the committed lines to the file; `error` is set if that failed."""
        self._pending += self._new
        self._new, self._committed = [], self._head
        if self._pending and self._journal is not None:
            try:
                self._journal.append(self._pending)
                self._pending, self.error = [], None
            except OSError as error:
                self.error = error

    def rolled_back(self) -> None:
        """Forget the lines of the transaction that was rolled back."""
        self._new, self._head = [], self._committed

    def checkpoint_if_due(self, now: Moment, *, closing: bool = False) -> None:
        """Sync the file and sign its head: every 30 seconds or 256 lines, on close, and after an error.

        Raises:
            sqlite3.Error: the database failed.
        """
        lines = self._head.n - self._sealed_n
        is_due_now = is_due(lines, now.elapsed - self._since) or (closing and lines > 0) or self.error is not None
        if self._journal is not None and not self._pending and is_due_now:
            try:
                self._checkpoint(self._journal, now)
                self.error = None
            except OSError as error:
                self.error = error

    def idle_seconds(self, now: Moment) -> float:
        """Return for how long no checkpoint is due."""
        if self.error is not None:
            return 0
        return INTERVAL_SECONDS - (now.elapsed - self._since) if self._head.n > self._sealed_n else INTERVAL_SECONDS

    def _checkpoint(self, journal: Journal, now: Moment) -> None:
        journal.sync()
        self._trim(journal)
        journal.checkpoint(self._head, now.wall)
        self._sealed_n, self._since = self._head.n, now.elapsed
        if journal.is_full:
            journal.rotate()
            self._trim(journal)
        self._delete_expired(journal, now)

    def _delete_expired(self, journal: Journal, now: Moment) -> None:
        """Delete the segments that are older than the retention by both clocks."""
        since = self._note_segments(journal.rotated, now)
        for name in journal.expired(now.wall):
            if now.elapsed - since[name] >= journal.retention.seconds:
                journal.delete(name)

    def _note_segments(self, names: Sequence[str], now: Moment) -> Mapping[str, float]:
        """Return when each rotated segment was first seen, by the elapsed clock; forget those that are gone."""
        known = dict(self._connection.execute("SELECT name, since_elapsed FROM segment"))
        seen = {name: float(known.get(name, now.elapsed)) for name in names}
        if seen.keys() != known.keys():
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("DELETE FROM segment")
            self._connection.executemany("INSERT INTO segment VALUES (?, ?)", seen.items())
            self._connection.execute("COMMIT")
        return seen

    def _trim(self, journal: Journal) -> None:
        """Delete the lines: the file has all of them on disk."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("DELETE FROM outbox")
        for name, value in (("n", self._head.n), ("head", self._head.digest), ("base", journal.size)):
            self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
        self._connection.execute("COMMIT")

    @property
    def _base(self) -> int:
        row = self._connection.execute("SELECT value FROM meta WHERE name = 'base'").fetchone()
        return int(row[0]) if row else 0

    def _read_head(self) -> Head:
        meta = dict(self._connection.execute("SELECT name, value FROM meta WHERE name IN ('n', 'head')"))
        head = Head(meta["n"], meta["head"]) if meta else EMPTY
        for (line,) in self._connection.execute("SELECT line FROM outbox ORDER BY n"):
            head = head.followed_by(line)
        return head
