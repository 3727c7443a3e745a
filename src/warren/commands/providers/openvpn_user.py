"""A user of the built-in OpenVPN provider, as its file in `access/` has it.

The file is what there is to know: who may log in, from where, until when. It is written first and removed last, so a
user that was made or ended by halves is still known, and is ended whole at the next attempt.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from warren.strictjson import encode, parse_object


@dataclass(frozen=True, slots=True)
class VpnUser:
    """Times in seconds since the Unix epoch."""

    username: str
    serial: str
    """Of the certificate, in hexadecimal."""
    created: int
    expires: int
    password_hash: str = field(repr=False)
    """bcrypt."""
    source_ip: str | None = None
    """The only address that may log in; None is any."""
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """What OpenVPN says of a client that wants in."""

    username: str
    common_name: str
    """Of the certificate, which OpenVPN has verified."""
    source: str


def encode_user(user: VpnUser) -> bytes:
    """For its file."""
    return encode({name: value for name, value in asdict(user).items() if value is not None}) + b"\n"


def parse_user(octets: bytes) -> VpnUser:
    """Raises ValueError, which says what is wrong and holds nothing of the file."""
    found = parse_object(octets)
    texts = {name: _text(found, name) for name in ("username", "serial", "password_hash")}
    optional = {name: _text(found, name) for name in ("source_ip", "email") if name in found}
    times = {name: _time(found, name) for name in ("created", "expires")}
    if unknown := set(found) - {*texts, *optional, *times}:
        raise ValueError(f"has members that it should not: {len(unknown)}")
    int(texts["serial"], 16)
    return VpnUser(**texts, **optional, **times)  # type: ignore[arg-type]


def due(users: Iterable[VpnUser], now: float) -> tuple[VpnUser, ...]:
    """Whose time is up."""
    return tuple(user for user in users if user.expires <= now)


def refusal(user: VpnUser | None, login: Login, now: float) -> str | None:
    """Why this login is refused whatever its password is; None where the password decides."""
    if user is None or user.username != login.username:
        return "no such user"
    if login.common_name != login.username:
        return "the certificate is another user's"
    if due([user], now):
        return "the user's time is up"
    if user.source_ip is not None and _address(user.source_ip) != _address(login.source):
        return "from an address that is not the user's"
    return None


def _address(text: str) -> str:
    """One spelling of each; a server that listens on IPv6 sees IPv4 clients mapped (RFC 4291, 2.5.5.2)."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _text(found: dict[str, object], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")  # noqa: TRY004, it is the file that is wrong
    return value


def _time(found: dict[str, object], name: str) -> int:
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} is no time")  # noqa: TRY004, it is the file that is wrong
    return value
