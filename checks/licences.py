"""Every crate in Cargo.lock and every distribution in the environment has a permissive licence.

The list is that of `rust/deny.toml`. cargo-deny itself is not run: it takes longer to build than all other checks
together, and one rule over one list needs no tool (docs/decisions/0008).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from checks.spdx import verify_allowed

ROOT = Path(__file__).resolve().parent.parent

# The workspaces whose crates are checked. That of rust/fuzz is left out: only a nightly toolchain builds it.
WORKSPACES = ("rust", "rust/smoltcp")

# Tools that run in tests and checks; nothing of them is linked, imported by the product or distributed.
TOOLS = {"hypothesis": "MPL-2.0", "pathspec": "MPL-2.0"}

# What distributions without a licence expression say instead: a trove classifier (PEP 639 replaces them).
CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
}

# What those say that have neither: the field that both replace.
FIELDS = {"Apache 2.0": "Apache-2.0", "Apache-2.0": "Apache-2.0", "BSD-3-Clause": "BSD-3-Clause"}


def main() -> int:
    """Print what is not allowed; 1 if anything is."""
    allowed = tomllib.loads((ROOT / "rust" / "deny.toml").read_text())["licenses"]["allow"]
    refused = [
        line
        for name, licence in (*crates(ROOT), *packages(distributions()))
        if (line := refusal(name, licence, allowed))
    ]
    print(*refused, sep="\n", end="\n" if refused else "", file=sys.stderr)
    return 1 if refused else 0


def refusal(name: str, licence: str, allowed: list[str]) -> str | None:
    """Why this may not be used, or nothing."""
    if TOOLS.get(name) == licence:
        return None
    try:
        verify_allowed(licence, allowed)
    except ValueError as error:
        return f"{name}: {error}"
    return None


def crates(root: Path) -> Iterator[tuple[str, str]]:
    """Name and licence of each crate of every workspace that is not ours, for every platform."""
    for workspace in WORKSPACES:
        yield from _crates_of(root / workspace / "Cargo.toml")


def _crates_of(manifest: Path) -> Iterator[tuple[str, str]]:
    command = [
        "cargo",
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--manifest-path",
        str(manifest),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    for package in json.loads(done.stdout)["packages"]:
        if package["source"] is not None:
            yield package["name"], package["license"] or "no licence named"


def packages(installed: Iterable[Distribution]) -> Iterator[tuple[str, str]]:
    """Name and licence of each distribution of the environment."""
    for distribution in installed:
        metadata = distribution.metadata
        named = [CLASSIFIERS[line] for line in metadata.get_all("Classifier", []) if line in CLASSIFIERS]
        field = FIELDS.get(metadata["License"], "no licence named")
        yield metadata["Name"], metadata["License-Expression"] or " AND ".join(named) or field


if __name__ == "__main__":
    sys.exit(main())
