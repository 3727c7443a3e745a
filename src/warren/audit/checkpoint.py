"""The log's head, signed: what is held elsewhere shows that the log was cut or swapped (docs/protocol/audit.md).

A checkpoint is a JWS of type `warren-cp+jws` by the node's signing key. Each names the one before it by its SHA-256, so
that none of them can be left out either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from warren import jws
from warren.audit.chain import DIGEST, Head
from warren.strictjson import encode, parse_object

TYPE = "warren-cp+jws"
INTERVAL_SECONDS = 30
INTERVAL_LINES = 256
FIRST = "0" * 64
"""The `prev` of a checkpoint before which there is none."""
MEMBERS = {"agent_id", "n", "head", "ts", "prev"}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What one says."""

    agent_id: str
    head: Head
    ts: int
    """Seconds since the Unix epoch."""
    prev: str = FIRST
    """SHA-256 of the token of the checkpoint before it."""


def sign_checkpoint(checkpoint: Checkpoint, key: jws.SigningKey) -> str:
    """The token."""
    members = {
        "agent_id": checkpoint.agent_id,
        "n": checkpoint.head.n,
        "head": checkpoint.head.digest,
        "ts": checkpoint.ts,
        "prev": checkpoint.prev,
    }
    return key.sign(encode(members), TYPE)


def verify_checkpoint(token: str, keys: Mapping[str, jws.VerifyingKey]) -> Checkpoint:
    """Raises ValueError: JwsError where its signature is not of one of `keys`, which are by their `kid`."""
    return _parse(jws.verify(jws.read(token), TYPE, keys))


def read_checkpoint(token: str) -> Checkpoint:
    """What it says, which nothing proves. Raises ValueError."""
    return _parse(jws.from_base64url(jws.read(token).text.split(".")[1]))


def token_hash(token: str) -> str:
    """By which the next one names it."""
    return hashlib.sha256(token.encode("ascii")).hexdigest()


def is_due(lines: int, seconds: float) -> bool:
    """Whether one is wanted, `lines` and `seconds` after the last. None is where nothing was appended."""
    return lines >= INTERVAL_LINES or (lines > 0 and seconds >= INTERVAL_SECONDS)


def _parse(octets: bytes) -> Checkpoint:
    members = parse_object(octets)
    match members:
        case {"agent_id": str(agent), "n": int(n), "head": str(head), "ts": int(ts), "prev": str(prev)}:
            if set(members) == MEMBERS and n >= 0 and DIGEST.fullmatch(head) and DIGEST.fullmatch(prev):
                return Checkpoint(agent, Head(n, head), ts, prev)
    raise ValueError("is no checkpoint")
