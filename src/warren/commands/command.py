"""A command whose signatures, claims and authorization are verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from warren.trust.sealing import SecretScope

MAX_LIFE_SECONDS = 300  # V-38
SKEW_SECONDS = 60  # V-38: of `iat`, in either direction


@dataclass(frozen=True, slots=True)
class Actor:
    """The actor of a command: an operator or, for a verb that only reads, whoever the dispatch key names."""

    id: str
    role: str


@dataclass(frozen=True, slots=True)
class VerifiedCommand:
    """A command that may run; only `verify.verify_command` constructs one."""

    envelope: str
    """The JWS as received, which the privileged process verifies again."""
    kid: str
    """The dispatch key; with `nonce` it identifies this delivery."""
    nonce: str
    corr_id: str
    cluster: str
    agent_id: str
    """This node."""
    verb: str
    args: Mapping[str, object]
    """Valid by the schema. Secrets are still sealed, or plain on a transport that allows it."""
    args_sha256: str
    """Over verb and arguments as signed: a retry has the same (V-40)."""
    actor: Actor
    policy_id: str
    transport: str
    sid: str
    iat: int
    exp: int
    intent_iat: int | None
    """When the operator signed the intent; None only for a verb that reads and came without one."""
    min_level: str = "L0"
    """The weakest sandbox level that the trust bundle allows this verb."""
    script_sha256: Mapping[str, str] | None = None
    """The hashes that the trust bundle pins, by script name."""

    def secret_scope(self) -> SecretScope:
        """Return the scope of its secrets."""
        return SecretScope(self.cluster, self.agent_id, self.verb, self.actor.id, self.corr_id)

    @property
    def has_intent(self) -> bool:
        """Return whether an operator signed an intent."""
        return self.intent_iat is not None
