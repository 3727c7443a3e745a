"""A user of the built-in OpenVPN provider, as stored in its file in `access/`.

The file is authoritative: who may log in, from where, until when. It is written first and removed last, so a user that
was created or deleted in part is still known, and the next attempt completes the deletion.

A user's access ends when the wall clock or the elapsed clock says so, and comes back if the wall clock is corrected.
The user is deleted for good when both say so.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from warren.elapsed_clock import Deadline, Moment
from warren.strictjson import encode, parse_object


@dataclass(frozen=True, slots=True)
class VpnUser:
    """An entry; times are in seconds since the Unix epoch."""

    username: str
    serial: str
    """The serial number of the certificate, in hexadecimal."""
    created: int
    expires: int
    password_hash: str = field(repr=False)
    """bcrypt."""
    source_ip: str | None = None
    """The only address that may log in; None allows any."""
    email: str | None = None
    created_elapsed: float = 0.0
    """The creation by the elapsed clock; 0 in an entry of an older version, whose lifetime counts from the update."""
    deleted: bool | None = None
    """True if a deletion was begun, which `expire_users` completes whatever the clocks show."""

    @property
    def deadline(self) -> Deadline:
        """When the lifetime ends, by both clocks."""
        return Deadline(self.expires, self.created_elapsed + self.expires - self.created)


@dataclass(frozen=True, slots=True)
class Login:
    """A login as OpenVPN reports it."""

    username: str
    common_name: str
    """The common name of the certificate, which OpenVPN has verified."""
    source: str


def encode_user(user: VpnUser) -> bytes:
    """Encode an entry for its file."""
    return encode({name: value for name, value in asdict(user).items() if value is not None}) + b"\n"


def parse_user(octets: bytes) -> VpnUser:
    """Parse an entry.

    Raises:
        ValueError: the entry is malformed; the message holds nothing of the file.
    """
    members = parse_object(octets)
    texts = {name: _text(members, name) for name in ("username", "serial", "password_hash")}
    optional = {name: _text(members, name) for name in ("source_ip", "email") if name in members}
    times: dict[str, float] = {name: _time(members, name) for name in ("created", "expires")}
    if "created_elapsed" in members:
        times["created_elapsed"] = _seconds(members, "created_elapsed")
    if unknown := set(members) - {*texts, *optional, *times, "deleted"}:
        raise ValueError(f"{len(unknown)} unknown members")
    if members.get("deleted", True) is not True:
        raise ValueError("deleted: expected true")
    int(texts["serial"], 16)
    return VpnUser(**texts, **optional, **times, deleted=True if "deleted" in members else None)  # type: ignore[arg-type]


def to_delete(users: Iterable[VpnUser], now: Moment) -> tuple[VpnUser, ...]:
    """Return the users to delete for good: whose lifetime is over by both clocks, or whose deletion was begun."""
    return tuple(user for user in users if user.deleted or user.deadline.is_over(now))


def to_suspend(users: Iterable[VpnUser], now: Moment) -> tuple[VpnUser, ...]:
    """Return the users whose access has ended by one of the clocks alone, until that one is corrected."""
    deleted = to_delete(users, now)
    return tuple(user for user in users if user.deadline.has_ended(now) and user not in deleted)


def rejection(user: VpnUser | None, login: Login, now: Moment) -> str | None:
    """Return why this login is rejected whatever its password is; None if the password decides."""
    if user is None or user.username != login.username:
        return "unknown user"
    if login.common_name != login.username:
        return "certificate of another user"
    if user.deleted or user.deadline.has_ended(now):
        return "user has expired"
    if user.source_ip is not None and _address(user.source_ip) != _address(login.source):
        return "source address is not allowed"
    return None


def _address(text: str) -> str:
    """Normalize an address; a server that listens on IPv6 sees IPv4 clients as mapped (RFC 4291, 2.5.5.2)."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _text(members: dict[str, object], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name}: expected a text")  # noqa: TRY004, the file is wrong, not an argument
    return value


def _time(members: dict[str, object], name: str) -> int:
    value = members.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name}: expected a time")  # noqa: TRY004, the file is wrong, not an argument
    return value


def _seconds(members: dict[str, object], name: str) -> float:
    value = members.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name}: expected seconds")  # noqa: TRY004, the file is wrong, not an argument
    return float(value)
