"""The files of an imported network: all, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tunnel.strategies import PRESHARED_KEYS, PRIVATE_KEYS, PUBLIC_KEYS
from warren.errors import HostError, KeyFileError
from warren.files.key_file import read_preshared_key, read_private_key
from warren.tunnel.config import InterfaceConfig, PeerConfig
from warren.tunnel.io.wgquick_files import write_files
from warren.tunnel.wgquick import WgQuickFile
from warren.tunnel.wgquick_import import Imported, network_from_wgquick

pytestmark = [pytest.mark.integration, pytest.mark.security]


@pytest.fixture
def imported() -> Imported:
    peer = PeerConfig(PUBLIC_KEYS[0], preshared_key=PRESHARED_KEYS[0])
    return network_from_wgquick(WgQuickFile(InterfaceConfig("wg0", PRIVATE_KEYS[0], peers=(peer,))), "home", "/keys")


def test_all_of_them(imported: Imported, tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    made = write_files(imported, str(tmp_path), (tmp_path / "agent.toml", "text\n"))
    key, preshared, config = made
    assert read_private_key(key) == PRIVATE_KEYS[0]
    assert read_preshared_key(preshared) == PRESHARED_KEYS[0]
    assert config.read_text() == "text\n"
    assert config.stat().st_mode & 0o037 == 0


@pytest.mark.parametrize("taken", ["keys/home.key", "keys/home.peer-1.psk", "agent.toml"])
def test_none_where_one_is_there_already(taken: str, imported: Imported, tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / taken).write_text("mine")
    with pytest.raises((KeyFileError, HostError), match="already exists"):
        write_files(imported, str(tmp_path), (tmp_path / "agent.toml", "text\n"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / taken]
    assert (tmp_path / taken).read_text() == "mine"


def test_none_where_there_is_no_directory(imported: Imported, tmp_path: Path) -> None:
    with pytest.raises(KeyFileError):
        write_files(imported, str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "keys").mkdir()
    with pytest.raises(HostError, match="No such file or directory"):
        write_files(imported, str(tmp_path), (tmp_path / "absent" / "agent.toml", "text\n"))
    assert list((tmp_path / "keys").iterdir()) == []
