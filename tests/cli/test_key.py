"""genkey, pubkey and genpsk have the output of wg(8)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from warren._core import PresharedKey, PrivateKey

from .program import shell, warren

pytestmark = pytest.mark.integration


@pytest.mark.needs("wg")
def test_pubkey_agrees_with_wg() -> None:
    """Row H-23."""
    private = warren("genkey").stdout
    theirs = subprocess.run(["wg", "pubkey"], input=private, capture_output=True, text=True, check=True).stdout
    assert warren("pubkey", stdin=private).stdout == theirs
    made = subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout
    theirs = subprocess.run(["wg", "pubkey"], input=made, capture_output=True, text=True, check=True).stdout
    assert warren("pubkey", stdin=made).stdout == theirs


def test_genkey_and_genpsk_print_one_line_of_45_octets() -> None:
    private, preshared = warren("genkey"), warren("genpsk")
    assert PrivateKey.from_base64(private.stdout.removesuffix("\n")).to_base64() + "\n" == private.stdout
    assert PresharedKey.from_base64(preshared.stdout.removesuffix("\n")).to_base64() + "\n" == preshared.stdout
    assert len(private.stdout) == len(preshared.stdout) == 45
    assert private.stderr == preshared.stderr == ""


def test_pubkey_accepts_key_without_newline() -> None:
    key = PrivateKey.generate()
    assert warren("pubkey", stdin=f"  {key.to_base64()}").stdout == f"{key.public_key()}\n"


@pytest.mark.security
@pytest.mark.parametrize("text", ["", "short", "x" * 5000, "A" * 43 + "!", "A" * 44 + "\n" + "A" * 44])
def test_pubkey_rejects_invalid_key(text: str) -> None:
    done = warren("pubkey", stdin=text)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("warren: expected a key of 44 base64 characters")
    assert "Traceback" not in done.stderr
    assert "AAAA" not in done.stderr


@pytest.mark.security
def test_genkey_and_genpsk_warn_if_output_is_world_readable(tmp_path: Path) -> None:
    for command in ("genkey", "genpsk"):
        done = shell(f"umask 022; warren {command} > {tmp_path}/open; umask 077; warren {command} > {tmp_path}/closed")
        assert done.stderr.count("warning: standard output is a world-accessible file") == 1
        assert len((tmp_path / "open").read_text()) == len((tmp_path / "closed").read_text()) == 45


@pytest.mark.security
def test_genkey_output_creates_file_and_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "private.key"
    done = warren("genkey", "--output", str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert path.stat().st_mode & 0o777 == 0o600
    made = path.read_text()
    again = warren("genkey", "-o", str(path))
    assert again.returncode == 1
    assert again.stderr.startswith(f"warren: {path} already exists\n")
    assert path.read_text() == made


@pytest.mark.parametrize("command", ["genkey", "genpsk", "--version", "up --help", "status --json"])
def test_full_disk_is_reported(command: str) -> None:
    done = shell(f"warren {command} > /dev/full")
    assert done.returncode == 1
    assert done.stderr.startswith("warren: standard output: No space left on device\n")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("command", ["genkey", "genpsk", "status --json"])
def test_closed_pipe_is_reported(command: str) -> None:
    done = shell(f"{{ sleep 0.2; warren {command}; echo $? >&2; }} | true")
    assert done.stderr.startswith("warren: standard output: Broken pipe\n")
    assert done.stderr.endswith("\n1\n")
