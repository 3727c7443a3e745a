"""After a power cut there is what was synced, and of the rest no octet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults import python
from tests.powercut import Change, power_cuts

pytestmark = [pytest.mark.integration, pytest.mark.needs("strace")]

WRITE = """
import os, sys
place = sys.argv[1]
file = os.open(place + "/new", os.O_WRONLY | os.O_CREAT, 0o600)
os.write(file, b"a")
os.fsync(file)
os.write(file, b"b")
os.chmod(place + "/new", 0o640)
directory = os.open(place, os.O_RDONLY)
os.rename(place + "/new", place + "/old")
os.symlink("old", place + "/link")
os.fsync(directory)
os.fsync(file)
os.unlink(place + "/link")
"""

EDIT = """
import os, sys
place = sys.argv[1]
file = os.open(place + "/old", os.O_RDWR)
os.pwrite(file, b"12", 4)
os.fsync(file)
os.pwrite(file, b"xyz", 8)
os.fsync(file)
os.truncate(place + "/old", 1)
os.ftruncate(file, 3)
os.fsync(file)
"""

THREADS = """
import os, sys, threading
def write(name):
    file = os.open(sys.argv[1] + "/" + name, os.O_WRONLY)
    for number in range(200):
        os.write(file, name.encode())
        os.fsync(file)
threads = [threading.Thread(target=write, args=name) for name in "ab"]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def every(changes: Sequence[Change]) -> Sequence[Change]:
    return changes


def tree(place: Path) -> dict[str, str]:
    return {path.name: _entry(path) for path in place.iterdir()}


def _entry(path: Path) -> str:
    return f"-> {path.readlink()}" if path.is_symlink() else f"{path.read_text()} {path.stat().st_mode & 0o777:o}"


def test_only_what_was_synced_is_there(tmp_path: Path) -> None:
    def prepare(place: Path) -> list[str]:
        (place / "old").write_text("before")
        (place / "old").chmod(0o644)
        return python(WRITE, str(place))

    left = {cut: tree(place) for cut, place in power_cuts(tmp_path, prepare, every)}
    calls = [cut.split("-")[1].removesuffix("at").removesuffix("at2") for cut in left][::2]
    assert calls == ["open", "write", "fsync", "write", "chmod", "rename", "symlink", "fsync", "fsync", "unlink"]
    old, link = {"old": "before 644"}, {"link": "-> old"}
    assert [trees for cut, trees in left.items() if cut.endswith("synced")] == [
        *[old] * 7,
        {"old": "a 600", **link},
        *[{"old": "ab 640", **link}] * 2,
    ]
    assert [trees for cut, trees in left.items() if cut.endswith("early")] == [
        *[old | {"new": " 600"}] * 2,
        *[old | {"new": "a 600"}] * 3,
        {"old": "a 600"},
        *[{"old": "a 600", **link}] * 2,
        {"old": "ab 640", **link},
        {"old": "ab 640"},
    ]


def test_octets_are_where_they_were_written(tmp_path: Path) -> None:
    def prepare(place: Path) -> list[str]:
        (place / "old").write_text("before")
        return python(EDIT, str(place))

    left = [
        (place / "old").read_bytes() for cut, place in power_cuts(tmp_path, prepare, every) if cut.endswith("synced")
    ]
    assert left == [b"before", b"befo12", b"befo12", *[b"befo12\0\0xyz"] * 3, b"b\0\0"]


def test_calls_of_threads_between_each_other_are_all_seen(tmp_path: Path) -> None:
    def prepare(place: Path) -> list[str]:
        for name in "ab":
            (place / name).touch()
        return python(THREADS, str(place))

    *_, (_, last) = power_cuts(tmp_path, prepare)
    assert [(last / name).read_text() for name in "ab"] == ["a" * 200, "b" * 200]


def test_a_sample_cuts_after_the_last_change_as_well(tmp_path: Path) -> None:
    def prepare(place: Path) -> list[str]:
        (place / "old").write_text("before")
        return python(EDIT, str(place))

    *_, (synced, _), (early, _) = power_cuts(tmp_path, prepare)
    assert (synced, early) == ("7-fsync-synced", "7-fsync-early")
