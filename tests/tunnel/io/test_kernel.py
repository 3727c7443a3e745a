"""The kernel's own WireGuard where there is none, and links that are not its own; tests/qemu has a kernel with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.ends import Ends
from tests.netns.host import IN_NAMESPACES

pytestmark = IN_NAMESPACES

CODE = """
import sys
from warren import WarrenError
from warren._core import Netlink
from warren.tunnel.io.kernel import KernelEngine
from warren.tunnel.plan import InterfaceChange

netlink = Netlink.open()
engine = KernelEngine("wg0", netlink)
for call in (engine.create, lambda: engine.configure(InterfaceChange(fwmark=1)), engine.remove):
    try:
        call()
        print("done")
    except WarrenError as error:
        print(type(error).__name__, error.code)
print(engine.take_over())
"""


def said(ends: Ends) -> list[str]:
    done: subprocess.CompletedProcess[str] = ends.near.attempt(sys.executable, "-c", CODE)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(Path("/sys/module/wireguard").exists(), reason="a kernel without WireGuard")
def test_a_kernel_without_it_says_so(ends: Ends) -> None:
    """By this code the backend "auto" knows that it must take another."""
    untouched = ends.traces(ends.near)
    assert said(ends) == ["HostError engine.no_kernel", "HostError engine.no_kernel", "done", "False"]
    ends.expect_traces(ends.near, untouched)


def test_a_link_of_another_is_left_alone(ends: Ends) -> None:
    ends.near.ip("link", "add", "wg0", "type", "veth", "peer", "name", "other")
    create, _, *rest = said(ends)
    assert (create, rest) == ("InterfaceError interface.exists", ["InterfaceError interface.not_owned", "False"])
    assert "wg0" in ends.near.links()
