"""What a runner takes from root alone, and an agent that was taken over cannot change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from warren.commands.settings import CommandSettings, SecuritySettings
from warren.errors import TrustError
from warren.privsep.io.pinned_node import read_node, verify_bundle_path
from warren.trust.io.identity_file import FILE, make_identity

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


def test_a_node_cannot_become_another_by_what_the_agent_writes(settings: CommandSettings) -> None:
    assert read_node(settings).agent_id == "gateway-001"
    assert read_node(settings).agent_id == "gateway-001"
    mine = Path(settings.security.identity) / FILE
    mine.write_text(mine.read_text().replace("gateway-001", "gateway-002"))
    with pytest.raises(TrustError, match=r"^this node is gateway-001, and its identity is now gateway-002$"):
        read_node(settings)


def test_root_gives_it_another_name(settings: CommandSettings) -> None:
    read_node(settings)
    (Path(settings.security.identity) / FILE).unlink()
    make_identity(Path(settings.security.identity), "gateway-002")
    (Path(settings.runner) / "agent_id").unlink()
    assert read_node(settings).agent_id == "gateway-002"


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
