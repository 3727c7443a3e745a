"""wg(8) says the same of the engine as of the kernel, whatever both were told."""

from __future__ import annotations

import pytest

from tests.netns.engine import Engine
from tests.netns.host import Host
from tests.netns.interface import Interface, KeyPair
from tests.netns.kernel import interface


@pytest.fixture
def both(hosts: tuple[Host, Host], warren: Engine, peer: Engine) -> list[Interface]:
    """The engine's interface and the kernel's, with one key and no link up."""
    keys = KeyPair()
    made = [interface(hosts[0], warren), interface(hosts[1], peer)]
    for each in made:
        each.keys = keys
        each.set("private-key", "/dev/stdin", "listen-port", "51820", stdin=keys.private_text)
    return made


def same(both: list[Interface]) -> list[str]:
    """What `showconf` and `dump` say, compared line by line."""
    texts = [
        each.host.run("wg", "showconf", "wg0").splitlines() + each.host.run("wg", "show", "wg0", "dump").splitlines()
        for each in both
    ]
    assert texts[0] == texts[1]
    return texts[0]


def test_every_setting(both: list[Interface]) -> None:
    first, second, psk = KeyPair(), KeyPair(), KeyPair().private_text
    for each in both:
        each.set("fwmark", "0x51")
        each.peer(first, "10.1.2.3/8", "fd01::5/32", Endpoint="192.0.2.9:1", PresharedKey=psk, PersistentKeepalive=25)
        each.peer(second, "10.1.0.0/16", "10.0.0.0/8", "0.0.0.0/0", "::/0", Endpoint="[2001:db8::9]:65535")
    assert len([line for line in same(both) if "AllowedIPs" in line]) == 2

    for each in both:
        each.set("peer", first.text, "preshared-key", "/dev/null", "persistent-keepalive", "off", "allowed-ips", "")
        each.set("peer", second.text, "remove")
        each.set("fwmark", "0")
    assert not [line for line in same(both) if "AllowedIPs" in line]


@pytest.mark.parametrize("verb", ["setconf", "addconf", "syncconf"])
def test_every_verb(both: list[Interface], verb: str) -> None:
    stays, comes = KeyPair(), KeyPair()
    for each in both:
        each.peer(stays, "10.1.0.0/16", PersistentKeepalive=7)
        each.peer(KeyPair(bytes(31) + b"\x40"), "10.2.0.0/16")
        head = f"[Interface]\nPrivateKey = {each.keys.private_text}\nListenPort = 51821\n"
        sections = f"[Peer]\nPublicKey = {stays.text}\nAllowedIPs = 10.3.0.0/16\n[Peer]\nPublicKey = {comes.text}\n"
        each.configure(head + sections, verb)
    assert f"PublicKey = {comes.text}" in same(both)


@pytest.mark.parametrize(
    "words",
    [
        ["peer", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "allowed-ips", "10.9.0.0/16"],
        ["private-key", "/dev/null"],
        ["listen-port", "0"],
    ],
    ids=["a peer with the key of zeros", "no private key", "any port"],
)
def test_the_same_status(both: list[Interface], words: list[str]) -> None:
    """`wg set` succeeds or fails with both."""
    done = [each.host.attempt("wg", "set", "wg0", *words) for each in both]
    assert done[0].returncode == done[1].returncode
    assert both[0].show("peers") == both[1].show("peers")
