"""The agent's configuration on the disk, and the key files that it names."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from tests.tunnel.strategies import PRESHARED_KEYS, PRIVATE_KEYS, PUBLIC_KEYS
from warren.agent.config import AgentConfig
from warren.agent.io.config_file import check_keys, key_owners, read_config
from warren.config.defaults import defaults_for
from warren.config.overrides import Override
from warren.errors import ConfigError, HostError, InputError

pytestmark = pytest.mark.integration

WARREN = defaults_for("warren")
BROKEN = "[nonsense]\n"


def file(directory: Path, text: str, mode: int = 0o640) -> Path:
    """A file with that text and mode."""
    path = directory / "agent.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


@pytest.mark.security
@pytest.mark.parametrize(
    ("mode", "warned"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True), (0o651, False)]
)
def test_who_may_read_it(mode: int, warned: bool, tmp_path: Path) -> None:
    """H-72."""
    config = read_config(file(tmp_path, "", mode), WARREN)
    assert [f"chmod o-r {tmp_path}" in warning.expected for warning in config.warnings] == [True] * warned


@pytest.mark.security
@pytest.mark.parametrize("mode", [0o620, 0o660, 0o602, 0o666, 0o622])
def test_who_may_write_it(mode: int, tmp_path: Path) -> None:
    """H-72: said together with all else."""
    with pytest.raises(ConfigError) as error:
        read_config(file(tmp_path, "", mode), WARREN)
    assert error.value.code == "config.permissions"
    assert f"(mode {mode:04o}); check its content, then: chmod go-w {tmp_path}" in str(error.value)
    with pytest.raises(ConfigError) as error:
        read_config(file(tmp_path, BROKEN, mode), WARREN)
    assert [finding.key for finding in error.value.findings] == ["the file", "nonsense"]


@pytest.mark.security
def test_untrusted_owner_is_rejected(tmp_path: Path) -> None:
    """H-76: where the process has more rights than who started it."""
    path = file(tmp_path, "")
    assert read_config(path, WARREN, owners=frozenset((os.geteuid(),))).networks == ()
    with pytest.raises(InputError, match=rf"is owned by an untrusted user \({os.geteuid()}\)") as error:
        read_config(path, WARREN, owners=frozenset((os.geteuid() + 1,)))
    assert error.value.code == "config.untrusted_owner"


def test_a_mistake_names_the_file(tmp_path: Path) -> None:
    path = file(tmp_path, BROKEN)
    with pytest.raises(ConfigError, match=f"^{path}: line 1: nonsense: unknown table"):
        read_config(path, WARREN)


def test_what_counts_more_than_the_file(tmp_path: Path) -> None:
    path = file(tmp_path, '[daemon]\nlog_level = "error"\n')
    assert read_config(path, WARREN).daemon.log_level == "error"
    above = [Override("daemon.log_level", "debug", "flag --verbose")]
    assert read_config(path, WARREN, above).daemon.log_level == "debug"


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="No such file"):
        read_config(tmp_path / "absent.toml", WARREN)
    with pytest.raises(InputError, match="is not a regular file"):
        read_config(Path(os.devnull), WARREN)
    path = file(tmp_path, "")
    path.write_bytes(b"# caf\xe9\n")
    with pytest.raises(ConfigError, match="line 1: this line: is not UTF-8"):
        read_config(path, WARREN)


@pytest.fixture
def config(tmp_path: Path) -> AgentConfig:
    """A network with both key files in their place."""
    for name, key in (("home.key", PRIVATE_KEYS[0]), ("home.psk", PRESHARED_KEYS[0])):
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_text(f"{key.to_base64()}\n")
    text = (
        f'[network.home]\nprivate_key_path = "{tmp_path}/home.key"\n[[network.peers]]\nname = "p"\n'
        f'public_key = "{PUBLIC_KEYS[0]}"\npreshared_key_path = "{tmp_path}/home.psk"\n'
    )
    return read_config(file(tmp_path, text), WARREN)


OWN = (os.geteuid(),)


def test_key_files_as_they_should_be(config: AgentConfig) -> None:
    checked = check_keys(config, OWN)
    assert (checked.findings, checked.unchecked) == ((), ())


@pytest.mark.security
@pytest.mark.parametrize(
    ("mode", "refused"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True), (0o660, True)]
)
def test_modes_of_key_files(mode: int, refused: bool, config: AgentConfig, tmp_path: Path) -> None:
    """H-70: by mask."""
    (tmp_path / "home.psk").chmod(mode)
    found = check_keys(config, OWN).findings
    assert [(finding.line, finding.key) for finding in found] == [
        (6, "network.home.peers[0].preshared_key_path")
    ] * refused
    assert all(f"(mode {mode:04o})" in finding.problem for finding in found)


@pytest.mark.security
def test_owners_of_key_files(config: AgentConfig) -> None:
    """H-70."""
    strangers = (OWN[0] + 1, OWN[0] + 2)
    assert [finding.line for finding in check_keys(config, strangers).findings] == [2, 6]
    assert check_keys(config, None).findings == ()


def test_a_key_file_that_is_none(config: AgentConfig, tmp_path: Path) -> None:
    (tmp_path / "home.key").write_text("no key\n")
    (tmp_path / "home.psk").unlink()
    checked = check_keys(config, OWN)
    assert [finding.key for finding in checked.findings] == ["network.home.private_key_path"]
    assert [finding.problem for finding in checked.unchecked] == [
        f"not checked: {tmp_path}/home.psk: No such file or directory"
    ]


def test_the_owners_of_keys() -> None:
    name = pwd.getpwuid(os.geteuid()).pw_name
    assert key_owners(name) == frozenset((0, os.geteuid()))
    assert key_owners("nobody of this name") is None
