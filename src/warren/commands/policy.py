"""What the trust bundle says of a command whose signature and claims are proven: rule 11 of `verify`, one by one.

| rule                                                             | refused with      | source |
|------------------------------------------------------------------|-------------------|--------|
| the node's owner has allowed commands                            | EXEC_DISABLED     | V-64   |
| the command names the policy that the node has                   | POLICY_DENIED     | V-44   |
| past the bundle's end the verb only reads                        | POLICY_DENIED     | V-45   |
| what changes state has an operator's intent                      | POLICY_DENIED     | trust  |
| an intent is signed by an operator of the roster                 | INVALID_SIGNATURE | trust  |
| it has the closed shape                                          | SCHEMA_MISMATCH   | V-71   |
| it says what the command says, for this node, of this actor      | POLICY_DENIED     | trust  |
| it has not ended, and ends within seven days                     | EXPIRED_TOKEN     | trust  |
| the actor's role may ask for the verb                            | POLICY_DENIED     | V-44   |
| the bundle asks for no approvals of others                       | APPROVAL_REQUIRED | V-45   |

An intent that need not be there is held to the same rules. Approvals are a part of the bundle's format alone: no
command can bring any yet, so a verb that needs them does not run.
"""

from __future__ import annotations

from warren.commands.envelope import Envelope
from warren.commands.intent import MAX_LIFE_SECONDS, TYPE, Intent, parse_intent
from warren.commands.result import Code, CommandError
from warren.commands.verbs import Verb
from warren.jws import JwsError, Stage, Token, read, verify
from warren.strictjson import encode_sorted, parse_object
from warren.trust.bundle import TrustBundle
from warren.trust.principals import Operator


def check_enabled(exec_enable: bool) -> None:
    """V-64. Raises CommandError, as all of these."""
    if not exec_enable:
        raise CommandError(
            Code.EXEC_DISABLED, "commands are off on this node: its owner says so ([security] exec_enable)"
        )


def check_policy_id(envelope: Envelope, bundle: TrustBundle) -> None:
    """V-44."""
    if envelope.policy_id != bundle.policy_id:
        problem = f"the command is for the policy {envelope.policy_id}, and this node has {bundle.policy_id}"
        raise CommandError(Code.POLICY_DENIED, problem)


def check_bundle_age(verb: Verb, bundle: TrustBundle, now: float) -> None:
    """V-45."""
    if bundle.expired(now) and not verb.read_only:
        problem = f"the trust bundle {bundle.version} has expired: until there is a newer one, only what reads is run"
        raise CommandError(Code.POLICY_DENIED, problem)


def check_intent(envelope: Envelope, verb: Verb, bundle: TrustBundle, agent_id: str, now: float) -> bool:
    """Whether there is one."""
    if envelope.intent is None:
        if verb.read_only:
            return False
        raise CommandError(Code.POLICY_DENIED, f"{verb.name} changes state: it needs an operator's intent")
    operator, intent = _proven(envelope.intent, bundle, now)
    _check_same(envelope, intent, agent_id)
    _check_actor(envelope, operator)
    _check_intent_time(intent, now)
    return True


def check_role(envelope: Envelope, bundle: TrustBundle) -> None:
    """V-44."""
    if not bundle.allows(envelope.actor.role, envelope.verb):
        problem = f"the role {envelope.actor.role} may not ask for {envelope.verb}"
        raise CommandError(Code.POLICY_DENIED, problem)


def check_approvals(envelope: Envelope, bundle: TrustBundle) -> None:
    """V-45, as far as it is built."""
    if approval := bundle.approvals.get(envelope.verb):
        who = " or ".join(approval.roles)
        raise CommandError(Code.APPROVAL_REQUIRED, f"{envelope.verb} needs {approval.count} more of {who} to sign it")


def _proven(text: str, bundle: TrustBundle, now: float) -> tuple[Operator, Intent]:
    try:
        operator, octets = _signed(read(text), bundle, now)
    except JwsError as error:
        raise CommandError(Code.INVALID_SIGNATURE, f"its intent: {error}") from None
    try:
        return operator, parse_intent(parse_object(octets))
    except ValueError as error:
        raise CommandError(Code.SCHEMA_MISMATCH, f"its intent: {error}") from None


def _signed(token: Token, bundle: TrustBundle, now: float) -> tuple[Operator, bytes]:
    operator = bundle.operator(token.kid, now)
    if operator is None:
        raise JwsError(Stage.KEY, f"its key is of no operator of the trust bundle {bundle.version}")
    return operator, verify(token, TYPE, {token.kid: operator.signing})


def _check_same(envelope: Envelope, intent: Intent, agent_id: str) -> None:
    """All that the operator signed stands in the command as well."""
    pairs = {
        "verb": envelope.verb == intent.verb,
        "args": encode_sorted(dict(envelope.args)) == encode_sorted(dict(intent.args)),
        "corr_id": envelope.corr_id == intent.corr_id,
        "agent_targets": agent_id in intent.targets and set(envelope.targets) <= set(intent.targets),
    }
    if differing := [name for name, same in pairs.items() if not same]:
        raise CommandError(Code.POLICY_DENIED, f"its intent says otherwise: {', '.join(differing)}")


def _check_actor(envelope: Envelope, operator: Operator) -> None:
    if envelope.actor.id != operator.id or envelope.actor.role not in operator.roles:
        roles, actor = " or ".join(operator.roles), envelope.actor
        problem = f"its actor is {actor.id} as {actor.role}, and its intent is by {operator.id}, who is {roles}"
        raise CommandError(Code.POLICY_DENIED, problem)


def _check_intent_time(intent: Intent, now: float) -> None:
    if now >= intent.exp:
        raise CommandError(Code.EXPIRED_TOKEN, f"its intent ended at {intent.exp}; it is {now:.0f} here")
    if intent.exp - now > MAX_LIFE_SECONDS:
        problem = f"its intent ends at {intent.exp}, more than {MAX_LIFE_SECONDS} s from now; it is {now:.0f} here"
        raise CommandError(Code.EXPIRED_TOKEN, problem)
