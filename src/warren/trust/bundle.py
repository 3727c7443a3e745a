"""The trust bundle: who may say what to a node, by the word of a root that is pinned there.

What makes one believed stands in `trust.chain`; its JSON in `trust.bundleform` and docs/protocol/trust-bundle.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from warren.jws import VerifyingKey
from warren.trust.principals import Approval, KeyEntry, Operator, current

NOTICE_SECONDS = 14 * 86_400  # long enough for a person who is on holiday
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class TrustBundle:
    """Made by `chain.verify_bundle`, or by an operator who is about to sign it."""

    version: int
    policy_id: str
    issued: int
    expires: int
    roots: tuple[VerifyingKey, ...]
    """Who may sign the next one."""
    dispatch: tuple[KeyEntry, ...]
    operators: Mapping[str, Operator]
    """By id."""
    roles: Mapping[str, frozenset[str]]
    """By role, the verbs that it may ask for."""
    registrars: tuple[KeyEntry, ...] = ()
    approvals: Mapping[str, Approval] = field(default_factory=dict)
    """By verb."""
    scripts: Mapping[str, str] = field(default_factory=dict)
    """By name of script, its SHA-256 in hexadecimal digits."""
    rates: Mapping[str, int] = field(default_factory=dict)
    """By verb, how many a minute."""
    levels: Mapping[str, str] = field(default_factory=dict)
    """By verb, the weakest sandbox that it may run in."""
    cas: tuple[str, ...] = ()
    """Certificates in PEM."""
    pins: tuple[str, ...] = ()
    """Each the SHA-256 of a server's SPKI, base64url."""

    def expired(self, now: float) -> bool:
        """Whether only what reads may run."""
        return now >= self.expires

    def allows(self, role: str, verb: str) -> bool:
        """Whether a role may ask for a verb."""
        return verb in self.roles.get(role, frozenset())

    def dispatcher(self, kid: str, now: float) -> VerifyingKey | None:
        """The dispatch key of that thumbprint, unless it has ended."""
        entry = current(self._dispatch_by_kid.get(kid), now)
        return None if entry is None else entry.signing

    def operator(self, kid: str, now: float) -> Operator | None:
        """The operator whose signing key has that thumbprint, unless it has ended."""
        return current(self._operators_by_kid.get(kid), now)

    @cached_property
    def _dispatch_by_kid(self) -> Mapping[str, KeyEntry]:
        return {each.signing.kid: each for each in self.dispatch}

    @cached_property
    def _operators_by_kid(self) -> Mapping[str, Operator]:
        return {each.signing.kid: each for each in self.operators.values()}


def expiry_problem(bundle: TrustBundle, now: float) -> str | None:
    """What a person should know of a bundle's end: None until 14 days before it."""
    left = bundle.expires - now
    if left <= 0:
        return f"the trust bundle {bundle.version} has expired: only commands that read are run"
    if left > NOTICE_SECONDS:
        return None
    days = math.ceil(left / DAY_SECONDS)
    return (
        f"the trust bundle {bundle.version} expires in {days} day{'s' * (days != 1)}; then only commands that read run"
    )
