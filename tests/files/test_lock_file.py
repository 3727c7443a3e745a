"""A lock file is one process's at a time, and never a link."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.netns.deadline import until
from warren.files.lock_file import LockFile
from warren.files.trusted_path import ROOT_TRUST, UntrustedPathError

pytestmark = [pytest.mark.integration, pytest.mark.security]

HOLD = """
import signal, sys
from pathlib import Path
from warren.files.lock_file import LockFile
lock = LockFile.open(Path(sys.argv[1]), trust=None)
assert lock.acquire()
lock.record_holder("another")
print(flush=True)
signal.pause()
"""


def test_acquire_fails_while_another_process_has_it_and_succeeds_after_its_kill(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with LockFile.open(path, trust=None) as lock:
            assert not lock.acquire()
            assert not lock.wait(0.1)
            assert lock.holder == "another"
            other.kill()
            until(lock.acquire, "the lock is released")
            lock.record_holder("me")
            assert path.read_text() == "me\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_open_refuses_a_link(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="Too many levels"):
        LockFile.open(tmp_path / "lock", trust=None)
    assert not (tmp_path / "target").exists()


def test_a_lock_that_was_removed_by_its_holder_has_no_name(tmp_path: Path) -> None:
    with LockFile.open(tmp_path / "lock", trust=None) as lock:
        assert lock.is_linked
        (tmp_path / "lock").unlink()
        assert not lock.is_linked


@pytest.mark.skipif(os.geteuid() != 0, reason="root")
def test_with_trust_it_is_not_made_where_another_can_write(tmp_path: Path) -> None:
    os.chown(tmp_path, 4711, -1)
    with pytest.raises(UntrustedPathError):
        LockFile.open(tmp_path / "lock", trust=ROOT_TRUST)
    assert list(tmp_path.iterdir()) == []
