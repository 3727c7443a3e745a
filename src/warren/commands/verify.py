"""Verification of a command: the rules of docs/protocol/envelope.md in their order, one function per rule.

|  n | rule                                                              | code              | source              |
|----|-------------------------------------------------------------------|-------------------|---------------------|
|  1 | size and shape: a compact JWS, strict base64url                   | INVALID_SIGNATURE | RFC 7515 7.1, V-34  |
|  2 | header: exactly alg, typ and kid, once each; alg is Ed25519       | INVALID_SIGNATURE | RFC 8725 3.1, V-36  |
|  3 | typ is a command's; kid is a dispatch key of the trust bundle     | INVALID_SIGNATURE | RFC 8725 3.11, V-36 |
|  4 | the signature, over the octets as received                        | INVALID_SIGNATURE | RFC 7515 5.2, V-34  |
|  5 | the payload is strict JSON without duplicate members              | SCHEMA_MISMATCH   | RFC 7493, V-71      |
|  6 | the claims fit the closed schema                                  | SCHEMA_MISMATCH   | V-33, V-71          |
|  - | an object sent along with it is equal                             | INVALID_SIGNATURE | V-34                |
|  7 | the cluster is this node's, which is named as a target, exactly   | POLICY_DENIED     | V-43, V-70          |
|  8 | issued within 60 s, not expired, lifetime at most 300 s           | EXPIRED_TOKEN     | V-38                |
|  9 | signed for this transport and for its current session             | STALE_SESSION     | V-41                |
| 10 | the verb exists                                                   | UNKNOWN_VERB      | V-46                |
|  - | the arguments fit its schema, secrets are sealed                  | VALIDATION_FAILED | V-71, G-42          |
| 11 | the trust bundle and the operator's intent allow it: see `policy` | several           | V-44, V-45          |

Rate limits, the queue and the replay check follow, on the command that is verified here. Nothing expensive happens
before the signature is verified, and no claim is used, stored or logged before that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from warren.commands import policy
from warren.commands.command import MAX_LIFE_SECONDS, SKEW_SECONDS, VerifiedCommand
from warren.commands.envelope import Envelope
from warren.commands.rejection import ProvenClaims, Rejected, proven_claims
from warren.commands.result import Code, CommandError
from warren.commands.sealing import check_args
from warren.commands.signed_command import CommandClaims, MalformedClaimsError, SignedCommand, signed_command
from warren.commands.verb import Verb
from warren.jws import JwsError, Token
from warren.strictjson import encode_sorted
from warren.trust.bundle import TrustBundle


@dataclass(frozen=True, slots=True)
class Context:
    """The state of the node that a command is verified against."""

    agent_id: str
    bundle: TrustBundle | None
    """None if none is installed: then no key is trusted."""
    transport: str
    sid: str
    """The current session of that transport."""
    now: float
    """Seconds since the Unix epoch."""
    exec_enable: bool
    verbs: Mapping[str, Verb]
    max_age_seconds: int = SKEW_SECONDS
    """The maximum age of `iat`. The runner receives a command after it was queued and allows its whole lifetime."""
    requires_intent: bool = False
    """True in the runner: what runs as root was asked for by an operator, a verb that only reads too."""


def verify_command(envelope: str, context: Context, companion: Mapping[str, object] | None = None) -> VerifiedCommand:
    """Verify a compact JWS by rules 1 to 11; `companion` is the object that was sent along with it.

    Raises:
        Rejected: the command breaks a rule; has the claims that were verified by then.
    """
    return verify_signed(signed_command(envelope), context, companion)


def verify_signed(
    command: SignedCommand, context: Context, companion: Mapping[str, object] | None = None
) -> VerifiedCommand:
    """Verify the signed text of a command as `verify_command` does; what the text remembers is not computed again.

    It remembers rules 1, 2, 5 and 6 and, for keys of the same octets, the signatures. Raises Rejected.
    """
    claims: CommandClaims | None = None
    try:
        token, bundle = _read_token(command), _require_bundle(context)
        claims = _verify_signature(command, bundle, context.now)
        _check_companion(claims.members, companion)
        return _authorize(token, claims, bundle, context)
    except MalformedClaimsError as error:
        proven = proven_claims(error.members, command.form.kid)
        raise Rejected(Code.SCHEMA_MISMATCH, str(error), proven) from None
    except CommandError as error:
        proven = ProvenClaims() if claims is None else proven_claims(claims.members, command.form.kid)
        raise Rejected(error.code, str(error), proven) from None


def split_frame(payload: object, jws: object = None) -> tuple[str, Mapping[str, object] | None]:
    """Return the token of a frame and the object that was sent along with it (V-34).

    Raises:
        Rejected: there is no token, as in the unsigned object of ViWorkS outbound.
    """
    match payload, jws:
        case str(token), None:
            return token, None
        case dict(members), str(token):
            return token, members
    problem = "expected a signed command: a compact JWS as payload, or an object with the JWS beside it"
    raise Rejected(Code.INVALID_SIGNATURE, problem, ProvenClaims())


def _read_token(command: SignedCommand) -> Token:
    """Check rules 1 and 2."""
    try:
        return command.form
    except JwsError as error:
        raise CommandError(Code.INVALID_SIGNATURE, f"command: {error}") from None


def _require_bundle(context: Context) -> TrustBundle:
    if context.bundle is None:
        raise CommandError(Code.INVALID_SIGNATURE, "no trust bundle is installed on this node")
    return context.bundle


def _verify_signature(command: SignedCommand, bundle: TrustBundle, now: float) -> CommandClaims:
    """Check rules 3 to 6. Raises MalformedClaimsError for the last two."""
    try:
        return command.claims(bundle.dispatcher(command.form.kid, now))
    except JwsError as error:
        raise CommandError(Code.INVALID_SIGNATURE, f"command: {error}") from None


def _check_companion(members: Mapping[str, object], companion: Mapping[str, object] | None) -> None:
    if companion is None:
        return
    try:
        same = encode_sorted(companion) == encode_sorted(members)
    except (TypeError, ValueError):  # it holds what JSON cannot express
        same = False
    if not same:
        raise CommandError(Code.INVALID_SIGNATURE, "the object sent along with the command differs from the signed one")


def _authorize(token: Token, claims: CommandClaims, bundle: TrustBundle, context: Context) -> VerifiedCommand:
    """Check rules 7 to 11."""
    envelope = claims.envelope
    _check_target(envelope, bundle.cluster, context.agent_id)
    _check_time(envelope, context.now, context.max_age_seconds)
    _check_session(envelope, context)
    verb = _find_verb(envelope, context.verbs)
    check_args(verb.schemas, envelope.args, envelope.transport)
    policy.check_enabled(context.exec_enable)
    policy.check_policy_id(envelope, bundle)
    policy.check_bundle_age(verb, bundle, context.now)
    policy.check_extensions(verb, bundle)
    intent = _check_intent(claims, verb, bundle, context)
    policy.check_role(envelope, bundle)
    policy.check_approvals(claims, verb, bundle, intent, context.now)
    return _verified(token, claims, bundle, context.agent_id, None if intent is None else intent.iat)


def _check_intent(
    claims: CommandClaims, verb: Verb, bundle: TrustBundle, context: Context
) -> policy.SignedIntent | None:
    if claims.intent is None and context.requires_intent:
        raise CommandError(Code.POLICY_DENIED, f"{verb.name} runs as root here and requires an operator's intent")
    return policy.check_intent(claims, verb, bundle, context.agent_id, context.now)


def _check_target(claims: Envelope, cluster: str, agent_id: str) -> None:
    """Check rule 7: the cluster first, as ids are unique in one cluster only; no wildcard, no other case."""
    if claims.cluster != cluster:
        problem = f"command is for cluster {claims.cluster}; this node belongs to {cluster}"
        raise CommandError(Code.POLICY_DENIED, problem)
    if agent_id not in claims.targets:
        raise CommandError(Code.POLICY_DENIED, f"command is not for this node, {agent_id}")


def _check_time(claims: Envelope, now: float, max_age_seconds: int) -> None:
    """Check rule 8; the errors contain the node's time, so that a wrong clock is visible at once."""
    if not -SKEW_SECONDS <= now - claims.iat <= max_age_seconds:
        problem = f"issued at {claims.iat}, more than {SKEW_SECONDS} s from the node time {now:.0f}"
    elif now >= claims.exp:
        problem = f"expired at {claims.exp} (node time {now:.0f})"
    elif not 0 < claims.exp - claims.iat <= MAX_LIFE_SECONDS:
        problem = f"lifetime {claims.exp - claims.iat} s is not within 1 to {MAX_LIFE_SECONDS} s"
    else:
        return
    raise CommandError(Code.EXPIRED_TOKEN, problem)


def _check_session(claims: Envelope, context: Context) -> None:
    """Check rule 9."""
    if claims.transport != context.transport:
        raise CommandError(
            Code.STALE_SESSION, f"signed for transport {claims.transport}, received over {context.transport}"
        )
    if claims.sid != context.sid:
        raise CommandError(Code.STALE_SESSION, "signed for another session: request a challenge and sign again")


def _find_verb(claims: Envelope, verbs: Mapping[str, Verb]) -> Verb:
    """Check the first half of rule 10."""
    verb = verbs.get(claims.verb)
    if verb is None:
        raise CommandError(Code.UNKNOWN_VERB, f"unknown verb {claims.verb!r}; `warren verbs` lists them")
    return verb


def _verified(
    token: Token, signed: CommandClaims, bundle: TrustBundle, agent_id: str, intent_iat: int | None
) -> VerifiedCommand:
    claims = signed.envelope
    return VerifiedCommand(
        envelope=token.text,
        kid=token.kid,
        nonce=claims.nonce,
        corr_id=claims.corr_id,
        cluster=claims.cluster,
        agent_id=agent_id,
        verb=claims.verb,
        args=claims.args,
        args_sha256=signed.args_sha256,
        actor=claims.actor,
        policy_id=claims.policy_id,
        transport=claims.transport,
        sid=claims.sid,
        iat=claims.iat,
        exp=claims.exp,
        intent_iat=intent_iat,
        min_level=bundle.levels.get(claims.verb, "L0"),
        script_sha256=bundle.scripts,
    )
