"""Noise_IKpsk2 as WireGuard uses it (paper, section 5.4), written from the paper and independent of the Rust engine.

Primitives come from `cryptography` and `hashlib`. Nothing here is fit for more than tests: Python's
secrets stay in memory and its comparisons take their time.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
IDENTIFIER = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
NO_PRESHARED_KEY = bytes(32)

INITIATION, RESPONSE, COOKIE_REPLY, TRANSPORT = 1, 2, 3, 4
INITIATION_BYTES, RESPONSE_BYTES, COOKIE_REPLY_BYTES = 148, 92, 64  # with MACs


def public_key(private: bytes) -> bytes:
    """The public half of 32 private octets."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def agree(private: bytes, public: bytes) -> bytes:
    """X25519; raises ValueError for a low-order point."""
    return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))


def kdf(chain: bytes, secret: bytes, count: int) -> list[bytes]:
    """KDF1 to KDF3 (section 5.4): HKDF over HMAC-BLAKE2s."""
    extracted = hmac.digest(chain, secret, "blake2s")
    keys: list[bytes] = []
    for number in range(1, count + 1):
        keys.append(hmac.digest(extracted, (keys[-1] if keys else b"") + bytes([number]), "blake2s"))
    return keys


class Symmetric:
    """Chaining key and transcript hash of one handshake."""

    def __init__(self, responder_public: bytes, prologue: bytes = IDENTIFIER) -> None:
        self.chain = hashlib.blake2s(CONSTRUCTION).digest()
        self.hash = self.chain
        self._key = b""
        self.mix_hash(prologue)
        self.mix_hash(responder_public)

    def mix_hash(self, data: bytes) -> None:
        """H := HASH(H || data)."""
        self.hash = hashlib.blake2s(self.hash + data).digest()

    def mix_ephemeral(self, public: bytes) -> None:
        """Takes an ephemeral public key into both, as every psk pattern does."""
        self.mix_hash(public)
        self.chain = kdf(self.chain, public, 1)[0]

    def mix_key(self, secret: bytes) -> None:
        """Takes a shared secret in; what is sealed next is sealed under it."""
        self.chain, self._key = kdf(self.chain, secret, 2)

    def mix_preshared_key(self, preshared_key: bytes) -> None:
        """The psk2 token."""
        self.chain, mixed, self._key = kdf(self.chain, preshared_key, 3)
        self.mix_hash(mixed)

    def seal(self, plaintext: bytes) -> bytes:
        """Seals and hashes; a key made by `mix_key` seals once, so its nonce is zero."""
        ciphertext = ChaCha20Poly1305(self._key).encrypt(bytes(12), plaintext, self.hash)
        self.mix_hash(ciphertext)
        return ciphertext

    def open(self, ciphertext: bytes) -> bytes:
        """Raises InvalidTag where `seal` of the other side was another."""
        plaintext = ChaCha20Poly1305(self._key).decrypt(bytes(12), ciphertext, self.hash)
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[bytes, bytes]:
        """The transport keys: initiator to responder, responder to initiator."""
        first, second = kdf(self.chain, b"", 2)
        return first, second


@dataclass(slots=True)
class Session:
    """Transport keys of one completed handshake, and the two indices that name it."""

    local_index: int
    remote_index: int
    send_key: bytes
    receive_key: bytes
    counter: int = 0

    def seal(self, packet: bytes) -> bytes:
        """One transport datagram: `packet` padded to 16 octets; empty is a keepalive."""
        padded = packet + bytes(-len(packet) % 16)
        head = struct.pack("<B3xIQ", TRANSPORT, self.remote_index, self.counter)
        nonce = bytes(4) + struct.pack("<Q", self.counter)
        self.counter += 1
        return head + ChaCha20Poly1305(self.send_key).encrypt(nonce, padded, None)

    def receives(self, datagram: bytes) -> bool:
        """Return whether a transport datagram names this session."""
        return datagram[4:8] == struct.pack("<I", self.local_index)

    def open(self, datagram: bytes) -> bytes:
        """The padded packet within; ValueError if it is for another session, InvalidTag if forged."""
        kind, index, counter = struct.unpack_from("<B3xIQ", datagram)
        if (kind, index) != (TRANSPORT, self.local_index):
            raise ValueError(f"type {kind}, receiver {index:#x}: not of session {self.local_index:#x}")
        nonce = bytes(4) + struct.pack("<Q", counter)
        return ChaCha20Poly1305(self.receive_key).decrypt(nonce, datagram[16:], None)


@dataclass(slots=True)
class Initiator:
    """Sends message 1 and takes message 2, both without their MACs; `payload` is what message 2 carried."""

    static: bytes
    responder: bytes
    preshared_key: bytes = NO_PRESHARED_KEY
    prologue: bytes = IDENTIFIER
    _state: Symmetric = field(init=False)
    _ephemeral: bytes = field(init=False)
    index: int = 0
    payload: bytes = b""

    def initiation(self, ephemeral: bytes, index: int, timestamp: bytes) -> bytes:
        """Message 1; `timestamp` is TAI64N, 12 octets."""
        state = self._state = Symmetric(self.responder, self.prologue)
        self._ephemeral, self.index = ephemeral, index
        public = public_key(ephemeral)
        state.mix_ephemeral(public)
        state.mix_key(agree(ephemeral, self.responder))
        static = state.seal(public_key(self.static))
        state.mix_key(agree(self.static, self.responder))
        return struct.pack("<B3xI", INITIATION, index) + public + static + state.seal(timestamp)

    def finish(self, response: bytes) -> Session:
        """Takes message 2; raises ValueError or InvalidTag if it does not answer the last message 1."""
        kind, sender, receiver = struct.unpack_from("<B3xII", response)
        if (kind, receiver) != (RESPONSE, self.index):
            raise ValueError(f"type {kind}, receiver {receiver:#x}: no answer to {self.index:#x}")
        state, ephemeral = self._state, response[12:44]
        state.mix_ephemeral(ephemeral)
        state.mix_key(agree(self._ephemeral, ephemeral))
        state.mix_key(agree(self.static, ephemeral))
        state.mix_preshared_key(self.preshared_key)
        self.payload = state.open(response[44:])
        send, receive = state.split()
        return Session(self.index, sender, send, receive)


@dataclass(slots=True)
class Responder:
    """Takes message 1 and sends message 2, both without their MACs; `initiator` and `timestamp` are message 1's."""

    static: bytes
    preshared_key: bytes = NO_PRESHARED_KEY
    prologue: bytes = IDENTIFIER
    initiator: bytes = b""
    timestamp: bytes = b""
    _state: Symmetric = field(init=False)
    _ephemeral: bytes = b""
    _remote_index: int = 0

    def accept(self, initiation: bytes) -> None:
        """Takes message 1; raises ValueError or InvalidTag if it is not for us."""
        kind, self._remote_index = struct.unpack_from("<B3xI", initiation)
        if kind != INITIATION:
            raise ValueError(f"type {kind} is no initiation")
        state = self._state = Symmetric(public_key(self.static), self.prologue)
        self._ephemeral = initiation[8:40]
        state.mix_ephemeral(self._ephemeral)
        state.mix_key(agree(self.static, self._ephemeral))
        self.initiator = state.open(initiation[40:88])
        state.mix_key(agree(self.static, self.initiator))
        self.timestamp = state.open(initiation[88:])

    def response(self, ephemeral: bytes, index: int, payload: bytes = b"") -> tuple[bytes, Session]:
        """Message 2 and the session that it opens; WireGuard's has no payload, published Noise vectors have one."""
        state, public = self._state, public_key(ephemeral)
        state.mix_ephemeral(public)
        state.mix_key(agree(ephemeral, self._ephemeral))
        state.mix_key(agree(ephemeral, self.initiator))
        state.mix_preshared_key(self.preshared_key)
        message = struct.pack("<B3xII", RESPONSE, index, self._remote_index) + public + state.seal(payload)
        receive, send = state.split()
        return message, Session(index, self._remote_index, send, receive)
