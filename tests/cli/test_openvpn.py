"""`warren openvpn`: output and exit status; tests/commands/providers has a real server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def openvpn(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "warren.cli.main", "openvpn", *words]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_init_again_prints_the_same_lines_and_changes_nothing(tmp_path: Path) -> None:
    first = openvpn("init", tmp_path)
    assert (first.returncode, first.stderr) == (0, "")
    assert f"crl-verify {tmp_path}/crl.pem\n" in first.stdout
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again = openvpn("init", tmp_path)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_init_reports_missing_ca_key(tmp_path: Path) -> None:
    openvpn("init", tmp_path)
    (tmp_path / "pki" / "ca.key").unlink()
    done = openvpn("init", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"warren: {tmp_path}/pki/ca.key does not exist")


@pytest.mark.parametrize(
    ("login", "entry", "why"),
    [
        ("user1\ncorrect horse\n", None, "unknown user"),
        ("../pki/user1\ncorrect horse\n", None, "unknown user"),
        ("", None, "unknown user"),
        (None, None, "No such file or directory"),
        ("user1\ncorrect horse\n", "{}", "access/user1.json: username: expected a text"),
        (
            "user1\ncorrect horse\n",
            '{"username":"user1","serial":"1","created":1,"expires":99999999999,"password_hash":"none"}',
            "wrong password",
        ),
    ],
)
def test_verify_refuses_invalid_login(tmp_path: Path, login: str | None, entry: str | None, why: str) -> None:
    (tmp_path / "access").mkdir()
    if login is not None:
        (tmp_path / "login").write_text(login)
    if entry is not None:
        (tmp_path / "access" / "user1.json").write_text(entry)
    done = openvpn("verify", tmp_path, tmp_path / "login", common_name="user1", untrusted_ip="192.0.2.2")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("warren: login refused: ")
    assert why in done.stderr
    assert "horse" not in done.stderr
