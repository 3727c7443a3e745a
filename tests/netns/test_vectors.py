"""The independent client against published vectors, and the committed transcripts against the client (row W-48)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from .cookie import hchacha20
from .noise import Initiator, Responder, public_key
from .transcript import VECTORS, vectors

pytestmark = pytest.mark.unit

PUBLISHED = json.loads((Path(__file__).parent.parent / "vectors" / "noise_ikpsk2.json").read_text())


@pytest.mark.parametrize("vector", PUBLISHED, ids=range(len(PUBLISHED)))
def test_published_noise_vectors(vector: dict[str, str]) -> None:
    """The heads of WireGuard's messages, 8 and 12 octets, are outside Noise."""
    known = {field: bytes.fromhex(value) for field, value in vector.items()}
    psk, prologue = known["preshared_key"], known["prologue"]
    initiator = Initiator(known["init_static"], public_key(known["resp_static"]), psk, prologue)
    responder = Responder(known["resp_static"], psk, prologue)

    message1 = initiator.initiation(known["gen_init_ephemeral"], 1, known["msg_0_payload"])
    assert message1[8:] == known["msg_0_ciphertext"]
    responder.accept(message1)
    assert responder.timestamp == known["msg_0_payload"]
    message2, far = responder.response(known["gen_resp_ephemeral"], 2, known["msg_1_payload"])
    assert message2[12:] == known["msg_1_ciphertext"]
    near = initiator.finish(message2)
    assert initiator.payload == known["msg_1_payload"]
    for key, number in ((near.send_key, 2), (far.send_key, 3)):
        sealed = ChaCha20Poly1305(key).encrypt(bytes(12), known[f"msg_{number}_payload"], None)
        assert sealed == known[f"msg_{number}_ciphertext"]


def test_hchacha20_of_the_draft() -> None:
    """draft-irtf-cfrg-xchacha-03, section 2.2.1."""
    nonce = bytes.fromhex("000000090000004a0000000031415927")
    subkey = "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"
    assert hchacha20(bytes(range(32)), nonce).hex() == subkey


def test_the_committed_transcripts_are_what_the_client_makes() -> None:
    assert VECTORS.read_text(encoding="ascii") == vectors()
