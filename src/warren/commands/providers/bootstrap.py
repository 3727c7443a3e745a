"""Bootstrap tokens: single-use login tokens, and the browser sessions that they start (G-40, V-56).

Only hashes are stored. Redeeming a token consumes it, also if two clients redeem it at the same moment, and starts a
session with a random cookie. Both expire at the requested time, by the wall clock or when as much time has passed,
whichever comes first; or they are revoked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from warren.commands.effects.effect import Effects, do, sha256_hex
from warren.commands.effects.events import EmitEvent
from warren.commands.effects.privileged import RunPrivileged
from warren.commands.effects.records import DeleteRecord, GetMoment, GetRecord, ListRecords, PutRecord
from warren.commands.effects.system import GetRandomBytes
from warren.commands.providers.arguments import SESSION_ID, USERNAME
from warren.commands.schema import Number, Schema, Text
from warren.commands.verb import Data, Verb, VerbContext
from warren.elapsed_clock import Deadline, Moment
from warren.jws import to_base64url

SECRET_BYTES = 32
TOKEN = Text("[A-Za-z0-9_-]{43}", "a bootstrap token of 43 characters", secret=True)
TTL = Number(1, 86_400, unit="seconds")
BOOTSTRAP = "bootstrap"
"""The kind of the records of tokens, by hash."""
SESSION = "bootstrap_session"
"""The kind of the records of sessions, by the cookie's hash."""


@dataclass(frozen=True, slots=True)
class Session:
    """A browser session."""

    cookie: str
    username: str
    session_id: str
    seconds: int
    """Its lifetime."""


def generate(args: Mapping[str, Any], _: VerbContext) -> Effects[Data]:
    """Create a token: `{bootstrap_token, expires_at}`."""
    token = to_base64url((yield from do(GetRandomBytes(SECRET_BYTES))))
    deadline = (yield from do(GetMoment())).after(args["ttl_seconds"])
    expires = int(deadline.wall)
    times = {"expires": expires, "expires_elapsed": deadline.elapsed}
    record = {"username": args["username"], "session_id": args["session_id"], **times}
    yield from do(PutRecord(BOOTSTRAP, _hash(token), record, Deadline(expires, deadline.elapsed)))
    yield from do(EmitEvent("bootstrap.generated", {"username": args["username"], "session_id": args["session_id"]}))
    return {"bootstrap_token": token, "expires_at": expires}


def hash_of_token(args: Mapping[str, Any], _: VerbContext) -> Effects[Data]:
    """Return the hash of a token, by which its record is found: `{digest}`.

    The token is sealed, and opened where the sealing key is.
    """
    yield from ()
    return {"digest": _hash(args["bootstrap_token"])}


def revoke(_: Mapping[str, Any], __: VerbContext) -> Effects[Data]:
    """Revoke a token and its session: `{revoked}`, whether there was one."""
    digest = str((yield from do(RunPrivileged()))["digest"])
    was_deleted = yield from do(DeleteRecord(BOOTSTRAP, digest))
    ended = yield from _end_sessions("bootstrap", digest)
    if was_deleted or ended:
        yield from do(EmitEvent("bootstrap.revoked", {"sessions": ended}))
    return {"revoked": was_deleted or ended > 0}


def redeem(token: str) -> Effects[Session | None]:
    """Consume a token and start its session; None if the token is unknown, used or expired."""
    digest = _hash(token)
    record = yield from do(GetRecord(BOOTSTRAP, digest))
    if record is None or not (yield from do(DeleteRecord(BOOTSTRAP, digest))):
        return None
    now = yield from do(GetMoment())
    cookie = to_base64url((yield from do(GetRandomBytes(SECRET_BYTES))))
    deadline = _deadline(record, now)
    yield from do(PutRecord(SESSION, _hash(cookie), {**record, "bootstrap": digest}, deadline))
    yield from do(EmitEvent("bootstrap.redeemed", {"username": record["username"], "session_id": record["session_id"]}))
    return Session(
        cookie, str(record["username"]), str(record["session_id"]), max(1, round(deadline.remaining_seconds(now)))
    )


def holder(cookie: str) -> Effects[Mapping[str, object] | None]:
    """Return the record of a cookie's session, or None."""
    return (yield from do(GetRecord(SESSION, _hash(cookie))))


def revoke_all(field: str, value: str) -> Effects[int]:
    """Revoke the tokens and sessions of a `username` or a `session_id`; return how many there were."""
    ended = yield from _end_sessions(field, value)
    for digest, record in (yield from do(ListRecords(BOOTSTRAP))).items():
        if record.get(field) == value:
            ended += yield from do(DeleteRecord(BOOTSTRAP, digest))
    return ended


def _end_sessions(field: str, value: str) -> Effects[int]:
    ended = 0
    for digest, record in (yield from do(ListRecords(SESSION))).items():
        if record.get(field) == value:
            ended += yield from do(DeleteRecord(SESSION, digest))
    return ended


def _deadline(record: Mapping[str, object], now: Moment) -> Deadline:
    """Return the deadline of a token, which its session inherits; a token of an older version has no elapsed time."""
    wall = float(str(record["expires"]))
    elapsed = record.get("expires_elapsed")
    return Deadline(wall, now.elapsed + max(0.0, wall - now.wall) if elapsed is None else float(str(elapsed)))


def _hash(secret: str) -> str:
    return sha256_hex(secret.encode())


VERBS = (
    Verb(
        "generate_bootstrap",
        "create a single-use login token",
        (Schema({"username": USERNAME, "session_id": SESSION_ID, "ttl_seconds": TTL}),),
        run=generate,
        secret_data=frozenset({"bootstrap_token"}),
    ),
    Verb(
        "revoke_bootstrap",
        "revoke a login token and end its session",
        (Schema({"bootstrap_token": TOKEN}),),
        run=revoke,
        privileged=hash_of_token,
    ),
)
