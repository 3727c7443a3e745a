"""Authorization of a command whose signature and claims are verified: rule 11 of `verify`, one function per check.

| rule                                                    | code              | source |
|---------------------------------------------------------|-------------------|--------|
| commands are enabled on the node                        | EXEC_DISABLED     | V-64   |
| the command names the policy of the trust bundle        | POLICY_DENIED     | V-44   |
| the bundle has not expired, or the verb only reads      | POLICY_DENIED     | V-45   |
| its critical extensions are known, or the verb reads    | POLICY_DENIED     | trust  |
| a verb that changes state has an operator's intent      | POLICY_DENIED     | trust  |
| the intent is signed by an operator of the trust bundle | INVALID_SIGNATURE | trust  |
| it fits the closed schema                               | SCHEMA_MISMATCH   | V-71   |
| its signing method counts for the verb                  | POLICY_DENIED     | trust  |
| it matches the command, this node and the actor         | POLICY_DENIED     | trust  |
| the bundle is as new as the intent requires             | POLICY_DENIED     | trust  |
| it was issued by now, and lives at most seven days      | EXPIRED_TOKEN     | trust  |
| the actor's role is allowed the verb                    | POLICY_DENIED     | V-44   |
| each approval is signed by an operator, of this intent  | as an intent      | V-45   |
| there are as many approvals as the bundle requires      | APPROVAL_REQUIRED | V-45   |

An intent that is optional is checked by the same rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from warren.commands.approval import APPROVE, Approval
from warren.commands.command import SKEW_SECONDS
from warren.commands.envelope import Envelope
from warren.commands.intent import MAX_LIFE_SECONDS, Intent
from warren.commands.result import Code, CommandError
from warren.commands.signed_command import CommandClaims, IntentClaims, IntentText
from warren.commands.signed_text import SignedAssertion, SignedToken
from warren.commands.verb import Verb
from warren.jws import JwsError
from warren.trust.bundle import TrustBundle
from warren.trust.principals import Operator
from warren.trust.webauthn_key import KEY_METHOD

Claims = TypeVar("Claims")


@dataclass(frozen=True, slots=True)
class SignedIntent:
    """A verified intent."""

    operator: Operator
    """The author."""
    claims: IntentClaims
    method: str
    """The signing method, a property of the key."""

    @property
    def iat(self) -> int:
        """Return when it was signed."""
        return self.claims.intent.iat


def check_enabled(exec_enable: bool) -> None:
    """Check that commands are enabled (V-64). Raises CommandError, as every check here."""
    if not exec_enable:
        raise CommandError(Code.EXEC_DISABLED, "commands are disabled on this node ([security] exec_enable)")


def check_policy_id(envelope: Envelope, bundle: TrustBundle) -> None:
    """Check the policy (V-44)."""
    if envelope.policy_id != bundle.policy_id:
        problem = f"command is for policy {envelope.policy_id}; this node has {bundle.policy_id}"
        raise CommandError(Code.POLICY_DENIED, problem)


def check_bundle_age(verb: Verb, bundle: TrustBundle, now: float) -> None:
    """Check that the bundle has not expired, for a verb that changes state (V-45)."""
    if bundle.expired(now) and not verb.read_only:
        problem = f"trust bundle {bundle.version} has expired; only read-only verbs run until a newer one is installed"
        raise CommandError(Code.POLICY_DENIED, problem)


def check_extensions(verb: Verb, bundle: TrustBundle) -> None:
    """Check that this version understands the bundle, for a verb that changes state; what it removes counts anyway."""
    if bundle.not_understood and not verb.read_only:
        names = ", ".join(bundle.not_understood)
        problem = f"trust bundle {bundle.version} needs extensions that this version lacks: {names}; update Warren"
        raise CommandError(Code.POLICY_DENIED, f"{problem}; only read-only verbs run until then")


def check_intent(
    claims: CommandClaims, verb: Verb, bundle: TrustBundle, agent_id: str, now: float
) -> SignedIntent | None:
    """Check the intent and return it; None if there is none and the verb only reads."""
    if claims.intent is None:
        if verb.read_only:
            return None
        raise CommandError(Code.POLICY_DENIED, f"{verb.name} changes state and requires an operator's intent")
    signed = _verify_intent(claims.intent, bundle, now)
    _check_method(verb, bundle, signed.method, "an intent")
    _check_match(claims, signed.claims, agent_id)
    _check_actor(claims.envelope, signed.operator)
    _check_bundle_min(signed.claims.intent, bundle)
    _check_lifetime("intent", signed.iat, signed.claims.intent.exp, now)
    return signed


def check_role(envelope: Envelope, bundle: TrustBundle) -> None:
    """Check the role (V-44)."""
    if not bundle.allows(envelope.actor.role, envelope.verb):
        problem = f"role {envelope.actor.role} is not allowed to run {envelope.verb}"
        raise CommandError(Code.POLICY_DENIED, problem)


def check_approvals(
    claims: CommandClaims, verb: Verb, bundle: TrustBundle, signed: SignedIntent | None, now: float
) -> None:
    """Check that every approval is valid and that there are enough (V-45).

    Distinct operators other than the author count who approve and have a role that the bundle names now.
    """
    if claims.approvals and signed is None:
        raise CommandError(Code.POLICY_DENIED, "approvals without an intent")
    given = [_verify_approval(text, verb, bundle, signed, now) for text in claims.approvals if signed]
    if rule := bundle.approvals.get(verb.name):
        counted = {
            operator.id
            for operator, approval in given
            if approval.decision == APPROVE and operator.id != approval.author and set(operator.roles) & set(rule.roles)
        }
        if len(counted) < rule.count:
            roles = " or ".join(rule.roles)
            problem = f"{verb.name} requires {rule.count} approvals by {roles}; the command has {len(counted)}"
            raise CommandError(Code.APPROVAL_REQUIRED, problem)


def _verify_intent(text: IntentText, bundle: TrustBundle, now: float) -> SignedIntent:
    if isinstance(text, SignedAssertion):
        return _verify_assertion(text, bundle, now)
    operator, claims = _verify_token("intent", text, bundle, now)
    return SignedIntent(operator, claims, KEY_METHOD)


def _verify_assertion(text: SignedAssertion[IntentClaims], bundle: TrustBundle, now: float) -> SignedIntent:
    """Return an intent that an operator signed by a credential."""
    try:
        found = bundle.webauthn(text.form.kid, now)
        if found is not None:
            operator, key = found
            return SignedIntent(operator, text.claims(key), key.method)
    except JwsError as error:
        raise CommandError(Code.INVALID_SIGNATURE, f"intent: {error}") from None
    except ValueError as error:
        raise CommandError(Code.SCHEMA_MISMATCH, f"intent: {error}") from None
    problem = f"intent: credential belongs to no operator of trust bundle {bundle.version}"
    raise CommandError(Code.INVALID_SIGNATURE, problem)


def _verify_approval(
    text: SignedToken[Approval], verb: Verb, bundle: TrustBundle, signed: SignedIntent, now: float
) -> tuple[Operator, Approval]:
    operator, approval = _verify_token("approval", text, bundle, now)
    expected = (signed.claims.intent.cluster, signed.claims.digest, signed.operator.id)
    if (approval.cluster, approval.intent, approval.author) != expected:
        raise CommandError(Code.POLICY_DENIED, f"approval of {operator.id} is for another intent")
    _check_method(verb, bundle, KEY_METHOD, "approvals")
    _check_lifetime("approval", approval.iat, approval.exp, now)
    if approval.iat < signed.iat - SKEW_SECONDS:
        problem = f"approval issued at {approval.iat}, more than {SKEW_SECONDS} s before its intent at {signed.iat}"
        raise CommandError(Code.EXPIRED_TOKEN, problem)
    return operator, approval


def _verify_token(what: str, text: SignedToken[Claims], bundle: TrustBundle, now: float) -> tuple[Operator, Claims]:
    """Return the claims of a token that an operator signed by a key, and the operator."""
    try:
        operator = bundle.operator(text.form.kid, now)
        if operator is not None and operator.signing is not None:
            return operator, text.claims(operator.signing)
    except JwsError as error:
        raise CommandError(Code.INVALID_SIGNATURE, f"{what}: {error}") from None
    except ValueError as error:
        raise CommandError(Code.SCHEMA_MISMATCH, f"{what}: {error}") from None
    problem = f"{what}: key belongs to no operator of trust bundle {bundle.version}"
    raise CommandError(Code.INVALID_SIGNATURE, problem)


def _check_method(verb: Verb, bundle: TrustBundle, method: str, what: str) -> None:
    if method not in (allowed := bundle.methods_of(verb.name)):
        problem = f"{verb.name} needs {what} signed by {' or '.join(sorted(allowed))}, not by {method}"
        raise CommandError(Code.POLICY_DENIED, problem)


def _check_match(claims: CommandClaims, signed: IntentClaims, agent_id: str) -> None:
    """Check that the command repeats all that the operator signed."""
    envelope, intent = claims.envelope, signed.intent
    pairs = {
        "cluster": envelope.cluster == intent.cluster,
        "verb": envelope.verb == intent.verb,
        "args": claims.args == signed.args,
        "corr_id": envelope.corr_id == intent.corr_id,
        "agent_targets": agent_id in intent.targets and set(envelope.targets) <= set(intent.targets),
    }
    if differing := [name for name, same in pairs.items() if not same]:
        raise CommandError(Code.POLICY_DENIED, f"intent differs from the command: {', '.join(differing)}")


def _check_actor(envelope: Envelope, operator: Operator) -> None:
    if envelope.actor.id != operator.id or envelope.actor.role not in operator.roles:
        roles, actor = " or ".join(operator.roles), envelope.actor
        problem = (
            f"actor {actor.id} as {actor.role} does not match the intent of {operator.id}, whose roles are {roles}"
        )
        raise CommandError(Code.POLICY_DENIED, problem)


def _check_bundle_min(intent: Intent, bundle: TrustBundle) -> None:
    if bundle.version < intent.bundle_min:
        problem = f"intent needs trust bundle {intent.bundle_min} or later; this node has {bundle.version}"
        raise CommandError(Code.POLICY_DENIED, problem)


def _check_lifetime(what: str, iat: int, exp: int, now: float) -> None:
    """Check the time; `replay.decide` compares `iat` with the beginning of the single-use record."""
    if iat > now + SKEW_SECONDS:
        problem = f"{what} issued at {iat}, more than {SKEW_SECONDS} s ahead of the node time {now:.0f}"
    elif now >= exp:
        problem = f"{what} expired at {exp} (node time {now:.0f})"
    elif not 0 < exp - iat <= MAX_LIFE_SECONDS:
        problem = f"{what} lifetime {exp - iat} s is not within 1 to {MAX_LIFE_SECONDS} s"
    else:
        return
    raise CommandError(Code.EXPIRED_TOKEN, problem)
