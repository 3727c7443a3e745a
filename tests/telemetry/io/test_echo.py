"""Echoes between two hosts: measured, lost, and not permitted (H-65).

near ── eth0 ── far     10.9.0.1, fd09::1 and 10.9.0.2, fd09::2
     ── eth1 ──         up, with no address
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES, Host, address, join

pytestmark = IN_NAMESPACES

HERE = Path(__file__).parent
NOBODY = "65534"
ANYONE = "0 2147483647"
NO_ONE = "1 0"
FAR, FAR_6 = "10.9.0.2", "fd09::2"


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[Host, Host]]:
    with Host("near", tmp_path) as near, Host("far", tmp_path) as far:
        for name in ("eth0", "eth1"):
            join(near, far, name=name)
        address(near, "eth0", "10.9.0.1/24", "fd09::1/64")
        address(far, "eth0", f"{FAR}/24", f"{FAR_6}/64")
        yield near, far


class Probing:
    """`probing.py` in a host."""

    def __init__(self, host: Host, *targets: str, uid: str = "0", allowed: str = NO_ONE) -> None:
        set_in(host, "net/ipv4/ping_group_range", allowed)
        self._host = host
        host.start(sys.executable, HERE / "probing.py", uid, *targets)

    def lines(self) -> list[dict[str, Any]]:
        """All that it has written, logs included."""
        return [json.loads(line) for line in self._host.log().splitlines(keepends=True) if line.endswith("\n")]

    def figures(self, target: str) -> dict[str, Any]:
        """The latest; nothing before the first answer."""
        said = [line["figures"][target] for line in self.lines() if "figures" in line]
        return (said and said[-1]) or {}

    def wait(self, target: str, condition: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Figures with which `condition` holds."""

        def found() -> dict[str, Any]:
            figures = self.figures(target)
            return figures if figures and condition(figures) else {}

        return until(found, what)


def set_in(host: Host, name: str, value: str) -> None:
    """A sysctl."""
    host.run("sh", "-c", f"echo '{value}' > /proc/sys/{name}")


def answered(figures: dict[str, Any]) -> bool:
    return bool(figures["latency_seconds"])


@pytest.mark.parametrize(("uid", "allowed"), [("0", NO_ONE), (NOBODY, ANYONE)], ids=["raw", "ping"])
def test_either_kind_of_socket_measures_both_versions(hosts: tuple[Host, Host], uid: str, allowed: str) -> None:
    probing = Probing(hosts[0], f"eth0/{FAR}", f"eth0/{FAR_6}", uid=uid, allowed=allowed)
    for target in (FAR, FAR_6):
        figures = probing.wait(target, answered, "an answer")
        assert figures["latency_seconds"] > 0
        assert figures["loss_rate"] == 0


def test_nothing_is_measured_over_an_interface_that_does_not_lead_there(hosts: tuple[Host, Host]) -> None:
    probing = Probing(hosts[0], f"eth1/{FAR}", f"eth0/{FAR_6}")
    probing.wait(FAR_6, answered, "an answer over the other")
    assert not probing.figures(FAR)


def test_where_it_may_not_it_says_so_once_and_measures_nothing(hosts: tuple[Host, Host]) -> None:
    probing = Probing(hosts[0], f"eth0/{FAR}", uid=NOBODY)
    until(lambda: [line for line in probing.lines() if line.get("unavailable")], "a word about it")
    time.sleep(0.5)  # some more rounds
    complaints = [line for line in probing.lines() if line.get("event") == "echo.unavailable"]
    assert len(complaints) == 1
    assert complaints[0]["level"] == "warning"
    assert "net.ipv4.ping_group_range" in complaints[0]["hint"]
    assert not probing.figures(FAR)


def test_latency_is_what_the_answer_takes_and_its_absence_is_loss(hosts: tuple[Host, Host]) -> None:
    near, far = hosts
    set_in(far, "net/ipv4/icmp_echo_ignore_all", "1")
    far.start(sys.executable, HERE / "answering.py", "0.2")
    until(lambda: "ready" in far.log(), "somebody who answers")
    probing = Probing(near, f"eth0/{FAR}")
    figures = probing.wait(FAR, answered, "an answer")
    assert figures["latency_seconds"] >= 0.2
    for pid in far.processes(sys.executable):
        far.kill(pid)
    probing.wait(FAR, lambda figures: 0 < figures["loss_rate"] < 1, "some loss")
    figures = probing.wait(FAR, lambda figures: figures["loss_rate"] == 1, "nothing but loss")
    assert figures["latency_seconds"] is None


def test_it_goes_on_when_the_interface_was_made_anew(hosts: tuple[Host, Host]) -> None:
    near, far = hosts
    probing = Probing(near, f"eth0/{FAR}")
    probing.wait(FAR, answered, "an answer")
    near.ip("link", "del", "eth0")
    probing.wait(FAR, lambda figures: figures["loss_rate"] > 0, "loss")
    join(near, far)
    address(near, "eth0", "10.9.0.1/24")
    address(far, "eth0", f"{FAR}/24")
    probing.wait(FAR, lambda figures: answered(figures) and figures["loss_rate"] < 1, "an answer again")
