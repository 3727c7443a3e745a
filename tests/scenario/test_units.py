"""The units of the service manager, and what stands beside them: read by systemd's own programs on a host of a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.netns.host import IN_NAMESPACES, Host
from tests.project.conftest import ROOT

from .user import User

DEPLOY = ROOT / "deploy"
UNITS = sorted(path.name for path in (DEPLOY / "systemd").iterdir())
pytestmark = [*IN_NAMESPACES, pytest.mark.needs("systemd-analyze")]


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_finds_nothing_wrong_with_a_unit(unit: str, tmp_path: Path) -> None:
    with Host("node", tmp_path) as host:
        user = User(host, unit.partition("-helper")[0].partition("-runner")[0].partition(".")[0])
        user.types(f"cp {DEPLOY}/systemd/* /etc/systemd/system/")
        done = user.attempts(f"systemd-analyze verify --man=no --recursive-errors=one /etc/systemd/system/{unit}")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", [name for name in UNITS if name.startswith("warren-")])
def test_privileged_units_of_both_names_differ_in_the_name_alone(unit: str) -> None:
    own = (DEPLOY / "systemd" / unit).read_text()
    other = (DEPLOY / "systemd" / unit.replace("warren", "harmony-agent")).read_text()
    assert other == own.replace("warren", "harmony-agent").replace("Warren", "harmony-agent")
