"""The database of single use: opened whole, or begun anew with a memory that starts now (V-39).

One process has it, by SQLite's exclusive lock, and each commit is on the disk (WAL, synchronous FULL).
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from warren.errors import HostError
from warren.files.atomic import create_file, move_file, remove_file
from warren.files.directory import make_directory

NAME = "commands.db"
DIRECTORY_MODE, FILE_MODE = 0o700, 0o600
APPLICATION = 0x57415252  # "WARR"
VERSION = 1
TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE used (kid TEXT, nonce TEXT, keep_until INTEGER NOT NULL, PRIMARY KEY (kid, nonce)) WITHOUT ROWID;
CREATE TABLE command (
    corr_id TEXT PRIMARY KEY, verb TEXT NOT NULL, actor TEXT NOT NULL, kid TEXT NOT NULL, nonce TEXT NOT NULL,
    args_sha256 TEXT NOT NULL, state INTEGER NOT NULL, result BLOB, acknowledged INTEGER NOT NULL DEFAULT 0,
    keep_until INTEGER NOT NULL
);
CREATE INDEX command_open ON command (state) WHERE state = 1;
CREATE INDEX command_spooled ON command (acknowledged) WHERE acknowledged = 0;
CREATE TABLE outbox (n INTEGER PRIMARY KEY, line BLOB NOT NULL);
CREATE TABLE record (
    kind TEXT, key TEXT, value BLOB NOT NULL, expires INTEGER, PRIMARY KEY (kind, key)
) WITHOUT ROWID;
"""


class DamagedError(Exception):
    """What is there is no database of ours, or not a whole one."""


@dataclass(frozen=True, slots=True)
class Database:
    """An open one."""

    connection: sqlite3.Connection
    created: int
    """Since when it knows of every command, in seconds since the Unix epoch."""
    begun: str | None
    """Why it is a new one, `missing`, `damaged` or `outdated`, until that was told; then None."""


def open_database(directory: Path, now: float) -> Database:
    """Whoever opens it may use it from another thread, and must close it.

    One that is damaged is put aside as `commands.db.damaged`. Raises HostError where it cannot be used at all.
    """
    path = directory / NAME
    try:
        make_directory(directory, DIRECTORY_MODE)
        if not path.exists():
            return _begin(path, now, "missing")
        try:
            return _open(path)
        except DamagedError:
            return begin_anew(directory, now, "damaged")
    except (OSError, sqlite3.Error) as error:
        raise unusable(path, error) from error


def begin_anew(directory: Path, now: float, why: str) -> Database:
    """Puts aside what is there. Raises OSError and sqlite3.Error."""
    path = directory / NAME
    move_file(path, f"{NAME}.damaged")
    for suffix in ("-wal", "-shm", "-journal"):
        remove_file(path.with_name(f"{NAME}{suffix}"))
    return _begin(path, now, why)


def unusable(path: Path, error: Exception) -> HostError:
    """As people are told."""
    number = error.errno if isinstance(error, OSError) else None
    return HostError(f"{path}: {error}", code="command.store_failed", errno=number)


def _begin(path: Path, now: float, why: str) -> Database:
    """Made beside it and put in its place, so that no half of one is ever there."""
    unfinished = path.with_name(f".{NAME}.unfinished")
    remove_file(unfinished)
    create_file(unfinished, b"", FILE_MODE)
    connection = sqlite3.connect(unfinished, isolation_level=None)
    try:
        connection.executescript(f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; {TABLES}")
        connection.execute("INSERT INTO meta VALUES ('created', ?), ('begun', ?)", (int(now), why))
    finally:
        connection.close()
    move_file(unfinished, path.name)
    return _open(path)


def _open(path: Path) -> Database:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -512")  # KiB: rows are looked up by key, and 2 MiB sped nothing up
        _check(connection)
        meta = dict(connection.execute("SELECT name, value FROM meta"))
        return Database(connection, int(meta["created"]), meta.get("begun"))
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # a table that is missing
            raise DamagedError from error
        raise
    except (sqlite3.DatabaseError, DamagedError, KeyError, ValueError) as error:
        connection.close()
        raise DamagedError from error


def _check(connection: sqlite3.Connection) -> None:
    """Raises DamagedError and sqlite3.Error."""
    told = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    if told != [APPLICATION, VERSION] or connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise DamagedError
