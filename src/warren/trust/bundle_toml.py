"""The policy file of a trust bundle: TOML with the names of the bundle. Signing adds the rest.

| in the file                       | in the bundle                                       |
|-----------------------------------|-----------------------------------------------------|
| `expires`, a date and time in UTC | `exp`, also of a key and of an operator             |
| `not_before`, likewise            | `nbf`, of a key and of an operator                  |
| -                                 | `iat`, the time of signing; `format`                |
| `roots`, optional                 | `roots`, always with the root that signs            |
| everything else                   | the same                                            |
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from warren.errors import TrustError
from warren.jws import VerifyingKey, to_base64url
from warren.signed_types import TRUST
from warren.trust.bundle import TrustBundle
from warren.trust.bundle_json import parse_bundle
from warren.trust.keyset import KeySet
from warren.trust.sealing import SealingKey

DRAFT_DAYS = 90
KEY_LISTS = ("dispatch", "registrars", "witness")
TIMES = {"expires": "exp", "not_before": "nbf"}
RESERVED = {"iat": "signing sets it", "format": "signing sets it", "exp": "expected expires = YYYY-MM-DDTHH:MM:SSZ"}


def parse_policy(text: str, root: VerifyingKey, now: int) -> TrustBundle:
    """Return the bundle of a policy file, issued now. Raises TrustError with the location and what was expected."""
    try:
        policy = _loads(text)
        _check_times(policy)
        members = _with_times(policy)
        roots = members.setdefault("roots", [root.x])
        if isinstance(roots, list) and root.x not in roots:
            members["roots"] = [root.x, *roots]
        return parse_bundle({"format": TRUST.format, **members, "iat": now})
    except ValueError as error:  # tomllib's error is a ValueError too
        raise TrustError(str(error), code="trust.malformed", hint="nothing was signed") from None


def _loads(text: str) -> dict[str, Any]:
    """Parse TOML. Raises ValueError."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("too many levels") from None


def draft_policy(cluster: str, dispatcher: VerifyingKey, roles: Mapping[str, Iterable[str]], now: int) -> str:
    """Return a policy file to start with: one dispatch key, these roles with their verbs, and no operator."""
    expires = dt.datetime.fromtimestamp(now + DRAFT_DAYS * 86_400, dt.UTC).strftime("%Y-%m-%dT00:00:00Z")
    lines = [
        "# Trust policy. Sign it with: warren trust sign trust.toml",
        f'cluster = "{cluster}"  # for good: a node refuses the bundle of another cluster',
        "version = 1  # raise it before you sign again",
        'policy_id = "policy-1"',
        f"expires = {expires}  # after it, nodes run read-only commands only",
        "",
        "[[dispatch]]",
        f'x = "{dispatcher.x}"',
        "",
        "[roles]",
        *(f"{role} = [\n{_listed(verbs)}]" for role, verbs in roles.items()),
        "",
        "# Add the table of each operator below, as `warren operator new NAME` prints it.",
        "[operators]",
    ]
    return "\n".join(lines) + "\n"


def operator_table(keys: KeySet, sealing: SealingKey, roles: Iterable[str]) -> str:
    """Return the table of an operator in a policy file. It holds no secret."""
    listed = ", ".join(f'"{role}"' for role in roles)
    public = f'signing = "{keys.signing.public.x}"\nsealing = "{to_base64url(sealing.public)}"\n'
    return f'[operators."{keys.id}"]\nroles = [{listed}]\n{public}'


def _listed(verbs: Iterable[str]) -> str:
    return "".join(f'  "{verb}",\n' for verb in verbs)


def _check_times(policy: dict[str, Any]) -> None:
    for name, reason in RESERVED.items():
        if name in policy:
            raise ValueError(f"{name}: not allowed in a policy file; {reason}")
    if "expires" not in policy:
        raise ValueError("expires: missing")


def _with_times(policy: dict[str, Any]) -> dict[str, Any]:
    """Return the members with each `expires` as `exp`, and each `not_before` as `nbf`."""
    members: dict[str, Any] = _with_seconds("", policy)
    for name in KEY_LISTS:
        if isinstance(entries := members.get(name), list):
            members[name] = [_with_seconds(f"{name}[{index}].", entry) for index, entry in enumerate(entries)]
    if isinstance(operators := members.get("operators"), dict):
        members["operators"] = {name: _with_seconds(f"operators.{name}.", entry) for name, entry in operators.items()}
    return members


def _with_seconds(where: str, entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    return {TIMES.get(name, name): _seconds(where, name, value) for name, value in entry.items()}


def _seconds(where: str, name: str, value: Any) -> Any:
    if name not in TIMES:
        return value
    if not isinstance(value, dt.datetime) or value.tzinfo is None:
        raise ValueError(f"{where}{name}: expected a date and time with a UTC offset, such as 2027-01-01T00:00:00Z")
    return int(value.timestamp())
