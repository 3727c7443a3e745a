"""The database of the command store: opened intact, or initialized with a history that starts now (V-39).

One process has it open, by SQLite's exclusive lock, and each commit is durable (WAL, synchronous FULL).
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from warren.errors import HostError
from warren.files.atomic import create_file, move_file, remove_file
from warren.files.make_directory import make_directory
from warren.files.trusted_path import process_trust

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
    """The file is not a command database, or is damaged."""


@dataclass(frozen=True, slots=True)
class Database:
    """An open database."""

    connection: sqlite3.Connection
    created: int
    """When its history starts, in seconds since the Unix epoch."""
    init_reason: str | None
    """Why it was initialized, `missing`, `damaged` or `outdated`, until that is in the audit log; then None."""


def open_database(directory: Path, now: float) -> Database:
    """Open the database, for use in any one thread; the caller closes it.

    A damaged one is renamed to `commands.db.damaged`.

    Raises:
        HostError: it can be neither opened nor initialized.
    """
    path = directory / NAME
    try:
        make_directory(directory, DIRECTORY_MODE, trust=process_trust())
        if not path.exists():
            return _initialize(path, now, "missing")
        try:
            return _open(path)
        except DamagedError:
            return initialize_again(directory, now, "damaged")
    except (OSError, sqlite3.Error) as error:
        raise store_failed(path, error) from error


def initialize_again(directory: Path, now: float, why: str) -> Database:
    """Rename the existing database and initialize a new one.

    Raises:
        OSError, sqlite3.Error: the directory or the disk refused.
    """
    path = directory / NAME
    move_file(path, f"{NAME}.damaged", trust=process_trust())
    for suffix in ("-wal", "-shm", "-journal"):
        remove_file(path.with_name(f"{NAME}{suffix}"), trust=process_trust())
    return _initialize(path, now, why)


def store_failed(path: Path, error: Exception) -> HostError:
    """Return the error for people."""
    number = error.errno if isinstance(error, OSError) else None
    return HostError(f"{path}: {error}", code="command.store_failed", errno=number)


def _initialize(path: Path, now: float, why: str) -> Database:
    """Create the file under another name and rename it, so that it is never there in part."""
    unfinished = path.with_name(f".{NAME}.unfinished")
    remove_file(unfinished, trust=process_trust())
    create_file(unfinished, b"", FILE_MODE, trust=process_trust())
    connection = sqlite3.connect(unfinished, isolation_level=None)
    try:
        connection.executescript(f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; {TABLES}")
        connection.execute("INSERT INTO meta VALUES ('created', ?), ('begun', ?)", (int(now), why))
    finally:
        connection.close()
    move_file(unfinished, path.name, trust=process_trust())
    return _open(path)


def _open(path: Path) -> Database:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -512")  # KiB: rows are looked up by key; 2 MiB was not faster
        _check(connection)
        meta = dict(connection.execute("SELECT name, value FROM meta"))
        return Database(connection, int(meta["created"]), meta.get("begun"))
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # a table is missing
            raise DamagedError from error
        raise
    except (sqlite3.DatabaseError, DamagedError, KeyError, ValueError) as error:
        connection.close()
        raise DamagedError from error


def _check(connection: sqlite3.Connection) -> None:
    """Raise DamagedError unless the file is an intact database of this version."""
    versions = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    if versions != [APPLICATION, VERSION] or connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise DamagedError
