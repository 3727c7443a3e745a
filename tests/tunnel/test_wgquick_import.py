"""Networks from files of wg-quick, and back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tunnel.strategies import PRESHARED_KEYS, PRIVATE_KEYS, PUBLIC_KEYS, file_configs
from warren.errors import ConfigError
from warren.tunnel.desired import NetworkKeys
from warren.tunnel.network import NetworkPeer
from warren.tunnel.wgquick import WgQuickFile, parse_wgquick
from warren.tunnel.wgquick_import import network_from_wgquick, network_to_wgquick

pytestmark = pytest.mark.unit

SECRET, SHARED = PRIVATE_KEYS[0].to_base64(), PRESHARED_KEYS[0].to_base64()
files = st.builds(WgQuickFile, file_configs, dns=st.lists(st.ip_addresses().map(str)).map(tuple))


@given(files)
def test_there_and_back(file: WgQuickFile) -> None:
    imported = network_from_wgquick(file, "home", "/keys")
    assert imported.network.enabled
    by_peer = {
        peer.public_key: imported.preshared_keys[peer.preshared_key_path]
        for peer in imported.network.peers
        if peer.preshared_key_path is not None
    }
    keys = NetworkKeys(imported.private_key, by_peer)
    assert network_to_wgquick(imported.network, keys) == file


def test_keys_have_files_of_their_own() -> None:
    """H-73: neither is in the network."""
    peers = "".join(f"[Peer]\nPublicKey = {key}\nPresharedKey = {SHARED}\n" for key in PUBLIC_KEYS[:2])
    file = parse_wgquick(f"[Interface]\nPrivateKey = {SECRET}\n{peers}", name="wg7")
    imported = network_from_wgquick(file, "home", "/etc/warren")
    assert imported.network.interface == "wg7"
    assert imported.network.private_key_path == "/etc/warren/home.key"
    assert list(imported.preshared_keys) == ["/etc/warren/home.peer-1.psk", "/etc/warren/home.peer-2.psk"]
    assert SECRET[:20] not in repr(imported)
    assert SHARED[:20] not in repr(imported)


def test_what_no_network_does_is_refused_with_its_lines() -> None:
    text = (
        f"[Interface]\nPrivateKey = {SECRET}\nDNS = 10.0.0.1, lan.example\nPostUp = a\nPostUp = b\nSaveConfig = true\n"
    )
    with pytest.raises(ConfigError) as error:
        network_from_wgquick(parse_wgquick(text, name="wg0"), "home", "/keys", "wg0.conf")
    assert [(finding.line, finding.key) for finding in error.value.findings] == [
        (3, "DNS"),
        (4, "PostUp"),
        (6, "SaveConfig"),
    ]
    assert "wg0.conf: line 3: DNS: invalid address 'lan.example'; the agent sets no search domains" in str(error.value)


def test_a_name_that_no_network_can_have() -> None:
    file = parse_wgquick(f"[Interface]\nPrivateKey = {SECRET}\n", name="wg0.1")
    with pytest.raises(ConfigError, match=r"'wg0\.1' cannot name a network"):
        network_from_wgquick(file, "wg0.1", "/keys")


def test_redundant_peers_have_no_place_in_a_file_of_wgquick() -> None:
    file = parse_wgquick(
        f"[Interface]\nPrivateKey = {SECRET}\n[Peer]\nPublicKey={PUBLIC_KEYS[0]}\nAllowedIPs=::/0\n", name="w"
    )
    imported = network_from_wgquick(file, "home", "/keys")
    (peer,) = imported.network.peers
    twice = replace(imported.network, peers=(peer, NetworkPeer("again", PUBLIC_KEYS[1], allowed_ips=peer.allowed_ips)))
    with pytest.raises(ConfigError, match=r"::/0 already belongs to the peer .*"):
        network_to_wgquick(twice, NetworkKeys(imported.private_key))
