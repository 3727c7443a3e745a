"""Writes tests/vectors/handshake.json: whole handshakes with every input fixed.

Run `python -m tests.netns.transcript` from the top of the tree after a change here; `test_vectors.py` fails until
the file is what this module makes. All keys are BLAKE2s of a label and belong to nobody.
"""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

from .cookie import open_cookie, seal_cookie, with_macs
from .noise import NO_PRESHARED_KEY, Initiator, Responder, Session, public_key

VECTORS = Path(__file__).parent.parent / "vectors" / "handshake.json"
PACKET = bytes.fromhex("4500001c000000004001") + bytes(18)  # 28 octets, so that padding to 32 shows
TIMESTAMP = struct.pack(">QI", 0x4000000000000000 + 1_700_000_000, 123_456_789)
INITIATOR_INDEX, RESPONDER_INDEX = 0x11223344, 0xAABBCCDD


def fixed(label: str, *, size_bytes: int = 32) -> bytes:
    """Octets for tests alone, the same in every run."""
    return hashlib.blake2s(f"warren test vector: {label}".encode(), digest_size=size_bytes).digest()


def inputs(name: str) -> dict[str, bytes]:
    """The four private keys and what each side picks."""
    sides = [(who, what) for who in ("initiator", "responder") for what in ("static_private", "ephemeral_private")]
    keys = {f"{who}_{what}": fixed(f"{name}: {who} {what}") for who, what in sides}
    return keys | {
        "timestamp": TIMESTAMP,
        "initiator_index": struct.pack("<I", INITIATOR_INDEX),
        "responder_index": struct.pack("<I", RESPONDER_INDEX),
        "cookie": fixed(f"{name}: cookie", size_bytes=16),
        "cookie_nonce": fixed(f"{name}: cookie nonce", size_bytes=24),
    }


def _transport(session: Session, peer: Session, counter: int, packet: bytes) -> bytes:
    session.counter = counter
    datagram = session.seal(packet)
    assert peer.open(datagram)[: len(packet)] == packet
    return datagram


def transport_fields(near: Session, far: Session) -> dict[str, bytes]:
    """Two messages to the responder and one back; `near` is the initiator's."""
    return {
        "initiator_send_key": near.send_key,
        "initiator_receive_key": near.receive_key,
        "packet": PACKET,
        "transport_keepalive": _transport(near, far, 0, b""),
        "transport_packet": _transport(near, far, 1, PACKET),
        "transport_answer": _transport(far, near, 0x0102030405, PACKET),
    }


def handshake(name: str, preshared_key: bytes) -> dict[str, str]:
    """One case; every value in hexadecimal but the name."""
    given = inputs(name)
    i_static, r_static = given["initiator_static_private"], given["responder_static_private"]
    i_public, r_public = public_key(i_static), public_key(r_static)
    initiator, responder = Initiator(i_static, r_public, preshared_key), Responder(r_static, preshared_key)
    noise1 = initiator.initiation(given["initiator_ephemeral_private"], INITIATOR_INDEX, TIMESTAMP)
    responder.accept(noise1)
    noise2, far = responder.response(given["responder_ephemeral_private"], RESPONDER_INDEX)

    message1 = with_macs(noise1, r_public)
    reply = seal_cookie(given["cookie"], message1, r_public, given["cookie_nonce"])
    assert open_cookie(reply, message1, r_public) == given["cookie"]
    values = {
        **given,
        "initiator_static_public": i_public,
        "responder_static_public": r_public,
        "preshared_key": preshared_key,
        "message1": message1,
        "message2": with_macs(noise2, i_public),
        "cookie_reply": reply,
        "message1_with_mac2": with_macs(noise1, r_public, given["cookie"]),
        "message2_with_mac2": with_macs(noise2, i_public, given["cookie"]),
        **transport_fields(initiator.finish(noise2), far),
    }
    return {"name": name} | {field: value.hex() for field, value in values.items()}


def vectors() -> str:
    """The text of the file."""
    without = handshake("without a preshared key", NO_PRESHARED_KEY)
    return json.dumps([without, handshake("with a preshared key", fixed("preshared key"))], indent=1) + "\n"


if __name__ == "__main__":
    VECTORS.write_text(vectors(), encoding="ascii")
