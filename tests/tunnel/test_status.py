"""What follows from a status."""

from __future__ import annotations

import pytest

from warren.tunnel.status import InterfaceStatus, LinkStatus, PeerStatus

from .strategies import PUBLIC_KEYS

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
