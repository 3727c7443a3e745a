"""MAC1, MAC2 and the cookie reply (paper, sections 5.4.4 and 5.4.7), with XChaCha20-Poly1305 built from its draft.

`cryptography` has no XChaCha, so HChaCha20 (draft-irtf-cfrg-xchacha-03, section 2.2) is written out.
"""

from __future__ import annotations

import hashlib
import struct

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from .noise import COOKIE_REPLY

MACS_BYTES = 32  # mac1 and mac2 end both handshake messages
LABEL_MAC1 = b"mac1----"
LABEL_COOKIE = b"cookie--"
CHACHA_CONSTANT = b"expand 32-byte k"
QUARTERS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15))
DIAGONALS = ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))


def mac(key: bytes, data: bytes) -> bytes:
    """Keyed BLAKE2s of 16 octets."""
    return hashlib.blake2s(data, key=key, digest_size=16).digest()


def with_macs(message: bytes, receiver_public: bytes, cookie: bytes | None = None) -> bytes:
    """A handshake message with mac1, and with mac2 if a cookie is known (else zeros)."""
    key = hashlib.blake2s(LABEL_MAC1 + receiver_public).digest()
    first = message + mac(key, message)
    return first + (mac(cookie, first) if cookie else bytes(16))


def mac1_of(message: bytes) -> bytes:
    """The mac1 field of a whole handshake message."""
    return message[-MACS_BYTES:-16]


def without_macs(message: bytes, receiver_public: bytes) -> bytes:
    """The Noise part of a handshake message; raises ValueError if its mac1 is not the receiver's."""
    if with_macs(message[:-MACS_BYTES], receiver_public)[-MACS_BYTES:-16] != mac1_of(message):
        raise ValueError("mac1 is not for this receiver")
    return message[:-MACS_BYTES]


def _cookie_cipher(responder_public: bytes, nonce: bytes) -> tuple[ChaCha20Poly1305, bytes]:
    key = hashlib.blake2s(LABEL_COOKIE + responder_public).digest()
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])), bytes(4) + nonce[16:]


def seal_cookie(cookie: bytes, answered: bytes, responder_public: bytes, nonce: bytes) -> bytes:
    """The cookie reply of a responder to the handshake message `answered`; `nonce` has 24 octets."""
    cipher, short_nonce = _cookie_cipher(responder_public, nonce)
    sealed = cipher.encrypt(short_nonce, cookie, mac1_of(answered))
    return struct.pack("<B3x", COOKIE_REPLY) + answered[4:8] + nonce + sealed


def open_cookie(reply: bytes, answered: bytes, responder_public: bytes) -> bytes:
    """The cookie in a reply to `answered`; InvalidTag if it answers something else."""
    cipher, short_nonce = _cookie_cipher(responder_public, reply[8:32])
    return cipher.decrypt(short_nonce, reply[32:], mac1_of(answered))


def _rotate(word: int, bits: int) -> int:
    return ((word << bits) | (word >> (32 - bits))) & 0xFFFFFFFF


def _quarter_round(words: list[int], a: int, b: int, c: int, d: int) -> None:
    for first, second, third, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        words[first] = (words[first] + words[second]) & 0xFFFFFFFF
        words[third] = _rotate(words[third] ^ words[first], bits)


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """The subkey of XChaCha20 for the first 16 octets of its nonce."""
    words = list(struct.unpack("<16I", CHACHA_CONSTANT + key + nonce))
    for _ in range(10):
        for indices in QUARTERS + DIAGONALS:
            _quarter_round(words, *indices)
    return struct.pack("<8I", *words[:4], *words[12:])
