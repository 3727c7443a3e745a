"""Which engine an interface gets."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.ends import Ends
from tests.netns.host import IN_NAMESPACES

pytestmark = IN_NAMESPACES

IN_KERNEL = Path("/sys/module/wireguard").exists()
CODE = """
import sys
from warren import WarrenError
from warren._core import Netlink
from warren.tunnel.backend_rule import ON_HOST, BackendRule
from warren.tunnel.io.backend import BackendChooser

netlink = Netlink.open()
candidates = ON_HOST if sys.argv[1] == "auto" else (sys.argv[1],)
try:
    engine = BackendChooser("wg0", BackendRule(candidates), netlink).create({})
except WarrenError as error:
    print(error.code)
else:
    print(engine.backend, engine.status().public_key, netlink.link("wg0").kind)
    engine.remove()
"""


def said(ends: Ends, backend: str) -> str:
    done = ends.near.attempt(sys.executable, "-c", CODE, backend)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        ("userspace", "userspace None tun"),
        ("auto", "kernel None wireguard" if IN_KERNEL else "userspace None tun"),
        ("kernel", "kernel None wireguard" if IN_KERNEL else "engine.no_kernel"),
    ],
)
def test_the_one_that_was_asked_for_or_the_first_that_works(backend: str, expected: str, ends: Ends) -> None:
    untouched = ends.traces(ends.near)
    assert said(ends, backend) == expected
    ends.expect_traces(ends.near, untouched)


@pytest.mark.parametrize("backend", ["userspace", "auto", "kernel"])
def test_a_link_of_another_is_never_taken(backend: str, ends: Ends) -> None:
    ends.near.ip("link", "add", "wg0", "type", "veth", "peer", "name", "other")
    assert said(ends, backend) == "interface.exists"
    assert "wg0" in ends.near.links()
