"""Whether a command may run: each rule of the spec in its order, a function a rule, and a code for each refusal.

|  n | rule                                                              | refused with      | source              |
|----|-------------------------------------------------------------------|-------------------|---------------------|
|  1 | size and shape: a compact JWS, strict base64url                   | INVALID_SIGNATURE | RFC 7515 7.1, V-34  |
|  2 | header: alg, typ, kid, once each, nothing else; alg is Ed25519    | INVALID_SIGNATURE | RFC 8725 3.1, V-36  |
|  3 | the type is this one; the key dispatches by the trust bundle      | INVALID_SIGNATURE | RFC 8725 3.11, V-36 |
|  4 | the signature, over the octets as received                        | INVALID_SIGNATURE | RFC 7515 5.2, V-34  |
|  5 | the payload is JSON of one reading, with no member twice          | SCHEMA_MISMATCH   | RFC 7493, V-71      |
|  6 | its claims are those of the closed schema                         | SCHEMA_MISMATCH   | V-33, V-71          |
|  - | an object that came beside it says the same                       | INVALID_SIGNATURE | V-34                |
|  7 | this node is named as a target, to the letter                     | POLICY_DENIED     | V-43, V-70          |
|  8 | issued within 60 s, not ended, for 300 s at most                  | EXPIRED_TOKEN     | V-38                |
|  9 | signed for this transport and for its current session             | STALE_SESSION     | V-41                |
| 10 | the verb is one of ours                                           | UNKNOWN_VERB      | V-46                |
|  - | its arguments fit its schema, the secret ones sealed              | VALIDATION_FAILED | V-71, G-42          |
| 11 | the trust bundle and the operator's intent allow it: see `policy` | several           | V-44, V-45          |

Rate, queue and single use come after, with the command that is proven here. Nothing costly comes before the signature,
and nothing of a token is believed, kept or said before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from warren.commands import policy
from warren.commands.command import MAX_LIFE_SECONDS, SKEW_SECONDS, VerifiedCommand
from warren.commands.envelope import TYPE, Envelope, parse_envelope
from warren.commands.rejection import ProvenClaims, Rejected, proven_claims
from warren.commands.result import Code, CommandError
from warren.commands.sealed import check_args
from warren.commands.verbs import Verb
from warren.jws import JwsError, Token, read, verify
from warren.strictjson import encode_sorted, parse_object
from warren.trust.bundle import TrustBundle


@dataclass(frozen=True, slots=True)
class Context:
    """What a command is held against."""

    agent_id: str
    bundle: TrustBundle | None
    """None where none is installed: then nobody's word counts."""
    transport: str
    sid: str
    """The current session of that transport."""
    now: float
    """Seconds since the Unix epoch."""
    exec_enable: bool
    verbs: Mapping[str, Verb]
    late_seconds: int = SKEW_SECONDS
    """How long ago it may have been issued. To a runner it comes after its turn in a queue: there it has its life."""


def verify_command(envelope: str, context: Context, beside: Mapping[str, object] | None = None) -> VerifiedCommand:
    """The command of a compact JWS, all of rules 1 to 11. `beside` is the object that came with it. Raises Refused."""
    facts = ProvenClaims()
    try:
        token, bundle = _read(envelope), _trusted(context)
        octets = _signed(token, bundle, context.now)
        facts = replace(facts, kid=token.kid)
        members = _parsed(octets)
        facts = proven_claims(members, token.kid)
        claims = _claims(members)
        _check_beside(members, beside)
        return _allowed(token, claims, bundle, context)
    except CommandError as error:
        raise Rejected(error.code, str(error), facts) from None


def carried(payload: object, jws: object = None) -> tuple[str, Mapping[str, object] | None]:
    """The token of a frame, and the object beside it (V-34). Raises Refused, as for the bare object of the document."""
    match payload, jws:
        case str(token), None:
            return token, None
        case dict(members), str(token):
            return token, members
    problem = "expected a signed command: a compact JWS as payload, or an object with the JWS beside it"
    raise Rejected(Code.INVALID_SIGNATURE, problem, ProvenClaims())


def _read(envelope: str) -> Token:
    """Rules 1 and 2."""
    try:
        return read(envelope)
    except JwsError as error:
        raise CommandError(Code.INVALID_SIGNATURE, f"the command {error}") from None


def _trusted(context: Context) -> TrustBundle:
    if context.bundle is None:
        raise CommandError(Code.INVALID_SIGNATURE, "this node has no trust bundle, so it trusts no key")
    return context.bundle


def _signed(token: Token, bundle: TrustBundle, now: float) -> bytes:
    """Rules 3 and 4."""
    key = bundle.dispatcher(token.kid, now)
    try:
        return verify(token, TYPE, {} if key is None else {token.kid: key})
    except JwsError as error:
        raise CommandError(Code.INVALID_SIGNATURE, f"the command: {error}") from None


def _parsed(octets: bytes) -> dict[str, object]:
    """Rule 5."""
    try:
        return parse_object(octets)
    except ValueError as error:
        raise CommandError(Code.SCHEMA_MISMATCH, f"its payload {error}") from None


def _claims(members: dict[str, object]) -> Envelope:
    """Rule 6."""
    try:
        return parse_envelope(members)
    except ValueError as error:
        raise CommandError(Code.SCHEMA_MISMATCH, str(error)) from None


def _check_beside(members: Mapping[str, object], beside: Mapping[str, object] | None) -> None:
    if beside is None:
        return
    try:
        same = encode_sorted(beside) == encode_sorted(members)
    except (TypeError, ValueError):  # what no signed object can hold
        same = False
    if not same:
        raise CommandError(Code.INVALID_SIGNATURE, "the object beside the command is not the one that is signed")


def _allowed(token: Token, claims: Envelope, bundle: TrustBundle, context: Context) -> VerifiedCommand:
    """Rules 7 to 11."""
    _check_target(claims, context.agent_id)
    _check_time(claims, context.now, context.late_seconds)
    _check_session(claims, context)
    verb = _known(claims, context.verbs)
    check_args(verb.schemas, claims.args, claims.transport)
    policy.check_enabled(context.exec_enable)
    policy.check_policy_id(claims, bundle)
    policy.check_bundle_age(verb, bundle, context.now)
    has_intent = policy.check_intent(claims, verb, bundle, context.agent_id, context.now)
    policy.check_role(claims, bundle)
    policy.check_approvals(claims, bundle)
    return _proven(token, claims, bundle, has_intent=has_intent)


def _check_target(claims: Envelope, agent_id: str) -> None:
    """Rule 7: no wildcard, no other case."""
    if agent_id not in claims.targets:
        raise CommandError(Code.POLICY_DENIED, f"the command is not for this node, {agent_id}")


def _check_time(claims: Envelope, now: float, late_seconds: int) -> None:
    """Rule 8. The sentences name this node's time: a clock that is off shows at once."""
    if not -SKEW_SECONDS <= now - claims.iat <= late_seconds:
        problem = f"it was issued at {claims.iat}, more than {SKEW_SECONDS} s from {now:.0f}, which it is here"
    elif now >= claims.exp:
        problem = f"it ended at {claims.exp}; it is {now:.0f} here"
    elif not 0 < claims.exp - claims.iat <= MAX_LIFE_SECONDS:
        problem = f"it lives for {claims.exp - claims.iat} s; expected {MAX_LIFE_SECONDS} at most"
    else:
        return
    raise CommandError(Code.EXPIRED_TOKEN, problem)


def _check_session(claims: Envelope, context: Context) -> None:
    """Rule 9."""
    if claims.transport != context.transport:
        raise CommandError(
            Code.STALE_SESSION, f"signed for transport {claims.transport}, received over {context.transport}"
        )
    if claims.sid != context.sid:
        raise CommandError(Code.STALE_SESSION, "signed for another session: request a challenge and sign again")


def _known(claims: Envelope, verbs: Mapping[str, Verb]) -> Verb:
    """Rule 10, first half."""
    verb = verbs.get(claims.verb)
    if verb is None:
        raise CommandError(Code.UNKNOWN_VERB, f"there is no verb {claims.verb!r}; `warren verbs` lists them")
    return verb


def _proven(token: Token, claims: Envelope, bundle: TrustBundle, *, has_intent: bool) -> VerifiedCommand:
    signed = encode_sorted({"verb": claims.verb, "args": dict(claims.args)})
    return VerifiedCommand(
        envelope=token.text,
        kid=token.kid,
        nonce=claims.nonce,
        corr_id=claims.corr_id,
        verb=claims.verb,
        args=claims.args,
        args_sha256=hashlib.sha256(signed).hexdigest(),
        actor=claims.actor,
        policy_id=claims.policy_id,
        transport=claims.transport,
        sid=claims.sid,
        iat=claims.iat,
        exp=claims.exp,
        has_intent=has_intent,
        min_level=bundle.levels.get(claims.verb, "L0"),
        script_sha256=bundle.scripts,
    )
