"""How wg(8) writes values."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from ipaddress import ip_interface, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.errors import ConfigError
from warren.tunnel import notation

pytestmark = pytest.mark.unit

PORT = notation.number_in(range(65536))
PARSERS: list[Callable[[str], object]] = [
    PORT,
    notation.parse_fwmark,
    notation.parse_keepalive,
    notation.parse_table,
    notation.parse_bool,
    notation.parse_address,
    notation.parse_allowed_ip,
]


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (PORT, "51820", 51820),
        (notation.parse_fwmark, "off", 0),
        (notation.parse_fwmark, "0xCA6C", 51820),
        (notation.parse_fwmark, "51820", 51820),
        (notation.parse_keepalive, "OFF", 0),
        (notation.parse_keepalive, "25", 25),
        (notation.parse_table, "Auto", "auto"),
        (notation.parse_table, "off", "off"),
        (notation.parse_table, "254", 254),
        (notation.parse_bool, "True", True),
        (notation.parse_address, "10.0.0.1", ip_interface("10.0.0.1/32")),
        (notation.parse_address, "fd00::1/64", ip_interface("fd00::1/64")),
        (notation.parse_allowed_ip, "10.0.0.1/24", ip_network("10.0.0.0/24")),
        (notation.parse_allowed_ip, "fd00::1", ip_network("fd00::1/128")),
    ],
)
def test_what_wg_takes(parse: Callable[[str], object], text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (PORT, "65536"),
        (PORT, "-1"),
        (PORT, "1_0"),
        (PORT, "+1"),
        (PORT, ""),
        (PORT, "0x10"),
        (PORT, "\N{ARABIC-INDIC DIGIT ONE}"),
        (notation.parse_fwmark, "0x100000000"),
        (notation.parse_fwmark, "ca6c"),
        (notation.parse_table, "0"),
        (notation.parse_table, "main"),
        (notation.parse_bool, "yes"),
        (notation.parse_address, "10.0.0.1/33"),
        (notation.parse_allowed_ip, "default"),
        (notation.parse_allowed_ip, "10.0.0.0/24 10.1.0.0/24"),
    ],
)
def test_what_wg_refuses(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(text)
    (finding,) = error.value.findings
    assert finding.expected.startswith("expected")


@given(st.sampled_from(PARSERS), st.text())
def test_any_text_is_a_value_or_refused(parse: Callable[[str], object], text: str) -> None:
    with contextlib.suppress(ConfigError):
        parse(text)
