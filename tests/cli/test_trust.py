"""identity, trust and operator: from setup to a node with an installed bundle."""

from __future__ import annotations

import json
import os
import pwd
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path

import pytest

from warren.cli.trust import ROLES
from warren.commands.registry import VERBS

from .program import shell, warren

NOBODY = pwd.getpwnam("nobody").pw_uid

pytestmark = [pytest.mark.integration, pytest.mark.security]


@pytest.fixture
def office(tmp_path: Path) -> Path:
    """Return an operator's directory: root key, dispatch key, the operator alice and a policy."""
    directory = tmp_path / "office"
    assert warren("trust", "init", str(directory)).returncode == 0
    made = warren("operator", "new", "alice", "-o", str(directory / "alice.jwks"))
    with (directory / "trust.toml").open("a") as file:
        file.write(made.stdout)
    return directory


def sign(office: Path, version: int = 1) -> Path:
    source = office / "trust.toml"
    source.write_text(source.read_text().replace("version = 1 ", f"version = {version} "))
    assert warren("trust", "sign", str(source)).returncode == 0
    return office / "trust.jws"


def thumbprint(office: Path) -> str:
    return str(json.loads(warren("trust", "show", str(office / "trust.jws"), "--json").stdout)["signed_by"][0])


def test_trust_init_sign_install_and_show(office: Path, tmp_path: Path) -> None:
    node = str(tmp_path / "node")
    shown = warren("identity", "init", "--id", "gateway-001", "--root", node)
    assert json.loads(shown.stdout)["agent_id"] == "gateway-001"
    assert warren("identity", "show", "--root", node).stdout == shown.stdout
    bundle = sign(office)
    pin = ("--pin", thumbprint(office))
    done = warren("trust", "install", str(bundle), "--root", node, *pin)
    assert done.stdout.startswith(f"{node}/var/lib/warren/identity/trust.jws: version 1 of policy-1, until ")
    assert warren("operator", "list", "--root", node).stdout.startswith("alice\tADMIN\t")
    words = warren("trust", "show", "--root", node, *pin).stdout
    assert f"signed by {thumbprint(office)}, pinned on this node" in words
    assert "role VIEWER: get_monitoring_data" in words


def test_identity_init_initializes_replay_stores(tmp_path: Path) -> None:
    state = tmp_path / "var/lib/warren"
    configure(tmp_path, f'[daemon]\nuser = "{pwd.getpwuid(NOBODY if os.geteuid() == 0 else os.geteuid()).pw_name}"\n')
    before = int(time.time())
    assert warren("identity", "init", "--id", "gateway-001", "--root", str(tmp_path)).returncode == 0
    assert created(state / "commands") >= before
    if os.geteuid() == 0:  # what no agent that was taken over can change
        assert created(state / "runner") >= before
        for name, owner, mode in (("commands", NOBODY, 0o700), ("runner", 0, 0o700)):
            found = (state / name).stat()
            assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (owner, mode)
            assert {path.stat().st_uid for path in (state / name).iterdir()} == {owner}


@pytest.mark.parametrize("name", ["commands", "runner"])
def test_identity_init_keeps_existing_replay_store(tmp_path: Path, name: str) -> None:
    directory = tmp_path / "var/lib/warren" / name
    directory.mkdir(parents=True)
    (directory / "commands.db").write_text("neither whole nor a database")
    assert warren("identity", "init", "--id", "gateway-001", "--root", str(tmp_path)).returncode == 0
    assert [path.name for path in directory.iterdir()] == ["commands.db"]
    assert (directory / "commands.db").read_text() == "neither whole nor a database"


@pytest.mark.root
def test_identity_init_makes_nothing_in_directory_of_another_user(tmp_path: Path) -> None:
    state = tmp_path / "var/lib/warren"
    state.mkdir(parents=True)
    os.chown(state, NOBODY, NOBODY)
    configure(tmp_path, '[daemon]\nuser = "nobody"\n')
    done = warren("identity", "init", "--id", "gateway-001", "--root", str(tmp_path))
    assert done.returncode == 1
    assert f"{state} is owned by an untrusted user" in done.stderr
    assert [*state.iterdir()] == []


def configure(root: Path, text: str) -> None:
    config = root / "etc/warren/agent.toml"
    config.parent.mkdir(parents=True)
    config.write_text(text)


def created(directory: Path) -> int:
    """Return when the store was created: its record begins a minute later."""
    with closing(sqlite3.connect(directory / "commands.db")) as connection:
        return int(connection.execute("SELECT value FROM meta WHERE name = 'begun'").fetchone()[0]) - 60


def test_install_uses_pins_of_the_configuration(office: Path, tmp_path: Path) -> None:
    bundle = sign(office)
    node, config = tmp_path / "node", tmp_path / "node" / "etc" / "warren" / "agent.toml"
    config.parent.mkdir(parents=True)
    refused = warren("trust", "install", str(bundle), "--root", str(node))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no trust root is pinned in [security]" in refused.stderr
    config.write_text(f'[security]\nroot = ["{"A" * 43}"]\n')
    refused = warren("trust", "install", str(bundle), "--root", str(node))
    assert "signed by 0 of the roots that are trusted here; expected 1" in refused.stderr
    config.write_text(f'[security]\nroot = ["{thumbprint(office)}"]\ntrust = "/var/lib/elsewhere/trust.jws"\n')
    assert warren("trust", "install", str(bundle), "--root", str(node)).returncode == 0
    assert (node / "var/lib/elsewhere/trust.jws").read_text() == bundle.read_text()


def test_private_keys_have_mode_0600(office: Path, tmp_path: Path) -> None:
    done = shell(
        f"umask 000; warren identity init --id n --root {tmp_path}/node; cd {tmp_path}; warren operator new bob;"
        f" warren trust init {tmp_path}/other"
    )
    assert done.returncode == 0
    identity = tmp_path / "node/var/lib/warren/identity"
    keys = [identity / "node.jwks", identity / "sealing.jwks", tmp_path / "bob.jwks", office / "root.jwks"]
    keys += [tmp_path / "other/root.jwks", tmp_path / "other/dispatch.jwks", office / "alice.jwks"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in keys] == [0o600] * len(keys)
    secrets = [key["d"] for path in keys for key in json.loads(path.read_text())["keys"] if "d" in key]
    assert len(set(secrets)) == 9
    assert [secret for secret in secrets if secret in done.stdout + done.stderr] == []


def test_installed_bundle_is_readable_with_any_umask(office: Path, tmp_path: Path) -> None:
    bundle = sign(office)
    node = tmp_path / "node"
    done = shell(f"umask 077; warren trust install {bundle} --root {node} --pin {thumbprint(office)}")
    assert done.returncode == 0
    path = node / "var/lib/warren/identity/trust.jws"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755


@pytest.mark.root
def test_identity_init_by_root_gives_keys_to_the_agents_user(tmp_path: Path) -> None:
    config = tmp_path / "etc/warren/agent.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[daemon]\nuser = "nobody"\n')
    assert warren("identity", "init", "--id", "n", "--root", str(tmp_path)).returncode == 0
    path = tmp_path / "var/lib/warren/identity/node.jwks"
    assert path.owner() == "nobody"
    assert path.parent.owner() == "root"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_roles_of_draft_cover_every_verb() -> None:
    """Row V-46: an administrator for every verb, a viewer for what reads."""
    assert len(ROLES["ADMIN"]) == len(set(ROLES["ADMIN"])) == 14
    assert VERBS.keys() <= {*ROLES["ADMIN"]}
    assert {name for name, verb in VERBS.items() if verb.read_only} == VERBS.keys() & {*ROLES["VIEWER"]}


def test_init_and_new_never_overwrite(office: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in office.iterdir()}
    for command in (("trust", "init", str(office)), ("operator", "new", "alice", "-o", str(office / "alice.jwks"))):
        done = warren(*command)
        assert done.returncode == 1
        assert "already exists" in done.stderr
    assert {path.name: path.read_bytes() for path in office.iterdir()} == before
    node = str(tmp_path / "node")
    first = warren("identity", "init", "--id", "one", "--root", node).stdout
    again = warren("identity", "init", "--id", "two", "--root", node)
    assert again.returncode == 1
    assert "this node already has an identity" in again.stderr
    assert warren("identity", "show", "--root", node).stdout == first


def test_sign_and_install_reject_version_that_is_not_higher(office: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.jws"
    old.write_bytes(sign(office).read_bytes())
    again = warren("trust", "sign", str(office / "trust.toml"))
    assert again.returncode == 1
    assert "version 1 is not higher than version 1" in again.stderr
    node, new = str(tmp_path / "node"), sign(office, 2)
    pin = ("--pin", thumbprint(office))
    assert warren("trust", "install", str(new), "--root", node, *pin).returncode == 0
    refused = warren("trust", "install", str(old), "--root", node, *pin)
    assert refused.returncode == 1
    assert "version 1 is lower than the known version 2" in refused.stderr
    assert "version 2 of policy-1" in warren("trust", "show", "--root", node).stdout


def test_dispatch_key_and_root_can_be_rotated(office: Path, tmp_path: Path) -> None:
    """The steps of docs/guide/trust.md."""
    node, old = str(tmp_path / "node"), sign(office).read_text()
    pin = ("--pin", thumbprint(office))
    source, next_root = office / "trust.toml", office / "next.jwks"
    shown = warren("trust", "key", str(next_root)).stdout
    x = shown.split('"')[1]
    source.write_text(f'roots = ["{x}"]\n{source.read_text().replace("version = 1 ", "version = 2 ")}')
    handed_on = sign(office).read_text()
    dispatch = warren("trust", "key", str(office / "dispatch-2.jwks")).stdout
    source.write_text(
        source.read_text().replace("[roles]", f"[[dispatch]]\n{dispatch}\n[roles]").replace("= 2 ", "= 3 ")
    )
    assert warren("trust", "sign", str(source), "--key", str(next_root)).returncode == 0
    both = tmp_path / "both.jws"
    both.write_text(handed_on + (office / "trust.jws").read_text())
    assert warren("trust", "install", str(office / "trust.jws"), "--root", node, *pin).returncode == 1
    assert warren("trust", "install", str(both), "--root", node, *pin).returncode == 0
    words = warren("trust", "show", "--root", node, *pin).stdout
    assert words.startswith("version 3 of policy-1\n")
    assert words.count("dispatch key ") == 2
    both.write_text(old)
    assert warren("trust", "install", str(both), "--root", node, *pin).returncode == 1


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("trust", "sign", "absent.toml"), "No such file"),
        (("trust", "show", "absent.jws"), "No such file"),
        (("trust", "install", "absent.jws", "--pin", "x"), "No such file"),
        (("identity", "show", "--root", "nowhere"), "this node has no identity"),
        (("identity", "init", "--id", "a.b", "--root", "nowhere"), "invalid node name"),
        (("operator", "new", "../up"), "expected 1 to 64"),
        (("operator", "new", "a", "--role", "a b"), "expected 1 to 64"),
        (("operator", "list", "--root", "nowhere"), "No such file"),
    ],
)
def test_trust_commands_report_errors_without_traceback(
    command: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = warren(*command)
    assert done.returncode in {1, 2}
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_sign_rejects_root_key_open_to_others(office: Path) -> None:
    (office / "root.jwks").chmod(0o644)
    done = warren("trust", "sign", str(office / "trust.toml"))
    assert done.returncode == 1
    assert "accessible to other users" in done.stderr
    assert not (office / "trust.jws").exists()


def test_bundle_of_two_roots_is_cosigned_and_installed(office: Path, tmp_path: Path) -> None:
    node, source, second = str(tmp_path / "node"), office / "trust.toml", office / "second.jwks"
    x = warren("trust", "key", str(second)).stdout.split('"')[1]
    source.write_text(f'roots = ["{x}"]\nroot_threshold = 2\n{source.read_text()}')
    signed = warren("trust", "sign", str(source))
    assert (signed.returncode, "1 of 2 signatures are missing" in signed.stderr) == (0, True)
    bundle = office / "trust.jws"
    assert "NOT VERIFIED: 1 of 2 signatures are missing" in warren("trust", "show", str(bundle)).stdout
    pin = ("--pin", thumbprint(office))
    refused = warren("trust", "install", str(bundle), "--root", node, *pin)
    assert (refused.returncode, "signed by 1 of the roots of its own" in refused.stderr) == (1, True)
    assert warren("trust", "cosign", str(bundle), "--key", str(second)).returncode == 0
    assert warren("trust", "install", str(bundle), "--root", node, *pin).returncode == 0
    assert warren("trust", "cosign", str(bundle), "--key", str(second)).returncode == 1
