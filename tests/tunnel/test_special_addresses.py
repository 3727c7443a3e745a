"""The special addresses, held against those of the network stack: both exits refuse the same."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network

import pytest

from tests.project.conftest import ROOT
from warren.tunnel.special_addresses import (
    LOCAL_NAT64,
    NAT64,
    NEVER_V4,
    NEVER_V6,
    PRIVATE_V4,
    PRIVATE_V6,
    SIX_TO_FOUR,
)

pytestmark = pytest.mark.unit
SOURCE = (ROOT / "rust/crates/netstack/src/special.rs").read_text(encoding="utf-8").partition("#[cfg(test)]")[0]
CONSTANT = re.compile(
    r"^const ([A-Z0-9_]+): (?:\[Block<u(?:32|128)>; (\d+)\]|Block<u128>) = (.*?);\n", re.MULTILINE | re.DOTALL
)
BLOCK = re.compile(r"\((v4|v6)\(([^)]*)\)(?: \| (\w+))?, (\d+)\)|\((0|0xffff << 32), (\d+)\)|\b(MAPPED)\b")


def blocks(text: str) -> list[IPv4Network | IPv6Network]:
    """Return the prefixes of a constant of the Rust source."""
    found: list[IPv4Network | IPv6Network] = []
    for match in BLOCK.finditer(text):
        kind, parts, lowest, length, number, other_length, name = match.groups()
        if name:
            found += blocks(CONSTANTS[name])
        elif number:
            found.append(IPv6Network((0xFFFF << 32 if "<<" in number else 0, int(other_length))))
        else:
            numbers = [int(part, 0) for part in parts.split(",")]
            shift, high = (8, 24) if kind == "v4" else (16, 112)
            address = sum(value << (high - shift * place) for place, value in enumerate(numbers)) | int(
                lowest or "0", 0
            )
            found.append((IPv4Network if kind == "v4" else IPv6Network)((address, int(length))))
    return found


CONSTANTS = {match[1]: match[3] for match in CONSTANT.finditer(SOURCE)}
COUNTS = {match[1]: int(match[2]) for match in CONSTANT.finditer(SOURCE) if match[2]}


@pytest.mark.parametrize(
    ("name", "prefixes"),
    [
        ("NEVER_V4", NEVER_V4),
        ("NEVER_V6", NEVER_V6),
        ("PRIVATE_V4", PRIVATE_V4),
        ("PRIVATE_V6", PRIVATE_V6),
        ("NAT64", (NAT64,)),
        ("LOCAL_NAT64", (LOCAL_NAT64,)),
        ("SIX_TO_FOUR", (SIX_TO_FOUR,)),
    ],
)
def test_special_addresses_are_those_of_the_network_stack(name: str, prefixes: tuple[object, ...]) -> None:
    assert tuple(blocks(CONSTANTS[name])) == prefixes
    assert len(prefixes) == COUNTS.get(name, 1)


def test_network_stack_has_no_other_class_of_addresses() -> None:
    assert CONSTANTS.keys() == {
        *("NEVER_V4", "NEVER_V6", "PRIVATE_V4", "PRIVATE_V6", "MAPPED", "NAT64", "LOCAL_NAT64", "SIX_TO_FOUR"),
    }
