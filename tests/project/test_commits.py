"""The check of commit subjects refuses what is not `area: imperative verb ...`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from checks.commits import ROOT, subjects, violations

pytestmark = pytest.mark.unit


def test_subjects_of_this_branch_are_imperative() -> None:
    assert list(violations(subjects(ROOT))) == []


def test_a_repository_without_the_first_commit_is_an_error(tmp_path: Path) -> None:
    """Otherwise the check would pass whatever the subjects are."""
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for command in (
        ("init", "--quiet"),
        (*author, "commit", "--quiet", "--allow-empty", "--message", "tunnel: mended"),
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    with pytest.raises(SystemExit, match="no commit"):
        subjects(tmp_path)


@pytest.mark.parametrize(
    "subject",
    [
        "mend the listener",
        "tunnel: mended the plan",
        "tunnel: what a peer has",
        "Tunnel: mend the plan",
        "tunnel: mends.",
        "tunnel:",
    ],
)
def test_a_subject_of_another_form_is_refused(subject: str) -> None:
    assert len(list(violations([subject]))) == 1


@pytest.mark.parametrize(
    "subject", ["tunnel: mend the plan", "agent, cli: process results", "rust/device: need no lock"]
)
def test_an_imperative_subject_is_accepted(subject: str) -> None:
    assert list(violations([subject])) == []
