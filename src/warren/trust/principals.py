"""Whose word counts: the keys and operators that a trust bundle names, and when each of them ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from warren.jws import VerifyingKey, from_base64url, to_base64url

Entry = TypeVar("Entry", "KeyEntry", "Operator")


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key of the dispatcher or of the registrar."""

    signing: VerifyingKey
    expires: int | None = None
    """When it ends, in seconds since the Unix epoch; None is with the bundle."""

    @classmethod
    def of(cls, members: Mapping[str, object]) -> KeyEntry:
        """From a bundle whose shape is right. Raises ValueError for a key that is none."""
        return cls(VerifyingKey.from_x(str(members["x"])), _expiry(members))

    def members(self) -> dict[str, object]:
        """As the bundle writes it."""
        return {"x": self.signing.x} | _ending(self.expires)


@dataclass(frozen=True, slots=True)
class Operator:
    """A person, whose signature makes an intent."""

    id: str
    roles: tuple[str, ...]
    signing: VerifyingKey
    sealing: bytes
    """X25519: what an answer's secrets are sealed to."""
    expires: int | None = None

    @classmethod
    def of(cls, name: str, members: Mapping[str, object]) -> Operator:
        """From a bundle whose shape is right. Raises ValueError for a key that is none."""
        match members:
            case {"roles": list(roles), "signing": str(signing), "sealing": str(sealing)}:
                keys = VerifyingKey.from_x(signing), from_base64url(sealing)
                return cls(name, tuple(roles), *keys, _expiry(members))
        raise ValueError(f"operators.{name}: has another shape")

    def members(self) -> dict[str, object]:
        """As the bundle writes it."""
        keys = {"signing": self.signing.x, "sealing": to_base64url(self.sealing)}
        return {"roles": [*self.roles]} | keys | _ending(self.expires)


@dataclass(frozen=True, slots=True)
class Approval:
    """How many others must sign an intent, and of which roles."""

    count: int
    roles: tuple[str, ...]


def current(entry: Entry | None, now: float) -> Entry | None:
    """The entry, if there is one that has not ended."""
    return entry if entry and (entry.expires is None or now < entry.expires) else None


def _expiry(members: Mapping[str, object]) -> int | None:
    expires = members.get("exp")
    return expires if isinstance(expires, int) else None


def _ending(expires: int | None) -> dict[str, object]:
    return {} if expires is None else {"exp": expires}
