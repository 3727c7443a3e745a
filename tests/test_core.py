"""What Rust gives Python: keys that keep their secret, and errors in one hierarchy."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from warren import _core
from warren._core import Netlink, PresharedKey, PrivateKey, PublicKey, parse_address, parse_prefix, uapi_get
from warren.errors import Fault, InputError, InterfaceError, KeyTextError, WarrenError

RUST = Path(__file__).parent.parent / "rust"


def test_the_exchange_of_rfc_7748() -> None:
    """Section 6.1; the private key is clamped there already."""
    alice = PrivateKey.from_base64("dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=")
    assert str(alice.public_key()) == "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="


@pytest.mark.security
def test_secrets_do_not_show() -> None:
    for key in (PrivateKey.generate(), PresharedKey.generate()):
        assert key.to_base64() not in f"{key!r} {key!s} {key}"
        with pytest.raises(TypeError, match="unhashable"):
            hash(key)


@pytest.mark.parametrize("kind", [PrivateKey, PresharedKey])
def test_keys_are_made_anew_and_read_back(kind: type[PrivateKey | PresharedKey]) -> None:
    key = kind.generate()
    text = key.to_base64()
    assert key != kind.generate()
    assert all(kind.from_base64(form) == key for form in (text, text.encode(), bytearray(text, "ascii")))
    assert key != text


def test_public_keys_find_their_peer() -> None:
    key = PrivateKey.generate().public_key()
    assert {key: "peer"}[PublicKey.from_base64(memoryview(str(key).encode()))] == "peer"


@given(st.text() | st.binary())
def test_any_text_is_a_key_or_told_without_it(text: str | bytes) -> None:
    with pytest.raises(KeyTextError) as error:
        PrivateKey.from_base64(text)
    assert error.value.code == "key.malformed"
    assert len(str(error.value)) < 100


ADDRESSES = (
    st.ip_addresses().map(str)
    | st.ip_addresses(v=6).map(lambda address: address.exploded)
    | st.text("0123456789abcF:.", max_size=20)
)
LENGTHS = st.integers(0, 130).map("/{}".format) | st.text("/0123456789+_ ", max_size=6)
ALIENS = st.sampled_from(["", "%1", " ", "\N{ARABIC-INDIC DIGIT ONE}", "\ud800", "/255.255.255.0", "\0"])


@given(st.tuples(ADDRESSES, LENGTHS, ALIENS).map("".join) | st.text(max_size=20))
@example("10.0.0.1/024")
@example("192.0.02.1")
@example("1::2:3:4:5:6:7:8")
@example("::ffff:192.0.2.1/120")
@example("1:2:3:4:5:6:7::")
@example("00001::")
def test_addresses_and_prefixes_are_those_of_ipaddress(text: str) -> None:
    """Zones and netmasks, which `ipaddress` takes, are left out."""
    address: IPv4Address | IPv6Address | None = None
    prefix: IPv4Network | IPv6Network | None = None
    length = text.partition("/")[2]
    if "%" not in text:
        with suppress(ValueError):
            address = ip_address(text)
        if "." not in length and ":" not in length:
            with suppress(ValueError):
                prefix = ip_network(text, strict=False)
    assert (parse_address(text), parse_prefix(text)) == (address, prefix)
    assert repr(parse_prefix(text)) == repr(prefix)


def test_the_version_is_the_workspaces() -> None:
    workspace = tomllib.loads((RUST / "Cargo.toml").read_text())["workspace"]
    assert _core.__version__ == workspace["package"]["version"]


@pytest.mark.integration
def test_a_link_that_is_not_there() -> None:
    with pytest.raises(InterfaceError) as error:
        Netlink.open().link("warren-no-such")
    assert (error.value.code, error.value.fault) == ("interface.missing", Fault.CALLER)


@pytest.mark.integration
def test_an_interface_that_nobody_serves(tmp_path: Path) -> None:
    with pytest.raises(InterfaceError) as error:
        uapi_get("wg0", directory=str(tmp_path))
    assert error.value.code == "interface.not_served"


@pytest.mark.security
@pytest.mark.parametrize("name", ["../wg0", "a/b", "", "..", "a" * 16])
def test_no_name_leads_out_of_the_directory(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        uapi_get(name, directory=str(tmp_path))


@dataclass
class Asked:
    """What stands for a change in these tests."""

    private_key: object = None
    listen_port: object = None
    fwmark: object = None
    peers: object = ()


@dataclass
class AskedPeer:
    """What stands for a peer's change."""

    endpoint: object = None
    allowed_ips: object = None
    public_key: object = PrivateKey.generate().public_key()
    remove: object = False
    preshared_key: object = None
    persistent_keepalive_seconds: object = None


@pytest.mark.parametrize(
    "change",
    [
        Asked(listen_port=65536),
        Asked(fwmark=-1),
        Asked(private_key="secret"),
        Asked(peers=[AskedPeer(endpoint="vpn.example.org:51820")]),
        Asked(peers=[AskedPeer(allowed_ips=["10.0.0.0/33"])]),
        Asked(peers=[object()]),
        object(),
    ],
)
def test_what_is_no_change_is_refused_before_anybody_is_asked(change: object, tmp_path: Path) -> None:
    with pytest.raises((TypeError, OverflowError, AttributeError, WarrenError)) as error:
        _core.uapi_set("wg0", change, directory=str(tmp_path))  # type: ignore[arg-type]
    assert not isinstance(error.value, InterfaceError)
