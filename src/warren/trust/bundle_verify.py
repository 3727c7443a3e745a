"""Verification of a trust bundle.

The rules are checked in this order:

1. It is a `warren-trust+jws` (rules 1 to 5 of `warren.jws`), signed by a root whose thumbprint is pinned on the node.
2. Its payload is strict JSON of the closed schema, and no key has two functions.
3. Its version is not lower than that of the bundle on the node.

One signature of one pinned root is enough, also where several roots are pinned (k of n is not required). A text can
hold several bundles, one per line; the last one is used. Only the first line needs a pinned root: the `roots` of each
line can sign the next. So the old root signs the new one, and nodes that pin the old root follow.

Expiry is not checked here: an expired bundle still allows read-only verbs, so that nobody is locked out
(`TrustBundle.expired`).
"""

from __future__ import annotations

from collections.abc import Collection

from warren.errors import TrustError
from warren.jws import JwsError, SigningKey, Token, VerifyingKey, from_base64url, payload_of, read, verify
from warren.strictjson import parse_object
from warren.trust.bundle import TrustBundle
from warren.trust.bundle_json import bundle_members, parse_bundle

TYPE = "warren-trust+jws"
MAX_LINES = 16  # a root is used for years


def verify_bundle(text: str, pins: Collection[str], min_version: int = 0) -> TrustBundle:
    """Return the last bundle of the text, verified. `pins` are thumbprints of roots (RFC 7638). Raises TrustError."""
    lines = text.split()
    if not 0 < len(lines) <= MAX_LINES:
        raise TrustError(f"expected 1 to {MAX_LINES} trust bundles, one per line", code="trust.malformed")
    bundle = _verify_line(lines[0], frozenset(pins))
    for line in lines[1:]:
        previous, bundle = bundle, _verify_line(line, frozenset(key.kid for key in bundle.roots))
        _check_version(bundle, previous.version)
    _check_version(bundle, min_version)
    return bundle


def claimed_root(text: str) -> str:
    """Return the thumbprint of the root that the first bundle names, unverified. Raises TrustError."""
    try:
        return read((text.split() or [""])[0]).kid
    except JwsError as error:
        raise TrustError(f"trust bundle: {error}", code="trust.malformed") from None


def sign_bundle(bundle: TrustBundle, root: SigningKey) -> str:
    """Return the signed token. Raises TrustError for a bundle that every node would reject."""
    members = bundle_members(bundle)
    _parse(payload_of(members))
    if root.public not in bundle.roots:
        raise TrustError("roots: the signing key is not among them", code="trust.root_not_pinned")
    return root.sign(payload_of(members), TYPE)


def _verify_line(line: str, roots: frozenset[str]) -> TrustBundle:
    try:
        token = read(line)
        return _parse(verify(token, TYPE, _named_root(token, roots)))
    except JwsError as error:
        raise TrustError(f"trust bundle: {error}", code="trust.root_not_pinned") from None


def _named_root(token: Token, roots: frozenset[str]) -> dict[str, VerifyingKey]:
    """Return the root that the token names. Its key is in the bundle itself: only that key has this thumbprint."""
    if token.kid not in roots:
        return {}
    try:
        roots_claim = parse_object(from_base64url(token.text.split(".")[1])).get("roots")
        keys = [VerifyingKey.from_x(str(x)) for x in roots_claim] if isinstance(roots_claim, list) else []
    except ValueError:
        return {}
    return {key.kid: key for key in keys if key.kid == token.kid}


def _parse(octets: bytes) -> TrustBundle:
    try:
        return parse_bundle(parse_object(octets))
    except ValueError as error:
        raise TrustError(f"trust bundle: {error}", code="trust.malformed") from None


def _check_version(bundle: TrustBundle, min_version: int) -> None:
    if bundle.version < min_version:
        problem = f"trust bundle version {bundle.version} is lower than the known version {min_version}"
        raise TrustError(problem, code="trust.rollback")
