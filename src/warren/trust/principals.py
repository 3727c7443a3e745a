"""Principals: the keys and operators in a trust bundle, and when each of them expires."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from warren.jws import VerifyingKey, from_base64url, to_base64url

Entry = TypeVar("Entry", "KeyEntry", "Operator")


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key of a dispatcher or a registrar."""

    signing: VerifyingKey
    expires: int | None = None
    """Seconds since the Unix epoch; None means with the bundle."""

    @classmethod
    def of(cls, members: Mapping[str, object]) -> KeyEntry:
        """Return the entry of a bundle whose shape was checked. Raises ValueError for an invalid key."""
        return cls(VerifyingKey.from_x(str(members["x"])), _expiry(members))

    def members(self) -> dict[str, object]:
        """Return the members of its JSON object."""
        return {"x": self.signing.x} | _expiry_members(self.expires)


@dataclass(frozen=True, slots=True)
class Operator:
    """A person who signs intents."""

    id: str
    roles: tuple[str, ...]
    signing: VerifyingKey
    sealing: bytes
    """The X25519 public key that secrets of a result are sealed to."""
    expires: int | None = None

    @classmethod
    def of(cls, name: str, members: Mapping[str, object]) -> Operator:
        """Return the entry of a bundle whose shape was checked. Raises ValueError for an invalid key."""
        match members:
            case {"roles": list(roles), "signing": str(signing), "sealing": str(sealing)}:
                keys = VerifyingKey.from_x(signing), from_base64url(sealing)
                return cls(name, tuple(roles), *keys, _expiry(members))
        raise ValueError(f"operators.{name}: expected roles, signing and sealing")

    def members(self) -> dict[str, object]:
        """Return the members of its JSON object."""
        keys = {"signing": self.signing.x, "sealing": to_base64url(self.sealing)}
        return {"roles": [*self.roles]} | keys | _expiry_members(self.expires)


@dataclass(frozen=True, slots=True)
class Approval:
    """The number of approvals that an intent needs, and the roles that can give them."""

    count: int
    roles: tuple[str, ...]


def unexpired(entry: Entry | None, now: float) -> Entry | None:
    """Return the entry, or None if it is missing or expired."""
    return entry if entry and (entry.expires is None or now < entry.expires) else None


def _expiry(members: Mapping[str, object]) -> int | None:
    expires = members.get("exp")
    return expires if isinstance(expires, int) else None


def _expiry_members(expires: int | None) -> dict[str, object]:
    return {} if expires is None else {"exp": expires}
