"""An open directory stays what it is, and each of its methods takes one name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from warren.files.directory import open_directory

pytestmark = [pytest.mark.integration, pytest.mark.security]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd"])
def test_a_name_is_one_component(tmp_path: Path, name: str) -> None:
    with open_directory(tmp_path) as directory:
        for call in (directory.remove, directory.status, directory.open_directory):
            with pytest.raises(ValueError, match="not the name of a directory entry"):
                call(name)


def test_it_stays_the_directory_that_was_opened(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with open_directory(tmp_path / "one") as directory:
        (tmp_path / "one").rename(tmp_path / "two")
        (tmp_path / "one").mkdir()
        directory.make_directory("below", 0o700)
        directory.sync()
        assert directory.names() == ("below",)
    assert (tmp_path / "two/below").is_dir()
    assert list((tmp_path / "one").iterdir()) == []


def test_a_link_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with open_directory(tmp_path) as directory:
        with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
            directory.open_directory("link")
        with pytest.raises(OSError, match="is a symbolic link"):
            directory.open("link", os.O_RDONLY)
