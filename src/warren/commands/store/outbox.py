"""Audit lines on their way: in the same transaction as what they tell of, then in the journal's file (G-48, G-49).

A line leaves the database when the file has it on the disk; after a start those that are still here complete the file.
Without a journal there is no audit, and every event is let go. Used by the database's thread alone.
"""

from __future__ import annotations

import sqlite3

from warren.audit.chain import EMPTY, Head
from warren.audit.checkpoint import INTERVAL_SECONDS, is_due
from warren.audit.event import AuditEvent, Origin, encode_line
from warren.audit.io.journal import Journal

MAX_PENDING = 10_000  # of about 700 octets; while the file takes none, so many commands that only read are told of here


class Outbox:
    """Of an open database."""

    def __init__(self, connection: sqlite3.Connection, journal: Journal | None, origin: Origin) -> None:
        self._connection = connection
        self._journal = journal
        self._origin = origin
        self._head = self._committed = EMPTY
        self._sealed_n = 0
        self._new: list[bytes] = []
        self._pending: list[bytes] = []
        self._since = 0.0
        self.trouble: OSError | None = None
        """Why the file does not take lines now."""

    @property
    def head(self) -> Head:
        """The log up to the last line that is committed."""
        return self._head

    @property
    def is_full(self) -> bool:
        """Whether it can hold no more lines for a file that takes none."""
        return len(self._pending) >= MAX_PENDING

    def is_older_than_file(self) -> bool:
        """Whether the file has lines that this database never knew: then it is not the one that wrote them."""
        return self._journal is not None and self._journal.last.n > self._read_head().n

    def recover(self, now: float, *, adopts: bool) -> None:
        """Completes the file. A database that `adopts` has no lines of its own and goes on behind the file's last.

        Raises OSError and sqlite3.Error.
        """
        if self._journal is None:
            return
        lines = [line for (line,) in self._connection.execute("SELECT line FROM outbox ORDER BY n")]
        self._journal.restore(None if adopts else self._base, lines)
        self._head = self._committed = self._journal.last if adopts else self._read_head()
        self._sealed_n, self._since = self._journal.checkpoint_n, now
        self._trim(self._journal)

    def put(self, event: AuditEvent) -> None:
        """In the transaction that is open. Raises ValueError for an event that JSON cannot say."""
        if self._journal is None:
            return
        line = encode_line(event, self._origin, self._head.n + 1, self._head.digest)
        self._head = self._head.followed_by(line)
        self._connection.execute("INSERT INTO outbox VALUES (?, ?)", (self._head.n, line))
        self._new.append(line)

    def committed(self) -> None:
        """What was put is on the disk here; now the file is given it. `trouble` says whether it took it."""
        self._pending += self._new
        self._new, self._committed = [], self._head
        if self._pending and self._journal is not None:
            try:
                self._journal.append(self._pending)
                self._pending, self.trouble = [], None
            except OSError as error:
                self.trouble = error

    def rolled_back(self) -> None:
        """What was put is not."""
        self._new, self._head = [], self._committed

    def seal_if_due(self, now: float, *, ends: bool = False) -> None:
        """Every 30 seconds or 256 lines, at the end and after trouble: the file is synced, and its head is signed.

        Raises sqlite3.Error.
        """
        lines = self._head.n - self._sealed_n
        is_due_now = is_due(lines, now - self._since) or (ends and lines > 0) or self.trouble is not None
        if self._journal is not None and not self._pending and is_due_now:
            try:
                self._seal(self._journal, now)
                self.trouble = None
            except OSError as error:
                self.trouble = error

    def rest_seconds(self, now: float) -> float:
        """How long nothing is to be done here."""
        if self.trouble is not None:
            return 0
        return INTERVAL_SECONDS - (now - self._since) if self._head.n > self._sealed_n else INTERVAL_SECONDS

    def _seal(self, journal: Journal, now: float) -> None:
        journal.sync()
        self._trim(journal)
        journal.checkpoint(self._head, now)
        self._sealed_n, self._since = self._head.n, now
        if journal.is_full:
            journal.rotate()
            self._trim(journal)
        journal.delete_expired(now)

    def _trim(self, journal: Journal) -> None:
        """The file has all of them on the disk."""
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
        found = dict(self._connection.execute("SELECT name, value FROM meta WHERE name IN ('n', 'head')"))
        head = Head(found["n"], found["head"]) if found else EMPTY
        for (line,) in self._connection.execute("SELECT line FROM outbox ORDER BY n"):
            head = head.followed_by(line)
        return head
