"""The texts that OpenVPN and fwknop read; fwknop's daemon itself takes its stanza."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from warren.commands.effects.effect import Secret
from warren.commands.providers.arguments import SPA_KEY, USERNAME, VPN_USERNAME
from warren.commands.providers.openvpn_files import SERVER_NAME, Spa, VpnFiles, default_head, profile

KEY, HMAC_KEY = "c2VjcmV0c2VjcmV0c2VjcmV0", "aG1hY2htYWNobWFjaG1hY2ht"


def spa(remote: str | None, key: str = KEY) -> Spa:
    return Spa("192.0.2.2", Secret(key.encode()), Secret(HMAC_KEY.encode()), 1_900_000_000, remote)


@pytest.mark.unit
def test_a_profile_is_a_head_and_what_is_inline() -> None:
    text = profile(default_head("vpn.example.org 1194 udp"), b"CA\n", b"CERT\n", Secret(b"KEY\n")).open().decode()
    assert "\nremote vpn.example.org 1194 udp\n" in text
    assert text.endswith("<ca>\nCA\n</ca>\n<cert>\nCERT\n</cert>\n<key>\nKEY\n</key>\n")


@pytest.mark.unit
@pytest.mark.parametrize("head", ["client", "client\n", "client\n\n"])
def test_a_template_is_followed_by_a_new_line(head: str) -> None:
    assert profile(head, b"CA\n", b"", Secret(b"")).open().startswith(b"client\n<ca>\n")


@pytest.mark.unit
def test_no_path_of_a_user_leaves_its_directory() -> None:
    files = VpnFiles("/etc/openvpn")
    for path in (files.entry, files.certificate, files.profile, files.spa):
        assert Path(path("user-1_x")).parent.parent == Path("/etc/openvpn")


@pytest.mark.unit
def test_the_servers_name_is_nobody_elses() -> None:
    assert USERNAME.problem(SERVER_NAME) is None
    assert VPN_USERNAME.problem(SERVER_NAME)
    assert VPN_USERNAME.problem("OpenVPN-Server")
    assert VPN_USERNAME.problem("user1") is None


@pytest.mark.unit
def test_the_port_that_is_opened() -> None:
    assert "OPEN_PORTS udp/1194" in spa("vpn.example.org 1194 udp4").stanza().open().decode()
    assert "OPEN_PORTS tcp/443" in spa("vpn.example.org 443 tcp-client").stanza().open().decode()
    assert "OPEN_PORTS" not in spa(None).stanza().open().decode()
    assert KEY not in repr(spa(None))


@pytest.mark.integration
@pytest.mark.root
@pytest.mark.needs("fwknopd")
@pytest.mark.parametrize("key", [KEY, "A" * 16, "A" * 168, "A" * 166 + "=="])
def test_fwknop_takes_the_stanza(tmp_path: Path, key: str) -> None:
    assert SPA_KEY.problem(key) is None
    (tmp_path / "spa").mkdir()
    (tmp_path / "spa" / "user1.conf").write_bytes(spa("vpn.example.org 1194 udp", key).stanza().open())
    (tmp_path / "access.conf").write_text(f"%include_folder {tmp_path}/spa\n")
    (tmp_path / "fwknopd.conf").write_text(f"FWKNOP_RUN_DIR {tmp_path};\nFWKNOP_CONF_DIR {tmp_path};\n")
    for path in tmp_path.rglob("*.conf"):
        path.chmod(0o600)
    words = ["fwknopd", "--config-file", "fwknopd.conf", "--access-file", "access.conf", "--dump-config"]
    done = subprocess.run(
        words, cwd=tmp_path, env={**os.environ, "TZ": "UTC"}, capture_output=True, text=True, check=False
    )
    shown = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert "SOURCE (1): 192.0.2.2" in shown
    assert "OPEN_PORTS: udp/1194" in shown
    assert "ACCESS_EXPIRE: Sun Mar 17 17:46:40 2030" in shown
