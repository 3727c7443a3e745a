"""A key changes by its files: killed anywhere, there is a key that loads, and a way on and back."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.faults import Kill, crash_points, is_killed, kills, python
from tests.powercut import power_cuts
from warren._core import PrivateKey
from warren.errors import KeyFileError, StateError
from warren.files.key_file import read_private_key, write_private_key
from warren.tunnel.io.key_rotation import next_path, previous_path, read_key_files, recover, rotate
from warren.tunnel.rotation import KeyFiles, Stage, Step

pytestmark = [pytest.mark.integration, pytest.mark.security]

ROTATE = """
import sys
from pathlib import Path
from warren.tunnel.io.key_rotation import rotate
from warren.tunnel.rotation import Step
print(rotate(Path(sys.argv[1]), Step(sys.argv[2])).next)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a key in use."""
    return key_file(tmp_path)


def key_file(directory: Path) -> Path:
    write_private_key(directory / "private.key", PrivateKey.generate(), trust=None)
    return directory / "private.key"


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


def test_prepare_commit_confirm(path: Path) -> None:
    old = read_private_key(path)
    prepared = rotate(path, Step.PREPARE)
    assert prepared.stage is Stage.PREPARED
    assert read_private_key(path) == old
    assert next_path(path).stat().st_mode & 0o777 == 0o600
    assert rotate(path, Step.PREPARE) == prepared
    assert rotate(path, Step.COMMIT) == KeyFiles(prepared.next or old.public_key(), previous=old.public_key())
    assert read_private_key(path).public_key() == prepared.next
    assert read_private_key(previous_path(path)) == old
    assert rotate(path, Step.CONFIRM).stage is Stage.STEADY
    assert names(path) == ["private.key"]


@pytest.mark.parametrize("steps", [[Step.PREPARE], [Step.PREPARE, Step.COMMIT]])
def test_abort_goes_back(path: Path, steps: list[Step]) -> None:
    before = path.read_bytes(), path.stat()
    for step in steps:
        rotate(path, step)
    rotate(path, Step.ABORT)
    assert path.read_bytes() == before[0]
    assert (path.stat().st_mode, path.stat().st_ino) == (before[1].st_mode, before[1].st_ino)
    assert names(path) == ["private.key"]


def test_a_step_that_cannot_be_changes_nothing(path: Path) -> None:
    with pytest.raises(StateError):
        rotate(path, Step.COMMIT)
    assert names(path) == ["private.key"]


def test_the_new_key_is_its_owners(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("the superuser")
    os.chown(path, 12345, 54321)
    rotate(path, Step.PREPARE)
    rotate(path, Step.COMMIT)
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)


def test_a_key_that_others_can_read_is_refused_with_the_line_that_mends_it(path: Path) -> None:
    path.chmod(0o644)
    with pytest.raises(KeyFileError) as error:
        rotate(path, Step.PREPARE)
    assert error.value.code == "key_file.permissions"
    assert error.value.hint.startswith(f"chmod 600 {path};")
    assert names(path) == ["private.key"]


def test_a_read_only_key_is_refused(path: Path) -> None:
    path.chmod(0o400)
    with pytest.raises(KeyFileError, match=r"is read-only \(mode 0400\)") as error:
        rotate(path, Step.PREPARE)
    assert error.value.code == "key_file.read_only"
    assert names(path) == ["private.key"]


READ_ONLY = """
mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 9
shift; exec "$@"
"""
REFUSED = """
import sys
from pathlib import Path
from warren.errors import KeyFileError
from warren.tunnel.io.key_rotation import rotate
from warren.tunnel.rotation import Step
try:
    rotate(Path(sys.argv[1]), Step(sys.argv[2]))
except KeyFileError as error:
    print(error.code, error)
"""


@pytest.mark.root
@pytest.mark.needs("unshare", "mount")
@pytest.mark.parametrize("step", [Step.PREPARE, Step.COMMIT, Step.ABORT])
def test_a_read_only_directory_is_refused(path: Path, step: Step) -> None:
    if step is not Step.PREPARE:
        rotate(path, Step.PREPARE)
    before = names(path)
    command = ["unshare", "--mount", "sh", "-c", READ_ONLY, "-", str(path.parent), *python(REFUSED, str(path), step)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"key_file.read_only {path.parent} is read-only: no key can be changed there\n"
    assert names(path) == before


def test_recovery_removes_what_was_half_written_and_nothing_else(path: Path) -> None:
    left, foreign = path.with_name(".private.key.next.abc_de12"), path.with_name(".private.key.next.notes")
    for each in (left, foreign):
        each.write_text("")
    assert recover(path).stage is Stage.STEADY
    assert names(path) == [foreign.name, "private.key"]


def test_recovery_says_what_is_wrong_with_a_key(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="No such file"):
        recover(tmp_path / "private.key")


BEFORE = {
    Step.PREPARE: [],
    Step.COMMIT: [Step.PREPARE],
    Step.ABORT: [Step.PREPARE],
    Step.CONFIRM: [Step.PREPARE, Step.COMMIT],
}


@pytest.mark.needs("strace")
@pytest.mark.parametrize(
    ("before", "step"), [*((steps, step) for step, steps in BEFORE.items()), ([Step.PREPARE, Step.COMMIT], Step.ABORT)]
)
def test_killed_anywhere_there_is_a_key_and_a_way_on(tmp_path: Path, before: list[Step], step: Step) -> None:
    known: dict[Path, KeyFiles] = {}

    def prepare(place: Path) -> list[str]:
        path = key_file(place)
        for each in before:
            rotate(path, each)
        known[path] = read_key_files(path)
        return python(ROTATE, str(path), step)

    crashes = 0
    for _, place in kills(tmp_path, prepare):
        crashes += 1
        path = place / "private.key"
        was = known[path]
        assert read_private_key(path).public_key() in {was.current, was.next, was.previous}
        found = recover(path)
        check_no_key_is_lost(was, found)
        assert names(path) == names_of(path, found)
        check_it_goes_on(path, step)
    assert crashes >= 2


def check_no_key_is_lost(was: KeyFiles, found: KeyFiles) -> None:
    """What is in use is a key that the far side may know, and what was in use is there until it is confirmed."""
    assert found.current in {was.current, was.next, was.previous}
    if found.current != was.current and was.stage is Stage.PREPARED:
        assert found.previous == was.current
    if was.next is not None and found.stage is Stage.PREPARED:
        assert found.next == was.next


def names_of(path: Path, files: KeyFiles) -> list[str]:
    return [
        path.name,
        *([next_path(path).name] if files.next else []),
        *([previous_path(path).name] if files.previous else []),
    ]


def check_it_goes_on(path: Path, step: Step) -> None:
    """The same request again comes to its end, or finds that it has."""
    stages = {
        Step.PREPARE: {Stage.PREPARED},
        Step.COMMIT: {Stage.COMMITTED},
        Step.ABORT: {Stage.STEADY},
        Step.CONFIRM: {Stage.STEADY},
    }
    found = read_key_files(path)
    if found.stage not in stages[step]:
        found = rotate(path, step)
    assert found.stage in stages[step]


@pytest.mark.needs("strace")
def test_a_prepared_key_is_the_same_after_a_kill(path: Path) -> None:
    """The far side may have been told of it when the answer was lost."""
    command = python(ROTATE, str(path), Step.PREPARE)
    assert crash_points(command)
    told = read_key_files(path).next
    assert is_killed(python(ROTATE, str(path), Step.COMMIT), Kill("fsync", 1))
    assert recover(path).next == told


@pytest.mark.needs("strace")
@pytest.mark.parametrize(
    ("before", "step"), [*((steps, step) for step, steps in BEFORE.items()), ([Step.PREPARE, Step.COMMIT], Step.ABORT)]
)
def test_after_a_power_cut_there_is_a_key_and_a_way_on(tmp_path: Path, before: list[Step], step: Step) -> None:
    was: list[KeyFiles] = []

    def prepare(place: Path) -> list[str]:
        path = key_file(place)
        for each in before:
            rotate(path, each)
        was.append(read_key_files(path))
        return python(ROTATE, str(path), step)

    found = kept = None
    for _, place in power_cuts(tmp_path, prepare):
        path = place / "private.key"
        found = recover(path)
        check_no_key_is_lost(was[0], found)
        assert names(path) == names_of(path, found)
        if "synced" in place.name:
            kept = found
        check_it_goes_on(path, step)
    assert found is not None
    assert kept == found == read_key_files(tmp_path / "recorded" / "private.key")  # what was answered stays
