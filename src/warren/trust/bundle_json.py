"""The JSON payload of a trust bundle: its closed schema, parsing and encoding (docs/protocol/trust-bundle.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from warren.cluster import CLUSTER
from warren.jws import VerifyingKey
from warren.shapes import Shape, any_json, array, choice, record, table, text, whole
from warren.signed_types import TRUST, check_format
from warren.trust.bundle import TrustBundle
from warren.trust.principals import Approval, KeyEntry, Operator
from warren.trust.webauthn_key import SHAPE as WEBAUTHN
from warren.trust.webauthn_key import SIGNING_METHODS

MAX_NUMBER = 10**15 - 1  # the limit of `strictjson`
MAX_KEYS = 16  # a key rotation needs two at a time
MAX_OPERATORS = 512
MAX_NAMES = 256
MAX_LIFE_SECONDS = 90 * 86_400
"""The longest time for which a bundle is valid."""

NAME = text(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", "1 to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or digit")
VERB = text(r"[a-z][a-z0-9_]{0,63}", "the name of a verb")
KEY = text(r"[A-Za-z0-9_-]{43}", "the 43 characters of 32 octets in base64url")
HASH = text(r"[0-9a-f]{64}", "a SHA-256 in 64 hexadecimal digits")
CERTIFICATE = text(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\n]{1,8192}-----END CERTIFICATE-----\n?", "one PEM")
LEVEL = text(r"L[0-3]", "L0, L1, L2 or L3")
TIME = whole(0, MAX_NUMBER)
VALIDITY = {"exp": TIME, "nbf": TIME}
KEYS = array(record({"x": KEY}, VALIDITY), 0, MAX_KEYS)
OPERATOR = record(
    {"roles": array(NAME, 1, MAX_KEYS), "sealing": KEY},
    {"signing": KEY, "webauthn": table(NAME, WEBAUTHN, MAX_KEYS), **VALIDITY},
)
APPROVAL = record({"k": whole(1, MAX_KEYS), "by": array(NAME, 1, MAX_KEYS)})

SHAPE: Shape = record(
    {
        "format": TIME,
        "cluster": CLUSTER,
        "version": whole(1, MAX_NUMBER),
        "policy_id": NAME,
        "iat": TIME,
        "exp": TIME,
        "roots": array(KEY, 1, MAX_KEYS),
        "dispatch": KEYS,
        "operators": table(NAME, OPERATOR, MAX_OPERATORS),
        "roles": table(NAME, array(VERB, 0, MAX_NAMES), MAX_NAMES),
    },
    {
        "registrars": KEYS,
        "witness": KEYS,
        "root_threshold": whole(1, MAX_KEYS),
        "signing_methods": table(VERB, array(choice(*SIGNING_METHODS), 1, len(SIGNING_METHODS)), MAX_NAMES),
        "ext": table(NAME, any_json, MAX_NAMES),
        "crit": array(NAME, 0, MAX_NAMES),
        "approvals": table(VERB, APPROVAL, MAX_NAMES),
        "scripts": table(NAME, HASH, MAX_NAMES),
        "rates": table(VERB, whole(0, 100_000), MAX_NAMES),
        "levels": table(VERB, LEVEL, MAX_NAMES),
        "cas": array(CERTIFICATE, 0, MAX_KEYS),
        "pins": array(KEY, 0, MAX_KEYS),
    },
)


def parse_bundle(members: dict[str, Any]) -> TrustBundle:
    """Parse a bundle. Raises ValueError with the location and what was expected."""
    check_format(members, TRUST)
    SHAPE(members, "")
    bundle = TrustBundle(
        cluster=members["cluster"],
        version=members["version"],
        policy_id=members["policy_id"],
        issued=members["iat"],
        expires=members["exp"],
        roots=tuple(VerifyingKey.from_x(x) for x in members["roots"]),
        dispatch=_entries(members["dispatch"]),
        registrars=_entries(members.get("registrars", [])),
        witness=_entries(members.get("witness", [])),
        root_threshold=members.get("root_threshold", 1),
        signing_methods={verb: frozenset(methods) for verb, methods in members.get("signing_methods", {}).items()},
        ext=members.get("ext", {}),
        crit=tuple(members.get("crit", ())),
        operators={name: Operator.of(name, entry) for name, entry in members["operators"].items()},
        roles={name: frozenset(verbs) for name, verbs in members["roles"].items()},
        approvals={verb: Approval(rule["k"], tuple(rule["by"])) for verb, rule in members.get("approvals", {}).items()},
        scripts=members.get("scripts", {}),
        rates=members.get("rates", {}),
        levels=members.get("levels", {}),
        cas=tuple(members.get("cas", ())),
        pins=tuple(members.get("pins", ())),
    )
    _check_consistency(bundle)
    return bundle


def bundle_members(bundle: TrustBundle) -> dict[str, object]:
    """Return the members that `parse_bundle` reads."""
    approvals = {verb: {"k": rule.count, "by": [*rule.roles]} for verb, rule in bundle.approvals.items()}
    return {
        "format": TRUST.format,
        "cluster": bundle.cluster,
        "version": bundle.version,
        "policy_id": bundle.policy_id,
        "iat": bundle.issued,
        "exp": bundle.expires,
        "roots": [key.x for key in bundle.roots],
        "dispatch": [entry.members() for entry in bundle.dispatch],
        "registrars": [entry.members() for entry in bundle.registrars],
        "witness": [entry.members() for entry in bundle.witness],
        "root_threshold": bundle.root_threshold,
        "operators": {entry.id: entry.members() for entry in bundle.operators.values()},
        "roles": {name: sorted(verbs) for name, verbs in bundle.roles.items()},
        "approvals": approvals,
        "scripts": dict(bundle.scripts),
        "rates": dict(bundle.rates),
        "levels": dict(bundle.levels),
        "cas": [*bundle.cas],
        "pins": [*bundle.pins],
        "signing_methods": {verb: sorted(methods) for verb, methods in bundle.signing_methods.items()},
        "ext": dict(bundle.ext),
        "crit": [*bundle.crit],
    }


def _entries(entries: list[Mapping[str, object]]) -> tuple[KeyEntry, ...]:
    return tuple(KeyEntry.of(entry) for entry in entries)


def _check_consistency(bundle: TrustBundle) -> None:
    """Check what the shape does not express. Raises ValueError."""
    if not 0 < bundle.expires - bundle.issued <= MAX_LIFE_SECONDS:
        raise ValueError("exp: expected a time after iat, at most 90 days later")
    if bundle.root_threshold > len(bundle.roots):
        raise ValueError(f"root_threshold: expected at most the number of roots, {len(bundle.roots)}")
    if missing := [name for name in bundle.crit if name not in bundle.ext]:
        raise ValueError(f"crit: {missing[0]} is not in ext")
    _check_roles(bundle)
    keys = [
        *(key.octets for key in bundle.roots),
        *(entry.signing.octets for entry in (*bundle.dispatch, *bundle.registrars, *bundle.witness)),
        *(octets for entry in bundle.operators.values() for octets in entry.signing_octets()),
    ]
    # A key with two functions would give its holder the privileges of both (RFC 8725 section 3.11).
    if len(set(keys)) != len(keys):
        raise ValueError(
            "duplicate key; expected a different one for each root, dispatcher, registrar, witness and operator"
        )


def _check_roles(bundle: TrustBundle) -> None:
    for operator in bundle.operators.values():
        for role in operator.roles:
            if role not in bundle.roles:
                raise ValueError(f"operators.{operator.id}: the role {role} is not in roles")
    for verb, approval in bundle.approvals.items():
        for role in approval.roles:
            if role not in bundle.roles:
                raise ValueError(f"approvals.{verb}: the role {role} is not in roles")
