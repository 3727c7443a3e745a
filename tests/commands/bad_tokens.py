"""Tokens that a node refuses before it has read a word of them: rules 1 to 4 of `warren.commands.verify`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from tests.commands.good import WORD
from tests.commands.vectors import HEADER, Vector, claims, header_of, sent
from tests.trust.forge import base64url, ed25519, forge
from tests.trust.parties import (
    ALICE,
    BUNDLE,
    DISPATCHER,
    LIST,
    NEXT_DISPATCHER,
    NODE,
    NOW,
    OTHER_NODE,
    REGISTRAR,
    RFC_8037_SEED,
    ROOT,
    THIEF,
    seed,
)
from warren.commands.intent import TYPE as INTENT
from warren.jws import MAX_BYTES, from_base64url
from warren.trust.bundle_verify import sign_bundle

SIGNATURE = "INVALID_SIGNATURE"
TYPES = (
    "JWT",
    "jose",
    "",
    INTENT,
    "warren-res+jws",
    "warren-trust+jws",
    "WARREN-CMD+JWS",
    "application/warren-cmd+jws",
    "viw-cmd+jws",
)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
USUAL = sent(WORD)
HEAD, BODY, SIGN = USUAL.split(".")
TEXT = json.dumps(claims(WORD))
CYRILLIC_A = "\u0430"
ORDER = 2**252 + 27742317777372353535851937790883648493  # of Ed25519's base point (RFC 8032 section 5.1)
NEUTRAL = b"\x01" + bytes(63)
THIEFS_KEY = {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": THIEF.public.x}}
HEADERS: Mapping[str, Mapping[str, object]] = {
    "alg none": {"alg": "none"},
    "alg None": {"alg": "None"},
    "alg EdDSA, the name before RFC 9864": {"alg": "EdDSA"},
    "alg in small letters": {"alg": "ed25519"},
    "alg ES256": {"alg": "ES256"},
    "alg RS256": {"alg": "RS256"},
    "alg HS256": {"alg": "HS256"},
    "alg a list": {"alg": ["Ed25519"]},
    "a header that must be understood": {"crit": ["exp"], "exp": 1},
    "b64 false (RFC 7797)": {"crit": ["b64"], "b64": False},
    "crit empty": {"crit": []},
    "a key in the header": THIEFS_KEY,
    "where a key lies, jku": {"jku": "https://keys.example/jwks"},
    "where a key lies, x5u": {"x5u": "https://keys.example/chain"},
    "a certificate": {"x5c": ["MAoGCCqGSM49BAMC"]},
    "a thumbprint of a certificate": {"x5t#S256": HEADER["kid"]},
    "zip": {"zip": "DEF"},
    "cty": {"cty": "json"},
    "no alg": {"alg": None},
    "no typ": {"typ": None},
    "no kid": {"kid": None},
    "kid a number": {"kid": 7},
    "typ a list": {"typ": [HEADER["typ"]]},
}


def shapes() -> Iterator[Vector]:
    """Rule 1: size and shape."""
    yield Vector("nothing", "", SIGNATURE)
    yield Vector("three times nothing", "..", SIGNATURE)
    yield Vector("two parts", f"{HEAD}.{BODY}", SIGNATURE)
    yield Vector("four parts", f"{USUAL}.{SIGN}", SIGNATURE)
    yield Vector("five parts, as JWE has", f"{USUAL}..", SIGNATURE)
    yield Vector(
        "JWS in JSON, flattened", json.dumps({"protected": HEAD, "payload": BODY, "signature": SIGN}), SIGNATURE
    )
    signatures = [{"protected": HEAD, "signature": SIGN}]
    yield Vector("JWS in JSON, general", json.dumps({"payload": BODY, "signatures": signatures}), SIGNATURE)
    yield Vector("its payload elsewhere (RFC 7515, appendix F)", f"{HEAD}..{SIGN}", SIGNATURE)
    yield Vector("the bare object of the document", TEXT, SIGNATURE)
    yield Vector("padding after the header", f"{HEAD}=.{BODY}.{SIGN}", SIGNATURE)
    yield Vector("padding after the payload", f"{HEAD}.{BODY}=.{SIGN}", SIGNATURE)
    yield Vector("padding after the signature", f"{USUAL}==", SIGNATURE)
    yield Vector("spare bits in the signature", one_bit_more(USUAL), SIGNATURE)
    yield from _respelled("spare bits in the header", json.dumps(HEADER) + "  ", TEXT, 0)
    yield from _respelled("spare bits in the payload", json.dumps(HEADER), TEXT, 1)
    yield Vector("the other alphabet of base64", _other_alphabet(), SIGNATURE)
    yield Vector("a line's end within", f"{HEAD}.{BODY[:64]}\n{BODY[64:]}.{SIGN}", SIGNATURE)
    yield Vector("a line's end after it", f"{USUAL}\n", SIGNATURE)
    yield Vector("a blank before it", f" {USUAL}", SIGNATURE)
    yield Vector("a zero within", f"{HEAD}.{BODY}\0.{SIGN}", SIGNATURE)
    yield Vector("a letter that looks like another", USUAL.replace("a", CYRILLIC_A, 1), SIGNATURE)
    yield Vector("a signature of 63 octets", USUAL[:-2], SIGNATURE)
    yield Vector("a signature of 65 octets", f"{USUAL}AA"[: len(USUAL) + 1], SIGNATURE)
    yield Vector("no signature", f"{HEAD}.{BODY}.", SIGNATURE)
    yield Vector("more than 65,536 octets", sent(LIST, args={"x": "x" * MAX_BYTES}), SIGNATURE)
    yield Vector("a header of more than 512", sent(WORD, header=(json.dumps(HEADER) + " " * 512).encode()), SIGNATURE)


def headers() -> Iterator[Vector]:
    """Rule 2: alg, typ and kid, once each, and nothing else."""
    for name, changes in HEADERS.items():
        yield Vector(f"header: {name}", sent(WORD, header=_changed(HEADER, changes)), SIGNATURE)


def headers_by_hand() -> Iterator[Vector]:
    """Rule 2: what no library writes."""
    usual = json.dumps(HEADER)
    thiefs = header_of(THIEF) | THIEFS_KEY
    yield Vector("header: the thief's own key, and by it", forge(thiefs, claims(WORD), seed("thief")), SIGNATURE)
    yield Vector(
        "header: alg none, and no signature", f"{base64url(octets({**HEADER, 'alg': 'none'}))}.{BODY}.", SIGNATURE
    )
    for name in HEADER:
        twice = usual[:-1] + f", {json.dumps(name)}: {json.dumps(HEADER[name])}}}"
        yield Vector(f"header: {name} twice", sent(WORD, header=twice.encode()), SIGNATURE)
    hidden = usual[:-1] + ', "\\u006bid": ' + json.dumps(THIEF.public.kid) + "}"
    yield Vector("header: kid twice, once in escapes", sent(WORD, header=hidden.encode()), SIGNATURE)
    yield Vector("header: a list", sent(WORD, header=[HEADER]), SIGNATURE)
    yield Vector("header: no JSON", sent(WORD, header=b"alg=Ed25519"), SIGNATURE)
    yield Vector("header: a mark of byte order", sent(WORD, header=b"\xef\xbb\xbf" + usual.encode()), SIGNATURE)
    yield Vector("header: not UTF-8", sent(WORD, header=usual.encode().replace(b"warren", b"w\xffrren")), SIGNATURE)
    yield Vector("header: something after it", sent(WORD, header=usual.encode() + b"{}"), SIGNATURE)


def keys() -> Iterator[Vector]:
    """Rule 3: the type is a command's, and the key dispatches."""
    for typ in TYPES:
        yield Vector(f"typ: {typ or 'empty'}", sent(WORD, header=HEADER | {"typ": typ}), SIGNATURE)
    for name, key, label in (
        ("a thief", THIEF, "thief"),
        ("the operator herself", ALICE, "alice"),
        ("the root", ROOT, "root"),
        ("the registrar", REGISTRAR, "registrar"),
        ("the node itself", NODE.signing, "node, signing"),
        ("another node", OTHER_NODE.signing, "other, signing"),
    ):
        yield Vector(f"key: dispatched by {name}", forge(header_of(key), claims(WORD), seed(label)), SIGNATURE)
    ended = forge(header_of(NEXT_DISPATCHER), claims(WORD, iat=NOW + 3600, exp=NOW + 3660), seed("next dispatcher"))
    yield Vector("key: a dispatch key that has ended", ended, SIGNATURE, {"now": NOW + 3600})
    yield Vector("key: a dispatch key that is not valid yet", USUAL, SIGNATURE, {"bundle": "not yet dispatched"})
    yield Vector("key: a dispatch key that a newer bundle has not", USUAL, SIGNATURE, {"bundle": "rotated"})
    for name, kid in {
        "the key itself for its thumbprint": DISPATCHER.public.x,
        "another case": DISPATCHER.public.kid.swapcase(),
        "a path": "../../dispatch",
        "nothing": "",
        "SQL": "' OR 1=1 --",
    }.items():
        yield Vector(f"kid: {name}", sent(WORD, header=HEADER | {"kid": kid}), SIGNATURE)
    yield Vector("key: there is no trust bundle", USUAL, SIGNATURE, {"bundle": None})
    yield Vector("a trust bundle for a command", sign_bundle(BUNDLE, ROOT), SIGNATURE)
    yield Vector("the intent alone for a command", str(WORD.intent), SIGNATURE)


def signatures() -> Iterator[Vector]:
    """Rule 4: over the octets as received."""
    _, other_body, other_sign = sent(LIST).split(".")
    halves = from_base64url(SIGN)
    yield Vector("signature: of another command", f"{HEAD}.{BODY}.{other_sign}", SIGNATURE)
    yield Vector("signature: round another payload", f"{HEAD}.{other_body}.{SIGN}", SIGNATURE)
    yield Vector("signature: under another header", f"{base64url(octets(HEADER) + b' ')}.{BODY}.{SIGN}", SIGNATURE)
    yield Vector(
        "signature: by the thief under the dispatcher's kid", forge(HEADER, claims(WORD), seed("thief")), SIGNATURE
    )
    yield Vector("signature: zeros", f"{HEAD}.{BODY}.{base64url(bytes(64))}", SIGNATURE)
    yield Vector("signature: of the neutral point", f"{HEAD}.{BODY}.{base64url(NEUTRAL)}", SIGNATURE)
    plus_order = (int.from_bytes(halves[32:], "little") + ORDER).to_bytes(32, "little")
    yield Vector(
        "signature: S and the order of the group", f"{HEAD}.{BODY}.{base64url(halves[:32] + plus_order)}", SIGNATURE
    )
    yield Vector("signature: its halves swapped", f"{HEAD}.{BODY}.{base64url(halves[32:] + halves[:32])}", SIGNATURE)
    altered = TEXT.replace("0123456789ab", "1123456789ab").encode()
    yield Vector("an argument altered after it was signed", f"{HEAD}.{base64url(altered)}.{SIGN}", SIGNATURE)
    prolonged = TEXT.replace(f'"exp": {NOW + 60}', f'"exp": {NOW + 90}').encode()
    yield Vector("its life prolonged after it was signed", f"{HEAD}.{base64url(prolonged)}.{SIGN}", SIGNATURE)
    yield Vector(
        "its payload encoded anew",
        f"{HEAD}.{base64url(json.dumps(json.loads(TEXT), indent=1).encode())}.{SIGN}",
        SIGNATURE,
    )


def _changed(members: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in {**members, **changes}.items() if value is not None}


def octets(members: object) -> bytes:
    """As JSON."""
    return json.dumps(members).encode()


def one_bit_more(text: str) -> str:
    """The next character for the last: a spare bit is set, where there are any."""
    return text[:-1] + ALPHABET[ALPHABET.index(text[-1]) + 1]


def _respelled(name: str, header: str, payload: str, part: int) -> Iterator[Vector]:
    """The same octets in other characters, and a signature over these: blanks make room for the spare bits."""
    parts = [header.encode(), payload.encode()]
    parts[part] += b" " * ((1 - len(parts[part])) % 3)
    texts = [base64url(each) for each in parts]
    texts[part] = one_bit_more(texts[part])
    yield Vector(name, _signed(*texts), SIGNATURE)


def _other_alphabet() -> str:
    body = base64url(TEXT.replace("gateway", "???>>>").encode()).replace("-", "+").replace("_", "/")
    return _signed(HEAD, body)


def _signed(head: str, body: str) -> str:
    return f"{head}.{body}.{base64url(ed25519(RFC_8037_SEED, f'{head}.{body}'.encode()))}"


BAD_TOKENS = (*shapes(), *headers(), *headers_by_hand(), *keys(), *signatures())
