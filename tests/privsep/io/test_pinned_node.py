"""What a runner takes from root alone, and an agent that was taken over cannot change."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from warren.commands.settings import CommandSettings, SecuritySettings
from warren.errors import TrustError
from warren.jws import to_base64url
from warren.privsep.io.pinned_node import read_node, verify_bundle_path
from warren.trust.io.identity_file import FILE, SEALING_FILE, make_identity, read_identity

pytestmark = [
    pytest.mark.integration,
    pytest.mark.security,
    pytest.mark.skipif(os.geteuid() != 0, reason="the runner is root"),
]
SERVICE = 4711


@pytest.fixture
def settings(tmp_path: Path) -> CommandSettings:
    (tmp_path / "runner").mkdir(mode=0o700)
    identity = tmp_path / "identity"
    make_identity(identity, "gateway-001", (SERVICE, SERVICE))
    security = SecuritySettings(str(identity / "trust.jws"), str(identity), exec_enable=True)
    return CommandSettings(security, "", "", str(tmp_path / "runner"))


def test_read_node_ignores_whatever_the_agent_writes_from_its_first_start_on(settings: CommandSettings) -> None:
    made = json.loads((Path(settings.security.identity) / SEALING_FILE).read_text())
    agents = Path(settings.security.identity) / FILE
    agents.write_text(agents.read_text().replace("gateway-001", "gateway-002"))
    node = read_node(settings)
    assert (node.agent_id, to_base64url(node.sealing.public)) == ("gateway-001", made["keys"][0]["x"])
    agents.unlink()
    assert read_node(settings).agent_id == "gateway-001"


def test_read_node_refuses_a_node_whose_identity_root_has_not_made(settings: CommandSettings) -> None:
    """The file of the agent is no substitute, not even at the first start."""
    (Path(settings.security.identity) / SEALING_FILE).unlink()
    with pytest.raises(TrustError, match=r"sealing.jwks does not exist: root has not made the identity") as error:
        read_node(settings)
    assert error.value.code == "identity.missing"
    assert "warren identity init" in error.value.hint
    assert list(Path(settings.runner).iterdir()) == []


def test_root_gives_a_node_another_name(settings: CommandSettings) -> None:
    (Path(settings.security.identity) / FILE).unlink()
    make_identity(Path(settings.security.identity), "gateway-002", (SERVICE, SERVICE))
    assert read_node(settings).agent_id == "gateway-002"


@pytest.mark.parametrize("changed", [SEALING_FILE, "."])
@pytest.mark.parametrize("how", ["owner", "mode"])
def test_read_node_refuses_a_record_that_another_user_could_write(
    settings: CommandSettings, changed: str, how: str
) -> None:
    path = Path(settings.security.identity) / changed
    if how == "owner":
        os.chown(path, SERVICE, -1)
    else:
        path.chmod(0o777)
    with pytest.raises(TrustError, match=r"is owned by an untrusted user|is writable by users other than its owner"):
        read_node(settings)


def test_make_identity_keeps_both_files_of_a_node_from_others(settings: CommandSettings) -> None:
    directory = Path(settings.security.identity)
    found = {path.name: path.stat() for path in (*directory.iterdir(), directory)}
    assert {name: (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) for name, status in found.items()} == {
        FILE: (SERVICE, SERVICE, 0o600),
        SEALING_FILE: (0, 0, 0o600),
        directory.name: (0, SERVICE, 0o750),
    }


def test_agent_has_no_key_that_opens_arguments(settings: CommandSettings) -> None:
    """The runner alone has it; the agent knows the public key, which operators seal to."""
    directory = Path(settings.security.identity)
    pinned = read_node(settings)
    agents = read_identity(directory, frozenset((SERVICE,)))
    assert agents.sealing is None
    assert agents.sealing_public == pinned.sealing.public
    assert [sorted(key) for key in json.loads((directory / FILE).read_text())["keys"]] == [
        ["crv", "d", "kty", "use", "x"],
        ["crv", "kty", "use", "x"],
    ]


@pytest.mark.parametrize("which", ["file", "directory"])
@pytest.mark.parametrize("how", ["owner", "mode"])
def test_a_bundle_that_others_could_change_does_not_count(settings: CommandSettings, which: str, how: str) -> None:
    path = Path(settings.security.trust)
    verify_bundle_path(path)
    path.write_text("a bundle")
    verify_bundle_path(path)
    changed = path if which == "file" else path.parent
    if how == "owner":
        os.chown(changed, SERVICE, -1)
    else:
        changed.chmod(0o775)
    with pytest.raises(
        TrustError, match=rf"^{changed} is (owned by an untrusted user|writable by users other than its owner)"
    ):
        verify_bundle_path(path)


def test_a_link_does_not_count(settings: CommandSettings, tmp_path: Path) -> None:
    path = Path(settings.security.trust)
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TrustError, match="is a symbolic link"):
        verify_bundle_path(path)
