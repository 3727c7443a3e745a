"""A configuration that exists can be applied; one that cannot says everything that is wrong with it."""

from __future__ import annotations

from ipaddress import ip_interface, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.errors import ConfigError
from warren.tunnel.config import Endpoint, InterfaceConfig, PeerConfig, parse_endpoint

from .strategies import PRIVATE_KEYS, PUBLIC_KEYS, endpoints

pytestmark = pytest.mark.unit


def findings(error: pytest.ExceptionInfo[ConfigError]) -> list[str]:
    """The keys of all findings."""
    return [finding.key for finding in error.value.findings]


@pytest.mark.parametrize("mark", [253, 254, 255])
def test_a_default_route_goes_into_none_of_the_systems_tables(mark: int) -> None:
    peers = (PeerConfig(PUBLIC_KEYS[0], allowed_ips=(ip_network("::/0"),)),)
    with pytest.raises(ConfigError, match=f"{mark} is the number of a system table") as error:
        InterfaceConfig("wg0", PRIVATE_KEYS[0], fwmark=mark, peers=peers)
    assert findings(error) == ["fwmark"]
    InterfaceConfig("wg0", PRIVATE_KEYS[0], fwmark=mark, table="off", peers=peers)
    InterfaceConfig("wg0", PRIVATE_KEYS[0], fwmark=mark)


@pytest.mark.parametrize("name", ["", "a" * 16, "wg 0", "wg/0", "..", ".", "wg%d", "wg:0", "wg0\n", "wgé"])
def test_a_name_that_no_link_can_have(name: str) -> None:
    with pytest.raises(ConfigError) as error:
        InterfaceConfig(name, PRIVATE_KEYS[0])
    assert findings(error) == ["name"]


def test_all_findings_come_at_once() -> None:
    own = PRIVATE_KEYS[0].public_key()
    shared = ip_network("10.0.0.0/8")
    with pytest.raises(ConfigError) as error:
        InterfaceConfig(
            "wg/0",
            PRIVATE_KEYS[0],
            listen_port=65536,
            fwmark=-1,
            mtu=1279,
            addresses=(ip_interface("10.0.0.1/8"), ip_interface("10.0.0.1/8"), ip_interface("fe80::1%1/64")),
            table=0,
            peers=(
                PeerConfig(own, allowed_ips=(shared,)),
                PeerConfig(PUBLIC_KEYS[0], allowed_ips=(ip_network("::/0"), shared)),
                PeerConfig(PUBLIC_KEYS[0]),
            ),
        )
    assert findings(error) == [
        "name",
        "listen_port",
        "fwmark",
        "mtu",
        "addresses[1]",
        "addresses[2]",
        "table",
        "peers[0].public_key",
        "peers[1].allowed_ips[1]",
        "peers[2].public_key",
    ]
    assert str(own) in str(error.value)
    assert PRIVATE_KEYS[0].to_base64() not in str(error.value)


def test_the_keepalive_fits_in_its_field() -> None:
    with pytest.raises(ConfigError, match="65536 is out of range; expected 0 to 65535"):
        PeerConfig(PUBLIC_KEYS[0], persistent_keepalive_seconds=65536)


def test_nothing_shows_a_secret() -> None:
    config = InterfaceConfig("wg0", PRIVATE_KEYS[0], peers=(PeerConfig(PUBLIC_KEYS[0]),))
    assert PRIVATE_KEYS[0].to_base64() not in repr(config)


@given(endpoints)
def test_an_endpoint_is_read_as_it_is_written(endpoint: Endpoint) -> None:
    assert parse_endpoint(str(endpoint)) == endpoint


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("[2001:DB8::0:1]:51820", "2001:db8::1", 51820),
        ("[fe80::1%2]:1", "fe80::1%2", 1),
        ("vpn.example.org.:65535", "vpn.example.org.", 65535),
        ("_srv.example:00080", "_srv.example", 80),
    ],
)
def test_forms_of_an_endpoint(text: str, host: str, port: int) -> None:
    assert parse_endpoint(text) == Endpoint(host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "vpn.example.org",
        ":51820",
        "vpn.example.org:",
        "vpn.example.org:0",
        "vpn.example.org:65536",
        "vpn.example.org:+1",
        "vpn.example.org:\N{ARABIC-INDIC DIGIT ONE}",
        "2001:db8::1:51820",
        "[2001:db8::1]",
        "[vpn.example.org]:51820",
        "192.0.2.256:51820",
        "1.2.3:51820",
        "a..b:1",
        "-a.example:1",
        "a b.example:1",
        "bücher.example:1",
        ".".join(["a" * 60] * 5) + ":1",
        "vpn.example.org:51820\n",
    ],
)
def test_no_endpoint(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_endpoint(text)
    assert findings(error) == ["endpoint"]


@given(st.text())
def test_any_text_is_an_endpoint_or_refused(text: str) -> None:
    try:
        endpoint = parse_endpoint(text)
    except ConfigError:
        return
    assert parse_endpoint(str(endpoint)) == endpoint
