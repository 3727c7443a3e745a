"""A directory is made with its owner and mode or not at all, and one that exists is never changed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from warren.files import make_directory as make_directory_module
from warren.files.directory import Directory
from warren.files.make_directory import make_directory, remove_empty_directory
from warren.files.trusted_path import ROOT_PATH_TRUST, Trust, UntrustedPathError, process_trust

pytestmark = [pytest.mark.integration, pytest.mark.security]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="directories of another user need root")
SERVICE = 4711


def state(path: Path) -> tuple[int, int, int]:
    """Return user, group and mode."""
    status = path.lstat()
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)


def test_make_directory_makes_what_is_missing_with_one_mode(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        assert make_directory(tmp_path / "a/b", 0o755, exact_mode=True, trust=None)
        assert make_directory(tmp_path / "c", 0o755, trust=None)
    finally:
        os.umask(before)
    assert not make_directory(tmp_path / "a/b", 0o700, trust=None)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/b", "c")]
    assert modes == [0o755, 0o755, 0o700]


def test_make_directory_takes_one_that_was_made_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several threads make the same directory at once, as each run of a program does."""
    work, opened = tmp_path / "work", make_directory_module._open

    def open_too_early(path: Path, trust: Trust | None, below: Directory | None = None) -> Directory:
        try:
            return opened(path, trust, below)
        except FileNotFoundError:
            work.mkdir(exist_ok=True)
            raise

    monkeypatch.setattr(make_directory_module, "_open", open_too_early)
    assert not make_directory(work, 0o700, trust=process_trust())
    assert make_directory(work / "a/b", 0o700, trust=process_trust())


def test_make_directory_takes_no_file_for_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        make_directory(tmp_path / "file", 0o700, trust=None)


@as_root
def test_make_directory_gives_only_the_last_directory_to_its_owner(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        assert make_directory(tmp_path / "a/b", 0o750, trust=ROOT_PATH_TRUST, owner=(SERVICE, SERVICE))
    finally:
        os.umask(before)
    assert (state(tmp_path / "a"), state(tmp_path / "a/b")) == ((0, 0, 0o755), (SERVICE, SERVICE, 0o750))
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


@as_root
def test_make_directory_changes_nothing_that_exists(tmp_path: Path) -> None:
    (tmp_path / "warren").mkdir(mode=0o711)
    (tmp_path / "warren/file").write_text("somebody's")
    assert not make_directory(tmp_path / "warren", 0o755, trust=ROOT_PATH_TRUST, owner=(SERVICE, SERVICE))
    assert state(tmp_path / "warren") == (0, 0, 0o711)
    assert state(tmp_path / "warren/file")[0] == 0


@as_root
def test_make_directory_goes_on_after_a_kill_in_between(tmp_path: Path) -> None:
    (tmp_path / ".state.unfinished").mkdir(mode=0o700)
    assert make_directory(tmp_path / "state", 0o755, trust=ROOT_PATH_TRUST, owner=(0, SERVICE))
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


@as_root
@pytest.mark.parametrize("owned", [".", "a"])
def test_make_directory_makes_nothing_where_another_user_can_write(tmp_path: Path, owned: str) -> None:
    top = tmp_path / "top"
    (top / "a").mkdir(parents=True)
    os.chown(top / owned, SERVICE, SERVICE)
    with pytest.raises(UntrustedPathError):
        make_directory(top / "a/b/c", 0o700, trust=ROOT_PATH_TRUST)
    assert list((top / "a").iterdir()) == []


@as_root
def test_make_directory_follows_no_link_of_another_user(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    os.lchown(tmp_path / "link", SERVICE, SERVICE)
    with pytest.raises(UntrustedPathError):
        make_directory(tmp_path / "link/state", 0o700, trust=ROOT_PATH_TRUST)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_make_directory_makes_nothing_behind_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    with pytest.raises(FileNotFoundError):
        make_directory(tmp_path / "link", 0o700, trust=None)
    assert not (tmp_path / "absent").exists()


def test_remove_empty_directory_leaves_one_with_an_entry(tmp_path: Path) -> None:
    for name in ("empty", "full/entry"):
        (tmp_path / name).mkdir(parents=True)
    remove_empty_directory(tmp_path / "empty", trust=None)
    with pytest.raises(OSError, match="not empty"):
        remove_empty_directory(tmp_path / "full", trust=None)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
