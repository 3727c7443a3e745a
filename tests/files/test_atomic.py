"""A file is whole, or as it was before: at each kill and each power cut, and against a hostile directory."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.faults import kills, python
from tests.powercut import power_cuts
from warren.files.atomic import (
    create_file,
    link_file,
    move_file,
    remove_file,
    remove_unfinished,
    replace_file,
    replace_with_link,
    update_file,
)
from warren.files.trusted_path import ROOT_TRUST, UntrustedPathError

pytestmark = [pytest.mark.integration, pytest.mark.security]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="root")
STRANGER = 54321
OLD, NEW = b"old", b"new " * 1000

REPLACE = """
import sys
from pathlib import Path
from warren.files.atomic import create_file, replace_file
make = {"replace": replace_file, "create": create_file}[sys.argv[2]]
make(Path(sys.argv[1]) / "file", b"new " * 1000, 0o640, trust=None)
print("done")
"""


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("wanted", [0o600, 0o640, 0o644])
def test_replace_file_sets_content_and_mode_whatever_the_umask(tmp_path: Path, wanted: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    before = os.umask(0o077)
    try:
        replace_file(path, NEW, wanted, trust=None)
    finally:
        os.umask(before)
    assert (path.read_bytes(), mode(path), names(tmp_path)) == (NEW, wanted, ["file"])


def test_replace_file_replaces_a_link_and_not_its_target(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(OLD)
    (tmp_path / "file").symlink_to("target")
    replace_file(tmp_path / "file", NEW, 0o600, trust=None)
    assert not (tmp_path / "file").is_symlink()
    assert (tmp_path / "target").read_bytes() == OLD


def test_replace_file_under_a_fixed_name_takes_the_place_of_what_a_kill_left(tmp_path: Path) -> None:
    (tmp_path / ".unfinished").symlink_to("/etc/passwd")
    replace_file(tmp_path / "file", NEW, 0o600, temporary=".unfinished", trust=None)
    assert ((tmp_path / "file").read_bytes(), names(tmp_path)) == (NEW, ["file"])


@pytest.mark.parametrize("taken", ["file", "link", "directory"])
def test_create_file_overwrites_nothing(tmp_path: Path, taken: str) -> None:
    path = tmp_path / "path"
    match taken:
        case "file":
            path.write_bytes(OLD)
        case "link":
            path.symlink_to(tmp_path / "elsewhere")
        case _:
            path.mkdir()
    with pytest.raises(FileExistsError):
        create_file(path, NEW, 0o600, trust=None)
    assert names(tmp_path) == ["path"]


@as_root
def test_an_owner_is_set_before_anybody_sees_the_file(tmp_path: Path) -> None:
    create_file(tmp_path / "file", NEW, 0o640, owner=(STRANGER, -1), trust=None)
    assert (tmp_path / "file").stat().st_uid == STRANGER
    update_file(tmp_path / "file", OLD, 0o600, trust=None)
    assert ((tmp_path / "file").stat().st_uid, mode(tmp_path / "file")) == (STRANGER, 0o640)
    replace_with_link(tmp_path / "file", b"target", owner=(STRANGER, STRANGER), temporary=".new", trust=None)
    assert ((tmp_path / "file").lstat().st_uid, (tmp_path / "file").readlink()) == (STRANGER, Path("target"))


@as_root
def test_with_trust_nothing_is_made_where_another_can_write(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "file").write_bytes(OLD)
    os.chown(theirs, STRANGER, -1)
    path = theirs / "file"
    for change in (
        lambda: replace_file(path, NEW, 0o600, trust=ROOT_TRUST),
        lambda: create_file(theirs / "other", NEW, 0o600, trust=ROOT_TRUST),
        lambda: update_file(path, NEW, 0o600, trust=ROOT_TRUST),
        lambda: replace_with_link(path, b"x", trust=ROOT_TRUST, temporary=".new"),
        lambda: remove_file(path, trust=ROOT_TRUST),
        lambda: move_file(path, "other", trust=ROOT_TRUST),
        lambda: link_file(path, "other", trust=ROOT_TRUST),
        lambda: remove_unfinished(path, trust=ROOT_TRUST),
    ):
        with pytest.raises(UntrustedPathError):
            change()
    assert (names(theirs), path.read_bytes()) == (["file"], OLD)


def test_remove_file_tells_whether_there_was_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(OLD)
    assert remove_file(tmp_path / "file", trust=None)
    assert not remove_file(tmp_path / "file", trust=None)
    assert not remove_file(tmp_path / "absent/file", trust=None)


def test_move_and_link_keep_the_content(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(OLD)
    link_file(tmp_path / "one", "two", trust=None)
    with pytest.raises(FileExistsError):
        link_file(tmp_path / "one", "two", trust=None)
    move_file(tmp_path / "one", "three", trust=None)
    assert names(tmp_path) == ["three", "two"]


@pytest.mark.needs("strace")
@pytest.mark.parametrize("how", ["replace", "create"])
def test_killed_at_each_call_the_file_is_old_or_new(tmp_path: Path, how: str) -> None:
    for kill, place in kills(tmp_path, lambda place: _prepare(place, how)):
        path = place / "file"
        assert _is_whole(path, how), kill
        remove_unfinished(path, trust=None)
        assert set(names(place)) <= {"file"}, kill


@pytest.mark.needs("strace")
@pytest.mark.parametrize("how", ["replace", "create"])
def test_after_each_power_cut_the_file_is_old_or_new(tmp_path: Path, how: str) -> None:
    cuts = list(power_cuts(tmp_path, lambda place: _prepare(place, how)))
    for cut, place in cuts:
        assert _is_whole(place / "file", how), cut
    for _, place in cuts[-2:]:
        assert ((place / "file").read_bytes(), mode(place / "file")) == (NEW, 0o640)


def _prepare(place: Path, how: str) -> list[str]:
    if how == "replace":
        (place / "file").write_bytes(OLD)
    return python(REPLACE, str(place), how)


def _is_whole(path: Path, how: str) -> bool:
    content = path.read_bytes() if path.exists() else None
    return content in (NEW, OLD if how == "replace" else None)
