"""Checkpoints: signed heads of the log. A copy kept off the host proves truncation and replacement of the log.

A checkpoint is a JWS of type `warren-cp+jws` by the node's signing key. Each contains the SHA-256 of the previous one,
so that none can be left out (docs/protocol/audit.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from warren import jws
from warren.audit.chain import DIGEST, Head
from warren.cluster import NODE_CLUSTER
from warren.signed_types import CHECKPOINT, check_format
from warren.strictjson import encode, parse_object

TYPE = CHECKPOINT.typ
INTERVAL_SECONDS = 30
INTERVAL_LINES = 256
NO_PREVIOUS = "0" * 64
"""The `prev` of the first checkpoint."""
MEMBERS = {"format", "cluster", "agent_id", "n", "head", "ts", "prev"}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The content of a checkpoint."""

    agent_id: str
    head: Head
    ts: int
    """Seconds since the Unix epoch."""
    prev: str = NO_PREVIOUS
    """SHA-256 of the previous checkpoint's token."""
    cluster: str = ""
    """The cluster of the node; empty as long as the node has no trust bundle."""


def sign_checkpoint(checkpoint: Checkpoint, key: jws.SigningKey) -> str:
    """Return the signed token of a checkpoint."""
    members = {
        "format": CHECKPOINT.format,
        "cluster": checkpoint.cluster,
        "agent_id": checkpoint.agent_id,
        "n": checkpoint.head.n,
        "head": checkpoint.head.digest,
        "ts": checkpoint.ts,
        "prev": checkpoint.prev,
    }
    return key.sign(encode(members), TYPE)


def verify_checkpoint(token: str, keys: Mapping[str, jws.VerifyingKey]) -> Checkpoint:
    """Return the checkpoint in a token, signed by one of `keys` (by `kid`).

    Raises:
        ValueError: the token is not a checkpoint, or none of the keys signed it (JwsError).
    """
    return _parse(jws.verify(jws.read(token), TYPE, keys))


def parse_unverified(token: str) -> Checkpoint:
    """Return the checkpoint in a token without verifying its signature.

    Raises:
        ValueError: the token is not a checkpoint.
    """
    return _parse(jws.from_base64url(jws.read(token).text.split(".")[1]))


def token_hash(token: str) -> str:
    """Return the SHA-256 of a token, the `prev` of the next checkpoint."""
    return hashlib.sha256(token.encode("ascii")).hexdigest()


def is_due(lines: int, seconds: float) -> bool:
    """Return whether a checkpoint is due, `lines` and `seconds` after the last. It never is without a new line."""
    return lines >= INTERVAL_LINES or (lines > 0 and seconds >= INTERVAL_SECONDS)


def _parse(octets: bytes) -> Checkpoint:
    members = parse_object(octets)
    check_format(members, CHECKPOINT)
    match members:
        case {
            "cluster": str(cluster),
            "agent_id": str(agent),
            "n": int(n),
            "head": str(head),
            "ts": int(ts),
            "prev": str(prev),
        }:
            is_valid = n >= 0 and DIGEST.fullmatch(head) and DIGEST.fullmatch(prev)
            if set(members) == MEMBERS and is_valid:
                NODE_CLUSTER(cluster, "cluster")
                return Checkpoint(agent, Head(n, head), ts, prev, cluster)
    raise ValueError("not a checkpoint")
