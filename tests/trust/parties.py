"""The principals of tests: a root, two dispatchers, three operators, two nodes and an attacker.

Their keys are derived from labels; the dispatcher's is published in RFC 8037 (appendix A.1). None protects anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from warren.commands.command import Actor
from warren.commands.effects.effect import Effects
from warren.commands.schema import Choice, Schema, Text
from warren.commands.signing import CommandEnvelope, Delivery, sign_command, sign_intent
from warren.commands.verb import Data, Verb, VerbContext
from warren.commands.verify import Context
from warren.jws import SigningKey, from_base64url
from warren.trust.bundle import TrustBundle
from warren.trust.identity import NodeIdentity
from warren.trust.principals import KeyEntry, Operator
from warren.trust.sealing import SealingKey

NOW = 1_767_225_600  # 2026-01-01
CLUSTER = "office"
SID = "session-of-the-local-transport"
CORR_ID = "6f1b2c9e-0f0a-4d0e-9a53-0a6c8f1d2e3b"


def seed(label: str) -> bytes:
    """Return 32 octets derived from a label, for tests only."""
    return hashlib.sha256(f"warren test key: {label}".encode()).digest()


RFC_8037_SEED = from_base64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")

ROOT = SigningKey(seed("root"))
NEXT_ROOT = SigningKey(seed("next root"))
SPARE_ROOT = SigningKey(seed("spare root"))
DISPATCHER = SigningKey(RFC_8037_SEED)
NEXT_DISPATCHER = SigningKey(seed("next dispatcher"))
REGISTRAR = SigningKey(seed("registrar"))
WITNESS = SigningKey(seed("witness"))
ALICE = SigningKey(seed("alice"))
ALICE_SEALING = SealingKey(seed("alice, sealing"))
BOB = SigningKey(seed("bob"))
BOB_SEALING = SealingKey(seed("bob, sealing"))
CAROL = SigningKey(seed("carol, who was removed"))
THIEF = SigningKey(seed("thief"))
NODE_SEALING, OTHER_SEALING = SealingKey(seed("node, sealing")), SealingKey(seed("other, sealing"))
NODE = NodeIdentity("gateway-001", SigningKey(seed("node, signing")), NODE_SEALING.public, NODE_SEALING)
OTHER_NODE = NodeIdentity("gateway-002", SigningKey(seed("other, signing")), OTHER_SEALING.public, OTHER_SEALING)

BUNDLE = TrustBundle(
    cluster=CLUSTER,
    version=7,
    policy_id="policy-2026-01",
    issued=NOW - 86_400,
    expires=NOW + 89 * 86_400,
    roots=(ROOT.public,),
    dispatch=(KeyEntry(DISPATCHER.public), KeyEntry(NEXT_DISPATCHER.public, NOW + 3600)),
    operators={
        "alice": Operator("alice", ("ADMIN",), ALICE.public, ALICE_SEALING.public),
        "bob": Operator("bob", ("VIEWER",), BOB.public, BOB_SEALING.public),
    },
    roles={
        "ADMIN": frozenset({"create_panel_user", "stop_container", "list_users"}),
        "VIEWER": frozenset({"list_users"}),
    },
    registrars=(KeyEntry(REGISTRAR.public),),
    levels={"create_panel_user": "L1"},
)


def nothing(_: Mapping[str, object], __: VerbContext) -> Effects[Data]:
    """Run a verb without effects."""
    yield from ()
    return {}


USERNAME = Text(r"[A-Za-z0-9][A-Za-z0-9_-]{2,63}", "3 to 64 of A-Z a-z 0-9 _ -, the first a letter or digit")
PASSWORD = Text(r"[^\x00-\x1f\x7f]{8,128}", "8 to 128 characters", secret=True)
VERBS = {
    verb.name: verb
    for verb in (
        Verb("list_users", "Lists them.", (Schema(),), read_only=True, run=nothing),
        Verb(
            "stop_container", "Stops one.", (Schema({"container_id": Text(r"[0-9a-f]{12,64}", "an id")}),), run=nothing
        ),
        Verb(
            "create_panel_user",
            "Makes one.",
            (Schema({"username": USERNAME, "password": PASSWORD}, {"profile": Choice(("default", "strict"))}),),
            run=nothing,
        ),
    )
}
"""Three kinds of verbs: read-only, changing, and with a secret argument."""

CONTEXT = Context(NODE.agent_id, BUNDLE, "local", SID, NOW, exec_enable=True, verbs=VERBS)
STOP = CommandEnvelope(
    verb="stop_container",
    args={"container_id": "0123456789ab"},
    actor=Actor("alice", "ADMIN"),
    policy_id=BUNDLE.policy_id,
    targets=(NODE.agent_id,),
    cluster=CLUSTER,
    corr_id=CORR_ID,
)
LIST = replace(STOP, verb="list_users", args={})
SENDING = Delivery("local", SID, NOW, NOW + 60, "nonce-0000000000000001")


def with_intent(
    command: CommandEnvelope, key: SigningKey = ALICE, exp: int = NOW + 3600, iat: int = NOW, bundle_min: int = 1
) -> CommandEnvelope:
    """Return the command with an intent signed by an operator."""
    return replace(command, intent=sign_intent(command, key, iat=iat, exp=exp, bundle_min=bundle_min))


def signed(command: CommandEnvelope = STOP, key: SigningKey = DISPATCHER, sending: Delivery = SENDING) -> str:
    """Return the signed envelope of a command."""
    return sign_command(command, key, sending)
