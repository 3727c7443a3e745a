"""Files of wg-quick: read as wg and wg-quick read them, with every mistake named."""

from __future__ import annotations

import contextlib
import string
from ipaddress import ip_interface, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren._core import PresharedKey, PrivateKey, PublicKey
from warren.errors import ConfigError
from warren.tunnel.config import Endpoint
from warren.tunnel.wgquick import HOOKS, WgQuickFile, encode_wgquick, parse_wgquick, unsupported

from .strategies import PRESHARED_KEYS, PRIVATE_KEYS, PUBLIC_KEYS, file_configs

pytestmark = pytest.mark.unit

PRIVATE, PRESHARED = PRIVATE_KEYS[0].to_base64(), PRESHARED_KEYS[0].to_base64()
FIRST, SECOND = (key.to_base64() for key in PUBLIC_KEYS[:2])

commands = st.text(string.ascii_letters + " %i/=;[]", min_size=1).map(str.strip).filter(bool)
hooks = st.lists(st.tuples(st.sampled_from(HOOKS), commands)).map(
    lambda pairs: tuple(sorted(pairs, key=lambda pair: HOOKS.index(pair[0])))
)
files = st.builds(
    WgQuickFile,
    file_configs,
    dns=st.lists(st.ip_addresses().map(str) | st.just("lan.example")).map(tuple),
    hooks=hooks,
    save_config=st.booleans(),
)


def parse(text: str) -> WgQuickFile:
    return parse_wgquick(text, name="wg0", source="wg0.conf")


def complaints(text: str) -> list[tuple[int | None, str]]:
    """The line and key of every finding."""
    with pytest.raises(ConfigError) as error:
        parse(text)
    return [(finding.line, finding.key) for finding in error.value.findings]


def one_line(text: str) -> str:
    """The text of the only finding of a file that is right but for one line of its [Interface]."""
    with pytest.raises(ConfigError) as error:
        parse(f"[Interface]\nPrivateKey = {PRIVATE}\n{text}\n")
    return str(error.value)


@given(files)
def test_what_is_written_is_read(file: WgQuickFile) -> None:
    assert parse(encode_wgquick(file)) == file


@given(st.text() | st.text("[]=#\n InterfacePeerKey,/0123.:"))
def test_any_text_is_a_file_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert parse(encode_wgquick(file := parse(text))) == file


def test_a_file_as_people_write_them() -> None:
    file = parse(
        f"""# home
[interface]
privatekey={PRIVATE}   # mine
Address = 10.0.0.2/24 fd00::2/64
ADDRESS = 192.0.2.7
ListenPort = 51820
FwMark = 0xca6c
MTU = 1400
Table = 1234
DNS = 10.0.0.1, lan.example
PostUp = echo up; true
PreUp = echo one
PreUp = echo two

[PEER]
PublicKey = {FIRST}
PresharedKey={PRESHARED}
AllowedIPs = 10.0.0.1/24 , fd00::/64
AllowedIPs = 192.0.2.0/24
AllowedIPs =
Endpoint = vpn.example.org:51820
PersistentKeepalive = 25
[Peer]
PublicKey = {SECOND}
""".replace("\n", "\r\n")
    )
    interface = file.interface
    assert interface.private_key == PRIVATE_KEYS[0]
    assert interface.addresses == tuple(map(ip_interface, ("10.0.0.2/24", "fd00::2/64", "192.0.2.7/32")))
    assert (interface.listen_port, interface.fwmark, interface.mtu, interface.table) == (51820, 0xCA6C, 1400, 1234)
    assert file.dns == ("10.0.0.1", "lan.example")
    assert file.hooks == (("PreUp", "echo one"), ("PreUp", "echo two"), ("PostUp", "echo up; true"))
    home, second = interface.peers
    assert home.preshared_key == PRESHARED_KEYS[0]
    assert home.allowed_ips == tuple(map(ip_network, ("10.0.0.0/24", "fd00::/64", "192.0.2.0/24")))
    assert home.endpoint == Endpoint("vpn.example.org", 51820)
    assert home.persistent_keepalive_seconds == 25
    assert (second.public_key, second.allowed_ips, second.endpoint) == (PUBLIC_KEYS[1], (), None)


def test_every_mistake_is_named_with_its_line() -> None:
    assert complaints(
        f"""Address = 10.0.0.9/24
[Interface]
PrivateKey = short
Address = 10.0.0.1/24, 10.0.0.300/24
Address = 10.0.0.1/24
ListenPort = 70000
ListenPort = 1
MTU = 576
nonsense
[Peer]
PublicKey = {FIRST}
AllowedIPs = 10.1.0.0/16
AllowedIPs = 10.2.0.0/16
[Peer]
AllowedIPs = 10.2.0.0/16
Endpoint = vpn.example.org
[Peer]
PublicKey = {FIRST}
PersistantKeepalive = 25
[Pear]
Nothing = here
[Interface]
"""
    ) == [
        (1, "Address"),
        (3, "PrivateKey"),
        (4, "Address"),
        (5, "Address"),
        (6, "ListenPort"),
        (7, "ListenPort"),
        (8, "MTU"),
        (9, "this line"),
        (14, "PublicKey"),
        (15, "AllowedIPs"),
        (16, "Endpoint"),
        (18, "PublicKey"),
        (19, "PersistantKeepalive"),
        (20, "[Pear]"),
        (22, "[Interface]"),
    ]


def test_the_own_key_as_peer() -> None:
    own = PRIVATE_KEYS[0].public_key()
    assert complaints(f"[Interface]\nPrivateKey = {PRIVATE}\n[Peer]\nPublicKey = {own}\n") == [(4, "PublicKey")]


def test_a_mark_that_is_no_place_for_a_default_route() -> None:
    text = f"[Interface]\nPrivateKey = {PRIVATE}\nFwMark = 254\n[Peer]\nPublicKey = {FIRST}\nAllowedIPs = 0.0.0.0/0\n"
    assert complaints(text) == [(3, "FwMark")]
    assert parse(text.replace("254", "252")).interface.fwmark == 252


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", f"[Peer]\nPublicKey = {FIRST}\n"], ids=["empty", "comment", "peer-alone"]
)
def test_no_interface_section(text: str) -> None:
    assert (None, "[Interface]") in complaints(text)


def test_no_private_key() -> None:
    assert complaints("\n[Interface]\n") == [(2, "PrivateKey")]


def test_an_unknown_key_names_the_nearest() -> None:
    assert (
        one_line("Adress = 10.0.0.1/24")
        == "wg0.conf: line 3: Adress: unknown key in [Interface]; did you mean Address?"
    )
    assert one_line("AllowedIP = 0.0.0.0/0").endswith("AllowedIPs belongs in [Peer]")
    assert "expected one of PrivateKey, ListenPort" in one_line("Jc = 4")


def test_a_secret_that_lost_its_key_is_not_repeated() -> None:
    """H-79: its last character makes it look like a key without a value."""
    secret = PrivateKey.generate().to_base64()
    assert one_line(secret).startswith("wg0.conf: line 3: this line: unknown key in [Interface]")
    assert secret[:20] not in one_line(f"[Peer] PresharedKey = {secret}")
    assert secret[:20] not in one_line(f"Address = {secret}")


def test_a_name_that_no_link_can_have() -> None:
    with pytest.raises(ConfigError, match="the file's name"):
        parse_wgquick(f"[Interface]\nPrivateKey = {PRIVATE}\n", name="a name too long for a link")


@pytest.mark.security
@pytest.mark.parametrize(
    "line",
    [f"{PRIVATE[:-1]}", f"PrivateKey {PRIVATE[:-1]}", f"PrivateKey = {PRIVATE[:-2]}!="],
    ids=["alone", "without-sign", "no-base64"],
)
def test_no_complaint_repeats_a_secret(line: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(f"[Interface]\n{line}\n")
    assert PRIVATE[:20] not in str(error.value)


def test_a_command_that_no_file_can_hold() -> None:
    file = parse(f"[Interface]\nPrivateKey = {PRIVATE}\n")
    with pytest.raises(ConfigError) as error:
        encode_wgquick(WgQuickFile(file.interface, dns=("1\n2",), hooks=(("PreUp", "echo '#'"),)))
    assert [finding.key for finding in error.value.findings] == ["PreUp", "DNS"]


def test_what_warren_up_does_not_do() -> None:
    file = parse(
        f"[Interface]\nPrivateKey = {PRIVATE}\nDNS = 10.0.0.1\nPostUp = true\nPreDown = true\nSaveConfig = true\n"
        f"[Peer]\nPublicKey = {FIRST}\nAllowedIPs = 0.0.0.0/0, ::/0\n"
    )
    found = [(finding.line, finding.key, finding.problem) for finding in unsupported(file)]
    assert found == [
        (3, "DNS", "`warren up` does not set name servers"),
        (4, "PostUp", "`warren up` does not run commands"),
        (5, "PreDown", "`warren up` does not run commands"),
        (6, "SaveConfig", "`warren up` does not write files"),
    ]


@pytest.mark.parametrize("lines", ["[Peer]\nAllowedIPs = ::/0", "SaveConfig = false\n[Peer]", "DNS =\n[Peer]"])
def test_what_it_does(lines: str) -> None:
    assert unsupported(parse(f"[Interface]\nPrivateKey = {PRIVATE}\n{lines}\nPublicKey = {FIRST}\n")) == ()


def test_keys_are_kept_whole() -> None:
    file = parse(f"[Interface]\nPrivateKey = {PRIVATE}\n[Peer]\nPublicKey = {FIRST}\nPresharedKey = {PRESHARED}\n")
    assert file.interface.private_key == PrivateKey.from_base64(PRIVATE)
    assert file.interface.peers[0].public_key == PublicKey.from_base64(FIRST)
    assert file.interface.peers[0].preshared_key == PresharedKey.from_base64(PRESHARED)
