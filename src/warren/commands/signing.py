"""The signing side: an operator's intent, the dispatcher's command round it, and the answer that comes back (V-77).

`CommandEnvelope`, `sign_command` and `validate_result` are document 004's names.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from warren.commands import envelope as command_form
from warren.commands import intent as intent_form
from warren.commands.command import Actor
from warren.commands.result import Result
from warren.commands.result_json import TYPE as RESULT_TYPE
from warren.commands.result_json import parse_result, result_members
from warren.jws import SigningKey, VerifyingKey, payload_of, read, verify
from warren.strictjson import parse_object

MAX_RESULT_BYTES = 16 << 20  # 1 MiB of output at most, of which JSON may need six octets for one, in base64url
LIFE_SECONDS = 60  # document 004's sample
NONCE_BYTES = 16


@dataclass(frozen=True, slots=True)
class CommandEnvelope:
    """What is asked, before anybody has signed it."""

    verb: str
    args: Mapping[str, object] = field(repr=False)
    actor: Actor
    policy_id: str
    targets: tuple[str, ...]
    corr_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    intent: str | None = None
    """Of `sign_intent`; only a verb that reads may go without."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One time that a command is sent; a second time is another nonce."""

    transport: str
    """`channel`, `http` or `local`."""
    sid: str
    """The session that the node gave for that transport."""
    iat: int
    exp: int = 0
    """300 s after `iat` at most; 0 is a minute after it."""
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(NONCE_BYTES))


def sign_intent(command: CommandEnvelope, key: SigningKey, *, exp: int) -> str:
    """The operator's word, good until `exp`, seven days ahead at most. Raises ValueError for a bad shape."""
    intent = intent_form.Intent(command.verb, command.args, command.targets, command.corr_id, exp)
    members = intent_form.intent_members(intent)
    intent_form.SHAPE(members, "")
    return key.sign(payload_of(members), intent_form.TYPE)


def sign_command(command: CommandEnvelope, key: SigningKey, sending: Delivery) -> str:
    """The command for one session of one transport, signed when it is sent. Raises ValueError for a bad shape."""
    signed = command_form.Envelope(
        corr_id=command.corr_id,
        verb=command.verb,
        args=command.args,
        actor=command.actor,
        policy_id=command.policy_id,
        nonce=sending.nonce,
        iat=sending.iat,
        exp=sending.exp or sending.iat + LIFE_SECONDS,
        targets=command.targets,
        transport=sending.transport,
        sid=sending.sid,
        intent=command.intent,
    )
    members = command_form.envelope_members(signed)
    command_form.SHAPE(members, "")
    return key.sign(payload_of(members), command_form.TYPE)


def sign_result(result: Result, key: SigningKey) -> str:
    """The answer of a node, as a `warren-res+jws` (V-74)."""
    return key.sign(payload_of(result_members(result)), RESULT_TYPE)


def validate_result(text: str, agent_public_key: VerifyingKey, *, agent_id: str, corr_id: str) -> Result:
    """The answer of this node to this command. Raises ValueError for any other (V-74)."""
    octets = verify(read(text, max_bytes=MAX_RESULT_BYTES), RESULT_TYPE, {agent_public_key.kid: agent_public_key})
    result = parse_result(parse_object(octets))
    if (result.agent_id, result.corr_id) != (agent_id, corr_id):
        raise ValueError("is the answer of another node, or to another command")
    return result
