"""Verification of a trust bundle.

The rules are checked in this order:

1. Each token of it is a `warren-trust+jws` (rules 1 to 5 of `warren.jws`), signed by one of its own `roots`. All tokens
   have the same payload, and each another signer.
2. At least as many signers as required are trusted: their thumbprints are pinned on the node.
3. Its payload is strict JSON of the closed schema, and no key has two functions.
4. At least `root_threshold` of its own roots signed it.
5. Its version is not lower than that of the bundle on the node, and its cluster is the same.

A text can hold several bundles, one per line; the last one is used. Only the first line needs pinned roots: the
`roots` of each line sign the next, as many of them as its `root_threshold` says. So the old root signs the new one, and
nodes that pin the old root follow. Where a bundle is installed already, its roots and its threshold count as well, for
the first line that is not older: a single stolen root cannot take the place of k of them.

Expiry is not checked here: an expired bundle still allows read-only verbs, so that nobody is locked out
(`TrustBundle.expired`).
"""

from __future__ import annotations

from collections.abc import Collection

from warren.errors import TrustError
from warren.jws import JwsError, SigningKey, Token, VerifyingKey, from_base64url, payload_of, read, verify
from warren.signed_types import TRUST
from warren.strictjson import parse_object
from warren.trust.bundle import TrustBundle
from warren.trust.bundle_json import MAX_KEYS, bundle_members, parse_bundle

TYPE = TRUST.typ
MAX_LINES = 16  # a root is used for years
SEPARATOR = ","
"""Between the tokens of a bundle that several roots sign."""


def verify_bundle(
    text: str,
    pins: Collection[str],
    min_version: int = 0,
    *,
    threshold: int = 1,
    installed: TrustBundle | None = None,
) -> TrustBundle:
    """Return the last bundle of the text, verified.

    `pins` are thumbprints of roots (RFC 7638), of which `threshold` have to sign. `installed` is the bundle that this
    one replaces. Raises TrustError.
    """
    trusted, required, replaced = frozenset(pins), threshold, installed
    previous: TrustBundle | None = None
    for line in _lines(text):
        bundle, signers = _verify_line(line, trusted, required)
        _check_follows(bundle, previous)
        if replaced is not None and bundle != replaced and bundle.version >= replaced.version:
            _check_follows(bundle, replaced)
            _check_signers(signers, _kids(replaced), replaced.root_threshold, "roots of the installed bundle")
            replaced = None
        trusted, required, previous = _kids(bundle), bundle.root_threshold, bundle
    if previous is None:
        raise _malformed()
    _check_version(previous, min_version)
    return previous


def claimed_roots(text: str) -> tuple[str, ...]:
    """Return the thumbprints of the roots that the first bundle names as its signers, unverified. Raises TrustError."""
    return tuple(token.kid for token in _read_tokens((text.split() or [""])[0]))


def parse_unverified(text: str) -> TrustBundle:
    """Return the last bundle of the text without verifying its signatures. Raises TrustError."""
    return _parse(from_base64url(_read_tokens((text.split() or [""])[-1])[0].text.split(".")[1]))


def sign_bundle(bundle: TrustBundle, *roots: SigningKey) -> str:
    """Return the signed bundle. Raises TrustError for one that every node would reject, signatures apart."""
    payload = payload_of(bundle_members(bundle))
    _parse(payload)
    return SEPARATOR.join(_sign(bundle, payload, root) for root in roots)


def cosign_bundle(text: str, root: SigningKey) -> str:
    """Return a text whose last bundle has one signature more. Raises TrustError."""
    *before, last = text.split() or [""]
    tokens = _read_tokens(last)
    if root.public.kid in {token.kid for token in tokens}:
        raise TrustError("this root has signed the bundle already", code="trust.malformed")
    payload = from_base64url(tokens[0].text.split(".")[1])
    return "\n".join([*before, SEPARATOR.join([last, _sign(_parse(payload), payload, root)])])


def missing_signatures(text: str) -> int:
    """Return how many signatures of its own roots the last bundle lacks, unverified. Raises TrustError."""
    tokens = _read_tokens((text.split() or [""])[-1])
    return max(0, parse_unverified(text).root_threshold - len({token.kid for token in tokens}))


def _lines(text: str) -> list[str]:
    lines = text.split()
    if not 0 < len(lines) <= MAX_LINES:
        raise _malformed()
    return lines


def _malformed() -> TrustError:
    return TrustError(f"expected 1 to {MAX_LINES} trust bundles, one per line", code="trust.malformed")


def _sign(bundle: TrustBundle, payload: bytes, root: SigningKey) -> str:
    if root.public not in bundle.roots:
        raise TrustError("roots: the signing key is not among them", code="trust.root_not_pinned")
    return root.sign(payload, TYPE)


def _verify_line(line: str, trusted: frozenset[str], required: int) -> tuple[TrustBundle, frozenset[str]]:
    """Check rules 1 to 4 and return the bundle with the thumbprints of its signers."""
    tokens = _read_tokens(line)
    signers = frozenset(token.kid for token in tokens)
    payloads = {token.text.split(".")[1] for token in tokens}
    if len(signers) != len(tokens) or len(payloads) != 1:
        raise TrustError("trust bundle: expected one payload, signed once by each root", code="trust.malformed")
    _check_signers(signers, trusted, required, "roots that are trusted here")
    try:
        (payload,) = {verify(token, TYPE, _named_root(token)) for token in tokens}
    except JwsError as error:
        raise TrustError(f"trust bundle: {error}", code="trust.root_not_pinned") from None
    bundle = _parse(payload)
    _check_signers(signers, _kids(bundle), bundle.root_threshold, "roots of its own, as its root_threshold requires")
    return bundle, signers


def _read_tokens(line: str) -> list[Token]:
    try:
        return [read(text) for text in line.split(SEPARATOR, MAX_KEYS)]
    except JwsError as error:
        raise TrustError(f"trust bundle: {error}", code="trust.malformed") from None


def _named_root(token: Token) -> dict[str, VerifyingKey]:
    """Return the root that the token names. Its key is in the bundle itself: only that key has this thumbprint."""
    try:
        roots_claim = parse_object(from_base64url(token.text.split(".")[1])).get("roots")
        keys = [VerifyingKey.from_x(str(x)) for x in roots_claim] if isinstance(roots_claim, list) else []
    except ValueError:
        return {}
    return {key.kid: key for key in keys if key.kid == token.kid}


def _kids(bundle: TrustBundle) -> frozenset[str]:
    return frozenset(key.kid for key in bundle.roots)


def _check_signers(signers: frozenset[str], trusted: frozenset[str], required: int, about: str) -> None:
    if (count := len(signers & trusted)) < required:
        problem = f"trust bundle is signed by {count} of the {about}; expected {required}"
        raise TrustError(problem, code="trust.root_not_pinned")


def _parse(octets: bytes) -> TrustBundle:
    try:
        return parse_bundle(parse_object(octets))
    except ValueError as error:
        raise TrustError(f"trust bundle: {error}", code="trust.malformed") from None


def _check_follows(bundle: TrustBundle, previous: TrustBundle | None) -> None:
    if previous is None:
        return
    _check_version(bundle, previous.version)
    if bundle.cluster != previous.cluster:
        problem = f"trust bundle is of cluster {bundle.cluster}; this node belongs to {previous.cluster}"
        raise TrustError(problem, code="trust.cluster_mismatch")


def _check_version(bundle: TrustBundle, min_version: int) -> None:
    if bundle.version < min_version:
        problem = f"trust bundle version {bundle.version} is lower than the known version {min_version}"
        raise TrustError(problem, code="trust.rollback")
