"""The checkpoints of the vectors in tests/vectors/audit/, signed by keys that are derived from labels.

`python -m tests.audit.vectorfiles` signs each checkpoint again, by what it says: it keeps the chain of `prev`, and sets
`format` and `cluster`. Run it after a change of the format of checkpoints. None of the keys protects anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.trust.parties import CLUSTER, NOW, WITNESS, seed
from warren.audit.checkpoint import TYPE, parse_unverified, token_hash
from warren.audit.receipt import TYPE as RECEIPT
from warren.audit.receipt import receipt_for, sign_receipt
from warren.jws import SigningKey, from_base64url, payload_of
from warren.signed_types import CHECKPOINT
from warren.strictjson import parse_object

DIRECTORY = Path(__file__).parent.parent / "vectors" / "audit"
NODE, OTHER_NODE, FOREIGN = (SigningKey(seed(f"audit vectors, {name}")) for name in ("node", "other node", "foreign"))
KEY_FILES = {"node.jwk.json": NODE, "other-node.jwk.json": OTHER_NODE}


def signer_of(file: str) -> SigningKey:
    """Return the key that signs the checkpoints of a file."""
    if file == "foreign-key.checkpoints":
        return FOREIGN
    return OTHER_NODE if file in {"other-agent.checkpoints", "ends-without-checkpoints.checkpoints"} else NODE


class Resigner:
    """Signs tokens again, each after the one that it follows."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._old = {token_hash(token): (file, token) for file, text in texts.items() for token in text.split()}

    def sign(self, file: str, token: str) -> str:
        """Return the token over the same payload, in the present format."""
        members: dict[str, Any] = parse_object(from_base64url(token.split(".")[1]))
        if before := self._old.get(members["prev"]):
            members["prev"] = token_hash(self.sign(*before))
        cluster = members.get("cluster", CLUSTER)
        members = {"format": CHECKPOINT.format, "cluster": cluster, **members}
        return signer_of(file).sign(payload_of(members), TYPE)


def files() -> dict[str, str]:
    """Return the content of each file."""
    texts = {path.name: path.read_text() for path in sorted(DIRECTORY.glob("*.checkpoint*"))}
    resigner = Resigner(texts)
    signed = {
        file: "".join(f"{resigner.sign(file, token)}\n" for token in text.split()) for file, text in texts.items()
    }
    keys = {
        name: json.dumps({"kty": "OKP", "crv": "Ed25519", "x": key.public.x, "kid": key.public.kid}) + "\n"
        for name, key in KEY_FILES.items()
    }
    anchor = signed["anchor.checkpoint"].strip()
    receipts = json.dumps([*_receipts(anchor)], indent=1) + "\n"
    return signed | keys | {"receipts.json": receipts}


def _receipts(anchor: str) -> Iterator[dict[str, object]]:
    """Yield receipts for `anchor.checkpoint` by the key `witness` of the vectors of trust bundles, good and bad."""
    checkpoint = parse_unverified(anchor)
    receipt = receipt_for(anchor, checkpoint, NOW)
    good = sign_receipt(receipt, WITNESS)
    members = parse_object(from_base64url(good.split(".")[1]))
    yield {"name": "the receipt", "good": True, "receipt": good}
    for name, changed in {
        "of another cluster": replace(receipt, cluster="home"),
        "for another node": replace(receipt, agent_id="gateway-002"),
        "for another length": replace(receipt, n=receipt.n + 1),
        "for another head": replace(receipt, head="0" * 64),
        "for another token": replace(receipt, checkpoint="0" * 64),
    }.items():
        yield {"name": name, "good": False, "receipt": sign_receipt(changed, WITNESS)}
    for name, key in {"by the node itself": NODE, "by a thief": FOREIGN}.items():
        yield {"name": name, "good": False, "receipt": sign_receipt(receipt, key)}
    malformed: dict[str, dict[str, object]] = {
        "format of a later version": {"format": 2},
        "one more member": {"comment": "seen"},
        "n a text": {"n": "1"},
        "iat a fraction": {"iat": NOW + 0.5},
    }
    for name, changes in malformed.items():
        payload = payload_of({**members, **changes})
        yield {"name": name, "good": False, "receipt": WITNESS.sign(payload, RECEIPT)}
    yield {"name": "of another type", "good": False, "receipt": WITNESS.sign(payload_of(members), TYPE)}


def main() -> None:
    """Write the files."""
    for name, content in files().items():
        (DIRECTORY / name).write_text(content)


if __name__ == "__main__":
    main()
