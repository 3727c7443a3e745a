"""wg(8) unchanged: every form of `show`, and the four verbs that take a configuration."""

from __future__ import annotations

import re

from .deadline import until
from .host import IN_NAMESPACES
from .interface import Interface, KeyPair
from .noise import INITIATION, TRANSPORT
from .pair import FAR_INNER, INNER, Pair, single
from .traffic import ping
from .wire import Wire

pytestmark = IN_NAMESPACES


def configuration(keys: KeyPair, port: int, *peers: str) -> str:
    """A file of wg(8)."""
    return f"[Interface]\nListenPort = {port}\nFwMark = 0x51\nPrivateKey = {keys.private_text}\n\n" + "\n".join(peers)


def section(keys: KeyPair, psk: str, prefix: str, port: int) -> str:
    """A peer of it, in the order in which `wg showconf` writes."""
    return (
        f"[Peer]\nPublicKey = {keys.text}\nPresharedKey = {psk}\nAllowedIPs = {prefix}\n"
        f"Endpoint = [2001:db8::9]:{port}\nPersistentKeepalive = 25\n"
    )


def test_show_in_every_form(alone: Interface) -> None:
    peer, psk = KeyPair(), KeyPair().private_text
    alone.configure(configuration(alone.keys, 4711, section(peer, psk, "10.1.0.0/16", 1)), "setconf")
    shown = {
        "public-key": alone.keys.text,
        "private-key": alone.keys.private_text,
        "listen-port": "4711",
        "fwmark": "0x51",
        "peers": peer.text,
        "preshared-keys": f"{peer.text}\t{psk}",
        "endpoints": f"{peer.text}\t[2001:db8::9]:1",
        "allowed-ips": f"{peer.text}\t10.1.0.0/16",
        "latest-handshakes": f"{peer.text}\t0",
        "persistent-keepalive": f"{peer.text}\t25",
        "transfer": f"{peer.text}\t0\t0",
        "dump": f"{alone.keys.private_text}\t{alone.keys.text}\t4711\t0x51\n"
        f"{peer.text}\t{psk}\t[2001:db8::9]:1\t10.1.0.0/16\t0\t0\t0\t25",
    }
    assert {what: alone.show(what) for what in shown} == shown
    assert alone.host.run("wg", "show", "interfaces") == "wg0\n"
    everything = alone.host.run("wg", "show", "all", "dump").splitlines()
    assert everything == [f"wg0\t{line}" for line in shown["dump"].splitlines()]
    for command in (("wg",), ("wg", "show"), ("wg", "show", "wg0")):
        text = alone.host.run(*command)
        assert "interface: wg0" in text
        assert f"peer: {peer.text}" in text
        assert "private key: (hidden)" in text


def sections(text: str) -> list[str]:
    """The parts of a configuration in an order of their own, the port left out."""
    return sorted(re.sub("ListenPort = .*\n", "", text).strip().split("\n\n"))


def test_showconf_and_setconf_agree(alone: Interface) -> None:
    """What one says the other makes; and nothing of before is left."""
    alone.peer(KeyPair(), "10.7.0.0/16")
    peers = [section(KeyPair(), KeyPair().private_text, f"10.{number}.0.0/16", number) for number in range(1, 4)]
    alone.configure(configuration(alone.keys, 4711, *peers), "setconf")
    told = alone.host.run("wg", "showconf", "wg0")
    assert sections(told) == sections(configuration(alone.keys, 4711, *peers))
    assert "ListenPort = 4711\n" in told
    other = Interface(alone.host, alone.engine, name="wg1")
    other.configure(told.replace("ListenPort = 4711", "ListenPort = 4712"), "setconf")
    assert sections(other.host.run("wg", "showconf", "wg1")) == sections(told)


def test_addconf_leaves_what_was_there(alone: Interface) -> None:
    first, second = KeyPair(), KeyPair()
    alone.peer(first, "10.1.0.0/16")
    port = alone.listen_port
    alone.peer(second, "10.2.0.0/16")
    assert (alone.of_peer(first, "allowed-ips"), alone.of_peer(second, "allowed-ips")) == ("10.1.0.0/16", "10.2.0.0/16")
    assert alone.listen_port == port


def test_syncconf_leaves_a_session_alone(pair: Pair) -> None:
    """Other peers come, change and go; the one that stays goes on with the same session."""
    pair.open()
    near, far = pair.near, pair.far
    leaves, changes, comes = KeyPair(), KeyPair(), KeyPair()
    near.peer(leaves, "10.1.0.0/16")
    near.peer(changes, "10.2.0.0/16")
    stays = (
        f"[Peer]\nPublicKey = {far.keys.text}\nAllowedIPs = {', '.join(single(INNER['far']))}\n"
        f"Endpoint = {pair.outer('far')}\n"
    )
    others = f"[Peer]\nPublicKey = {changes.text}\nAllowedIPs = 10.3.0.0/16\n[Peer]\nPublicKey = {comes.text}\n"
    head = f"[Interface]\nPrivateKey = {near.keys.private_text}\nListenPort = {near.listen_port}\n"
    with Wire(near.host) as wire:
        near.configure(head + stays + others, "syncconf")
        assert ping(near.host, FAR_INNER[0]).returncode == 0
        until(lambda: wire.count(lambda datagram: datagram.kind == TRANSPORT) >= 2, "the echo on the wire")
        assert wire.count(lambda datagram: datagram.kind == INITIATION) == 0
    assert set(near.show("peers").split("\n")) == {keys.text for keys in (far.keys, changes, comes)}
    assert near.of_peer(changes, "allowed-ips") == "10.3.0.0/16"


def test_transfer_is_what_the_other_end_counts(pair: Pair) -> None:
    pair.open()

    def transfer(here: Interface, other: Interface) -> list[str]:
        return here.of_peer(other.keys, "transfer").split("\t")

    def agreed() -> bool:
        ours, theirs = transfer(pair.near, pair.far), transfer(pair.far, pair.near)
        return ours == theirs[::-1] and "0" not in ours

    until(agreed, "both ends count the same octets")
