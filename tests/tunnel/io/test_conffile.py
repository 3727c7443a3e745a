"""Files of wg-quick on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.tunnel.strategies import PRIVATE_KEYS
from warren.errors import ConfigError, HostError, InputError
from warren.tunnel.io import conffile
from warren.tunnel.io.conffile import find_udp_port, interface_name, read_conf, read_supported

pytestmark = pytest.mark.integration

TEXT = f"[Interface]\nPrivateKey = {PRIVATE_KEYS[0].to_base64()}\n"


def file(directory: Path, text: str = TEXT, *, name: str = "wg0.conf", mode: int = 0o600) -> Path:
    """A file with that text and mode."""
    path = directory / name
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_the_interface_is_named_after_the_file(tmp_path: Path) -> None:
    assert read_conf(file(tmp_path, name="home-1.conf")).content.interface.name == "home-1"
    assert interface_name(Path("/etc/wireguard/wg0.conf")) == "wg0"
    with pytest.raises(ConfigError, match=r"does not end with \.conf"):
        interface_name(Path("wg0"))
    with pytest.raises(ConfigError, match="the file's name"):
        read_conf(file(tmp_path, name="sixteen_letters_.conf"))


@pytest.mark.security
@pytest.mark.parametrize(
    ("mode", "warned"), [(0o600, False), (0o640, False), (0o660, False), (0o644, True), (0o601, True)]
)
def test_the_world_may_not_look(mode: int, warned: bool, tmp_path: Path) -> None:
    path = file(tmp_path, mode=mode)
    assert [f"chmod 600 {path}" in warning for warning in read_conf(path).warnings] == [True] * warned


@pytest.mark.security
@pytest.mark.parametrize("mode", [0o602, 0o666, 0o622])
def test_the_world_may_not_write(mode: int, tmp_path: Path) -> None:
    path = file(tmp_path, mode=mode)
    with pytest.raises(InputError) as error:
        read_conf(path)
    assert error.value.code == "config.permissions"
    assert f"chmod 600 {path}" in error.value.hint


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(HostError) as error:
        read_conf(tmp_path / "absent.conf")
    assert error.value.code == "config.unreadable"
    (tmp_path / "directory.conf").mkdir()
    with pytest.raises(HostError, match="Is a directory"):
        read_conf(tmp_path / "directory.conf")
    with pytest.raises(ConfigError):
        read_conf(Path(os.devnull))


def test_a_file_that_has_no_end(tmp_path: Path) -> None:
    (tmp_path / "zero.conf").symlink_to("/dev/zero")
    with pytest.raises(InputError, match="is not a regular file"):
        read_conf(tmp_path / "zero.conf")


def test_a_file_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conffile, "MAX_BYTES", len(TEXT))
    read_conf(file(tmp_path))
    with pytest.raises(InputError, match="has more than"):
        read_conf(file(tmp_path, f"{TEXT}\n"))


def test_what_is_no_text_names_its_line(tmp_path: Path) -> None:
    path = file(tmp_path)
    path.write_bytes(TEXT.encode() + b"# caf\xe9\nPostUp = caf\xe9\n")
    with pytest.raises(ConfigError) as error:
        read_conf(path)
    assert [finding.line for finding in error.value.findings] == [4]


def test_a_comment_may_be_in_any_encoding(tmp_path: Path) -> None:
    """As wg reads it."""
    path = file(tmp_path)
    path.write_bytes(TEXT.encode() + b"# caf\xe9\n")
    assert read_conf(path).content.interface.name == "wg0"


@pytest.mark.parametrize(
    ("service", "port"), [("openvpn", 1194), ("domain", 53), ("no-such-service", None), ("a\0", None)]
)
def test_a_service_has_the_port_of_the_host(service: str, port: int | None) -> None:
    assert find_udp_port(service) == port


def test_the_mark_of_a_windows_editor_is_passed_over(tmp_path: Path) -> None:
    assert read_conf(file(tmp_path, f"\N{ZERO WIDTH NO-BREAK SPACE}{TEXT}")).content.interface.name == "wg0"


def test_what_warren_does_not_do_names_the_way_out(tmp_path: Path) -> None:
    path = file(tmp_path, f"{TEXT}DNS = 10.0.0.1\n")
    read_conf(path)
    with pytest.raises(ConfigError) as error:
        read_supported(path)
    assert error.value.code == "config.unsupported"
    assert error.value.hint.endswith(f"WG_QUICK_USERSPACE_IMPLEMENTATION=warren-wg wg-quick up {path}")
