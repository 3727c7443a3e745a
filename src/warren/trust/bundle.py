"""The trust bundle: the keys and roles that a node accepts, signed by a root that is pinned on the node.

`trust.bundle_verify` has the rules of verification. Its JSON is in `trust.bundle_json` and
docs/protocol/trust-bundle.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from warren.jws import VerifyingKey
from warren.trust.principals import Approval, KeyEntry, Operator, valid_at
from warren.trust.webauthn_key import DEFAULT_SIGNING_METHODS, WebauthnKey

NOTICE_SECONDS = 14 * 86_400  # covers a holiday of the person responsible
DAY_SECONDS = 86_400
EXTENSIONS: frozenset[str] = frozenset()
"""The members of `ext` that this version understands."""


@dataclass(frozen=True)
class TrustBundle:
    """The content of a bundle: verified by `bundle_verify.verify_bundle`, or about to be signed."""

    cluster: str
    version: int
    policy_id: str
    issued: int
    expires: int
    roots: tuple[VerifyingKey, ...]
    """The keys that can sign the next bundle."""
    dispatch: tuple[KeyEntry, ...]
    operators: Mapping[str, Operator]
    """The operators by their id."""
    roles: Mapping[str, frozenset[str]]
    """The verbs of each role."""
    registrars: tuple[KeyEntry, ...] = ()
    witness: tuple[KeyEntry, ...] = ()
    """The keys that sign receipts for checkpoints."""
    root_threshold: int = 1
    """The number of `roots` that must sign this bundle and the next one."""
    signing_methods: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The methods that count for an intent and its approvals, by verb; see `methods_of`."""
    ext: Mapping[str, object] = field(default_factory=dict)
    """Members of later versions."""
    crit: tuple[str, ...] = ()
    """The members of `ext` that a node has to understand."""
    approvals: Mapping[str, Approval] = field(default_factory=dict)
    """The approvals that verbs need, by verb."""
    scripts: Mapping[str, str] = field(default_factory=dict)
    """The SHA-256 of each script in hexadecimal digits, by its name."""
    rates: Mapping[str, int] = field(default_factory=dict)
    """The rate limit of each verb, per minute."""
    levels: Mapping[str, str] = field(default_factory=dict)
    """The minimum sandbox level of each verb."""
    cas: tuple[str, ...] = ()
    """CA certificates in PEM."""
    pins: tuple[str, ...] = ()
    """The SHA-256 of pinned servers' SPKI, in base64url."""

    def expired(self, now: float) -> bool:
        """Return whether the bundle has expired: then only read-only verbs run."""
        return now >= self.expires

    @property
    def not_understood(self) -> tuple[str, ...]:
        """The critical extensions that this version does not understand: with any, only read-only verbs run."""
        return tuple(name for name in self.crit if name not in EXTENSIONS)

    def methods_of(self, verb: str) -> frozenset[str]:
        """Return the signing methods that count for a verb."""
        return self.signing_methods.get(verb, DEFAULT_SIGNING_METHODS)

    def allows(self, role: str, verb: str) -> bool:
        """Return whether a role allows a verb."""
        return verb in self.roles.get(role, frozenset())

    def dispatcher(self, kid: str, now: float) -> VerifyingKey | None:
        """Return the dispatch key with this thumbprint, or None if it is unknown or not valid now."""
        entry = valid_at(self._dispatch_by_kid.get(kid), now)
        return None if entry is None else entry.signing

    def operator(self, kid: str, now: float) -> Operator | None:
        """Return the operator whose signing key has this thumbprint, or None if unknown or not valid now."""
        return valid_at(self._operators_by_kid.get(kid), now)

    def webauthn(self, kid: str, now: float) -> tuple[Operator, WebauthnKey] | None:
        """Return the credential with this thumbprint and its operator, or None if unknown or not valid now."""
        entry = self._webauthn_by_kid.get(kid)
        return entry if entry and valid_at(entry[0], now) else None

    @cached_property
    def _dispatch_by_kid(self) -> Mapping[str, KeyEntry]:
        return {entry.signing.kid: entry for entry in self.dispatch}

    @cached_property
    def _operators_by_kid(self) -> Mapping[str, Operator]:
        return {entry.signing.kid: entry for entry in self.operators.values() if entry.signing is not None}

    @cached_property
    def _webauthn_by_kid(self) -> Mapping[str, tuple[Operator, WebauthnKey]]:
        return {key.kid: (entry, key) for entry in self.operators.values() for key in entry.webauthn.values()}


def expiry_problem(bundle: TrustBundle, now: float) -> str | None:
    """Return a warning if the bundle has expired or expires within 14 days, else None."""
    left = bundle.expires - now
    if left <= 0:
        return f"trust bundle {bundle.version} has expired: only read-only commands run"
    if left > NOTICE_SECONDS:
        return None
    days = math.ceil(left / DAY_SECONDS)
    return f"trust bundle {bundle.version} expires in {days} day{'s' * (days != 1)}: then only read-only commands run"
