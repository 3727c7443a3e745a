"""The rows of records: small values of providers, durable and expiring."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping

from warren.commands.store.command_table import CommandTable
from warren.commands.store.group_commit import GroupCommit
from warren.elapsed_clock import Deadline

RecordValue = Mapping[str, object]
GET = """
SELECT value FROM record WHERE kind = ? AND key = ? AND (expires IS NULL OR (expires > ? AND expires_elapsed > ?))
"""
LIST = """
SELECT key, value FROM record WHERE kind = ? AND (expires IS NULL OR (expires > ? AND expires_elapsed > ?)) ORDER BY key
"""


class Records:
    """The records of an open store; a change is durable when its method returns. One expires by either clock."""

    def __init__(self, commits: GroupCommit, table: CommandTable) -> None:
        self._commits = commits
        self._connection: sqlite3.Connection = table.connection
        self._table = table

    async def put(self, kind: str, key: str, value: RecordValue, expires: Deadline | None = None) -> None:
        """Insert or replace a record.

        Raises ValueError for a value that JSON cannot express, and CommandError STORE_FULL.
        """
        octets = json.dumps(dict(value), allow_nan=False).encode("ascii")
        deadline = (None, None) if expires is None else (int(expires.wall), expires.elapsed)
        await self._commits.do(lambda: self._put((kind, key, octets, *deadline)))

    async def get(self, kind: str, key: str) -> RecordValue | None:
        """Return a record; None if there is none or it has expired."""
        return await self._commits.do(lambda: self._get(kind, key))

    async def list(self, kind: str) -> Mapping[str, RecordValue]:
        """Return all records of a kind, by key."""
        return await self._commits.do(lambda: self._list(kind))

    async def delete(self, kind: str, key: str) -> bool:
        """Delete a record; return whether there was one."""
        return await self._commits.do(lambda: self._delete(kind, key))

    def _put(self, row: tuple[object, ...]) -> None:
        self._table.require_room(has_intent=True)
        self._connection.execute("INSERT OR REPLACE INTO record VALUES (?,?,?,?,?)", row)

    def _get(self, kind: str, key: str) -> RecordValue | None:
        row = self._connection.execute(GET, (kind, key, *self._clocks())).fetchone()
        return _value(row[0]) if row else None

    def _list(self, kind: str) -> Mapping[str, RecordValue]:
        return {key: _value(octets) for key, octets in self._connection.execute(LIST, (kind, *self._clocks()))}

    def _delete(self, kind: str, key: str) -> bool:
        existed = self._get(kind, key) is not None
        self._connection.execute("DELETE FROM record WHERE kind = ? AND key = ?", (kind, key))
        return existed

    def _clocks(self) -> tuple[float, float]:
        now = self._table.clock.moment()
        return now.wall, now.elapsed


def _value(octets: bytes) -> RecordValue:
    value: dict[str, object] = json.loads(octets)
    return value
