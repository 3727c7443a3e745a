"""`warren audit` on files, as an auditor has them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from warren.audit.io.journal import Journal
from warren.trust.io.identity_file import make_identity

from .program import warren

pytestmark = [pytest.mark.integration, pytest.mark.security]

VECTORS = Path(__file__).parent.parent / "vectors" / "audit"
KEY = ("--key", str(VECTORS / "node.jwk.json"))
ANCHOR = ("--anchor", str(VECTORS / "anchor.checkpoint"))


def log(name: str) -> str:
    return str(VECTORS / f"{name}.jsonl")


def test_verify_accepts_intact_log() -> None:
    done = warren("audit", "verify", log("good"), *KEY, *ANCHOR)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("entries 1 to 8: intact; head ")


@pytest.mark.parametrize("name", ["edited", "removed", "put-in", "moved"])
def test_verify_reports_tampered_line(name: str) -> None:
    done = warren("audit", "verify", log(name), *KEY)
    assert done.returncode == 1
    assert "TAMPERED" in done.stdout
    assert f"{name}.jsonl:4: entry " in done.stderr


def test_verify_finds_truncated_log_with_anchor() -> None:
    assert warren("audit", "verify", log("cut-with-its-checkpoints"), *KEY).returncode == 0
    done = warren("audit", "verify", log("cut-with-its-checkpoints"), *KEY, *ANCHOR)
    assert done.returncode == 1
    assert "it was truncated" in done.stderr


def test_verify_without_key_says_that_nothing_is_proven() -> None:
    done = warren("audit", "verify", log("good"))
    assert done.returncode == 3
    assert "consistent, but no signature was verified" in done.stdout
    assert "signatures of checkpoints are not verified" in done.stderr


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("without-checkpoints", "no checkpoint covers entries 1 to 3"),
        ("fresh-without-checkpoints", "no checkpoint covers entries 1 to 3"),
        ("ends-without-checkpoints", "no checkpoint covers entries 3 to 4"),
    ],
)
def test_verify_with_key_reports_entries_that_lack_a_checkpoint(name: str, problem: str) -> None:
    done = warren("audit", "verify", log(name), "--key", str(VECTORS / "other-node.jwk.json"))
    assert done.returncode == 1
    assert "NOT PROVEN" in done.stdout
    assert problem in done.stderr


def test_verify_reports_checkpoint_of_another_agent() -> None:
    done = warren("audit", "verify", log("other-agent"), "--key", str(VECTORS / "other-node.jwk.json"))
    assert done.returncode == 1
    assert "signed for agent 'gateway-002', but entries that it covers are of 'gateway-001'" in done.stderr


def test_verify_rejects_anchor_of_another_node() -> None:
    foreign = (VECTORS / "foreign-key.checkpoints").read_text().strip()
    done = warren("audit", "verify", log("good"), *KEY, "--anchor", foreign)
    assert done.returncode == 1
    assert "key is not trusted" in done.stderr


def test_head_shows_length_hash_and_checkpoint() -> None:
    heads = json.loads((VECTORS / "cases.json").read_text())["heads"]
    assert warren("audit", "head", log("good")).stdout == f"8 {heads[-1]}\n"
    checkpoint = warren("audit", "head", "--checkpoint", log("good")).stdout
    assert checkpoint == (VECTORS / "anchor.checkpoint").read_text()
    output = json.loads(warren("audit", "head", "--json", log("good")).stdout)
    assert output == {"n": 8, "head": heads[-1], "checkpoint": checkpoint.strip()}


def test_show_prints_entries() -> None:
    shown = warren("audit", "show", "-n", "2", log("good")).stdout.splitlines()
    assert shown[1].startswith("2027-01-15T08:01:00Z 8 command.interrupted command=delete_user result=error ")
    as_json = warren("audit", "show", "--json", log("good")).stdout
    assert as_json == (VECTORS / "good.jsonl").read_text()


def test_verify_uses_the_agents_log_by_default(tmp_path: Path) -> None:
    directory = tmp_path / "var/lib/warren/audit"
    directory.mkdir(parents=True)
    config = tmp_path / "etc/warren/agent.toml"
    config.parent.mkdir(parents=True)
    config.write_text("")
    absent = warren("audit", "verify", "--root", str(tmp_path))
    assert absent.returncode == 1
    assert "has no audit log" in absent.stderr
    shutil.copy(VECTORS / "good.jsonl", directory / "audit.jsonl")
    assert warren("audit", "verify", "--root", str(tmp_path)).returncode == 3


def test_verify_uses_the_nodes_key_by_default(tmp_path: Path) -> None:
    config = tmp_path / "etc/warren/agent.toml"
    config.parent.mkdir(parents=True)
    config.write_text("")
    identity = make_identity(tmp_path / "var/lib/warren/identity", "gateway-001")
    journal = Journal(tmp_path / "var/lib/warren/audit", "gateway-001", identity.signing)
    journal.open()
    lines = (VECTORS / "good.jsonl").read_bytes().splitlines()
    journal.append(lines)
    journal.checkpoint(journal.last, 1_800_000_061)
    done = warren("audit", "verify", "--root", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "var/lib/warren/identity/node.jwks").unlink()
    make_identity(tmp_path / "var/lib/warren/identity", "gateway-001")
    done = warren("audit", "verify", "--root", str(tmp_path))
    assert done.returncode == 1
    assert "key is not trusted" in done.stderr


@pytest.mark.parametrize("text", ["", "no key", "{}", '{"kty":"OKP","crv":"X25519","x":"AA"}'])
def test_verify_rejects_invalid_key(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    done = warren("audit", "verify", log("good"), "--key", str(tmp_path / "key"))
    assert done.returncode == 1
    assert "invalid Ed25519 public key" in done.stderr
