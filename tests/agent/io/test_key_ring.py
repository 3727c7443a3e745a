"""When a key that was changed counts as known to the far side, with real files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.tunnel.strategies import PUBLIC_KEYS
from warren._core import PrivateKey, PublicKey
from warren.agent.io.key_ring import KeyRing
from warren.files.key_file import write_private_key
from warren.privsep.io.privileged_ops import DirectKeyAccess
from warren.tunnel.network import NetworkConfig
from warren.tunnel.status import InterfaceStatus, PeerStatus

pytestmark = pytest.mark.integration


def interface(key: PublicKey, handshake: float) -> InterfaceStatus:
    return InterfaceStatus("wg0", key, peers=(PeerStatus(PUBLIC_KEYS[0], latest_handshake=handshake),))


@pytest.fixture
def network(tmp_path: Path) -> NetworkConfig:
    write_private_key(tmp_path / "private.key", PrivateKey.generate(), trust=None)
    return NetworkConfig("home", str(tmp_path / "private.key"))


@pytest.mark.security
def test_a_handshake_with_the_old_key_says_nothing_of_the_new_one(network: NetworkConfig) -> None:
    """H-37: where the interface did not take the key that its file has, the old one must stay."""
    keys = KeyRing(DirectKeyAccess())
    old = keys.read(network).private.public_key()
    keys.rotate(network, "prepare")
    keys.rotate(network, "commit")
    assert keys.held is not None
    new = keys.held.private.public_key()
    assert not any(keys.is_confirmed_by(interface(old, at)) for at in (10.0, 130.0, 250.0))
    assert not keys.is_confirmed_by(interface(new, 250.0)), "that was still with the old one"
    assert not keys.is_confirmed_by(interface(new, 250.0))
    assert keys.is_confirmed_by(interface(new, 370.0))


def test_a_key_that_was_not_changed_needs_no_confirmation(network: NetworkConfig) -> None:
    keys = KeyRing(DirectKeyAccess())
    status = interface(keys.read(network).private.public_key(), 10.0)
    assert not any(keys.is_confirmed_by(replace(status, peers=())) for _ in range(3))
