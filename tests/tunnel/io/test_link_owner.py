"""Which process an alias names, and whether it runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.netns.deadline import until
from warren.tunnel.io.link_owner import agent_id_of, is_orphan_of, living_owner, own_alias, started_at

pytestmark = pytest.mark.integration


def test_what_is_ones_own_has_no_other_owner() -> None:
    assert own_alias() == f"warren {os.getpid()} {started_at(os.getpid())}"
    assert living_owner(own_alias()) is None


@pytest.mark.parametrize("alias", [None, "", "warren", "warren 1", "the warren 1 1", "warren 1 1 1", "warren x 1"])
def test_what_another_wrote_names_nobody(alias: str | None) -> None:
    assert living_owner(alias) is None


def test_a_process_is_its_owner_until_it_ends() -> None:
    """Also before its parent has asked how it ended."""
    with subprocess.Popen(["sleep", "3600"]) as other:
        started = started_at(other.pid)
        assert started is not None
        assert living_owner(f"warren {other.pid} {started}") == other.pid
        assert living_owner(f"warren {other.pid} {started + 1}") is None
        other.kill()
        until(lambda: living_owner(f"warren {other.pid} {started}") is None, "it has ended")
    assert started_at(other.pid) is None


def test_agent_id_names_the_state_directory(tmp_path: Path) -> None:
    home = agent_id_of(tmp_path)
    assert home == agent_id_of(tmp_path / ".")
    assert home not in ("", agent_id_of(tmp_path.parent))
    assert agent_id_of(tmp_path / "none") == ""


def test_what_is_left_is_of_that_home_and_of_no_process_that_runs(tmp_path: Path) -> None:
    home = agent_id_of(tmp_path)
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    left = f"warren {ended.pid} 1 {home}"
    assert is_orphan_of(home, left)
    assert not is_orphan_of(agent_id_of(tmp_path.parent), left)
    assert not is_orphan_of("", f"warren {ended.pid} 1")
    assert not is_orphan_of(home, f"warren 1 {started_at(1)} {home}")
