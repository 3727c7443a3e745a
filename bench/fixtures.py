"""The signers of commands, and a node that trusts them: the fixtures of the command benches."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_bytes

from warren.clock import wall_seconds
from warren.commands.command import MAX_LIFE_SECONDS, SKEW_SECONDS, Actor
from warren.commands.registry import VERBS
from warren.commands.signing import CommandEnvelope, Delivery, sign_command, sign_intent
from warren.commands.store.command_store import initialize_store
from warren.jws import KEY_BYTES, SigningKey
from warren.trust.bundle import TrustBundle
from warren.trust.bundle_verify import sign_bundle
from warren.trust.io.bundle_file import install_bundle
from warren.trust.io.identity_file import make_identity
from warren.trust.principals import KeyEntry, Operator
from warren.trust.sealing import SealingKey

NODE = "gateway-001"
DAY = 86_400
READS, CHANGES = "get_system_health", "generate_bootstrap"
ARGS: Mapping[str, Mapping[str, object]] = {
    READS: {},
    CHANGES: {"username": "alice", "session_id": "s-1", "ttl_seconds": 60},
}


def _key() -> SigningKey:
    return SigningKey(token_bytes(KEY_BYTES))


@dataclass(frozen=True, slots=True)
class Orders:
    """An operator with every role, and the dispatcher."""

    root: SigningKey = field(default_factory=_key)
    dispatcher: SigningKey = field(default_factory=_key)
    alice: SigningKey = field(default_factory=_key)
    sealing: SealingKey = field(default_factory=lambda: SealingKey(token_bytes(KEY_BYTES)))

    def settle(self, state: Path, uid: int, gid: int) -> None:
        """Create identity, trust bundle and stores of a node below `state`, more than a minute old."""
        make_identity(state / "identity", NODE, (uid, gid))
        path = state / "identity/trust.jws"
        install_bundle(path, sign_bundle(self._bundle(), self.root), [self.root.public.kid])
        for name, owner, group in (("commands", uid, gid), ("runner", 0, 0)):
            (state / name).mkdir(mode=0o700)
            initialize_store(state / name, wall_seconds() - 2 * SKEW_SECONDS)
            for each in (state / name, *(state / name).iterdir()):
                os.chown(each, owner, group)

    def sign(self, verb: str, sid: str) -> str:
        """Return another command for the session of the control socket, with an intent of the operator."""
        now = int(wall_seconds())
        ask = CommandEnvelope(verb, ARGS[verb], Actor("alice", "ADMIN"), "policy-1", (NODE,), "bench")
        intended = replace(ask, intent=sign_intent(ask, self.alice, iat=now, exp=now + DAY))
        return sign_command(intended, self.dispatcher, Delivery("local", sid, now, now + MAX_LIFE_SECONDS))

    def _bundle(self) -> TrustBundle:
        now = int(wall_seconds())
        return TrustBundle(
            cluster="bench",
            version=1,
            policy_id="policy-1",
            issued=now,
            expires=now + DAY,
            roots=(self.root.public,),
            dispatch=(KeyEntry(self.dispatcher.public),),
            operators={"alice": Operator("alice", ("ADMIN",), self.alice.public, self.sealing.public)},
            roles={"ADMIN": frozenset(VERBS)},
        )
