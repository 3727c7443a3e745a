"""The trust bundle as an operator writes it: TOML with the bundle's own names, and what signing adds.

| in the file                       | in the bundle                                       |
|-----------------------------------|-----------------------------------------------------|
| `expires`, a date and time in UTC | `exp`, also of a key and of an operator             |
| -                                 | `iat`, when it is signed                            |
| `roots`, which may be left out    | `roots`, and the root that signs is always in it    |
| everything else                   | the same                                            |
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from warren.errors import TrustError
from warren.jws import VerifyingKey, to_base64url
from warren.trust.bundle import TrustBundle
from warren.trust.bundle_json import parse_bundle
from warren.trust.keyset import KeySet
from warren.trust.sealing import SealingKey

DRAFT_DAYS = 90
RESERVED = {"iat": "signing says when", "exp": "expected expires = YYYY-MM-DDTHH:MM:SSZ"}


def read_source(text: str, root: VerifyingKey, now: int) -> TrustBundle:
    """The bundle that a file asks for, issued now. Raises TrustError, which says where and what would be right."""
    try:
        found = tomllib.loads(text)
        _check_times(found)
        members = _timed(found)
        roots = members.setdefault("roots", [root.x])
        if isinstance(roots, list) and root.x not in roots:
            members["roots"] = [root.x, *roots]
        return parse_bundle({**members, "iat": now})
    except ValueError as error:  # tomllib's own is one
        raise TrustError(str(error), code="trust.malformed", hint="nothing was signed") from None


def draft(dispatcher: VerifyingKey, roles: Mapping[str, Iterable[str]], now: int) -> str:
    """A file to begin with: one dispatch key, these roles with their verbs, and no operator."""
    ends = dt.datetime.fromtimestamp(now + DRAFT_DAYS * 86_400, dt.UTC).strftime("%Y-%m-%dT00:00:00Z")
    lines = [
        "# Who may say what. Sign it with: warren trust sign trust.toml",
        "version = 1  # each time that it is signed anew, a higher one",
        'policy_id = "policy-1"',
        f"expires = {ends}  # past it, nodes run only what reads",
        "",
        "[[dispatch]]",
        f'x = "{dispatcher.x}"',
        "",
        "[roles]",
        *(f"{role} = [\n{_listed(verbs)}]" for role, verbs in roles.items()),
        "",
        "# The table of each operator stands below, as `warren operator new NAME` prints it.",
        "[operators]",
    ]
    return "\n".join(lines) + "\n"


def operator_table(keys: KeySet, sealing: SealingKey, roles: Iterable[str]) -> str:
    """What an operator is in that file: nothing secret."""
    listed = ", ".join(f'"{role}"' for role in roles)
    public = f'signing = "{keys.signing.public.x}"\nsealing = "{to_base64url(sealing.public)}"\n'
    return f'[operators."{keys.id}"]\nroles = [{listed}]\n{public}'


def _listed(verbs: Iterable[str]) -> str:
    return "".join(f'  "{verb}",\n' for verb in verbs)


def _check_times(found: dict[str, Any]) -> None:
    for name, instead in RESERVED.items():
        if name in found:
            raise ValueError(f"{name}: stands in no such file; {instead}")
    if "expires" not in found:
        raise ValueError("expires: is missing")


def _timed(found: dict[str, Any]) -> dict[str, Any]:
    """With each `expires` as `exp`."""
    members: dict[str, Any] = _ending("", found)
    for name in ("dispatch", "registrars"):
        if isinstance(entries := members.get(name), list):
            members[name] = [_ending(f"{name}[{number}].", each) for number, each in enumerate(entries)]
    if isinstance(operators := members.get("operators"), dict):
        members["operators"] = {name: _ending(f"operators.{name}.", each) for name, each in operators.items()}
    return members


def _ending(where: str, entry: Any) -> Any:
    if not isinstance(entry, dict) or "expires" not in entry:
        return entry
    expires = entry["expires"]
    if not isinstance(expires, dt.datetime) or expires.tzinfo is None:
        raise ValueError(f"{where}expires: expected a date and time with its zone, as 2027-01-01T00:00:00Z")
    return {name: value for name, value in entry.items() if name != "expires"} | {"exp": int(expires.timestamp())}
