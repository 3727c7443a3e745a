"""Signed bytes, held against what RFC 7515 and RFC 8037 print, and against what our own code would never make.

Their vectors have algorithms that ours refuses, so they go through the same layer of the library with the algorithm as
a parameter: it is right in all of them, and `warren.jws` lets none but Ed25519 through.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws as library
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from tests.trust.forge import base64url, forge
from warren.jws import JwsError, SigningKey, Stage, VerifyingKey, from_base64url, read, to_base64url, verify

pytestmark = [
    pytest.mark.unit,
    pytest.mark.security,
    pytest.mark.filterwarnings("ignore:EdDSA is deprecated"),  # which is why ours says Ed25519; RFC 8037 is older
]

# RFC 8037, appendices A.1 to A.5.
SEED = from_base64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
PUBLIC = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
EDDSA = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)
# RFC 7515, appendix A.1: HMAC with SHA-256.
HS256 = (
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)
HS256_KEY = OctKey.import_key(
    {"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}
)
# Appendix A.3: ECDSA with P-256.
ES256 = (
    "eyJhbGciOiJFUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)
ES256_KEY = ECKey.import_key(
    {
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }
)
EDDSA_KEY = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": PUBLIC})
# Appendix A.2: RSASSA-PKCS1-v1_5 with SHA-256.
RS256 = (
    "eyJhbGciOiJSUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CU"
    "Ar7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_d"
    "O--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0ig"
    "cN_IoypGlUPQGe77Rw"
)
RS256_KEY = RSAKey.import_key(
    {
        "kty": "RSA",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SF"
        "d2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTB"
        "EMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2"
        "PAcDTW9gb54h4FRWyuXpoQ",
        "e": "AQAB",
    }
)
# Appendix A.4: ECDSA with P-521.
ES512 = (
    "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA."
    "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2Y"
    "BJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"
)
ES512_KEY = ECKey.import_key(
    {
        "kty": "EC",
        "crv": "P-521",
        "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
    }
)
# Appendix A.5: unsecured.
NONE = (
    "eyJhbGciOiJub25lIn0."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
)
JOE = b'{"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}'
PUBLISHED: list[Any] = [
    pytest.param("HS256", HS256, HS256_KEY, JOE, id="RFC 7515 A.1"),
    pytest.param("RS256", RS256, RS256_KEY, JOE, id="RFC 7515 A.2"),
    pytest.param("ES256", ES256, ES256_KEY, JOE, id="RFC 7515 A.3"),
    pytest.param("ES512", ES512, ES512_KEY, b"Payload", id="RFC 7515 A.4"),
    pytest.param("EdDSA", EDDSA, EDDSA_KEY, b"Example of Ed25519 signing", id="RFC 8037 A.5"),
]

KEY = SigningKey(SEED)
KEYS = {KEY.public.kid: KEY.public}
TYPE = "warren-cmd+jws"


def through_the_library(algorithm: str, token: str, key: OctKey | ECKey | OKPKey | RSAKey) -> bytes:
    """The layer under `warren.jws`, with another algorithm allowed."""
    registry = library.JWSRegistry(algorithms=[algorithm])
    return library.deserialize_compact(token, key, registry=registry).payload


@pytest.mark.parametrize(("algorithm", "token", "key", "payload"), PUBLISHED)
def test_published_tokens_verify_with_their_library(algorithm: str, token: str, key: Any, payload: bytes) -> None:
    assert through_the_library(algorithm, token, key) == payload


@pytest.mark.parametrize(("algorithm", "token", "key", "payload"), PUBLISHED)
def test_altered_published_tokens_fail_with_their_library(algorithm: str, token: str, key: Any, payload: bytes) -> None:
    head, body, sign = token.split(".")
    forged = bytearray(from_base64url(sign))
    forged[7] ^= 1
    for each in (
        f"{head}.{base64url(payload + b' ')}.{sign}",
        f"{head}.{body}.{base64url(bytes(forged))}",
        f"{base64url(from_base64url(head) + b' ')}.{body}.{sign}",
    ):
        with pytest.raises(BadSignatureError):
            through_the_library(algorithm, each, key)


@pytest.mark.parametrize(("algorithm", "token", "key", "payload"), PUBLISHED)
def test_library_rejects_every_other_algorithm(algorithm: str, token: str, key: Any, payload: bytes) -> None:
    for other in {"HS256", "RS256", "ES256", "ES512", "EdDSA", "Ed25519"} - {algorithm}:
        with pytest.raises(JoseError):
            through_the_library(other, token, key)
    assert payload


@pytest.mark.parametrize("token", [HS256, RS256, ES256, ES512, EDDSA, NONE])
def test_read_rejects_published_tokens_of_other_algorithms(token: str) -> None:
    with pytest.raises(JwsError) as refused:
        read(token)
    assert refused.value.stage in {Stage.SHAPE, Stage.HEADER, Stage.TYPE}


def test_public_key_and_kid_are_those_of_rfc_8037() -> None:
    """A.1 to A.3: public key and thumbprint."""
    assert KEY.public.x == PUBLIC
    assert KEY.public.kid == THUMBPRINT
    assert VerifyingKey.from_x(PUBLIC).kid == THUMBPRINT


def test_sign_gives_signature_of_rfc_8037() -> None:
    """A.4: Ed25519 over the same octets is the same signature; ours has another header, so the octets are by hand."""
    assert forge(b'{"alg":"EdDSA"}', b"Example of Ed25519 signing", SEED) == EDDSA
    token = KEY.sign(b"Example of Ed25519 signing", TYPE)
    header = {"alg": "Ed25519", "typ": TYPE, "kid": THUMBPRINT}
    assert json.loads(from_base64url(token.split(".")[0])) == header
    assert forge(from_base64url(token.split(".")[0]), b"Example of Ed25519 signing", SEED) == token


@given(st.binary(max_size=300))
def test_verify_returns_payload_for_its_type_and_key_only(payload: bytes) -> None:
    if not payload:
        return
    token = read(KEY.sign(payload, TYPE))
    assert verify(token, TYPE, KEYS) == payload
    with pytest.raises(JwsError) as refused:
        verify(token, "warren-res+jws", KEYS)
    assert refused.value.stage == Stage.TYPE
    with pytest.raises(JwsError) as refused:
        verify(token, TYPE, {})
    assert refused.value.stage == Stage.KEY


@given(st.binary(min_size=1, max_size=200))
def test_from_base64url_accepts_one_encoding_only(octets: bytes) -> None:
    text = to_base64url(octets)
    assert from_base64url(text) == octets
    for other in (text + "=", text + "==", text + "\n", " " + text, text[:-1] + "+", text + "A" * (5 - len(text) % 4)):
        try:
            found = from_base64url(other)
        except ValueError:
            continue
        assert to_base64url(found) == other


def test_verify_rejects_key_under_another_kid() -> None:
    other = SigningKey(bytes(32))
    token = read(other.sign(b"x", TYPE))
    with pytest.raises(JwsError) as refused:
        verify(token, TYPE, {other.public.kid: KEY.public})
    assert refused.value.stage == Stage.KEY


def test_signing_key_repr_hides_private_key() -> None:
    assert repr(KEY) == f"SigningKey(kid={THUMBPRINT!r})"
    for octets in (b"", bytes(31), bytes(33)):
        with pytest.raises(ValueError, match="32 octets"):
            SigningKey(octets)
        with pytest.raises(ValueError, match="32 octets"):
            VerifyingKey(octets)


def test_tokens_interoperate_with_another_jose_library() -> None:
    registry = library.JWSRegistry(algorithms=["Ed25519"])
    key = SigningKey(SEED)
    foreign = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": PUBLIC, "d": to_base64url(SEED)})
    assert foreign.thumbprint() == key.public.kid == THUMBPRINT
    ours = key.sign(b'{"a":1}', "warren-cmd+jws")
    assert library.deserialize_compact(ours, foreign, registry=registry).payload == b'{"a":1}'
    header = {"alg": "Ed25519", "typ": "warren-cmd+jws", "kid": THUMBPRINT}
    theirs = library.serialize_compact(header, b'{"a":1}', foreign, registry=registry)
    assert verify(read(theirs), "warren-cmd+jws", {THUMBPRINT: key.public}) == b'{"a":1}'
