"""Small values of providers, durable and expiring: what PutRecord, GetRecord, ListRecords and DeleteRecord do."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping

from warren.commands.store.group_commit import GroupCommit

Value = Mapping[str, object]
FIND = "SELECT value FROM record WHERE kind = ? AND key = ? AND (expires IS NULL OR expires > ?)"
LIST = "SELECT key, value FROM record WHERE kind = ? AND (expires IS NULL OR expires > ?) ORDER BY key"


class Records:
    """Of an open store. What is kept or dropped is on the disk when it is told."""

    def __init__(self, commits: GroupCommit, now: Callable[[], float]) -> None:
        self._commits = commits
        self._connection: sqlite3.Connection = commits.keeper.connection
        self._now = now

    async def keep(self, kind: str, key: str, value: Value, expires: int | None = None) -> None:
        """In the place of one that it had. `expires` is in seconds since the Unix epoch. Raises ValueError."""
        row = (kind, key, json.dumps(dict(value), allow_nan=False).encode("ascii"), expires)
        await self._commits.do(lambda: self._connection.execute("INSERT OR REPLACE INTO record VALUES (?,?,?,?)", row))

    async def find(self, kind: str, key: str) -> Value | None:
        """What is kept; None where there is none or it has expired."""
        return await self._commits.do(lambda: self._find(kind, key))

    async def list(self, kind: str) -> Mapping[str, Value]:
        """All that are kept of a kind, by key."""
        return await self._commits.do(lambda: self._list(kind))

    async def drop(self, kind: str, key: str) -> bool:
        """Whether there was one. Of two that drop the same, one has True."""
        return await self._commits.do(lambda: self._drop(kind, key))

    def _find(self, kind: str, key: str) -> Value | None:
        row = self._connection.execute(FIND, (kind, key, self._now())).fetchone()
        return _value(row[0]) if row else None

    def _list(self, kind: str) -> Mapping[str, Value]:
        return {key: _value(octets) for key, octets in self._connection.execute(LIST, (kind, self._now()))}

    def _drop(self, kind: str, key: str) -> bool:
        was_there = self._find(kind, key) is not None
        self._connection.execute("DELETE FROM record WHERE kind = ? AND key = ?", (kind, key))
        return was_there


def _value(octets: bytes) -> Value:
    found: dict[str, object] = json.loads(octets)
    return found
