"""The signed text of a command, with those of its intent and its approvals: each is read once (`signed_text`).

Nothing in it is authorized: see `verify`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from warren.commands.approval import TYPE as APPROVAL_TYPE
from warren.commands.approval import Approval, intent_digest, parse_approval
from warren.commands.envelope import TYPE, Envelope, parse_envelope
from warren.commands.intent import TYPE as INTENT_TYPE
from warren.commands.intent import Intent, parse_intent
from warren.commands.signed_text import SignedAssertion, SignedToken
from warren.signed_types import WEBAUTHN_INTENT
from warren.strictjson import encode_sorted, parse_object
from warren.trust.webauthn_assertion import is_assertion


class MalformedClaimsError(ValueError):
    """The payload of a command breaks rule 5 or 6 of `verify`; `members` are those that it has."""

    def __init__(self, problem: str, members: Mapping[str, object]) -> None:
        super().__init__(problem)
        self.members = members


@dataclass(frozen=True, slots=True)
class IntentClaims:
    """The payload of an intent."""

    intent: Intent
    digest: str
    """The digest by which approvals name it."""
    args: bytes
    """Its arguments in the encoding that is compared."""


IntentText: TypeAlias = SignedToken[IntentClaims] | SignedAssertion[IntentClaims]


@dataclass(frozen=True, slots=True)
class CommandClaims:
    """The payload of a command."""

    members: Mapping[str, object]
    envelope: Envelope
    args: bytes
    """Its arguments in the encoding that is compared."""
    args_sha256: str
    """Over verb and arguments."""
    intent: IntentText | None
    approvals: tuple[SignedToken[Approval], ...]


SignedCommand: TypeAlias = SignedToken[CommandClaims]


def signed_command(envelope: str) -> SignedCommand:
    """Return the signed text of a command, of which nothing is read yet."""
    return SignedToken(envelope, TYPE, _parse_command)


def _parse_command(payload: bytes) -> CommandClaims:
    """Check rules 5 and 6 of `verify`. Raises MalformedClaimsError."""
    try:
        members = parse_object(payload)
    except ValueError as error:
        raise MalformedClaimsError(f"payload: {error}", {}) from None
    try:
        envelope = parse_envelope(members)
    except ValueError as error:
        raise MalformedClaimsError(str(error), members) from None
    args = dict(envelope.args)
    signed = encode_sorted({"verb": envelope.verb, "args": args})
    return CommandClaims(
        members,
        envelope,
        encode_sorted(args),
        hashlib.sha256(signed).hexdigest(),
        None if envelope.intent is None else _intent_text(envelope.intent),
        tuple(SignedToken(text, APPROVAL_TYPE, _parse_approval) for text in envelope.approvals),
    )


def _intent_text(text: str) -> IntentText:
    if is_assertion(text):
        return SignedAssertion(text, WEBAUTHN_INTENT.typ, lambda payload: _parse_intent(WEBAUTHN_INTENT.typ, payload))
    return SignedToken(text, INTENT_TYPE, lambda payload: _parse_intent(INTENT_TYPE, payload))


def _parse_intent(typ: str, payload: bytes) -> IntentClaims:
    intent = parse_intent(parse_object(payload))
    return IntentClaims(intent, intent_digest(typ, payload), encode_sorted(dict(intent.args)))


def _parse_approval(payload: bytes) -> Approval:
    return parse_approval(parse_object(payload))
