"""No crate has an import cycle between its modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.crate_modules import cycle, edges
from tests.project.conftest import ROOT

CRATES = sorted((ROOT / "rust" / "crates").iterdir())

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("crate", CRATES, ids=lambda crate: crate.name)
def test_crate_has_no_module_cycle(crate: Path) -> None:
    assert cycle(crate / "src") == []


def write(source: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    return source


def test_cycle_through_every_form_of_path_is_reported(tmp_path: Path) -> None:
    files = {
        "lib.rs": "mod a;\nmod b;\n",
        "a.rs": "mod inner;\nfn f() { inner::g() }\n",
        "a/inner.rs": "use std::{io, fmt::{self, Display}};\nuse crate::{b::{B, C}, a::A as D};\n",
        "b.rs": "fn f() -> super::a::A { todo!() }\n",
    }
    source = write(tmp_path, files)
    assert edges(source) == {
        (): set(),
        ("a",): {("a", "inner")},
        ("a", "inner"): {("a",), ("b",)},
        ("b",): {("a",)},
    }
    assert cycle(source) != []


def test_declarations_tests_comments_and_other_crates_are_no_edges(tmp_path: Path) -> None:
    files = {
        "lib.rs": "mod a;\nmod b;\npub use a::A;\n",
        "a.rs": "//! See [`crate::b::B`].\nuse proto::b::B;\n#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}\n",
        "b.rs": 'use super::a::A;\n#[cfg(test)]\nmod tests;\nconst S: &str = "crate::b";\n',
        "b/tests.rs": "use crate::b::B;\n",
    }
    assert edges(write(tmp_path, files)) == {(): {("a",)}, ("a",): set(), ("b",): {("a",)}}
