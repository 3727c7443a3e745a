"""A log forger can write the files of the audit log, but has no key of the node."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.program import WARREN, shell, warren
from warren.audit.chain import EMPTY, Head
from warren.audit.checkpoint import INTERVAL_SECONDS, Checkpoint, sign_checkpoint
from warren.audit.event import AuditEvent, Origin, encode_line
from warren.jws import SigningKey

pytestmark = [pytest.mark.integration, pytest.mark.security]

NODE = SigningKey(b"\x31" * 32)
AGENT = "gateway-001"
COUNT = 6


@pytest.fixture
def key(tmp_path: Path) -> tuple[str, str]:
    """Return the option that names the node's public key."""
    path = tmp_path / "node.jwk.json"
    path.write_text(json.dumps({"kty": "OKP", "crv": "Ed25519", "x": NODE.public.x}))
    return ("--key", str(path))


def write_log(directory: Path, *, age_seconds: int, event: str = "command.accepted") -> Head:
    """Write a log with a consistent chain and no checkpoint, and return its head."""
    head, lines = EMPTY, []
    for number in range(COUNT):
        timestamp = int(time.time()) - age_seconds + number
        lines.append(encode_line(AuditEvent(event, timestamp), Origin(AGENT), head.n + 1, head.digest))
        head = head.followed_by(lines[-1])
    directory.mkdir(exist_ok=True)
    (directory / "audit.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    return head


def sign(directory: Path, head: Head, agent: str = AGENT) -> None:
    """Write the node's checkpoint of a head."""
    token = sign_checkpoint(Checkpoint(agent, head, int(time.time())), NODE)
    (directory / "audit.checkpoints").write_text(f"{token}\n")


def test_log_that_was_rewritten_and_lost_its_checkpoints_is_not_called_intact(
    tmp_path: Path, key: tuple[str, str]
) -> None:
    log = tmp_path / "audit"
    sign(log, write_log(log, age_seconds=10 * INTERVAL_SECONDS))
    assert warren("audit", "verify", str(log), *key).returncode == 0
    write_log(log, age_seconds=10 * INTERVAL_SECONDS, event="command.forged")
    assert "TAMPERED" in warren("audit", "verify", str(log), *key).stdout
    (log / "audit.checkpoints").unlink()
    done = warren("audit", "verify", str(log), *key)
    assert done.returncode == 1
    assert "intact" not in done.stdout
    assert f"no checkpoint covers entries 1 to {COUNT}" in done.stderr


@pytest.mark.parametrize("age_seconds", [0, COUNT])
def test_log_that_was_rewritten_just_now_is_not_called_intact(
    tmp_path: Path, key: tuple[str, str], age_seconds: int
) -> None:
    """No checkpoint of it is due yet, and whoever rewrites it again and again keeps it like that."""
    log = tmp_path / "audit"
    write_log(log, age_seconds=age_seconds)
    done = warren("audit", "verify", str(log), *key)
    assert done.returncode == 3
    assert "intact" not in done.stdout


def test_log_that_was_emptied_is_not_called_intact(tmp_path: Path, key: tuple[str, str]) -> None:
    (tmp_path / "audit.jsonl").touch()
    done = warren("audit", "verify", str(tmp_path), *key)
    assert done.returncode == 3
    assert "proves nothing" in done.stdout


def test_log_verified_without_key_is_not_called_intact(tmp_path: Path) -> None:
    log = tmp_path / "audit"
    write_log(log, age_seconds=0)
    done = warren("audit", "verify", str(log))
    assert done.returncode == 3
    assert "intact" not in done.stdout


def test_checkpoint_that_the_key_signed_for_another_agent_does_not_cover_the_log(
    tmp_path: Path, key: tuple[str, str]
) -> None:
    log = tmp_path / "audit"
    sign(log, write_log(log, age_seconds=0), agent="gateway-002")
    done = warren("audit", "verify", str(log), *key)
    assert done.returncode == 1
    assert "signed for agent 'gateway-002'" in done.stderr


def test_line_without_end_is_not_read_into_memory(tmp_path: Path) -> None:
    with (tmp_path / "audit.jsonl").open("wb") as file:
        file.truncate(8 << 30)  # a hole, which takes no room
    started = shell(f"ulimit -v 2000000; warren audit head {tmp_path}")
    named = shell(f"ulimit -v 2000000; warren audit head {tmp_path}/audit.jsonl")
    for done in (started, named):
        assert (done.returncode, done.stdout) == (0, f"0 {'0' * 64}\n")


RESTORE = """
import pathlib, sys
from warren.audit.io.journal import Journal
journal = Journal(pathlib.Path(sys.argv[1]), "gateway-001", None)
journal.open()
journal.restore(0, [b"{}"])
"""


def test_octets_that_were_appended_to_the_log_are_not_read_into_memory_at_the_start(tmp_path: Path) -> None:
    """What the agent has not written itself is removed, of whatever length it is."""
    with (tmp_path / "audit.jsonl").open("wb") as file:
        file.write(b"{}\n")
        file.truncate(8 << 30)
    done = shell(f"ulimit -v 2000000; {sys.executable} -c '{RESTORE}' {tmp_path}")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "audit.jsonl").read_bytes() == b"{}\n"


def test_log_without_end_is_shown_line_by_line(tmp_path: Path) -> None:
    """It is not collected first."""
    pipe = tmp_path / "audit.jsonl"
    os.mkfifo(pipe)
    with subprocess.Popen(
        ["sh", "-c", 'while :; do yes "{}" > "$0"; done', str(pipe)], stderr=subprocess.DEVNULL
    ) as log:
        with subprocess.Popen([*WARREN, "audit", "show", str(pipe)], stdout=subprocess.PIPE) as shown:
            assert shown.stdout is not None
            assert shown.stdout.readline()
            shown.kill()
        log.kill()
