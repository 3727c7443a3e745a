"""The files of vectors of trust bundles, for implementations in other languages: tests/vectors/trust/.

`python -m tests.trust.vectorfiles` writes them. Their keys are derived from labels; none protects anything.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.trust.vectors import BAD, GOOD, TrustVector

DIRECTORY = Path(__file__).parent.parent / "vectors" / "trust"


def files() -> dict[str, str]:
    """Return the content of each file."""
    return {"good.json": _lines(GOOD), "bad.json": _lines(BAD)}


def _lines(vectors: tuple[TrustVector, ...]) -> str:
    """Return a JSON array with a line for each vector."""
    return "[\n" + ",\n".join(json.dumps(vector.members()) for vector in vectors) + "\n]\n"


def main() -> None:
    """Write the files."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (DIRECTORY / name).write_text(content)


if __name__ == "__main__":
    main()
