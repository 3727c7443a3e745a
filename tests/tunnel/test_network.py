"""A network that exists can be brought up; one that cannot says everything that is wrong with it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface, ip_network
from typing import Any

import pytest
from hypothesis import given

from tests.config.strategies import network_configs
from warren.errors import ConfigError
from warren.tunnel.config import SYSTEM_TABLES
from warren.tunnel.network import NetworkConfig, NetworkPeer

from .strategies import PRIVATE_KEYS, PUBLIC_KEYS

pytestmark = pytest.mark.unit

FIRST, SECOND, THIRD = (ip_network(text) for text in ("10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"))


def findings(error: pytest.ExceptionInfo[ConfigError]) -> list[str]:
    """The keys of all findings."""
    return [finding.key for finding in error.value.findings]


def test_all_findings_come_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        NetworkConfig(
            "peers",
            "keys/home.key",
            interface="wg/0",
            mtu=1279,
            addresses=(ip_interface("10.0.0.1/8"), ip_interface("10.0.0.1/8")),
            listen_port=65536,
            fwmark=-1,
            table=0,
            peers=(
                NetworkPeer("a", PUBLIC_KEYS[0]),
                NetworkPeer("a", PUBLIC_KEYS[1]),
                NetworkPeer("b", PUBLIC_KEYS[0]),
            ),
        )
    assert findings(error) == [
        "name",
        "private_key_path",
        "interface",
        "mtu",
        "addresses[1]",
        "listen_port",
        "fwmark",
        "table",
        "peers[2].public_key",
        "peers[1].name",
    ]


@pytest.mark.parametrize("name", ["", "a" * 65, "a.b", "a/b", "a b", "é", "a\n"])
def test_a_name_that_no_network_can_have(name: str) -> None:
    with pytest.raises(ConfigError, match="expected 1 to 64"):
        NetworkConfig(name, "/k")


@pytest.mark.security
@pytest.mark.parametrize(
    "path",
    ["", "k", "/a/../k", "..", "/..", "/a\0b", PRIVATE_KEYS[0].to_base64()],
    ids=["empty", "relative", "parent-within", "parent", "parent-of-root", "nul", "key"],
)
def test_a_path_that_is_refused_is_not_repeated(path: str) -> None:
    """H-10; what stands there may be the key itself."""
    with pytest.raises(ConfigError) as error:
        NetworkConfig("a", path)
    assert str(error.value) == "private_key_path: invalid path; expected an absolute path without '..'"
    with pytest.raises(ConfigError, match="preshared_key_path: invalid path"):
        NetworkPeer("a", PUBLIC_KEYS[0], preshared_key_path=path)


@pytest.mark.parametrize("name", ["", "a" * 65, " a", "a\n", "a\x1b[2J", "\u202ea"])
def test_a_name_that_no_peer_can_have(name: str) -> None:
    with pytest.raises(ConfigError, match="name: cannot name a peer"):
        NetworkPeer(name, PUBLIC_KEYS[0])


def test_the_keepalive_fits_in_its_field() -> None:
    with pytest.raises(ConfigError, match="65536 is out of range"):
        NetworkPeer("a", PUBLIC_KEYS[0], persistent_keepalive_seconds=65536)


def test_a_default_route_goes_into_no_table_of_the_system_s() -> None:
    """Row H-14: nor does it by its mark, which is the table's number."""

    def keys(allowed_ip: str, **values: Any) -> list[str]:
        peer = NetworkPeer("home", PUBLIC_KEYS[0], allowed_ips=(ip_network(allowed_ip),))
        try:
            NetworkConfig("a", "/k", peers=(peer,), **values)
        except ConfigError as error:
            return [finding.key for finding in error.findings]
        return []

    for number in SYSTEM_TABLES:
        assert keys("::/0", fwmark=number) == ["fwmark"]
        assert keys("0.0.0.0/0", table=number) == ["table"]
        assert keys("10.0.0.0/8", table=number) == keys("10.0.0.0/8", fwmark=number) == []
    assert keys("0.0.0.0/0", table=252) == keys("0.0.0.0/0", fwmark=256) == []


def test_redundant_peers_share_all_or_nothing() -> None:
    """H-53: the order of their prefixes is no difference."""
    peers = (
        NetworkPeer("a", PUBLIC_KEYS[0], allowed_ips=(FIRST, SECOND)),
        NetworkPeer("b", PUBLIC_KEYS[1], allowed_ips=(SECOND, FIRST)),
        NetworkPeer("c", PUBLIC_KEYS[2], allowed_ips=(THIRD,)),
    )
    assert NetworkConfig("n", "/k", peers=peers).peers == peers
    with pytest.raises(ConfigError, match=r"10\.2\.0\.0/16 is also at a") as error:
        NetworkConfig("n", "/k", peers=(*peers, NetworkPeer("d", PUBLIC_KEYS[3], allowed_ips=(THIRD, SECOND))))
    assert findings(error) == ["peers[3].allowed_ips[0]", "peers[3].allowed_ips[1]"]


@given(network_configs)
def test_what_is_drawn_is_a_network(network: NetworkConfig) -> None:
    """And any change of one value to a wrong one is told of under that value's name."""
    for key, value in {"mtu": 68, "interface": "", "fwmark": 2**32, "table": 0, "listen_port": -1}.items():
        with pytest.raises(ConfigError) as error:
            replace(network, **{key: value})  # type: ignore[arg-type]
        assert findings(error) == [key]
