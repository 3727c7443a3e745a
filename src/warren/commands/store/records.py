"""The rows of records: small values of providers, durable and expiring."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping

from warren.commands.store.group_commit import GroupCommit

RecordValue = Mapping[str, object]
GET = "SELECT value FROM record WHERE kind = ? AND key = ? AND (expires IS NULL OR expires > ?)"
LIST = "SELECT key, value FROM record WHERE kind = ? AND (expires IS NULL OR expires > ?) ORDER BY key"


class Records:
    """The records of an open store; a change is durable when its method returns."""

    def __init__(self, commits: GroupCommit, now: Callable[[], float]) -> None:
        self._commits = commits
        self._connection: sqlite3.Connection = commits.database.connection
        self._now = now

    async def put(self, kind: str, key: str, value: RecordValue, expires: int | None = None) -> None:
        """Insert or replace a record. Raises ValueError for a value that JSON cannot express."""
        row = (kind, key, json.dumps(dict(value), allow_nan=False).encode("ascii"), expires)
        await self._commits.do(lambda: self._connection.execute("INSERT OR REPLACE INTO record VALUES (?,?,?,?)", row))

    async def get(self, kind: str, key: str) -> RecordValue | None:
        """Return a record; None if there is none or it has expired."""
        return await self._commits.do(lambda: self._get(kind, key))

    async def list(self, kind: str) -> Mapping[str, RecordValue]:
        """Return all records of a kind, by key."""
        return await self._commits.do(lambda: self._list(kind))

    async def delete(self, kind: str, key: str) -> bool:
        """Delete a record; return whether there was one."""
        return await self._commits.do(lambda: self._delete(kind, key))

    def _get(self, kind: str, key: str) -> RecordValue | None:
        row = self._connection.execute(GET, (kind, key, self._now())).fetchone()
        return _value(row[0]) if row else None

    def _list(self, kind: str) -> Mapping[str, RecordValue]:
        return {key: _value(octets) for key, octets in self._connection.execute(LIST, (kind, self._now()))}

    def _delete(self, kind: str, key: str) -> bool:
        existed = self._get(kind, key) is not None
        self._connection.execute("DELETE FROM record WHERE kind = ? AND key = ?", (kind, key))
        return existed


def _value(octets: bytes) -> RecordValue:
    value: dict[str, object] = json.loads(octets)
    return value
