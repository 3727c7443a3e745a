"""The signing side: an operator's intent, the dispatcher's command around it, and the node's result (V-77).

`CommandEnvelope`, `sign_command` and `validate_result` are the names of ViWorkS outbound.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from warren.commands import approval as approval_schema
from warren.commands import envelope as envelope_schema
from warren.commands import intent as intent_schema
from warren.commands.command import Actor
from warren.commands.result import Result
from warren.commands.result_json import MAX_RESULT_BYTES, parse_signed, signed_members
from warren.commands.result_json import TYPE as RESULT_TYPE
from warren.jws import SigningKey, VerifyingKey, from_base64url, payload_of, read, verify
from warren.strictjson import parse_object
from warren.trust.sealing import SecretScope

LIFE_SECONDS = 60  # the sample of ViWorkS outbound
NONCE_BYTES = 16


@dataclass(frozen=True, slots=True)
class CommandEnvelope:
    """A command before it is signed."""

    verb: str
    args: Mapping[str, object] = field(repr=False)
    actor: Actor
    policy_id: str
    targets: tuple[str, ...]
    cluster: str
    corr_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    intent: str | None = None
    """From `sign_intent`; only a verb that reads may omit it."""
    approvals: tuple[str, ...] = ()
    """From `sign_approval`."""

    def secret_scope(self) -> SecretScope:
        """Return the scope of its secrets. An intent with a sealed argument is for one node."""
        return SecretScope(self.cluster, self.targets[0], self.verb, self.actor.id, self.corr_id)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One transmission of a command; a retry has another nonce."""

    transport: str
    """`channel`, `http` or `local`."""
    sid: str
    """The session that the node issued for that transport."""
    iat: int
    exp: int = 0
    """At most 300 s after `iat`; 0 means 60 s after it."""
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(NONCE_BYTES))


def sign_intent(command: CommandEnvelope, key: SigningKey, *, iat: int, exp: int, bundle_min: int = 1) -> str:
    """Sign an intent, issued at `iat` and valid until `exp`, at most seven days later.

    A node whose trust bundle has a lower version than `bundle_min` rejects it.

    Raises:
        ValueError: a claim is malformed.
    """
    intent = intent_schema.Intent(
        command.cluster, command.verb, command.args, command.targets, command.corr_id, iat, exp, bundle_min
    )
    members = intent_schema.intent_members(intent)
    intent_schema.SHAPE(members, "")
    return key.sign(payload_of(members), intent_schema.TYPE)


def sign_approval(command: CommandEnvelope, key: SigningKey, *, iat: int, exp: int) -> str:
    """Sign an approval of the intent in a command, valid until `exp`, at most seven days after `iat`.

    Raises:
        ValueError: there is no intent, or a claim is malformed.
    """
    token = read(command.intent or "")
    digest = approval_schema.intent_digest(token.typ, from_base64url(token.text.split(".")[1]))
    members = approval_schema.approval_members(
        approval_schema.Approval(command.cluster, digest, command.actor.id, iat, exp)
    )
    approval_schema.SHAPE(members, "")
    return key.sign(payload_of(members), approval_schema.TYPE)


def sign_command(command: CommandEnvelope, key: SigningKey, delivery: Delivery) -> str:
    """Sign a command for one session of one transport, when it is sent.

    Raises:
        ValueError: a claim is malformed.
    """
    envelope = envelope_schema.Envelope(
        cluster=command.cluster,
        corr_id=command.corr_id,
        verb=command.verb,
        args=command.args,
        actor=command.actor,
        policy_id=command.policy_id,
        nonce=delivery.nonce,
        iat=delivery.iat,
        exp=delivery.exp or delivery.iat + LIFE_SECONDS,
        targets=command.targets,
        transport=delivery.transport,
        sid=delivery.sid,
        intent=command.intent,
        approvals=command.approvals,
    )
    members = envelope_schema.envelope_members(envelope)
    envelope_schema.SHAPE(members, "")
    return key.sign(payload_of(members), envelope_schema.TYPE)


def sign_result(result: Result, key: SigningKey, cluster: str) -> str:
    """Sign the result of a node as a `warren-res+jws` (V-74)."""
    return sign_result_members(signed_members(result, cluster), key)


def sign_result_members(members: Mapping[str, object], key: SigningKey) -> str:
    """Sign what `signed_members` returned."""
    return key.sign(payload_of(members), RESULT_TYPE)


def validate_result(text: str, agent_public_key: VerifyingKey, *, cluster: str, agent_id: str, corr_id: str) -> Result:
    """Return the verified result of this command on this node (V-74).

    Raises:
        ValueError: the token is invalid, or is the result of another cluster, node or command.
    """
    payload = verify(read(text, max_bytes=MAX_RESULT_BYTES), RESULT_TYPE, {agent_public_key.kid: agent_public_key})
    claimed, result = parse_signed(parse_object(payload))
    if claimed != cluster:
        raise ValueError("result of a node of another cluster")
    if (result.agent_id, result.corr_id) != (agent_id, corr_id):
        raise ValueError("result of another node or another command")
    return result
