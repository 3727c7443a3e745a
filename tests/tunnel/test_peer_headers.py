"""Whose peers `[[network.peers]]` are (H-02 to H-05)."""

from __future__ import annotations

import contextlib
import tomllib

import pytest
from hypothesis import given

from tests.config.strategies import texts
from warren.config.field_names import line_of
from warren.tunnel.peer_headers import expand_peer_headers

pytestmark = pytest.mark.unit


def owners(text: str) -> dict[str, list[object]]:
    """The names of the peers by network, as TOML reads the text once it is laid out."""
    networks = tomllib.loads(expand_peer_headers(text).text)["network"]
    return {name: [peer.get("name") for peer in network.get("peers", [])] for name, network in networks.items()}


def peer(name: str, header: str = "[[network.peers]]") -> str:
    """A peer that has a name and no more."""
    return f'{header}\nname = "{name}"\n'


def test_a_peer_belongs_to_the_nearest_network_above() -> None:
    """H-02: to TOML both are in one list, which belongs to neither."""
    text = f"[network.a]\n{peer('1')}[network.b]\n{peer('2')}{peer('3')}"
    assert len(tomllib.loads(text)["network"]["peers"]) == 3
    assert owners(text) == {"a": ["1"], "b": ["2", "3"]}


def test_both_spellings_add_to_one_list_in_the_order_of_the_file() -> None:
    """H-04."""
    of_a = "[[network.a.peers]]"
    text = f"[network.b]\n[network.a]\n{peer('1')}{peer('2', of_a)}{peer('3')}{peer('4', of_a)}"
    assert owners(text) == {"b": [], "a": ["1", "2", "3", "4"]}


def test_any_header_of_a_network_is_one_to_be_near_to() -> None:
    text = f"[network.a]\n[network.b]\n{peer('1', '[[network.a.peers]]')}{peer('2')}[network.b.http]\n{peer('3')}"
    assert owners(text) == {"a": ["1", "2"], "b": ["3"]}


def test_other_tables_between_do_not_matter() -> None:
    assert owners(f"[network.a]\n[daemon]\n{peer('1')}[network.b]\n") == {"a": ["1"], "b": []}


@pytest.mark.parametrize(
    "below", ["[network.a]\n", "[network]\na.mtu = 1400\n", "[[network.a.peers]]\n[network.a]\n", "[network.a.b]\n"]
)
def test_above_every_header_it_is_the_only_networks(below: str) -> None:
    """H-05."""
    assert owners(peer("1") + below)["a"][0] == "1"


@pytest.mark.parametrize("below", ["[network.a]\n[network.b]\n", "[daemon]\n"])
def test_above_several_or_none_it_is_nobodys(below: str) -> None:
    text = peer("1") + below
    assert expand_peer_headers(text).text == text


def test_headers_in_every_notation() -> None:
    for header in ("[[ network . peers ]]", "[['network'.\"peers\"]] # mine", '[["net\\u0077ork".peers]]'):
        assert owners(f"[network.'a']\n{peer('1', header)}") == {"a": ["1"]}
    assert owners(f'[network."a \\"b"]\n{peer("1")}') == {'a "b': ["1"]}


def test_what_only_looks_like_a_header_is_left_alone() -> None:
    hidden = "x = \"\"\"\n[[network.peers]]\n\"\"\"\ny = '''\n[[network.peers]]'''\n# [[network.peers]]\n"
    text = f"[network.a]\n{hidden}{peer('1')}"
    assert expand_peer_headers(text).text == text.replace(
        "# [[network.peers]]\n[[network.peers]]", "# [[network.peers]]\n[[network.a.peers]]"
    )


def test_lines() -> None:
    text = (
        "[network.a]\n"
        "mtu = 1\n"
        "[[network.peers]]\n"
        'allowed_ips = [\n "x" ]\n'
        "[[network.a.peers]]\n"
        "name.first = 3\n"
        '["odd name"]\n'
        "k = 1\n"
    )
    lines = expand_peer_headers(text).lines
    assert {key: line_of(key, lines) for key in lines} == {
        "network": 1,
        "network.a": 1,
        "network.a.mtu": 2,
        "network.a.peers": 3,
        "network.a.peers[0]": 3,
        "network.a.peers[0].allowed_ips": 4,
        "network.a.peers[1]": 6,
        "network.a.peers[1].name": 7,
        "network.a.peers[1].name.first": 7,
        '"odd name"': 8,
        '"odd name".k': 9,
    }
    assert line_of("network.a.peers[1].public_key", lines) == 6
    assert line_of("network.a.peers[0].allowed_ips[2]", lines) == 4
    assert line_of("daemon.user", lines) is None


@given(texts)
def test_expanded_text_keeps_its_lines_and_meaning(text: str) -> None:
    layout = expand_peer_headers(text)
    assert layout.text.count("\n") == text.count("\n")
    with contextlib.suppress(ValueError):
        before = tomllib.loads(text)
        after = tomllib.loads(layout.text)
        # Nothing but the peers of networks is ever moved.
        before.pop("network", None)
        after.pop("network", None)
        assert repr(before) == repr(after)
