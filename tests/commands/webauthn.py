"""Intents signed by WebAuthn credentials, good and bad: an authenticator and a browser in a few lines."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from tests.commands.vectors import Vector, sent
from tests.trust.forge import base64url, ed25519
from tests.trust.parties import BUNDLE, NOW, STOP, seed
from tests.trust.vectors import ES256_SECRET, HOSTED_KEY, LOCAL_KEY
from warren.commands.intent import Intent, intent_members
from warren.commands.signing import CommandEnvelope
from warren.jws import from_base64url, payload_of
from warren.signed_types import INTENT, WEBAUTHN_INTENT
from warren.trust.webauthn_key import ED25519, WebauthnKey

SIGNATURE, SCHEMA, POLICY = "INVALID_SIGNATURE", "SCHEMA_MISMATCH", "POLICY_DENIED"
USED = 0x05  # the user was present and verified
BACKED_UP = 0x18
HERE = {"bundle": "credentials"}
HOSTED = {"bundle": "credentials, also hosted"}


@dataclass(frozen=True, slots=True)
class Signing:
    """One ceremony; what is altered in it is altered before the signature."""

    key: WebauthnKey = LOCAL_KEY
    header: Mapping[str, object] | None = None
    claims: Mapping[str, object] | None = None
    client: Mapping[str, object] | None = None
    client_text: str | None = None
    flags: int = USED
    rp_id: str | None = None
    extra: bytes = b""

    def intent(self, command: CommandEnvelope = STOP) -> str:
        """Return the text of five parts."""
        payload = payload_of(_changed(_claims(command), self.claims))
        header = _changed({"alg": self.key.algorithm, "typ": WEBAUTHN_INTENT.typ, "kid": self.key.kid}, self.header)
        challenge = hashlib.sha256(WEBAUTHN_INTENT.typ.encode() + b"\0" + payload).digest()
        client = {
            "type": "webauthn.get",
            "challenge": base64url(challenge),
            "origin": self.key.origins[0],
            "crossOrigin": False,
        }
        client_data = (self.client_text or json.dumps(_changed(client, self.client))).encode()
        rp_id = hashlib.sha256((self.rp_id or self.key.rp_id).encode()).digest()
        authenticator = rp_id + bytes([self.flags]) + (7).to_bytes(4) + self.extra
        signature = self._sign(authenticator + hashlib.sha256(client_data).digest())
        parts = (json.dumps(header).encode(), payload, authenticator, client_data, signature)
        return ".".join(map(base64url, parts))

    def _sign(self, octets: bytes) -> bytes:
        if self.key.algorithm == ED25519:
            return ed25519(seed("alice, local"), octets)
        private = ec.derive_private_key(ES256_SECRET, ec.SECP256R1())
        return private.sign(octets, ec.ECDSA(SHA256(), deterministic_signing=True))


def _claims(command: CommandEnvelope) -> dict[str, object]:
    intent = Intent(command.cluster, command.verb, command.args, command.targets, command.corr_id, NOW, NOW + 3600)
    return intent_members(intent)


def _changed(members: Mapping[str, object], changes: Mapping[str, object] | None) -> dict[str, object]:
    return {name: value for name, value in {**members, **(changes or {})}.items() if value is not None}


def by(signing: Signing, **changes: object) -> str:
    """Return the command with an intent of that ceremony."""
    return sent(replace(STOP, intent=signing.intent()), **changes)


PHONE = Signing(HOSTED_KEY)
GOOD_WEBAUTHN = (
    Vector("an intent by a local credential, Ed25519", by(Signing()), here=HERE),
    Vector("an intent by a hosted credential, ES256", by(PHONE), here=HOSTED),
    Vector("a synced credential that is backed up", by(replace(PHONE, flags=USED | BACKED_UP)), here=HOSTED),
    Vector("client data without crossOrigin", by(Signing(client={"crossOrigin": None})), here=HERE),
    Vector("client data with a member that is not known", by(Signing(client={"later": {"x": 1}})), here=HERE),
)


def ceremonies() -> Iterator[Vector]:
    """Yield what an authenticator signed, and does not count."""
    cases: dict[str, dict[str, Any]] = {
        "of another type": {"client": {"type": "webauthn.create"}},
        "with the challenge of nothing": {"client": {"challenge": base64url(bytes(32))}},
        "from another port": {"client": {"origin": "http://localhost:18006"}},
        "from another origin": {"client": {"origin": "https://localhost:18005"}},
        "without an origin": {"client": {"origin": None}},
        "from a frame of another origin": {"client": {"crossOrigin": True}},
        "below another origin": {"client": {"topOrigin": "https://example.org"}},
        "with a text for crossOrigin": {"client": {"crossOrigin": "false"}},
        "with client data that is no object": {"client_text": "[]"},
        "for another RP ID": {"rp_id": "example.com"},
        "without the user": {"flags": 0x04},
        "without verification of the user": {"flags": 0x01},
        "by a credential that can be backed up": {"flags": USED | 0x08},
        "by a credential that is backed up": {"flags": USED | BACKED_UP},
        "with the flag of attested data": {"flags": USED | 0x40},
        "with the flag of extensions": {"flags": USED | 0x80},
        "with extensions": {"flags": USED | 0x80, "extra": b"\xa0"},
        "with one octet more": {"extra": b"\0"},
        "with one member more in the header": {"header": {"crit": []}},
        "with another algorithm in the header": {"header": {"alg": "ES256"}},
        "with the type of a JWS": {"header": {"typ": INTENT.typ}},
        "by a credential of nobody": {"header": {"kid": "A" * 43}},
        "by the kid of her key": {"header": {"kid": BUNDLE.operators["alice"].signing.kid}},  # type: ignore[union-attr]
    }
    for name, changes in cases.items():
        yield Vector(f"webauthn: {name}", by(Signing(**changes)), SIGNATURE, HERE)
    challenge = base64url(hashlib.sha256(WEBAUTHN_INTENT.typ.encode() + b"\0" + payload_of(_claims(STOP))).digest())
    twice = f'{{"type":"webauthn.get","challenge":"{challenge}","origin":"http://localhost:18005","origin":"http://x"}}'
    yield Vector("webauthn: with a member twice", by(Signing(client_text=twice)), SIGNATURE, HERE)


def texts() -> Iterator[Vector]:
    """Yield texts that were altered after the signature, or that no rule lets count."""
    parts = Signing().intent().split(".")
    for index, name in enumerate(("header", "payload", "authenticator data", "client data", "signature")):
        other = [*parts]
        other[index] = replace(PHONE).intent().split(".")[index]
        if index == 1:
            other[index] = Signing(claims={"args": {"container_id": "ffffffffffff"}}).intent().split(".")[1]
        yield Vector(f"webauthn: {name} of another", sent(STOP, intent=".".join(other)), SIGNATURE, HERE)
        yield Vector(
            f"webauthn: {name} padded",
            sent(STOP, intent=".".join([*parts[:index], parts[index] + "=", *parts[index + 1 :]])),
            SCHEMA,
            HERE,
        )
    yield Vector("webauthn: four parts", sent(STOP, intent=".".join(parts[:4])), SIGNATURE, HERE)
    yield Vector("webauthn: six parts", sent(STOP, intent=".".join([*parts, parts[4]])), SIGNATURE, HERE)
    yield Vector("webauthn: more than 16 KiB", by(Signing(client={"x": "x" * 16_384})), SIGNATURE, HERE)
    yield Vector("webauthn: the credential is in no bundle", by(Signing()), SIGNATURE)
    yield Vector("webauthn: a hosted credential, by default", by(PHONE), POLICY, HERE)
    yield Vector(
        "webauthn: a verb for which the key alone counts", by(Signing()), POLICY, {"bundle": "credentials, by key only"}
    )
    for name, claims, code in (
        ("one more member", {"more": 1}, SCHEMA),
        ("another format", {"format": 2}, SCHEMA),
        ("for another verb", {"verb": "list_users"}, POLICY),
        ("for another cluster", {"cluster": "home"}, POLICY),
        ("it has expired", {"iat": NOW - 60, "exp": NOW}, "EXPIRED_TOKEN"),
    ):
        yield Vector(f"webauthn: {name}", by(Signing(claims=claims)), code, HERE)
    *es256, signature = PHONE.intent().split(".")
    der = from_base64url(signature)
    for name, octets in {
        "in the long form of DER": b"\x30\x81" + der[1:],
        "with an octet after it": der + b"\0",
    }.items():
        text = ".".join([*es256, base64url(octets)])
        yield Vector(f"webauthn: a signature {name}", sent(STOP, intent=text), SIGNATURE, HOSTED)


BAD_WEBAUTHN = (*ceremonies(), *texts())
