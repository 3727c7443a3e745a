"""How wg(8) writes values."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from ipaddress import ip_interface, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.errors import ConfigError
from warren.tunnel import wg_values
from warren.tunnel.config import Endpoint

pytestmark = pytest.mark.unit

PORT = wg_values.number_in(range(65536))
PARSERS: list[Callable[[str], object]] = [
    PORT,
    wg_values.parse_fwmark,
    wg_values.parse_keepalive,
    wg_values.parse_table,
    wg_values.parse_bool,
    wg_values.parse_address,
    wg_values.parse_allowed_ip,
    wg_values.parse_port,
    wg_values.parse_wg_endpoint,
]
SERVICES = {"openvpn": 1194}


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (PORT, "51820", 51820),
        (wg_values.parse_fwmark, "off", 0),
        (wg_values.parse_fwmark, "0xCA6C", 51820),
        (wg_values.parse_fwmark, "51820", 51820),
        (wg_values.parse_keepalive, "OFF", 0),
        (wg_values.parse_wg_endpoint, "2001:db8::9:51820", Endpoint("2001:db8::9", 51820)),
        (wg_values.parse_wg_endpoint, "[2001:db8::9]:51820", Endpoint("2001:db8::9", 51820)),
        (wg_values.parse_wg_endpoint, "[192.0.2.1]:51820", Endpoint("192.0.2.1", 51820)),
        (wg_values.parse_wg_endpoint, "[vpn.example.org]:51820", Endpoint("vpn.example.org", 51820)),
        (
            lambda text: wg_values.parse_wg_endpoint(text, SERVICES.get),
            "192.0.2.1:openvpn",
            Endpoint("192.0.2.1", 1194),
        ),
        (lambda text: wg_values.parse_port(text, SERVICES.get), "openvpn", 1194),
        (wg_values.parse_keepalive, "25", 25),
        (wg_values.parse_table, "Auto", "auto"),
        (wg_values.parse_table, "off", "off"),
        (wg_values.parse_table, "254", 254),
        (wg_values.parse_bool, "True", True),
        (wg_values.parse_address, "10.0.0.1", ip_interface("10.0.0.1/32")),
        (wg_values.parse_address, "fd00::1/64", ip_interface("fd00::1/64")),
        (wg_values.parse_allowed_ip, "10.0.0.1/24", ip_network("10.0.0.0/24")),
        (wg_values.parse_allowed_ip, "fd00::1", ip_network("fd00::1/128")),
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
        (wg_values.parse_fwmark, "0x100000000"),
        (wg_values.parse_fwmark, "ca6c"),
        (wg_values.parse_table, "0"),
        (wg_values.parse_table, "main"),
        (wg_values.parse_bool, "yes"),
        (wg_values.parse_address, "10.0.0.1/33"),
        (wg_values.parse_allowed_ip, "default"),
        (wg_values.parse_allowed_ip, "10.0.0.0/24 10.1.0.0/24"),
        (wg_values.parse_allowed_ip, "10.0.0.0/255.0.0.0"),
        (wg_values.parse_allowed_ip, "fe80::1%eth0/64"),
        (wg_values.parse_address, "10.0.0.1/0.0.0.255"),
        (wg_values.parse_address, "10.0.0.1/024"),
        (wg_values.parse_fwmark, "0X10"),
        (wg_values.parse_fwmark, "0x0x10"),
        (wg_values.parse_table, "010"),
        (wg_values.parse_wg_endpoint, "192.0.2.1:openvpn"),
        (wg_values.parse_wg_endpoint, "2001:db8::9"),
        (wg_values.parse_wg_endpoint, "[2001:db8::9]51820"),
        (wg_values.parse_wg_endpoint, "[2001:db8::9:51820"),
        (wg_values.parse_wg_endpoint, "192.0.2.1:"),
        (wg_values.parse_wg_endpoint, "192.0.2.1:+5"),
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
