"""Principals: the keys and operators in a trust bundle, and when each of them is valid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from warren.jws import VerifyingKey, from_base64url, to_base64url
from warren.trust.webauthn_key import WebauthnKey

Entry = TypeVar("Entry", "KeyEntry", "Operator")


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key of a dispatcher, a registrar or the witness."""

    signing: VerifyingKey
    expires: int | None = None
    """Seconds since the Unix epoch; None means with the bundle."""
    not_before: int | None = None
    """Seconds since the Unix epoch; None means from the bundle's start."""

    @classmethod
    def of(cls, members: Mapping[str, object]) -> KeyEntry:
        """Return the entry of a bundle whose shape was checked. Raises ValueError for an invalid key."""
        return cls(VerifyingKey.from_x(str(members["x"])), *_validity("", members))

    def members(self) -> dict[str, object]:
        """Return the members of its JSON object."""
        return {"x": self.signing.x} | _validity_members(self)


@dataclass(frozen=True, slots=True)
class Operator:
    """A person who signs intents and approvals, by a key, by WebAuthn credentials, or by both."""

    id: str
    roles: tuple[str, ...]
    signing: VerifyingKey | None
    """None if the operator signs by WebAuthn only."""
    sealing: bytes
    """The X25519 public key that secrets of a result are sealed to."""
    expires: int | None = None
    not_before: int | None = None
    webauthn: Mapping[str, WebauthnKey] = field(default_factory=dict)
    """Credentials by their names."""

    @classmethod
    def of(cls, name: str, members: Mapping[str, Any]) -> Operator:
        """Return the entry of a bundle whose shape was checked. Raises ValueError for an invalid key."""
        where = f"operators.{name}"
        signing = members.get("signing")
        keys = {
            key: WebauthnKey.of(f"{where}.webauthn.{key}", entry) for key, entry in members.get("webauthn", {}).items()
        }
        if signing is None and not keys:
            raise ValueError(f"{where}: expected signing or webauthn")
        return cls(
            name,
            tuple(members["roles"]),
            None if signing is None else VerifyingKey.from_x(signing),
            from_base64url(members["sealing"]),
            *_validity(f"{where}.", members),
            keys,
        )

    def members(self) -> dict[str, object]:
        """Return the members of its JSON object."""
        members: dict[str, object] = {"roles": [*self.roles]}
        members |= {} if self.signing is None else {"signing": self.signing.x}
        members |= {"sealing": to_base64url(self.sealing)} | _validity_members(self)
        return members | ({"webauthn": {k: v.members() for k, v in self.webauthn.items()}} if self.webauthn else {})

    def signing_octets(self) -> Iterator[bytes]:
        """Yield each public key that signs for this operator."""
        if self.signing is not None:
            yield self.signing.octets
        for key in self.webauthn.values():
            yield key.public_key


@dataclass(frozen=True, slots=True)
class Approval:
    """The number of approvals that an intent needs, and the roles that can give them."""

    count: int
    roles: tuple[str, ...]


def valid_at(entry: Entry | None, now: float) -> Entry | None:
    """Return the entry, or None if it is missing, expired or not valid yet."""
    if entry is None or (entry.expires is not None and now >= entry.expires):
        return None
    return None if entry.not_before is not None and now < entry.not_before else entry


def _validity(where: str, members: Mapping[str, object]) -> tuple[int | None, int | None]:
    """Return `exp` and `nbf`. Raises ValueError if the key would never be valid."""
    expires, not_before = (value if isinstance(value := members.get(name), int) else None for name in ("exp", "nbf"))
    if expires is not None and not_before is not None and expires <= not_before:
        raise ValueError(f"{where}exp: expected a time after nbf")
    return expires, not_before


def _validity_members(entry: KeyEntry | Operator) -> dict[str, object]:
    times = {"exp": entry.expires, "nbf": entry.not_before}
    return {name: time for name, time in times.items() if time is not None}
