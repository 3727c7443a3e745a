"""Only what may be met with permissive licences alone is taken."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest

from checks.contents import listed
from checks.licences import ROOT, crates, packages, refusal
from checks.spdx import verify_allowed

pytestmark = pytest.mark.unit

ALLOWED = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"]


@pytest.mark.parametrize(
    "expression",
    [
        "MIT",
        "MIT/Apache-2.0",
        "Apache-2.0 OR GPL-3.0-only",
        "GPL-3.0-only OR MIT",
        "(MIT OR GPL-2.0-only) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR GPL-2.0-only",
    ],
)
def test_permissive_licence_expressions_are_allowed(expression: str) -> None:
    verify_allowed(expression, ALLOWED)


@pytest.mark.parametrize(
    "expression",
    [
        "GPL-3.0-only",
        "MIT AND GPL-3.0-only",
        "(MIT OR GPL-2.0-only) AND GPL-3.0-only",
        "Apache-2.0 WITH Classpath-exception-2.0",
        "MIT AND",
        "(MIT",
        "MIT GPL-3.0-only",
        "",
    ],
)
def test_other_licences_are_rejected(expression: str) -> None:
    with pytest.raises(ValueError, match=r"licences|left over"):
        verify_allowed(expression, ALLOWED)


def test_rejection_names_the_package() -> None:
    assert refusal("planted", "GPL-3.0-only", ALLOWED) == "planted: 'GPL-3.0-only' is not among the permissive licences"


def test_tool_exception_needs_name_and_licence() -> None:
    assert refusal("hypothesis", "MPL-2.0", ALLOWED) is None
    assert refusal("hypothesis", "GPL-3.0-only", ALLOWED)
    assert refusal("planted", "MPL-2.0", ALLOWED)


@pytest.mark.parametrize(
    ("lines", "licence"),
    [
        ("License-Expression: GPL-3.0-only", "GPL-3.0-only"),
        ("Classifier: License :: OSI Approved :: MIT License", "MIT"),
        ("License: proprietary", "no licence named"),
    ],
)
def test_licence_of_distribution_is_read_from_both_fields(tmp_path: Path, lines: str, licence: str) -> None:
    planted = tmp_path / "planted-1.dist-info" / "METADATA"
    planted.parent.mkdir()
    planted.write_text(f"Metadata-Version: 2.4\nName: planted\nVersion: 1\n{lines}\n")
    assert list(packages(distributions(path=[str(tmp_path)]))) == [("planted", licence)]


def test_crates_exclude_our_own() -> None:
    names = {name for name, _ in crates(ROOT)}
    assert "ring" in names
    assert "smoltcp" in names, "the workspaces beside the product's are checked too"
    assert "warren-proto" not in names


def test_contributing_and_licence_files_exist_and_the_readme_names_both() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert (ROOT / "CONTRIBUTING.md").stat().st_size > 1000
    assert (ROOT / "LICENSE").stat().st_size > 10_000
    assert "(CONTRIBUTING.md)" in readme
    assert "Apache-2.0" in readme


def test_whole_project_has_the_one_licence_of_its_licence_file() -> None:
    """Row X-01."""
    assert re.match(r"\s*Apache License\s+Version 2\.0, January 2004\s", (ROOT / "LICENSE").read_text(encoding="utf-8"))
    files = [name for name in listed(ROOT) if re.search(r"(^|/)(licen[cs]e|copying)(\.\w+)?$", name, re.IGNORECASE)]
    assert files == ["LICENSE"]
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"] == "Apache-2.0"
    assert tomllib.loads((ROOT / "rust/Cargo.toml").read_text())["workspace"]["package"]["license"] == "Apache-2.0"
    for manifest in (ROOT / "rust").glob("*/**/Cargo.toml"):
        package = tomllib.loads(manifest.read_text())["package"]
        assert package["license"] in ("Apache-2.0", {"workspace": True}), manifest


def test_no_file_carries_the_licence_notice_of_another_project() -> None:
    """Row X-01: no text or code is copied from other agents."""
    notice = re.compile(rb"SPDX-License-Ident[i]fier|Copyright [(]c[)]|Permission is hereby [g]ranted", re.IGNORECASE)
    names = [name for name in listed(ROOT) if name != "LICENSE" and (ROOT / name).is_file()]
    assert [name for name in names if notice.search((ROOT / name).read_bytes())] == []
