"""`warren validate`: every problem, read-only, without privileges."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.config.documents import BOTH, QUICK_START, with_keys
from warren._core import PrivateKey
from warren.agent.io.preflight import UNPRIVILEGED_PORT_START

from .program import WARREN, warren

pytestmark = pytest.mark.integration


AS_ROOT = '\n[daemon]\nuser = "root"\ngroup = "root"\n'  # a user of every host


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a root with the directory of the documents and a key in it."""
    (tmp_path / "etc/harmony-agent").mkdir(parents=True)
    key = tmp_path / "etc/harmony-agent/private.key"
    key.touch(0o600)
    key.write_text(f"{PrivateKey.generate().to_base64()}\n")
    return tmp_path


def file(directory: Path, text: str) -> Path:
    """Write a configuration."""
    path = directory / "agent.toml"
    path.write_text(text)
    path.chmod(0o640)
    return path


def test_validate_accepts_valid_file(tree: Path) -> None:
    path = file(tree, f"{with_keys(QUICK_START)}{AS_ROOT}")
    done = warren("validate", "--config", str(path), "--root", "/")
    assert done.returncode == 0
    below = warren("validate", "--config", "/agent.toml", "--root", str(tree))
    warning, summary = below.stdout.splitlines()
    assert warning.startswith(f"{path}:1: warning: network.default.address: is missing: wg0 gets no address; ")
    assert summary == f"{path} is valid: 1 network, 1 enabled; 1 peer"
    assert (below.returncode, below.stderr) == (0, "")


def test_validate_warns_about_missing_user_and_group(tree: Path) -> None:
    """The agent can start on another host, or after the user was created."""
    text = with_keys(QUICK_START) + '\n[daemon]\nuser = "not-here"\ngroup = "nor-here"\n'
    path = file(tree, text)
    done = warren("validate", "--config", "/agent.toml", "--root", str(tree))
    warnings = {line.split(": ")[2]: line for line in done.stdout.splitlines()[:-1]}
    assert done.returncode == 0
    assert warnings.keys() == {"network.default.address", "daemon.user", "daemon.group"}
    line = text[: text.index('user = "not-here"')].count("\n") + 1
    assert warnings["daemon.user"].startswith(f"{path}:{line}: warning: ")
    assert "useradd --system --user-group" in warnings["daemon.user"]
    assert "groupadd --system nor-here" in warnings["daemon.group"]


def test_validate_warns_about_links_in_the_place_of_files_that_are_replaced(tree: Path) -> None:
    (tree / "etc/panel").symlink_to("elsewhere")
    (tree / "etc/openvpn").mkdir()
    (tree / "etc/openvpn/crl.pem").symlink_to("/srv/crl.pem")
    services = '[services.panel]\nhtpasswd = "/etc/panel"\n[services.openvpn]\ndirectory = "/etc/openvpn"\n'
    path = file(tree, f'{with_keys(QUICK_START)}{AS_ROOT}{services}remote = "vpn.example.org 1194 udp"\n')
    done = warren("validate", "--config", "/agent.toml", "--root", str(tree))
    assert done.returncode == 0, done.stdout
    for name, use in (
        ("etc/panel", "every change of a panel user"),
        ("etc/openvpn/crl.pem", "the revocation of a user"),
    ):
        expected = f"{tree / name} is a symbolic link; name the file that it leads to; otherwise {use} fails"
        assert expected in done.stdout
    assert str(path) in done.stdout


@pytest.mark.root
@pytest.mark.skipif(not UNPRIVILEGED_PORT_START.exists(), reason="ports that root alone may bind")
def test_validate_warns_about_port_that_user_may_not_bind(tree: Path) -> None:
    """It depends on the user of the agent and on the first unprivileged port."""
    text = with_keys(QUICK_START).replace("51820", "53", 1).replace("[[", "listen_port = 53\n[[", 1)
    for user, opened, warned in (("nobody", 1024, True), ("root", 1024, False), ("nobody", 53, False)):
        file(tree, f'{text}\n[daemon]\nuser = "{user}"\ngroup = "root"\n')
        words = f'sysctl -qw net.ipv4.ip_unprivileged_port_start={opened} && exec "$@"'
        command = [*WARREN, "validate", "--config", "/agent.toml", "--root", str(tree)]
        done = subprocess.run(
            ["unshare", "--net", "sh", "-c", words, "-", *command], capture_output=True, text=True, check=True
        )
        assert ("network.default.listen_port: 53 is a privileged port" in done.stdout) == warned


@pytest.mark.parametrize("text", [text for wordings in BOTH for text in wordings])
def test_validate_reports_mistakes_in_blocks_of_the_documents(text: str, tmp_path: Path) -> None:
    """H-01, H-03, H-06: each has a mistake, reported with its line and without a traceback."""
    path = file(tmp_path, text)
    done = warren("validate", "--config", str(path))
    assert done.returncode == 1
    assert done.stderr == ""
    *findings, summary = done.stdout.splitlines()
    assert findings
    assert all(finding.startswith(f"{path}:") for finding in findings)
    assert summary.startswith(f"{path} is invalid: ")


def test_validate_json_has_every_problem(tmp_path: Path) -> None:
    path = file(tmp_path, "[network.a]\nmtu = 1\n[http]\nport = true\n")
    done = warren("validate", "--json", "-c", str(path))
    assert done.returncode == 1
    assert json.loads(done.stdout) == {
        "file": str(path),
        "valid": False,
        "findings": [
            {
                "key": "network.a.private_key_path",
                "line": 1,
                "problem": "is missing",
                "expected": "expected private_key_path = …",
            },
            {
                "key": "network.a.mtu",
                "line": 2,
                "problem": "1 is out of range",
                "expected": "expected 1280 to 65535",
            },
            {
                "key": "http.port",
                "line": 4,
                "problem": "is true or false",
                "expected": "expected a whole number from 1 to 65535",
            },
        ],
        "warnings": [],
    }


@pytest.mark.security
@pytest.mark.parametrize(("mode", "status"), [(0o600, 0), (0o400, 0), (0o640, 1), (0o604, 1)])
def test_validate_checks_mode_of_key(mode: int, status: int, tree: Path) -> None:
    """H-70."""
    (tree / "etc/harmony-agent/private.key").chmod(mode)
    file(tree, with_keys(QUICK_START))
    done = warren("validate", "--config", "/agent.toml", "--root", str(tree))
    assert done.returncode == status
    assert ("chmod 600" in done.stdout) == bool(status)


@pytest.mark.needs("setpriv")
@pytest.mark.parametrize(("mode", "status"), [(0o000, 0), (0o040, 1)])
def test_validate_skips_unreadable_key(mode: int, status: int, tree: Path) -> None:
    """H-21: only its mode is checked."""
    (tree / "etc/harmony-agent/private.key").chmod(mode)
    path = file(tree, with_keys(QUICK_START).replace("/etc/harmony-agent", f"{tree}/etc/harmony-agent"))
    # Root opens what it likes by two capabilities; without them it is one user more.
    plain = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")
    words = [*(plain if os.geteuid() == 0 else ()), *WARREN, "validate", "--config", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (status, "")
    assert ("not checked" in done.stdout) == (status == 0)
    (tree / "etc/harmony-agent").chmod(0o000)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    (tree / "etc/harmony-agent").chmod(0o700)
    assert (done.returncode, done.stderr) == (0, "")
    assert "not checked" in done.stdout


def test_validate_changes_nothing(tree: Path) -> None:
    """H-21."""
    path = file(tree, with_keys(QUICK_START))
    before = {each: each.stat() for each in tree.rglob("*") if each.is_file()}
    warren("validate", "--config", str(path))
    assert {each: each.stat().st_mtime_ns for each in tree.rglob("*") if each.is_file()} == {
        each: status.st_mtime_ns for each, status in before.items()
    }


def test_validate_reports_missing_file(tmp_path: Path) -> None:
    done = warren("validate", "--config", str(tmp_path / "absent.toml"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"warren: {tmp_path}/absent.toml: No such file or directory\n")
    done = warren("validate", "--root", str(tmp_path))
    assert done.stderr.startswith(f"warren: {tmp_path}/etc/warren/agent.toml: No such file or directory\n")
