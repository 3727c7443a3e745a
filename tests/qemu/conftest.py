"""The guests, booted once for the whole run, and the suite in them.

A test that wants Linux's own WireGuard goes into a file of inside/, and is an ordinary test there:

- It has the fixtures of tests/netns (`make_host`, `hosts`, `pair`, `warren`, `peer`); the peer is always the kernel.
- It is root in a guest that sees this machine's files where they are here: the tree, its virtual environment, every
  program. What it writes stays in the guest.
- No module loads by itself: `MODULES` in debian.py are there. tests/conftest.py is not read: a program that is needed
  stands in the marks of test_suite.py, and a plugin in `pytest_in` of suite.py.
- The processor is slower by `SLOWNESS`: wait by `until`, size bulk by `BULK_BYTES`, and say nothing about time.

A scenario runs here too, once suite.py names its file: its agents then have the backend "kernel", whose links outlive
them (`LINKS_OUTLIVE`). Let it look by `Agent.look`: each program costs seconds.

suite.py finds a file of inside/ by itself; a line in `PLANNED` balances the guests. To run one file, with a minute for
the boot: `pytest tests/qemu -k inside/test_netem`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .debian import kernel
from .guest import Guest
from .initramfs import initramfs
from .suite import Suite

if os.environ.get("WARREN_PEERS") != "kernel":  # what is inside is for the guests
    collect_ignore = ["inside"]


@pytest.fixture(scope="session")
def guests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Guest, Guest]]:
    """Two virtual machines. They boot at once, and leave neither process nor file."""
    folder = tmp_path_factory.mktemp("qemu")
    linux = kernel()
    archive = initramfs(linux, folder)
    folders = [tmp_path_factory.mktemp("guest") for _ in range(2)]
    with ExitStack() as running:
        first, second = (running.enter_context(Guest(linux, archive, each)) for each in folders)
        yield first, second
    assert not any(Path(f"/proc/{guest.pid}").exists() for guest in (first, second))


@pytest.fixture(scope="session")
def suite(request: pytest.FixtureRequest, guests: tuple[Guest, Guest]) -> Suite:
    """The files that this run asks for, already running."""
    asked = (getattr(item, "callspec", None) for item in request.session.items)
    return Suite(guests, {callspec.params["file"] for callspec in asked if callspec and "file" in callspec.params})
