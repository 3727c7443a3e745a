"""Receipts: the witness of a cluster countersigns a checkpoint that it has received (docs/protocol/audit.md).

A node that holds a receipt can prove that its log is not shorter or other than what the witness saw. The witness can
only confirm: a receipt names one checkpoint, which the node's own key has signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from warren import jws
from warren.audit.chain import DIGEST
from warren.audit.checkpoint import Checkpoint, token_hash
from warren.cluster import CLUSTER
from warren.shapes import Shape, record, text, whole
from warren.signed_types import RECEIPT, check_format
from warren.strictjson import encode, parse_object

TYPE = RECEIPT.typ
MAX_NUMBER = 10**15 - 1  # the limit of `strictjson`
HASH = text(DIGEST.pattern, "a SHA-256 in 64 hexadecimal digits")
SHAPE: Shape = record(
    {
        "format": whole(0, MAX_NUMBER),
        "cluster": CLUSTER,
        "agent_id": text(r"[A-Za-z0-9_-]{1,64}", "the name of a node"),
        "n": whole(0, MAX_NUMBER),
        "head": HASH,
        "checkpoint": HASH,
        "iat": whole(0, MAX_NUMBER),
    }
)
"""Closed: an unknown member is an error."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The content of a receipt."""

    cluster: str
    agent_id: str
    n: int
    head: str
    checkpoint: str
    """SHA-256 of the checkpoint's token."""
    iat: int
    """When the witness received it, in seconds since the Unix epoch."""


def receipt_for(token: str, checkpoint: Checkpoint, now: int) -> Receipt:
    """Return the receipt for a verified checkpoint and its token."""
    head = checkpoint.head
    return Receipt(checkpoint.cluster, checkpoint.agent_id, head.n, head.digest, token_hash(token), now)


def sign_receipt(receipt: Receipt, key: jws.SigningKey) -> str:
    """Return the signed token. Raises ValueError for a malformed receipt, as for a node without a cluster."""
    members = {
        "format": RECEIPT.format,
        "cluster": receipt.cluster,
        "agent_id": receipt.agent_id,
        "n": receipt.n,
        "head": receipt.head,
        "checkpoint": receipt.checkpoint,
        "iat": receipt.iat,
    }
    SHAPE(members, "")
    return key.sign(encode(members), TYPE)


def verify_receipt(token: str, keys: Mapping[str, jws.VerifyingKey]) -> Receipt:
    """Return the receipt in a token, signed by one of the witness's `keys` (by `kid`).

    Raises:
        ValueError: the token is not a receipt, or none of the keys signed it (JwsError).
    """
    members: Mapping[str, Any] = parse_object(jws.verify(jws.read(token), TYPE, keys))
    check_format(members, RECEIPT)
    SHAPE(members, "")
    return Receipt(*(members[name] for name in ("cluster", "agent_id", "n", "head", "checkpoint", "iat")))


def check_receipt(receipt: Receipt, token: str, checkpoint: Checkpoint) -> None:
    """Check that a receipt is for this checkpoint, the cluster first. Raises ValueError."""
    if receipt != receipt_for(token, checkpoint, receipt.iat):
        raise ValueError("receipt is for another checkpoint")
