"""The payload of a trust bundle as JSON: its closed shape, and how it becomes a `TrustBundle` and back.

`docs/protocol/trust-bundle.md` says the same in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from warren.jws import VerifyingKey
from warren.shapes import Shape, array, record, table, text, whole
from warren.trust.bundle import TrustBundle
from warren.trust.principals import Approval, KeyEntry, Operator

LATEST = 10**15 - 1  # what `strictjson` reads of a number
MOST_KEYS = 16  # two at a time, each for weeks, in an orderly change
MOST_OPERATORS = 512
MOST_NAMES = 256

NAME = text(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", "1 to 64 of A-Z a-z 0-9 . _ @ -, the first a letter or digit")
VERB = text(r"[a-z][a-z0-9_]{0,63}", "the name of a verb")
KEY = text(r"[A-Za-z0-9_-]{43}", "the 43 characters of 32 octets in base64url")
HASH = text(r"[0-9a-f]{64}", "a SHA-256 in 64 hexadecimal digits")
CERTIFICATE = text(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\n]{1,8192}-----END CERTIFICATE-----\n?", "one PEM")
LEVEL = text(r"L[0-3]", "L0, L1, L2 or L3")
TIME = whole(0, LATEST)
KEYS = array(record({"x": KEY}, {"exp": TIME}), 0, MOST_KEYS)
OPERATOR = record({"roles": array(NAME, 1, MOST_KEYS), "signing": KEY, "sealing": KEY}, {"exp": TIME})
APPROVAL = record({"k": whole(1, MOST_KEYS), "by": array(NAME, 1, MOST_KEYS)})

SHAPE: Shape = record(
    {
        "version": whole(1, LATEST),
        "policy_id": NAME,
        "iat": TIME,
        "exp": TIME,
        "roots": array(KEY, 1, MOST_KEYS),
        "dispatch": KEYS,
        "operators": table(NAME, OPERATOR, MOST_OPERATORS),
        "roles": table(NAME, array(VERB, 0, MOST_NAMES), MOST_NAMES),
    },
    {
        "registrars": KEYS,
        "approvals": table(VERB, APPROVAL, MOST_NAMES),
        "scripts": table(NAME, HASH, MOST_NAMES),
        "rates": table(VERB, whole(0, 100_000), MOST_NAMES),
        "levels": table(VERB, LEVEL, MOST_NAMES),
        "cas": array(CERTIFICATE, 0, MOST_KEYS),
        "pins": array(KEY, 0, MOST_KEYS),
    },
)


def parse_bundle(members: dict[str, Any]) -> TrustBundle:
    """Raises ValueError, which says where, and what would be right."""
    SHAPE(members, "")
    bundle = TrustBundle(
        version=members["version"],
        policy_id=members["policy_id"],
        issued=members["iat"],
        expires=members["exp"],
        roots=tuple(VerifyingKey.from_x(x) for x in members["roots"]),
        dispatch=_entries(members["dispatch"]),
        registrars=_entries(members.get("registrars", [])),
        operators={name: Operator.of(name, each) for name, each in members["operators"].items()},
        roles={name: frozenset(verbs) for name, verbs in members["roles"].items()},
        approvals={verb: Approval(each["k"], tuple(each["by"])) for verb, each in members.get("approvals", {}).items()},
        scripts=members.get("scripts", {}),
        rates=members.get("rates", {}),
        levels=members.get("levels", {}),
        cas=tuple(members.get("cas", ())),
        pins=tuple(members.get("pins", ())),
    )
    _check_meaning(bundle)
    return bundle


def bundle_members(bundle: TrustBundle) -> dict[str, object]:
    """What `parse_bundle` reads."""
    approvals = {verb: {"k": each.count, "by": [*each.roles]} for verb, each in bundle.approvals.items()}
    return {
        "version": bundle.version,
        "policy_id": bundle.policy_id,
        "iat": bundle.issued,
        "exp": bundle.expires,
        "roots": [key.x for key in bundle.roots],
        "dispatch": [each.members() for each in bundle.dispatch],
        "registrars": [each.members() for each in bundle.registrars],
        "operators": {each.id: each.members() for each in bundle.operators.values()},
        "roles": {name: sorted(verbs) for name, verbs in bundle.roles.items()},
        "approvals": approvals,
        "scripts": dict(bundle.scripts),
        "rates": dict(bundle.rates),
        "levels": dict(bundle.levels),
        "cas": [*bundle.cas],
        "pins": [*bundle.pins],
    }


def _entries(found: list[Mapping[str, object]]) -> tuple[KeyEntry, ...]:
    return tuple(KeyEntry.of(each) for each in found)


def _check_meaning(bundle: TrustBundle) -> None:
    """What the shape alone does not say. Raises ValueError."""
    if bundle.expires <= bundle.issued:
        raise ValueError("exp: expected a time after iat")
    _check_roles(bundle)
    keys = [
        *(key.octets for key in bundle.roots),
        *(each.signing.octets for each in (*bundle.dispatch, *bundle.registrars)),
        *(each.signing.octets for each in bundle.operators.values()),
    ]
    # One key in two offices would let the holder of the lesser do what the greater may (RFC 8725 section 3.11).
    if len(set(keys)) != len(keys):
        raise ValueError("a key stands in two places; expected another for each root, dispatcher, registrar, operator")


def _check_roles(bundle: TrustBundle) -> None:
    for operator in bundle.operators.values():
        for role in operator.roles:
            if role not in bundle.roles:
                raise ValueError(f"operators.{operator.id}: the role {role} is not in roles")
    for verb, approval in bundle.approvals.items():
        for role in approval.roles:
            if role not in bundle.roles:
                raise ValueError(f"approvals.{verb}: the role {role} is not in roles")
