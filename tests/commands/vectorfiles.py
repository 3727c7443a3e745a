"""The files of vectors that a stranger takes: tests/vectors/commands/.

`python -m tests.commands.vectorfiles` writes them anew; `test_vectors.py` holds them against what stands here, and the
verifier against them. Everything in them is made of published seeds and of labels; no key opens anything.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.commands.bad_claims import BAD_CLAIMS
from tests.commands.bad_tokens import BAD_TOKENS
from tests.commands.bad_words import BAD_WORDS
from tests.commands.good import GOOD as GOOD_COMMANDS
from tests.commands.vectors import BUNDLES, Vector
from tests.commands.webauthn import BAD_WEBAUTHN, GOOD_WEBAUTHN
from tests.trust.forge import base64url
from tests.trust.parties import CONTEXT, NODE, RFC_8037_SEED, ROOT, seed
from warren.trust.bundle_verify import sign_bundle

GOOD = (*GOOD_COMMANDS, *GOOD_WEBAUTHN)
BAD = (*BAD_TOKENS, *BAD_CLAIMS, *BAD_WORDS, *BAD_WEBAUTHN)
DIRECTORY = Path(__file__).parent.parent / "vectors" / "commands"
SEEDS = ("root", "next root", "next dispatcher", "registrar", "alice", "bob", "thief", "node, signing", "node, sealing")


def files() -> dict[str, str]:
    """What stands in each."""
    return {"parties.json": json.dumps(_parties(), indent=1) + "\n", "good.json": _lines(GOOD), "bad.json": _lines(BAD)}


def _parties() -> dict[str, object]:
    node = {
        **NODE.document(),
        "transport": CONTEXT.transport,
        "sid": CONTEXT.sid,
        "now": CONTEXT.now,
        "exec_enable": CONTEXT.exec_enable,
        "bundle": "usual",
        "roots": [ROOT.public.kid],
        "verbs": {
            verb.name: {"read_only": verb.read_only, "args": [schema.document() for schema in verb.schemas]}
            for verb in CONTEXT.verbs.values()
        },
    }
    return {
        "node": node,
        "seeds": {"dispatcher": base64url(RFC_8037_SEED)} | {label: base64url(seed(label)) for label in SEEDS},
        "bundles": {name: sign_bundle(bundle, ROOT) for name, bundle in BUNDLES.items()},
    }


def _lines(vectors: tuple[Vector, ...]) -> str:
    """A JSON array with a line for each, so that a change shows as what it is."""
    return "[\n" + ",\n".join(json.dumps(vector.members()) for vector in vectors) + "\n]\n"


def main() -> None:
    """Writes them."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (DIRECTORY / name).write_text(content)


if __name__ == "__main__":
    main()
