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
| it was issued by now, and lives at most seven days      | EXPIRED_TOKEN     | trust  |
| the actor's role is allowed the verb                    | POLICY_DENIED     | V-44   |
| the bundle requires no approvals                        | APPROVAL_REQUIRED | V-45   |

An intent that is optional is checked by the same rules. Approvals exist in the format of the bundle only: no command
can carry one yet, so a verb that requires them does not run.
"""

from __future__ import annotations

from warren.commands.command import SKEW_SECONDS
from warren.commands.envelope import Envelope
from warren.commands.intent import MAX_LIFE_SECONDS, TYPE, Intent, parse_intent
from warren.commands.result import Code, CommandError
from warren.commands.verb import Verb
from warren.jws import JwsError, Stage, Token, read, verify
from warren.strictjson import encode_sorted, parse_object
from warren.trust.bundle import TrustBundle
from warren.trust.principals import Operator
from warren.trust.webauthn_key import KEY_METHOD


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


def check_intent(envelope: Envelope, verb: Verb, bundle: TrustBundle, agent_id: str, now: float) -> Intent | None:
    """Check the intent and return it; None if there is none and the verb only reads."""
    if envelope.intent is None:
        if verb.read_only:
            return None
        raise CommandError(Code.POLICY_DENIED, f"{verb.name} changes state and requires an operator's intent")
    operator, intent = _verify_intent(envelope.intent, bundle, now)
    _check_method(verb, bundle, KEY_METHOD)
    _check_match(envelope, intent, agent_id)
    _check_actor(envelope, operator)
    _check_intent_time(intent, now)
    return intent


def check_role(envelope: Envelope, bundle: TrustBundle) -> None:
    """Check the role (V-44)."""
    if not bundle.allows(envelope.actor.role, envelope.verb):
        problem = f"role {envelope.actor.role} is not allowed to run {envelope.verb}"
        raise CommandError(Code.POLICY_DENIED, problem)


def check_approvals(envelope: Envelope, bundle: TrustBundle) -> None:
    """Check that no approvals are required (V-45)."""
    if approval := bundle.approvals.get(envelope.verb):
        roles = " or ".join(approval.roles)
        problem = f"{envelope.verb} requires {approval.count} approvals by {roles}; approvals are not supported yet"
        raise CommandError(Code.APPROVAL_REQUIRED, problem)


def _verify_intent(text: str, bundle: TrustBundle, now: float) -> tuple[Operator, Intent]:
    try:
        operator, payload = _verify_signature(read(text), bundle, now)
    except JwsError as error:
        raise CommandError(Code.INVALID_SIGNATURE, f"intent: {error}") from None
    try:
        return operator, parse_intent(parse_object(payload))
    except ValueError as error:
        raise CommandError(Code.SCHEMA_MISMATCH, f"intent: {error}") from None


def _verify_signature(token: Token, bundle: TrustBundle, now: float) -> tuple[Operator, bytes]:
    operator = bundle.operator(token.kid, now)
    if operator is None:
        raise JwsError(Stage.KEY, f"key belongs to no operator of trust bundle {bundle.version}")
    return operator, verify(token, TYPE, {token.kid: operator.signing} if operator.signing else {})


def _check_method(verb: Verb, bundle: TrustBundle, method: str) -> None:
    if method not in (allowed := bundle.methods_of(verb.name)):
        problem = f"{verb.name} needs an intent signed by {' or '.join(sorted(allowed))}, not by {method}"
        raise CommandError(Code.POLICY_DENIED, problem)


def _check_match(envelope: Envelope, intent: Intent, agent_id: str) -> None:
    """Check that the command repeats all that the operator signed."""
    pairs = {
        "verb": envelope.verb == intent.verb,
        "args": encode_sorted(dict(envelope.args)) == encode_sorted(dict(intent.args)),
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


def _check_intent_time(intent: Intent, now: float) -> None:
    """Check the time; `replay.decide` compares `iat` with the beginning of the single-use record."""
    lifetime = intent.exp - intent.iat
    if intent.iat > now + SKEW_SECONDS:
        problem = f"intent issued at {intent.iat}, more than {SKEW_SECONDS} s ahead of the node time {now:.0f}"
    elif now >= intent.exp:
        problem = f"intent expired at {intent.exp} (node time {now:.0f})"
    elif not 0 < lifetime <= MAX_LIFE_SECONDS:
        problem = f"intent lifetime {lifetime} s is not within 1 to {MAX_LIFE_SECONDS} s"
    else:
        return
    raise CommandError(Code.EXPIRED_TOKEN, problem)
