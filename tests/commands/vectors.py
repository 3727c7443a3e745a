"""What the vectors of commands are made with: a command, what a node does with it, and the hands that sign it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tests.trust.forge import base64url, forge, hpke_seal
from tests.trust.parties import (
    BUNDLE,
    CONTEXT,
    DISPATCHER,
    NEXT_ROOT,
    NODE_SEALING,
    NOW,
    RFC_8037_SEED,
    ROOT,
    SENDING,
    STOP,
    seed,
)
from tests.trust.vectors import HOSTED_KEY, LOCAL_KEY
from warren.commands.approval import TYPE as APPROVAL
from warren.commands.approval import Approval as Approval_
from warren.commands.approval import approval_members, intent_digest
from warren.commands.envelope import TYPE, Envelope, envelope_members
from warren.commands.signing import CommandEnvelope
from warren.commands.verify import Context
from warren.jws import SigningKey, from_base64url, payload_of, read
from warren.trust.bundle import TrustBundle
from warren.trust.principals import Approval, KeyEntry
from warren.trust.sealing import purpose
from warren.trust.webauthn_key import HOSTED_METHOD, KEY_METHOD, LOCAL_METHOD

HEADER = {"alg": "Ed25519", "typ": TYPE, "kid": DISPATCHER.public.kid}

WITH_CREDENTIALS = replace(
    BUNDLE,
    version=24,
    operators={
        **BUNDLE.operators,
        "alice": replace(BUNDLE.operators["alice"], webauthn={"laptop": LOCAL_KEY, "phone": HOSTED_KEY}),
    },
)

BUNDLES: Mapping[str, TrustBundle] = {
    "usual": BUNDLE,
    "expired": replace(BUNDLE, version=6, expires=NOW),
    "approvals": replace(BUNDLE, version=8, approvals={"stop_container": Approval(2, ("ADMIN",))}),
    "credentials": WITH_CREDENTIALS,
    "credentials, also hosted": replace(
        WITH_CREDENTIALS, version=25, signing_methods={"stop_container": frozenset({KEY_METHOD, HOSTED_METHOD})}
    ),
    "credentials, by key only": replace(
        WITH_CREDENTIALS, version=26, signing_methods={"stop_container": frozenset({KEY_METHOD})}
    ),
    "one approval": replace(BUNDLE, version=21, approvals={"stop_container": Approval(1, ("ADMIN", "VIEWER"))}),
    "approval of an admin": replace(BUNDLE, version=22, approvals={"stop_container": Approval(1, ("ADMIN",))}),
    "approval without bob": replace(
        BUNDLE,
        version=23,
        approvals={"stop_container": Approval(1, ("ADMIN", "VIEWER"))},
        operators={"alice": BUNDLE.operators["alice"]},
    ),
    "without alice": replace(
        BUNDLE, version=9, operators={name: each for name, each in BUNDLE.operators.items() if name != "alice"}
    ),
    "another policy": replace(BUNDLE, version=10, policy_id="policy-2026-02"),
    "rotated": replace(BUNDLE, version=11, dispatch=BUNDLE.dispatch[1:]),
    "not yet alice": replace(
        BUNDLE,
        version=13,
        operators={**BUNDLE.operators, "alice": replace(BUNDLE.operators["alice"], not_before=NOW + 1)},
    ),
    "not yet dispatched": replace(BUNDLE, version=14, dispatch=(KeyEntry(DISPATCHER.public, not_before=NOW + 1),)),
    "now valid": replace(
        BUNDLE,
        version=15,
        dispatch=(KeyEntry(DISPATCHER.public, NOW + 1, NOW),),
        operators={**BUNDLE.operators, "alice": replace(BUNDLE.operators["alice"], expires=NOW + 1, not_before=NOW)},
    ),
    "by credential only": replace(
        BUNDLE, version=16, signing_methods={"stop_container": frozenset({LOCAL_METHOD, HOSTED_METHOD})}
    ),
    "by key only": replace(BUNDLE, version=17, signing_methods={"stop_container": frozenset({KEY_METHOD})}),
    "extended": replace(BUNDLE, version=18, ext={"quotas": {"alice": 3}}),
    "critically extended": replace(BUNDLE, version=19, ext={"quotas": {"alice": 3}}, crit=("quotas",)),
    "critically extended, without alice": replace(
        BUNDLE,
        version=20,
        operators={"bob": BUNDLE.operators["bob"]},
        ext={"quotas": {}},
        crit=("quotas",),
    ),
    "next root": replace(BUNDLE, version=12, roots=(ROOT.public, NEXT_ROOT.public)),
}


@dataclass(frozen=True, slots=True)
class Vector:
    """One command on its way."""

    name: str
    text: str
    code: str = "NONE"
    """What it is refused with; NONE is not at all."""
    here: Mapping[str, object] = field(default_factory=dict)
    """Node members that differ: `now`, `transport`, `sid`, `agent_id`, `exec_enable`, and `bundle` by its name."""
    beside: Mapping[str, object] | None = None
    """The object that came with it."""

    def context(self) -> Context:
        """The node that gets it."""
        members = dict(self.here)
        if "bundle" in members:
            name = members.pop("bundle")
            members["bundle"] = None if name is None else BUNDLES[str(name)]
        return replace(CONTEXT, **members)  # type: ignore[arg-type]

    def members(self) -> dict[str, object]:
        """As the file has it."""
        found: dict[str, object] = {"name": self.name, "code": self.code}
        found |= {"here": dict(self.here)} if self.here else {}
        found |= {"beside": self.beside} if self.beside is not None else {}
        return found | {"command": self.text}


def claims(command: CommandEnvelope = STOP, **changes: object) -> dict[str, object]:
    """The payload of a command as it would be sent, with these members instead; None takes one away."""
    sent = Envelope(
        corr_id=command.corr_id,
        cluster=command.cluster,
        verb=command.verb,
        args=command.args,
        actor=command.actor,
        policy_id=command.policy_id,
        nonce=SENDING.nonce,
        iat=SENDING.iat,
        exp=SENDING.exp,
        targets=command.targets,
        transport=SENDING.transport,
        sid=SENDING.sid,
        intent=command.intent,
        approvals=command.approvals,
    )
    members = {**envelope_members(sent), **changes}
    return {name: value for name, value in members.items() if value is not None}


def dispatched(payload: object, header: object = None, key: bytes = RFC_8037_SEED) -> str:
    """Signed by the dispatcher, whatever it is."""
    return forge(HEADER if header is None else header, payload, key)


def sent(command: CommandEnvelope = STOP, *, header: object = None, **changes: object) -> str:
    """`claims`, signed by the dispatcher."""
    return dispatched(claims(command, **changes), header)


def approved(
    command: CommandEnvelope, *keys: SigningKey, iat: int = NOW, exp: int = NOW + 3600, **changes: object
) -> CommandEnvelope:
    """The command with an approval by each key, in which members are changed; None takes one away."""
    token = read(str(command.intent))
    digest = intent_digest(token.typ, from_base64url(token.text.split(".")[1]))
    members = approval_members(Approval_(command.cluster, digest, command.actor.id, iat, exp)) | changes
    payload = payload_of({name: value for name, value in members.items() if value is not None})
    return replace(command, approvals=tuple(key.sign(payload, APPROVAL) for key in keys))


def header_of(key: SigningKey, typ: str = TYPE) -> dict[str, object]:
    """The header of a token by another."""
    return {"alg": "Ed25519", "typ": typ, "kid": key.public.kid}


def sealed(secret: str, name: str, verb: str = "create_panel_user", **changes: str) -> dict[str, str]:
    """A secret argument, the same each time: its ephemeral key is made of a label."""
    scope = replace(STOP.secret_scope(), verb=verb, **changes)
    octets = hpke_seal(secret.encode(), NODE_SEALING.public, purpose("arg", scope, name), seed("ephemeral"))
    return {"sealed": base64url(octets)}
