"""What makes a trust bundle believed. The rules, in this order:

1. it is a `warren-trust+jws` (rules 1 to 5 of `warren.jws`) by a root whose thumbprint is pinned on the node
2. its payload is JSON of one reading and of the closed shape, and no key has two offices
3. its version is not lower than that of the bundle that the node has

One signature of one pinned root is enough; where several are pinned, any of them is (k of n is not asked for). A text
may have several bundles, a line each, and the last one counts. Only the first line needs a pinned root: each line says
in `roots` who may sign the next. So a new root is signed by the old one, and nodes that have the old one pinned follow.

Expiry is no reason to refuse a bundle: past it, verbs that only read still run, so that nobody is locked out.
"""

from __future__ import annotations

from collections.abc import Collection

from warren.errors import TrustError
from warren.jws import JwsError, SigningKey, Token, VerifyingKey, from_base64url, payload_of, read, verify
from warren.strictjson import parse_object
from warren.trust.bundle import TrustBundle
from warren.trust.bundle_json import bundle_members, parse_bundle

TYPE = "warren-trust+jws"
MAX_LINES = 16  # a root serves for years


def verify_bundle(text: str, pins: Collection[str], min_version: int = 0) -> TrustBundle:
    """The last bundle of the text, proven. `pins` are thumbprints of roots (RFC 7638). Raises TrustError."""
    lines = text.split()
    if not 0 < len(lines) <= MAX_LINES:
        raise TrustError(f"expected a trust bundle, or up to {MAX_LINES}, a line each", code="trust.malformed")
    bundle = _verify_line(lines[0], frozenset(pins))
    for line in lines[1:]:
        before, bundle = bundle, _verify_line(line, frozenset(key.kid for key in bundle.roots))
        _check_version(bundle, before.version)
    _check_version(bundle, min_version)
    return bundle


def first_root(text: str) -> str:
    """The thumbprint of whom a text says that its first bundle is by; nothing is proven. Raises TrustError."""
    try:
        return read((text.split() or [""])[0]).kid
    except JwsError as error:
        raise TrustError(f"the trust bundle {error}", code="trust.malformed") from None


def sign_bundle(bundle: TrustBundle, root: SigningKey) -> str:
    """The token. Raises TrustError for a bundle that no node would take."""
    members = bundle_members(bundle)
    _parse(payload_of(members))
    if root.public not in bundle.roots:
        raise TrustError("roots: the key that signs is not among them", code="trust.root_not_pinned")
    return root.sign(payload_of(members), TYPE)


def _verify_line(line: str, roots: frozenset[str]) -> TrustBundle:
    try:
        token = read(line)
        return _parse(verify(token, TYPE, _named_root(token, roots)))
    except JwsError as error:
        raise TrustError(f"the trust bundle {error}", code="trust.root_not_pinned") from None


def _named_root(token: Token, roots: frozenset[str]) -> dict[str, VerifyingKey]:
    """The root that the token says it is by. Its octets stand in the bundle itself: only they have that thumbprint."""
    if token.kid not in roots:
        return {}
    try:
        found = parse_object(from_base64url(token.text.split(".")[1])).get("roots")
        keys = [VerifyingKey.from_x(str(x)) for x in found] if isinstance(found, list) else []
    except ValueError:
        return {}
    return {key.kid: key for key in keys if key.kid == token.kid}


def _parse(octets: bytes) -> TrustBundle:
    try:
        return parse_bundle(parse_object(octets))
    except ValueError as error:
        raise TrustError(f"the trust bundle: {error}", code="trust.malformed") from None


def _check_version(bundle: TrustBundle, least: int) -> None:
    if bundle.version < least:
        problem = f"the trust bundle has version {bundle.version}, and {least} was there before"
        raise TrustError(problem, code="trust.rollback")
