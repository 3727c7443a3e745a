"""Root makes the directories of the service that are missing, and changes nothing that exists."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from warren.agent.config import AgentConfig, load_config
from warren.config.defaults import Defaults, defaults_for
from warren.errors import HostError
from warren.privsep.io import service_directories
from warren.privsep.io.service_directories import make_directories, make_root_directory
from warren.privsep.io.service_user import ServiceUser

pytestmark = [
    pytest.mark.integration,
    pytest.mark.security,
    pytest.mark.skipif(os.geteuid() != 0, reason="the directories are root's and the service's"),
]
SERVICE, OTHER = 4711, 4712
USER = ServiceUser("service", SERVICE, SERVICE, (SERVICE,))
CONFIG = '[security]\nroot = ["JQ_D7D6NMRk-_xlXw4HG5-0tBMlUhn6qzGIImaIlYcU"]\nexec_enable = true\n'


def owned(path: Path) -> tuple[int, int, int]:
    """Return user, group and mode."""
    status = path.lstat()
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)


@pytest.fixture
def defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Defaults:
    monkeypatch.setattr(service_directories, "UAPI_DIRECTORY", str(tmp_path / "run/wireguard"))
    return defaults_for("warren", str(tmp_path))


@pytest.fixture
def config(defaults: Defaults) -> AgentConfig:
    return load_config(CONFIG, "agent.toml", defaults)


def test_make_directories_gives_each_part_of_the_state_directory_one_owner(
    config: AgentConfig, defaults: Defaults, tmp_path: Path
) -> None:
    make_directories(USER, config, defaults)
    state = tmp_path / "var/lib/warren"
    assert owned(state) == (0, SERVICE, 0o755)
    for name in ("commands", "audit", "dns"):
        assert owned(state / name) == (SERVICE, SERVICE, 0o700), name
    assert owned(tmp_path / "run/warren") == (SERVICE, SERVICE, 0o755)
    assert owned(state / "http") == (SERVICE, SERVICE, 0o755)


def test_make_directories_makes_the_tokens_that_lie_in_a_directory_of_root(
    config: AgentConfig, defaults: Defaults, tmp_path: Path
) -> None:
    state = tmp_path / "var/lib/warren"
    http = replace(config.http, token=str(state / "http.token"), admin_token=str(state / "http-admin.token"))
    make_directories(USER, replace(config, http=http), defaults)
    assert owned(state) == (0, SERVICE, 0o755)
    assert owned(state / "http.token")[0] == SERVICE
    assert owned(state / "http-admin.token") == (SERVICE, SERVICE, 0o600)


@pytest.mark.parametrize(("where", "owner"), [("etc/tokens", 0), ("var/lib/warren/tokens", SERVICE)])
def test_make_directories_makes_a_missing_directory_of_tokens(
    config: AgentConfig, defaults: Defaults, tmp_path: Path, where: str, owner: int
) -> None:
    """A unit of the agent can write nowhere but below its state: elsewhere directory and tokens are root's to make."""
    (tmp_path / "etc").mkdir(exist_ok=True)
    directory = tmp_path / where
    http = replace(config.http, token=str(directory / "read"), admin_token=str(directory / "change"))
    make_directories(USER, replace(config, http=http), defaults)
    assert owned(directory)[0] == owner
    assert (directory / "read").exists() == (directory / "change").exists() == (owner == 0)


def test_make_directories_changes_no_owner_in_a_directory_of_the_program_s_name(
    config: AgentConfig, defaults: Defaults, tmp_path: Path
) -> None:
    """Somebody keeps files of their own in a directory named warren, and names a socket there."""
    place = tmp_path / "srv/warren"
    (place / "below").mkdir(parents=True)
    for name in ("root-file", "below/file"):
        (place / name).write_text("somebody's")
    (place / "link").symlink_to("/etc/shadow")
    (place / "theirs").write_text("other's")
    os.chown(place / "theirs", OTHER, OTHER)
    before = {path: owned(path) for path in (place, *place.rglob("*"))}
    daemon = replace(config.daemon, socket=str(place / "agent.sock"), state=str(place))
    http = replace(config.http, socket=str(place / "http.sock"))
    commands = replace(config.commands, audit=str(place / "below"))
    make_directories(USER, replace(config, daemon=daemon, http=http, commands=commands), defaults)
    assert {path: owned(path) for path in before} == before


def test_make_directories_replaces_an_empty_directory_of_an_agent_that_stayed_root(
    config: AgentConfig, defaults: Defaults, tmp_path: Path
) -> None:
    for name in ("run/warren", "run/wireguard", "var/lib/warren/dns"):
        (tmp_path / name).mkdir(parents=True)
    make_directories(USER, config, defaults)
    assert owned(tmp_path / "run/warren") == (SERVICE, SERVICE, 0o755)
    assert owned(tmp_path / "run/wireguard") == (0, SERVICE, 0o1775)
    assert owned(tmp_path / "var/lib/warren/dns") == (SERVICE, SERVICE, 0o700)


def test_make_directories_names_a_directory_that_the_service_cannot_use(
    config: AgentConfig, defaults: Defaults, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = tmp_path / "var/lib/warren/audit"
    kept.mkdir(parents=True)
    (kept / "audit.jsonl").write_text("root's")
    make_directories(USER, config, defaults)
    assert owned(kept)[0] == owned(kept / "audit.jsonl")[0] == 0
    (record,) = [each for each in caplog.records if each.message == "directory.not_owned"]
    assert (record.path, record.hint) == (str(kept), f"chown service: {kept}")  # type: ignore[attr-defined]


@pytest.mark.parametrize("how", ["owner", "mode", "link"])
def test_make_root_directory_refuses_one_that_is_not_root_s_alone(tmp_path: Path, how: str) -> None:
    path = tmp_path / "helper"
    if how == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        path.symlink_to(tmp_path / "elsewhere")
        os.lchown(path, SERVICE, SERVICE)
    else:
        path.mkdir(mode=0o755 if how == "mode" else 0o700)
    if how == "owner":
        os.chown(path, SERVICE, SERVICE)
    with pytest.raises(HostError, match=r"is owned by an untrusted user|with mode 0700"):
        make_root_directory(path)
