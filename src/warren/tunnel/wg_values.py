"""Values in the notation of wg(8) and wg-quick(8). Every parser raises ConfigError with one finding without a key."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_interface

from warren._core import parse_prefix
from warren.config.parsers import out_of_range
from warren.errors import ConfigError, Finding, redacted_repr
from warren.tunnel.config import (
    KEEPALIVE,
    MARK,
    PORT,
    TABLE,
    Endpoint,
    IPInterface,
    IPNetwork,
    Table,
    canonical_address,
)


def refusal(text: str, what: str, expected: str) -> ConfigError:
    """Return the error for a text that is not `what`, such as "a number"."""
    return ConfigError([Finding("", f"{redacted_repr(text)} is not {what}", f"expected {expected}")])


def parse_digits(text: str, allowed: range, *, base: int = 10) -> int:
    """Parse an unsigned number in `allowed`, without sign, blank or underscore."""
    try:
        value = int(text, base) if text.isascii() and text.isalnum() else None
    except ValueError:
        value = None
    if value is None:
        raise refusal(text, "a number", f"{allowed.start} to {allowed.stop - 1}")
    if findings := [*out_of_range("", value, allowed)]:
        raise ConfigError(findings)
    return value


def number_in(allowed: range) -> Callable[[str], int]:
    """Return a parser of decimal numbers in `allowed`."""
    return lambda text: parse_digits(text, allowed)


def parse_fwmark(text: str) -> int:
    """Parse `off`, a decimal number, or a hexadecimal one after `0x`."""
    if text.lower() == "off":
        return 0
    digits = text.removeprefix("0x")
    if "x" in digits.lower():  # int() would take another 0x
        raise refusal(text, "a number", f"{MARK.start} to {MARK.stop - 1}")
    return parse_digits(digits, MARK, base=10 if digits == text else 16)


FindPort = Callable[[str], int | None]
"""Returns the UDP port of a service by its name in services(5), or None."""


def no_service(_: str) -> None:
    """Return None: no service is known by name."""


def parse_port(text: str, find_port: FindPort = no_service) -> int:
    """Parse a UDP port: a number, or the name of a service."""
    if not text or text[0] in "+-0123456789":
        return parse_digits(text, PORT)
    port = find_port(text)
    if port is None:
        raise refusal(text, "a port or a service of this host", "0 to 65535")
    return port


def parse_wg_endpoint(text: str, find_port: FindPort = no_service) -> Endpoint:
    """Parse an endpoint in every form of wg(8): brackets round any host or none, even round none of an IPv6 address."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") if rest.startswith(":") else ""
    else:
        host, _, port = text.rpartition(":")
    if not host or not port:
        raise refusal(text, "an endpoint", "HOST:PORT or [IPv6]:PORT")
    return Endpoint(canonical_address(host) or host, parse_port(port, find_port))


def parse_keepalive(text: str) -> int:
    """Parse seconds, or `off`."""
    return 0 if text.lower() == "off" else parse_digits(text, KEEPALIVE)


def parse_table(text: str) -> Table:
    """Parse `auto`, `off`, or the number of a routing table."""
    match text.lower():
        case "auto":
            return "auto"
        case "off":
            return "off"
        case _ if text.isdigit() and (text == "0" or not text.startswith("0")):  # ip(8) reads 010 as octal
            return parse_digits(text, TABLE)
        case _:
            raise refusal(text, "a routing table", "auto, off or a number")


def parse_bool(text: str) -> bool:
    """Parse `true` or `false`."""
    if text.lower() not in {"true", "false"}:
        raise refusal(text, "a boolean", "true or false")
    return text.lower() == "true"


def parse_address(text: str) -> IPInterface:
    """Parse an address of the interface with its prefix length or netmask; without one it is a single host."""
    try:
        address = ip_interface(text)
    except ValueError:
        raise refusal(text, "an address", "IP or IP/LENGTH") from None
    _, _, length = text.partition("/")
    # ip(8) reads 024 as octal, and a mask that begins with 0 would be inverted.
    if length.startswith("0") and length not in {"0", "0.0.0.0"}:  # noqa: S104, a netmask
        raise refusal(text, "an address", "IP or IP/LENGTH")
    return address


def parse_allowed_ip(text: str) -> IPNetwork:
    """Parse a prefix, with its host bits masked as in wg(8); without a length it is a single host."""
    prefix = parse_prefix(text)
    if prefix is None:
        raise refusal(text, "a prefix", "IP or IP/LENGTH")
    return prefix
