"""The keys of one network, as its files hold them and as its interface uses them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from warren.files.key_file import read_password, read_preshared_key, read_private_key
from warren.localapi.networks import Rotation
from warren.privsep.io.privileged_ops import KeyAccess
from warren.tunnel.desired import NetworkKeys
from warren.tunnel.network import NetworkConfig
from warren.tunnel.rotation import KeyFiles, Stage, Step, is_confirmed
from warren.tunnel.status import InterfaceStatus, PeerStatus

DONE = {Step.PREPARE: "prepared", Step.COMMIT: "committed", Step.ABORT: "aborted"}


def read_keys(network: NetworkConfig, keys: KeyAccess) -> NetworkKeys:
    """Read every key file of a network; may block. Raises KeyFileError for the first that cannot be used."""
    return NetworkKeys(
        private=read_private_key(Path(network.private_key_path), keys.owners, keys.open),
        preshared={
            peer.public_key: read_preshared_key(Path(peer.preshared_key_path), keys.owners, keys.open)
            for peer in network.peers
            if peer.preshared_key_path is not None
        },
        passwords={
            kind: read_password(Path(proxy.password_path), keys.owners, keys.open)
            for kind, proxy in network.proxies()
            if proxy.password_path is not None
        },
    )


class KeyRing:
    """The keys in use, and the stage of a rotation. Methods that take a network may block."""

    def __init__(self, keys: KeyAccess) -> None:
        self._keys = keys
        self.held: NetworkKeys | None = None
        self._committed = False
        """True if the key was switched and no handshake has confirmed it yet."""
        self._switched: Sequence[PeerStatus] | None = None
        """The first observation after the switch."""

    def read(self, network: NetworkConfig) -> NetworkKeys:
        """Read the keys, after completing what a killed process left unfinished. Raises KeyFileError."""
        files = self._keys.rotate(Path(network.private_key_path), Step.RECOVER)
        self.held = read_keys(network, self._keys)
        self._note(files)
        return self.held

    def rotate(self, network: NetworkConfig, step: str) -> Rotation:
        """Take one step of a rotation, and hold the key to use then. Raises StateError, KeyFileError."""
        wanted = Step(step)
        files = self._keys.rotate(Path(network.private_key_path), wanted)
        self.held = read_keys(network, self._keys)
        self._note(files)
        shown = files.next if wanted is Step.PREPARE and files.next is not None else files.current
        return Rotation(network.name, DONE[wanted], shown.to_base64())

    def is_confirmed_by(self, status: InterfaceStatus) -> bool:
        """Return True if there was a handshake since the first observation of the interface with the new key.

        While the interface still has the old key, its handshakes confirm nothing.
        """
        if not self._committed or self.held is None:
            return False
        if status.public_key != self.held.private.public_key():
            self._switched = None
            return False
        if self._switched is None:
            self._switched = status.peers
            return False
        return is_confirmed(self._switched, status.peers)

    def confirm(self, network: NetworkConfig) -> None:
        """Remove the previous key, as a peer has used the new one. Raises KeyFileError."""
        self._note(self._keys.rotate(Path(network.private_key_path), Step.CONFIRM))

    def forget(self) -> None:
        """Drop the keys: a network that is down has none in memory (H-77)."""
        self.held = self._switched = None

    def _note(self, files: KeyFiles) -> None:
        self._committed = files.stage is Stage.COMMITTED
        self._switched = None
