"""The table of signed types: one key purpose may sign each, and each has one closed format.

docs/protocol/signed-types.md is this table for readers. A type without a format is reserved: nothing here accepts one.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass


class Purpose(enum.StrEnum):
    """The purpose of a key. A key has one, so that its holder never has the privileges of two (RFC 8725 3.11)."""

    ROOT = "root"
    REGISTRAR = "registrar"
    DISPATCH = "dispatch"
    OPERATOR = "operator"
    WITNESS = "witness"
    NODE = "node"
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class SignedType:
    """A row of the table."""

    typ: str
    """The `typ` of the header."""
    purpose: Purpose
    content: str
    format: int | None = None
    """The value of the member `format`; None for a reserved type."""


TRUST = SignedType("warren-trust+jws", Purpose.ROOT, "trust bundle", 1)
DELEGATION = SignedType("warren-delegation+jws", Purpose.ROOT, "registrar key of a cluster")
NODE_RECORD = SignedType("warren-node+jws", Purpose.REGISTRAR, "node record")
JOIN_TOKEN = SignedType("warren-join+jwt", Purpose.REGISTRAR, "join token")
INTENT = SignedType("warren-intent+jws", Purpose.OPERATOR, "intent", 1)
WEBAUTHN_INTENT = SignedType("warren-intent+webauthn", Purpose.OPERATOR, "intent, signed by a WebAuthn credential", 1)
APPROVAL = SignedType("warren-approval+jws", Purpose.OPERATOR, "approval of an intent", 1)
COMMAND = SignedType("warren-cmd+jws", Purpose.DISPATCH, "command for one node", 1)
RECEIPT = SignedType("warren-receipt+jws", Purpose.WITNESS, "receipt for a checkpoint", 1)
RESULT = SignedType("warren-res+jws", Purpose.NODE, "result of a command", 1)
CHECKPOINT = SignedType("warren-cp+jws", Purpose.NODE, "checkpoint of the audit log", 1)
JOIN_REQUEST = SignedType("warren-join-request+jws", Purpose.NODE, "first join of a node")
KEY_SWITCH = SignedType("warren-switch+jws", Purpose.NODE, "change to a new WireGuard key")
DEVICE_PROOF = SignedType("warren-proof+jws", Purpose.DEVICE, "proof of a device")

TYPES = (
    TRUST,
    DELEGATION,
    NODE_RECORD,
    JOIN_TOKEN,
    INTENT,
    WEBAUTHN_INTENT,
    APPROVAL,
    COMMAND,
    RECEIPT,
    RESULT,
    CHECKPOINT,
    JOIN_REQUEST,
    KEY_SWITCH,
    DEVICE_PROOF,
)


def check_format(members: Mapping[str, object], signed: SignedType) -> None:
    """Check the member `format`, before the members that depend on it. Raises ValueError."""
    value = members.get("format")
    if isinstance(value, bool) or value != signed.format:
        raise ValueError(f"format: expected {signed.format}, the one that this version reads")
