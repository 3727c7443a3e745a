"""Values in the notation of wg(8) and wg-quick(8). Every parser raises ConfigError with one finding without a key."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_interface, ip_network

from warren.config.parsers import out_of_range
from warren.errors import ConfigError, Finding, redacted_repr
from warren.tunnel.config import KEEPALIVE, MARK, TABLE, IPInterface, IPNetwork, Table


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
    digits = text.lower().removeprefix("0x")
    return parse_digits(digits, MARK, base=10 if digits == text.lower() else 16)


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
        case _ if text.isdigit():
            return parse_digits(text, TABLE)
        case _:
            raise refusal(text, "a routing table", "auto, off or a number")


def parse_bool(text: str) -> bool:
    """Parse `true` or `false`."""
    if text.lower() not in {"true", "false"}:
        raise refusal(text, "a boolean", "true or false")
    return text.lower() == "true"


def parse_address(text: str) -> IPInterface:
    """Parse an address of the interface with its prefix length; without one it is a single host."""
    try:
        return ip_interface(text)
    except ValueError:
        raise refusal(text, "an address", "IP or IP/LENGTH") from None


def parse_allowed_ip(text: str) -> IPNetwork:
    """Parse a prefix, with its host bits masked as in wg(8); without a length it is a single host."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise refusal(text, "a prefix", "IP or IP/LENGTH") from None
