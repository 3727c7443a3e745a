"""What the documents at the top of the tree name is there, and what README shows works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.conftest import ROOT
from warren import PrivateKey

README = (ROOT / "README.md").read_text()
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.root
def test_python_in_readme_opens_a_tunnel(tmp_path: Path) -> None:
    program, *others = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert not others
    conf = tmp_path / "wg0.conf"
    conf.touch(mode=0o600)
    conf.write_text(f"[Interface]\nPrivateKey = {PrivateKey.generate().to_base64()}\nAddress = 10.77.0.1/24\n")
    done = subprocess.run(
        ["unshare", "--net", "--", sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert "name='wg0'" in done.stdout
    assert "IPv4Interface('10.77.0.1/24')" in done.stdout


@pytest.mark.unit
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_have_targets(document: Path) -> None:
    named = re.findall(r"\]\(([^):#]+)\)", document.read_text())
    assert [path for path in named if not (document.parent / path).exists()] == []


@pytest.mark.unit
@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_jobs_in_documents_are_targets_of_make(name: str) -> None:
    jobs = set(re.findall(r"(?:\$ |`)make ([a-z-]+)", (ROOT / name).read_text()))
    makefile = (ROOT / "Makefile").read_text()
    assert jobs
    benches = {f"bench-{path.stem}" for path in (ROOT / "bench").glob("*.py")}
    assert [job for job in jobs - benches if not re.search(rf"^{job}:", makefile, re.MULTILINE)] == []


@pytest.mark.unit
def test_layout_shows_exactly_the_crates_and_slices() -> None:
    drawn = (ROOT / "ARCHITECTURE.md").read_text().split("```")[1]
    crates, package = re.split(r"^src/warren/$", drawn, flags=re.MULTILINE)
    assert set(re.findall(r"^  (\w+)/", crates, re.MULTILINE)) == {
        path.name for path in (ROOT / "rust/crates").iterdir()
    }
    slices = {path.parent.name for path in (ROOT / "src/warren").glob("*/__init__.py")}
    assert set(re.findall(r"^  (\w+)/", package, re.MULTILINE)) == slices


@pytest.mark.unit
def test_paths_named_by_the_architecture_exist() -> None:
    named = re.findall(r"`((?:cli|tunnel|uapi|packet|device)/[\w/.]+)`", (ROOT / "ARCHITECTURE.md").read_text())
    roots = [ROOT / "src/warren", ROOT / "rust/crates", ROOT / "rust/crates/device/src"]
    assert named
    assert [path for path in named if not any(list(root.glob(f"{path}*")) for root in roots)] == []
