"""Short-lived ways in: a secret that opens once, and the browser session that it opens (G-40, V-56).

Only hashes are kept. Redeeming the secret consumes it, whoever else redeems it at the same moment, and begins a session
whose random value is a cookie; both end at the time that was given, or when they are revoked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from warren.commands.effects.effect import (
    DeleteRecord,
    Effects,
    Emit,
    GetRecord,
    ListRecords,
    Now,
    PutRecord,
    RandomBytes,
    do,
    sha256_hex,
)
from warren.commands.providers.arguments import SESSION_ID, USERNAME
from warren.commands.schema import Number, Schema, Text
from warren.commands.verbs import Data, Verb, VerbContext
from warren.jws import to_base64url

SECRET_BYTES = 32
TOKEN = Text("[A-Za-z0-9_-]{43}", "the bootstrap token as it was given, 43 characters", secret=True)
TTL = Number(1, 86_400, unit="seconds")
BOOTSTRAP = "bootstrap"
"""The kind of records of secrets, by their hash."""
SESSION = "bootstrap_session"
"""The kind of records of what they opened, by the cookie's hash."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a redeemed secret has opened."""

    cookie: str
    username: str
    session_id: str
    seconds: int
    """How long it lasts."""


def generate(args: Mapping[str, Any], _: VerbContext) -> Effects[Data]:
    """`{bootstrap_token, expires_at}`."""
    token = to_base64url((yield from do(RandomBytes(SECRET_BYTES))))
    expires = int((yield from do(Now()))) + args["ttl_seconds"]
    about = {"username": args["username"], "session_id": args["session_id"], "expires": expires}
    yield from do(PutRecord(BOOTSTRAP, _hash(token), about, expires))
    yield from do(Emit("bootstrap.generated", {"username": args["username"], "session_id": args["session_id"]}))
    return {"bootstrap_token": token, "expires_at": expires}


def revoke(args: Mapping[str, Any], _: VerbContext) -> Effects[Data]:
    """`{revoked}`: whether there was anything to be revoked."""
    digest = _hash(args["bootstrap_token"])
    was_unused = yield from do(DeleteRecord(BOOTSTRAP, digest))
    ended = yield from _end_sessions("bootstrap", digest)
    if was_unused or ended:
        yield from do(Emit("bootstrap.revoked", {"sessions": ended}))
    return {"revoked": was_unused or ended > 0}


def redeem(token: str) -> Effects[Session | None]:
    """Consumes a secret. None for one that there is not, or not any more."""
    digest = _hash(token)
    found = yield from do(GetRecord(BOOTSTRAP, digest))
    if found is None or not (yield from do(DeleteRecord(BOOTSTRAP, digest))):
        return None
    now = yield from do(Now())
    cookie = to_base64url((yield from do(RandomBytes(SECRET_BYTES))))
    expires = int(str(found["expires"]))
    yield from do(PutRecord(SESSION, _hash(cookie), {**found, "bootstrap": digest}, expires))
    yield from do(Emit("bootstrap.redeemed", {"username": found["username"], "session_id": found["session_id"]}))
    return Session(cookie, str(found["username"]), str(found["session_id"]), max(1, expires - int(now)))


def holder(cookie: str) -> Effects[Mapping[str, object] | None]:
    """Whose session a cookie is of."""
    return (yield from do(GetRecord(SESSION, _hash(cookie))))


def end_of(field: str, value: str) -> Effects[int]:
    """Ends what was opened, or could be, for a `username` or a `session_id`; how many there were."""
    ended = yield from _end_sessions(field, value)
    for digest, about in (yield from do(ListRecords(BOOTSTRAP))).items():
        if about.get(field) == value:
            ended += yield from do(DeleteRecord(BOOTSTRAP, digest))
    return ended


def _end_sessions(field: str, value: str) -> Effects[int]:
    ended = 0
    for digest, about in (yield from do(ListRecords(SESSION))).items():
        if about.get(field) == value:
            ended += yield from do(DeleteRecord(SESSION, digest))
    return ended


def _hash(secret: str) -> str:
    return sha256_hex(secret.encode())


VERBS = (
    Verb(
        "generate_bootstrap",
        "makes a secret that opens one session for a short time",
        (Schema({"username": USERNAME, "session_id": SESSION_ID, "ttl_seconds": TTL}),),
        run=generate,
        secret_data=frozenset({"bootstrap_token"}),
    ),
    Verb(
        "revoke_bootstrap",
        "ends such a secret, and the session that it opened",
        (Schema({"bootstrap_token": TOKEN}),),
        run=revoke,
    ),
)
