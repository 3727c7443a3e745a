"""Without room nothing is begun that could not be written down, and what had begun is finished when there is some."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.security, pytest.mark.root, pytest.mark.needs("unshare", "mount")]


def test_full_disk_rejects_new_commands_and_finishes_running_ones(tmp_path: Path) -> None:
    """Row G-48."""
    command = ["unshare", "--mount", sys.executable, "-B", "-m", "tests.commands.store.full_disk", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["log"] == {
        "before": "ran",
        "changing": ["QUEUE_FULL", "QUEUE_FULL"],
        "reading": "ran",
        "trouble": True,
        "after": "ran",
        "findings": 0,
        "told of the refused": ["accepted", "refused", "accepted", "finished"],
    }
    assert seen["disk"] == {"refused": "QUEUE_FULL", "running": True, "kept": True, "after": True}
