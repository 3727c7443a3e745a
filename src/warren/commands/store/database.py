"""The database of the command store: opened intact and migrated, or initialized with a record that begins now (V-39).

One process has it open, by SQLite's exclusive lock, and each commit is durable (WAL, synchronous FULL). A database of
an older schema is migrated with its rows, since a record that begins anew forgets what was used. One of a newer schema
is an error.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from warren.errors import HostError
from warren.files.atomic import create_file, move_file, remove_file
from warren.files.make_directory import make_directory
from warren.files.trusted_path import process_trust

NAME = "commands.db"
DIRECTORY_MODE, FILE_MODE = 0o700, 0o600
APPLICATION = 0x57415252  # "WARR"
VERSION = 2
TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE used (
    kid TEXT, nonce TEXT, keep_until INTEGER NOT NULL, keep_elapsed REAL NOT NULL, PRIMARY KEY (kid, nonce)
) WITHOUT ROWID;
CREATE TABLE command (
    corr_id TEXT PRIMARY KEY, verb TEXT NOT NULL, actor TEXT NOT NULL, kid TEXT NOT NULL, nonce TEXT NOT NULL,
    args_sha256 TEXT NOT NULL, state INTEGER NOT NULL, result BLOB, acknowledged INTEGER NOT NULL DEFAULT 0,
    keep_until INTEGER NOT NULL, keep_elapsed REAL NOT NULL, intent_iat INTEGER,
    answer_until INTEGER, answer_elapsed REAL
);
CREATE INDEX command_open ON command (state) WHERE state = 1;
CREATE INDEX command_spooled ON command (acknowledged) WHERE acknowledged = 0;
CREATE INDEX command_kept ON command (keep_until);
CREATE INDEX command_answer ON command (answer_until) WHERE answer_until IS NOT NULL;
CREATE TABLE forgotten (
    kind TEXT, first INTEGER, last INTEGER NOT NULL, PRIMARY KEY (kind, first)
) WITHOUT ROWID;
CREATE TABLE outbox (n INTEGER PRIMARY KEY, line BLOB NOT NULL);
CREATE TABLE segment (name TEXT PRIMARY KEY, since_elapsed REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE record (
    kind TEXT, key TEXT, value BLOB NOT NULL, expires INTEGER, expires_elapsed REAL, PRIMARY KEY (kind, key)
) WITHOUT ROWID;
"""
"""The columns `*_until` and `expires` are of the wall clock, `*_elapsed` of the elapsed clock in meta."""

# The elapsed clock begins at 0 with the migration: each row is kept for the longest time that version 1 kept its kind.
# In version 1 `begun` was the reason of an initialization, and `created` the time of it, without the skew of a signer.
MIGRATIONS: Mapping[int, str] = {
    1: """
ALTER TABLE used ADD COLUMN keep_elapsed REAL NOT NULL DEFAULT 421;
ALTER TABLE command ADD COLUMN keep_elapsed REAL NOT NULL DEFAULT 2592000;
ALTER TABLE command ADD COLUMN intent_iat INTEGER;
ALTER TABLE command ADD COLUMN answer_until INTEGER;
ALTER TABLE command ADD COLUMN answer_elapsed REAL;
CREATE INDEX command_kept ON command (keep_until);
CREATE INDEX command_answer ON command (answer_until) WHERE answer_until IS NOT NULL;
CREATE TABLE segment (name TEXT PRIMARY KEY, since_elapsed REAL NOT NULL) WITHOUT ROWID;
ALTER TABLE record ADD COLUMN expires_elapsed REAL;
CREATE TABLE forgotten (
    kind TEXT, first INTEGER, last INTEGER NOT NULL, PRIMARY KEY (kind, first)
) WITHOUT ROWID;
INSERT INTO forgotten SELECT 'nonce', 0, value FROM meta WHERE name = 'forgotten';
DELETE FROM meta WHERE name = 'forgotten';
UPDATE record SET expires_elapsed = 86400 WHERE expires IS NOT NULL;
UPDATE meta SET name = 'init_reason' WHERE name = 'begun';
UPDATE meta SET name = 'begun', value = value + 60 WHERE name = 'created';
""",
}
"""The statements that migrate a schema version to the next one."""


class DamagedError(Exception):
    """The file is not a command database, or is damaged."""


@dataclass(frozen=True, slots=True)
class Database:
    """An open database."""

    connection: sqlite3.Connection
    begun: int
    """When its record begins, in seconds since the Unix epoch: what was signed then or earlier is refused."""
    init_reason: str | None
    """Why it was initialized, `missing`, `damaged` or `outdated`, until that is in the audit log; then None."""


def open_database(directory: Path, begin: Callable[[], int]) -> Database:
    """Open the database, for use in any one thread; the caller closes it.

    `begin` returns when a new record begins. A damaged database is renamed to `commands.db.damaged`.

    Raises:
        HostError: it can be neither opened nor initialized, or is of a newer schema.
    """
    path = directory / NAME
    try:
        make_directory(directory, DIRECTORY_MODE, trust=process_trust())
        if not path.exists():
            return _initialize(path, begin(), "missing")
        try:
            return _open(path)
        except DamagedError:
            return initialize_again(directory, begin(), "damaged")
    except (OSError, sqlite3.Error) as error:
        raise store_failed(path, error) from error


def initialize_again(directory: Path, begun: int, why: str) -> Database:
    """Rename the existing database and initialize a new one.

    Raises:
        OSError, sqlite3.Error: the directory or the disk refused.
    """
    path = directory / NAME
    move_file(path, f"{NAME}.damaged", trust=process_trust())
    for suffix in ("-wal", "-shm", "-journal"):
        remove_file(path.with_name(f"{NAME}{suffix}"), trust=process_trust())
    return _initialize(path, begun, why)


def store_failed(path: Path, error: Exception) -> HostError:
    """Return the error for people; it names the file that the system refused, such as one of the audit log."""
    if isinstance(error, OSError):
        problem = f"{error.filename or path}: {error.strerror or error}"
        return HostError(problem, code="command.store_failed", errno=error.errno)
    return HostError(f"{path}: {error}", code="command.store_failed")


def _initialize(path: Path, begun: int, why: str) -> Database:
    """Create the file under another name and rename it, so that it is never there in part."""
    unfinished = path.with_name(f".{NAME}.unfinished")
    remove_file(unfinished, trust=process_trust())
    create_file(unfinished, b"", FILE_MODE, trust=process_trust())
    connection = sqlite3.connect(unfinished, isolation_level=None)
    try:
        connection.executescript(f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; {TABLES}")
        connection.execute("INSERT INTO meta VALUES ('begun', ?), ('init_reason', ?)", (begun, why))
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
        _migrate(connection, path)
        meta = dict(connection.execute("SELECT name, value FROM meta"))
        return Database(connection, int(meta["begun"]), meta.get("init_reason"))
    except HostError:
        connection.close()
        raise
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # a table is missing
            raise DamagedError from error
        raise
    except (sqlite3.DatabaseError, DamagedError, KeyError, ValueError) as error:
        connection.close()
        raise DamagedError from error


def _check(connection: sqlite3.Connection) -> None:
    """Raise DamagedError unless the file is an intact database of this application."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION or connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise DamagedError


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the schema to VERSION, each step whole or not at all.

    Raises:
        HostError: a newer version of Warren has written it.
        DamagedError: no version of Warren has written it.
    """
    while (version := int(connection.execute("PRAGMA user_version").fetchone()[0])) != VERSION:
        if version > VERSION:
            problem = f"{path} has schema {version}, and this version of Warren knows schemas up to {VERSION}"
            hint = "install the version of Warren that wrote it, or a newer one"
            raise HostError(problem, code="command.store_failed", hint=hint)
        if version not in MIGRATIONS:
            raise DamagedError
        connection.executescript(f"BEGIN IMMEDIATE; {MIGRATIONS[version]} PRAGMA user_version = {version + 1}; COMMIT;")
