"""The vectors of trust bundles: texts as a node gets them, with what it does with each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.trust.parties import (
    ALICE,
    BUNDLE,
    DISPATCHER,
    NEXT_ROOT,
    NOW,
    REGISTRAR,
    ROOT,
    SPARE_ROOT,
    THIEF,
    WITNESS,
    seed,
)
from warren.jws import SigningKey, payload_of
from warren.trust.bundle import TrustBundle
from warren.trust.bundle_json import bundle_members
from warren.trust.bundle_verify import TYPE, sign_bundle
from warren.trust.principals import KeyEntry
from warren.trust.webauthn_key import ED25519, ES256, HOSTED_METHOD, LOCAL_METHOD, WebauthnKey

MALFORMED, NOT_PINNED = "trust.malformed", "trust.root_not_pinned"
ES256_SECRET = int.from_bytes(seed("alice, credential")) % 2**255 + 1
POINT = (
    derive_private_key(ES256_SECRET, SECP256R1())
    .public_key()
    .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
)
LOCAL_KEY = WebauthnKey(
    LOCAL_METHOD,
    "localhost",
    ("http://localhost:18005",),
    "AQID",
    SigningKey(seed("alice, local")).public.octets,
    ED25519,
)
HOSTED_KEY = WebauthnKey(
    HOSTED_METHOD, "example.com", ("https://console.example.com",), "BAUG", POINT, ES256, synced=True
)
WHOLE = replace(
    BUNDLE,
    version=8,
    operators={
        **BUNDLE.operators,
        "alice": replace(BUNDLE.operators["alice"], webauthn={"laptop": LOCAL_KEY, "phone": HOSTED_KEY}),
    },
    witness=(KeyEntry(WITNESS.public, NOW + 86_400, NOW - 60),),
    signing_methods={"stop_container": frozenset({"key", LOCAL_METHOD}), "list_users": frozenset({HOSTED_METHOD})},
    ext={"quotas": {"alice": [1, None, True, "x"]}},
    crit=("quotas",),
)
THREE = (ROOT, NEXT_ROOT, SPARE_ROOT)
PINS = tuple(root.public.kid for root in THREE)
K_OF_N = replace(BUNDLE, roots=tuple(root.public for root in THREE), root_threshold=2)


@dataclass(frozen=True, slots=True)
class TrustVector:
    """A text, and the node that it comes to."""

    name: str
    text: str
    code: str = "NONE"
    pins: tuple[str, ...] = (ROOT.public.kid,)
    threshold: int = 1
    min_version: int = 0
    installed: str = ""
    """The bundle that the node has; it pins the same roots."""

    def members(self) -> dict[str, object]:
        """Return the members of the file."""
        node: dict[str, object] = {"pins": [*self.pins], "threshold": self.threshold, "min_version": self.min_version}
        node |= {"installed": self.installed} if self.installed else {}
        return {"name": self.name, "code": self.code, **node, "text": self.text}


def changed(changes: Mapping[str, object], bundle: TrustBundle = BUNDLE, key: SigningKey = ROOT) -> str:
    """Return a token over the members of a bundle with changes; None removes a member."""
    members = {**bundle_members(bundle), **changes}
    return key.sign(payload_of({name: value for name, value in members.items() if value is not None}), TYPE)


def with_credential(**changes: object) -> str:
    """Return a bundle in which alice has one credential, with changes."""
    members: dict[str, Any] = bundle_members(BUNDLE)
    entry = {name: value for name, value in {**HOSTED_KEY.members(), **changes}.items() if value is not None}
    operators = {**members["operators"], "alice": {**members["operators"]["alice"], "webauthn": {"phone": entry}}}
    return changed({"operators": operators})


def operator(**changes: object) -> str:
    """Return a bundle in which alice's entry is changed."""
    members: dict[str, Any] = bundle_members(BUNDLE)
    entry = {**members["operators"]["alice"], **changes}
    entry = {name: value for name, value in entry.items() if value is not None}
    return changed({"operators": {**members["operators"], "alice": entry}})


def accepted() -> Iterator[TrustVector]:
    """Yield bundles that a node accepts."""
    yield TrustVector("the usual bundle", sign_bundle(BUNDLE, ROOT))
    yield TrustVector("every member", sign_bundle(WHOLE, ROOT))
    only = replace(BUNDLE.operators["alice"], signing=None, webauthn={"phone": HOSTED_KEY})
    yield TrustVector(
        "an operator with credentials only", sign_bundle(replace(BUNDLE, operators={"alice": only}), ROOT)
    )
    yield TrustVector("two of three roots", sign_bundle(K_OF_N, ROOT, SPARE_ROOT), pins=PINS, threshold=2)
    yield TrustVector("all three roots, of which two are required", sign_bundle(K_OF_N, *THREE), pins=PINS, threshold=2)
    yield TrustVector("two of three roots, one of them pinned", sign_bundle(K_OF_N, ROOT, SPARE_ROOT))
    lower = replace(K_OF_N, version=8, root_threshold=1)
    yield TrustVector(
        "a lower threshold, by as many roots as the installed bundle requires",
        sign_bundle(lower, ROOT, NEXT_ROOT),
        pins=PINS,
        installed=sign_bundle(K_OF_N, ROOT, SPARE_ROOT),
    )
    yield TrustVector(
        "two lines, each by two roots of the line before",
        f"{sign_bundle(K_OF_N, ROOT, NEXT_ROOT)}\n{sign_bundle(replace(K_OF_N, version=8), NEXT_ROOT, SPARE_ROOT)}",
        pins=PINS,
        threshold=2,
    )
    yield TrustVector(
        "the installed bundle again",
        sign_bundle(K_OF_N, ROOT, NEXT_ROOT),
        pins=PINS,
        installed=sign_bundle(K_OF_N, ROOT, NEXT_ROOT),
    )


def thresholds() -> Iterator[TrustVector]:
    """Yield bundles with too few roots."""
    one, two = sign_bundle(K_OF_N, ROOT), sign_bundle(K_OF_N, ROOT, SPARE_ROOT)
    yield TrustVector("one of three roots, two are required", one, NOT_PINNED, PINS, 2)
    yield TrustVector("one of three roots, its own threshold is two", one, NOT_PINNED, PINS)
    yield TrustVector(
        "its own threshold of three, two roots",
        sign_bundle(replace(K_OF_N, root_threshold=3), ROOT, NEXT_ROOT),
        NOT_PINNED,
        PINS,
        2,
    )
    yield TrustVector("the same root twice", f"{one},{one}", MALFORMED, PINS, 2)
    yield TrustVector("two roots, one of them not pinned", two, NOT_PINNED, PINS[:2], 2)
    head, body, _ = two.split(",")[1].split(".")
    forged = f"{head}.{body}.{one.rpartition('.')[2]}"
    yield TrustVector("the second signature is of the first root", f"{one},{forged}", NOT_PINNED, PINS, 2)
    other = sign_bundle(replace(K_OF_N, version=9), SPARE_ROOT)
    yield TrustVector("two roots, each over another payload", f"{one},{other}", MALFORMED, PINS, 2)
    thief = replace(K_OF_N, roots=(*K_OF_N.roots, THIEF.public))
    yield TrustVector("a root and a thief among its own roots", sign_bundle(thief, ROOT, THIEF), NOT_PINNED, PINS, 2)
    yield TrustVector("an empty signature", f"{one},", MALFORMED, PINS, 2)
    yield TrustVector(
        "two roots, and a thief who is none",
        f"{two},{sign_bundle(replace(BUNDLE, roots=(THIEF.public,)), THIEF)}",
        MALFORMED,
        PINS,
        2,
    )
    yield TrustVector("a threshold above the number of roots", changed({"root_threshold": 2}), MALFORMED)
    yield TrustVector("a threshold of zero", changed({"root_threshold": 0}), MALFORMED)
    lower = replace(K_OF_N, version=8, root_threshold=1)
    yield TrustVector(
        "a lower threshold, by one root",
        sign_bundle(lower, ROOT),
        NOT_PINNED,
        PINS,
        installed=sign_bundle(K_OF_N, ROOT, SPARE_ROOT),
    )
    yield TrustVector(
        "one root alone, where the installed bundle requires two",
        sign_bundle(replace(BUNDLE, version=9), ROOT),
        NOT_PINNED,
        PINS,
        installed=sign_bundle(K_OF_N, ROOT, SPARE_ROOT),
    )
    yield TrustVector(
        "the second line by one root of the line before, which requires two",
        f"{sign_bundle(K_OF_N, ROOT, NEXT_ROOT)}\n{sign_bundle(lower, ROOT)}",
        NOT_PINNED,
        PINS,
        2,
    )


def clusters() -> Iterator[TrustVector]:
    """Yield bundles of another cluster or format."""
    installed, another = sign_bundle(BUNDLE, ROOT), sign_bundle(replace(BUNDLE, version=8, cluster="home"), ROOT)
    yield TrustVector(
        "another cluster than the installed bundle", another, "trust.cluster_mismatch", installed=installed
    )
    yield TrustVector("two lines of two clusters", f"{installed}\n{another}", "trust.cluster_mismatch")
    yield TrustVector("a version lower than the known one", installed, "trust.rollback", min_version=8)
    for name, cluster in {
        "none": None,
        "empty": "",
        "in capitals": "Office",
        "a path": "a/b",
        "with a dot": "a.b",
        "too long": "a" * 64,
    }.items():
        yield TrustVector(f"cluster: {name}", changed({"cluster": cluster}), MALFORMED)
    for name, value in {"none": None, "of a later version": 2, "a text": "1", "true": True}.items():
        yield TrustVector(f"format: {name}", changed({"format": value}), MALFORMED)


def members() -> Iterator[TrustVector]:
    """Yield bundles with a malformed member."""
    key = {"x": DISPATCHER.public.x}
    cases: dict[str, dict[str, object]] = {
        "an unknown member": {"extra": 1},
        "crit names what ext has not": {"crit": ["quotas"]},
        "crit a text": {"ext": {"quotas": 1}, "crit": "quotas"},
        "ext a list": {"ext": []},
        "91 days": {"exp": BUNDLE.issued + 90 * 86_400 + 1},
        "nbf a text": {"dispatch": [key | {"nbf": "1"}]},
        "nbf after exp": {"dispatch": [key | {"nbf": NOW + 1, "exp": NOW}]},
        "nbf at exp": {"witness": [{"x": WITNESS.public.x, "nbf": NOW, "exp": NOW}]},
        "the witness is the registrar": {"witness": [{"x": REGISTRAR.public.x}]},
        "the witness is a root": {"witness": [{"x": ROOT.public.x}]},
        "the witness one key": {"witness": {"x": WITNESS.public.x}},
        "a signing method of none": {"signing_methods": {"list_users": []}},
        "an unknown signing method": {"signing_methods": {"list_users": ["password"]}},
        "a signing method twice": {"signing_methods": {"list_users": ["key", "key"]}},
    }
    for name, changes in cases.items():
        yield TrustVector(f"member: {name}", changed(changes), MALFORMED)
    yield TrustVector("operator: no key that signs", operator(signing=None), MALFORMED)
    yield TrustVector("operator: no credential and no key", operator(signing=None, webauthn={}), MALFORMED)
    yield TrustVector("operator: exp before nbf", operator(exp=NOW, nbf=NOW + 1), MALFORMED)


def credentials() -> Iterator[TrustVector]:
    """Yield bundles with a malformed credential."""
    cases: dict[str, dict[str, object]] = {
        "no origin": {"origins": []},
        "no rp_id": {"rp_id": None},
        "one more member": {"counter": 1},
        "method key": {"method": "key"},
        "an origin of http": {"origins": ["http://console.example.com"]},
        "an origin with a path": {"origins": ["https://console.example.com/"]},
        "an origin of another domain": {"origins": ["https://example.org"]},
        "an origin that only ends like the domain": {"origins": ["https://notexample.com"]},
        "localhost as hosted": {"rp_id": "localhost", "origins": ["http://localhost:18005"]},
        "a domain as local": {"method": LOCAL_METHOD},
        "a point that is not on the curve": {"public_key": "B" + "A" * 85 + "E"},
        "a key of Ed25519 as ES256": {"public_key": ALICE.public.x},
        "a point as Ed25519": {"algorithm": ED25519},
        "another algorithm": {"algorithm": "RS256"},
        "synced a number": {"synced": 1},
    }
    for name, changes in cases.items():
        yield TrustVector(f"credential: {name}", with_credential(**changes), MALFORMED)
    hers = {"public_key": ALICE.public.x, "algorithm": ED25519}
    yield TrustVector("credential: the operator's own key", with_credential(**hers), MALFORMED)
    dispatch = {"public_key": DISPATCHER.public.x, "algorithm": ED25519}
    yield TrustVector("credential: a dispatch key", with_credential(**dispatch), MALFORMED)


GOOD = tuple(accepted())
BAD = (*thresholds(), *clusters(), *members(), *credentials())
