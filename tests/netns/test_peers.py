"""The set of peers: made, changed, only changed, removed, ten thousand of them."""

from __future__ import annotations

from ipaddress import ip_address

from .host import IN_NAMESPACES
from .interface import Interface, KeyPair
from .pair import FAR_INNER, Pair
from .traffic import ping, reach

pytestmark = IN_NAMESPACES

MANY = 10_000


def rows(interface: Interface) -> list[list[str]]:
    """The peers of `wg show NAME dump`."""
    return [line.split("\t") for line in interface.show("dump").splitlines()[1:]]


def test_removed_at_run_time(pair: Pair) -> None:
    """Nothing goes through any more, in neither direction; the tunnel opens again when both know each other."""
    pair.open()
    pair.near.set("peer", pair.far.keys.text, "remove")
    assert rows(pair.near) == []
    assert ping(pair.near.host, FAR_INNER[0]).returncode != 0
    before = pair.near.packets_in()
    assert ping(pair.far.host, "10.9.0.1").returncode != 0
    assert pair.near.packets_in() == before
    pair.near.peer(pair.far.keys, f"{FAR_INNER[0]}/32", Endpoint=pair.outer("far"))
    reach(pair.near.host, FAR_INNER[0])


def test_update_only_makes_none(alone: Interface) -> None:
    known, unknown = KeyPair(), KeyPair()
    alone.peer(known, "10.1.0.0/16")
    changes = "".join(
        f"public_key={keys.public.hex()}\nupdate_only=true\npersistent_keepalive_interval=7\n"
        for keys in (known, unknown)
    )
    assert alone.uapi(f"set=1\n{changes}\n") == "errno=0\n\n"
    assert [(row[0], row[7]) for row in rows(alone)] == [(known.text, "7")]


def test_removing_one_that_is_not_there_is_well(alone: Interface) -> None:
    alone.set("peer", KeyPair().text, "remove")
    assert rows(alone) == []


def test_replace_peers_leaves_only_the_new(alone: Interface) -> None:
    alone.peer(KeyPair(), "10.1.0.0/16")
    new = KeyPair()
    change = f"set=1\nreplace_peers=true\npublic_key={new.public.hex()}\nallowed_ip=10.1.0.0/16\n\n"
    assert alone.uapi(change) == "errno=0\n\n"
    assert [(row[0], row[3]) for row in rows(alone)] == [(new.text, "10.1.0.0/16")]


def test_what_a_peer_is_told_is_what_it_shows(alone: Interface) -> None:
    peer, psk = KeyPair(), KeyPair().private_text
    alone.peer(
        peer, "10.1.0.0/16", "fd01::/32", Endpoint="[2001:db8::7]:1234", PersistentKeepalive=25, PresharedKey=psk
    )
    shown = [peer.text, psk, "[2001:db8::7]:1234", "10.1.0.0/16,fd01::/32", "0", "0", "0", "25"]
    assert rows(alone) == [shown]


def test_ten_thousand(alone: Interface) -> None:
    """Loaded by one `wg setconf`, told back, half of them removed by one `wg syncconf`, then all."""
    base = int(ip_address("10.64.0.0"))
    sections = {}
    for number in range(MANY):
        keys, inner = KeyPair(), ip_address(base + number)
        text = f"[Peer]\nPublicKey = {keys.text}\nAllowedIPs = {inner}/32\nEndpoint = 192.0.2.2:{number + 1}\n"
        sections[keys.text] = (f"192.0.2.2:{number + 1}", f"{inner}/32", text)

    def load(verb: str, keys: list[str]) -> None:
        head = f"[Interface]\nPrivateKey = {alone.keys.private_text}\n"
        alone.configure(head + "".join(sections[key][2] for key in keys), verb)
        assert {row[0]: (row[2], row[3]) for row in rows(alone)} == {key: sections[key][:2] for key in keys}

    load("setconf", list(sections))
    load("syncconf", list(sections)[::2])
    load("syncconf", [])
