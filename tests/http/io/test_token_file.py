"""The token of the local HTTP, on the disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from warren.errors import HostError
from warren.http.io.token_file import TOKEN, read_or_make_token

pytestmark = [pytest.mark.integration, pytest.mark.security]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "http.token"


def test_token_is_created_once_and_read_afterwards(path: Path) -> None:
    before = os.umask(0)
    try:
        token = read_or_make_token(path)
    finally:
        os.umask(before)
    assert TOKEN.fullmatch(token)
    assert path.read_text() == f"{token}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert read_or_make_token(path) == token
    assert list(path.parent.iterdir()) == [path]


def test_mode_of_the_token_file_ignores_the_umask(path: Path) -> None:
    before = os.umask(0o077)
    try:
        read_or_make_token(path, os.getegid())
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.stat().st_gid == os.getegid()


def test_tokens_differ(tmp_path: Path) -> None:
    assert read_or_make_token(tmp_path / "one") != read_or_make_token(tmp_path / "two")


def test_token_written_by_a_person_is_accepted(path: Path) -> None:
    path.write_text("a" * 32)
    path.chmod(0o600)
    assert read_or_make_token(path) == "a" * 32


@pytest.mark.parametrize("mode", [0o644, 0o641, 0o660, 0o642])
def test_token_file_accessible_to_others_is_rejected(path: Path, mode: int) -> None:
    read_or_make_token(path)
    path.chmod(mode)
    with pytest.raises(HostError, match=rf"{path} is accessible to others \(mode {mode:04o}\), expected 0640"):
        read_or_make_token(path)


@pytest.mark.parametrize("text", ["", "short", "a" * 257, "a b" * 20, "\xe9" * 40])
def test_invalid_token_is_rejected_and_not_repeated(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o640)
    with pytest.raises(HostError, match="invalid token") as error:
        read_or_make_token(path)
    assert not text.strip() or text not in str(error.value)


def test_symlink_is_not_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s" * 40)
    path.symlink_to(tmp_path / "secret")
    with pytest.raises(HostError) as error:
        read_or_make_token(path)
    assert error.value.code == "http.token_file_invalid"


def test_special_file_is_rejected(path: Path, tmp_path: Path) -> None:
    path.mkdir()
    with pytest.raises(HostError, match=str(path)):
        read_or_make_token(path)
    with pytest.raises(HostError, match="No such file or directory"):
        read_or_make_token(tmp_path / "absent" / "http.token")
    os.mkfifo(tmp_path / "pipe", 0o640)
    with pytest.raises(HostError, match="is not a regular file"):
        read_or_make_token(tmp_path / "pipe")
