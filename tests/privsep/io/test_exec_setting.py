"""The owner's switch of commands, as the runner reads it from root's file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from warren.privsep.io.exec_setting import ExecSetting

pytestmark = [
    pytest.mark.integration,
    pytest.mark.security,
    pytest.mark.skipif(os.geteuid() != 0, reason="the file is root's"),
]
ON, OFF = '[security]\nroot = ["A"]\nexec_enable = true\n', "[security]\nexec_enable = false\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "agent.toml"
    path.write_text(ON)
    return path


def test_setting_follows_the_file(file: Path) -> None:
    setting = ExecSetting(file)
    assert setting.is_enabled()
    file.write_text(OFF)
    assert not setting.is_enabled()
    file.write_text(ON)
    assert setting.is_enabled()


@pytest.mark.parametrize("text", ["", "[daemon]\n", "[security]\n"])
def test_file_without_the_setting_disables_commands(file: Path, text: str) -> None:
    setting = ExecSetting(file)
    file.write_text(text)
    assert not setting.is_enabled()


def test_file_that_is_gone_disables_commands(file: Path) -> None:
    setting = ExecSetting(file)
    file.unlink()
    assert not setting.is_enabled()


@pytest.mark.parametrize("text", ["[security\n", "[security]\nexec_enable = 1\n", "security = 3\n", "\0"])
def test_invalid_file_leaves_the_setting_as_it_was(file: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    setting = ExecSetting(file)
    file.write_text(OFF)
    assert not setting.is_enabled()
    file.write_text(text)
    assert not setting.is_enabled()
    assert not setting.is_enabled()
    assert [record.message for record in caplog.records] == ["config.rejected"]


@pytest.mark.parametrize(("owner", "mode"), [(4711, 0o600), (0, 0o620), (0, 0o602)])
def test_file_that_another_user_can_write_enables_nothing(file: Path, owner: int, mode: int) -> None:
    setting = ExecSetting(file)
    file.write_text(OFF)
    assert not setting.is_enabled()
    file.write_text(ON)
    os.chown(file, owner, 4711)
    file.chmod(mode)
    assert not setting.is_enabled()
