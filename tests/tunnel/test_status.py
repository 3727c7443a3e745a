"""What follows from a status."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from warren.tunnel.status import InterfaceStatus, LinkStatus, PeerStatus

from .strategies import PUBLIC_KEYS, interface_statuses

pytestmark = pytest.mark.unit

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("latest_handshake", "age", "up"),
    [
        (None, None, False),
        (NOW, 0.0, True),
        (NOW - 179.9, pytest.approx(179.9), True),
        (NOW - 180, 180.0, False),
        (NOW + 60, 0.0, True),  # the clock was set back since
    ],
)
def test_a_peer_is_up_while_a_session_can_exist(latest_handshake: float | None, age: float | None, up: bool) -> None:
    peer = PeerStatus(PUBLIC_KEYS[0], latest_handshake=latest_handshake)
    assert peer.handshake_age_seconds(NOW) == age
    assert peer.is_up(NOW) is up


def test_an_interface_is_up_with_its_link() -> None:
    links = [LinkStatus(up=True, mtu=1420), LinkStatus(up=False, mtu=1420), None]
    assert [InterfaceStatus("wg0", link=link).is_up for link in links] == [True, False, False]


@given(interface_statuses, interface_statuses)
def test_settings_are_the_same_where_no_plan_can_tell_two_states_apart(
    first: InterfaceStatus, second: InterfaceStatus
) -> None:
    counted = replace(first, peers=tuple(replace(peer, rx_bytes=7, latest_handshake=NOW) for peer in first.peers))
    assert first.has_same_settings(counted)
    uncounted = [
        replace(each, peers=tuple(replace(peer, rx_bytes=0, tx_bytes=0, latest_handshake=None) for peer in each.peers))
        for each in (first, second)
    ]
    assert first.has_same_settings(second) is (uncounted[0] == uncounted[1])
