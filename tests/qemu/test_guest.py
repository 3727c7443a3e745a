"""The virtual machine itself: what it answers, what it shares, and that it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.netns.deadline import until
from tests.netns.engine import TREE

from .guest import Guest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.qemu,
    pytest.mark.needs("busybox", "dpkg-deb", "ldd", "qemu-system-x86_64", "setpriv"),
]


@pytest.fixture
def guest(guests: tuple[Guest, Guest]) -> Guest:
    return guests[0]


def test_it_runs_another_kernel(guest: Guest) -> None:
    assert guest.release() == guest.run("uname", "-r").stdout.strip()
    assert guest.release() != os.uname().release
    assert guest.run("test", "-d", "/sys/module/wireguard").status == 0


def test_a_command_gives_its_output_and_status(guest: Guest) -> None:
    done = guest.run("sh", "-c", 'echo "$WORD"; echo complaint >&2; exit 7', env={"WORD": "it's a 'word'"})
    assert (done.status, done.stdout, done.stderr) == (7, "it's a 'word'\n", "complaint\n")


def test_commands_run_beside_each_other(guest: Guest) -> None:
    waits = guest.start("sh", "-c", "until test -e /run/go; do sleep 0.1; done; echo went")
    assert guest.run("touch", "/run/go").status == 0
    assert waits.wait().stdout == "went\n"


def test_what_it_writes_stays_inside(guest: Guest, tmp_path: Path) -> None:
    (tmp_path / "read").write_text("from outside")
    script = f"cat {tmp_path}/read && echo changed > {tmp_path}/read && touch {tmp_path}/made && cat {tmp_path}/read"
    assert guest.run("sh", "-c", script).stdout == "from outsidechanged\n"
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("read", "from outside")]


START = """
import sys, time
from pathlib import Path
from tests.qemu.debian import kernel
from tests.qemu.guest import Guest
from tests.qemu.initramfs import initramfs
folder, linux = Path(sys.argv[1]), kernel()
print(Guest(linux, initramfs(linux, folder), folder).pid, flush=True)
time.sleep(600)
"""


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """However that one ends."""
    with subprocess.Popen(
        [sys.executable, "-c", START, str(tmp_path)], cwd=TREE, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        qemu = Path(f"/proc/{int(starter.stdout.readline())}")
        until(lambda: (qemu / "exe").readlink().name.startswith("qemu"), "qemu runs, and no longer setpriv")
        starter.send_signal(signal.SIGKILL)
        until(lambda: not qemu.exists(), "qemu is gone")
