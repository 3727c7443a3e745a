"""Every crate is under the workspace's lints, the lints bite, and unsafe code stands where it may."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.project.conftest import ROOT, Tree

CRATES = sorted((ROOT / "rust" / "crates").iterdir())
MAY_BE_UNSAFE = {"aead", "device", "keymem", "sandbox"}
# Of the tests that count allocations: the methods of an allocator are unsafe.
ALLOCATOR = "tests/counting/mod.rs"

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("crate", CRATES, ids=lambda crate: crate.name)
def test_crate_inherits_workspace_lints(crate: Path) -> None:
    assert tomllib.loads((crate / "Cargo.toml").read_text())["lints"] == {"workspace": True}


@pytest.mark.parametrize(
    "crate", [crate for crate in CRATES if crate.name not in MAY_BE_UNSAFE], ids=lambda crate: crate.name
)
def test_crate_outside_the_allowlist_forbids_unsafe_code(crate: Path) -> None:
    sources = (path for path in crate.rglob("*.rs") if path != crate / ALLOCATOR)
    assert [path for path in sources if re.search(r"\bunsafe\s*(\{|fn|impl|extern)", path.read_text())] == []


@pytest.mark.integration
@pytest.mark.parametrize(
    ("code", "lint"),
    [
        ("/// A.\npub fn a(x: Option<u8>) -> u8 {\n    x.unwrap()\n}\n", "clippy::unwrap-used"),
        ('/// A.\npub fn a() {\n    panic!("a")\n}\n', "clippy::panic"),
        ("pub fn a() {}\n", "missing-docs"),
        ("/// A.\npub fn a(x: *const u8) -> u8 {\n    unsafe { *x }\n}\n", "clippy::undocumented-unsafe-blocks"),
    ],
)
def test_clippy_rejects_planted_code(tree: Tree, tmp_path: Path, code: str, lint: str) -> None:
    """On a crate of its own under the workspace's manifest, so that nothing else is built."""
    for crate in (tree.root / "rust" / "crates").iterdir():
        (crate / "Cargo.toml").rename(crate / "Cargo.toml.away")
        crate.rename(tmp_path / crate.name)
    tree.plant(
        "rust/crates/planted/Cargo.toml", '[package]\nname = "planted"\nedition = "2024"\n[lints]\nworkspace = true\n'
    )
    tree.plant("rust/crates/planted/src/lib.rs", f"//! A.\n{code}")
    words = ["--manifest-path", "rust/Cargo.toml", "--target-dir", str(tmp_path / "target"), "--offline"]
    done = tree.run("cargo", "clippy", *words, "--", "--deny", "warnings")
    assert done.returncode != 0
    assert f"`-D {lint}`" in done.stderr
