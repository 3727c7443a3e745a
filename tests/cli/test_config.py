"""`warren config`: effective values and their sources; import from wg-quick and export to it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from warren._core import PresharedKey, PrivateKey
from warren.tunnel.wgquick import parse_wgquick

from .program import shell, warren

pytestmark = pytest.mark.integration

PRIVATE, SHARED = PrivateKey.generate(), PresharedKey.generate()
PEERS = [PrivateKey.generate().public_key() for _ in range(2)]
CONF = f"""[Interface]
PrivateKey = {PRIVATE.to_base64()}
ListenPort = 51820
Address = 10.0.0.2/24, fd00::2/64
DNS = 10.0.0.1

[Peer]
PublicKey = {PEERS[0]}
PresharedKey = {SHARED.to_base64()}
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = vpn.example.org:51820
PersistentKeepalive = 25

[Peer]
PublicKey = {PEERS[1]}
AllowedIPs = 10.0.0.7/32
"""


def agent_toml(directory: Path, text: str) -> Path:
    """Write a configuration that only its owner can write, with any umask."""
    path = directory / "agent.toml"
    path.touch(0o640)
    path.write_text(text)
    return path


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """Return a wg-quick file, in a directory that is a root with the agent's own files."""
    (tmp_path / "etc/warren").mkdir(parents=True)
    path = tmp_path / "wg7.conf"
    path.touch(0o600)
    path.write_text(CONF)
    return path


def test_import_then_export_gives_the_same_file(conf: Path, tmp_path: Path) -> None:
    done = warren(
        "config", "import", str(conf), "--network", "home", "-o", f"{tmp_path}/agent.toml", "--root", str(tmp_path)
    )
    keys = tmp_path / "etc/warren"
    made = [keys / "home.key", keys / "home.peer-1.psk", tmp_path / "agent.toml"]
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [f"warren: created {path}" for path in made]
    home = tomllib.loads(made[2].read_text())["network"]["home"]
    assert (home["interface"], home["private_key_path"]) == ("wg7", "/etc/warren/home.key")
    assert [peer["name"] for peer in home["peers"]] == ["peer-1", "peer-2"]

    where = ("--config", "/agent.toml", "--root", str(tmp_path))
    assert warren("validate", *where).returncode == 0
    exported = warren("config", "export", "home", *where)
    assert parse_wgquick(exported.stdout, name="wg7") == parse_wgquick(CONF, name="wg7")
    assert exported.stderr == ""


@pytest.mark.security
def test_import_shows_no_secret(conf: Path, tmp_path: Path) -> None:
    """H-73."""
    done = warren("config", "import", str(conf), "--keys", str(tmp_path))
    assert done.returncode == 0
    assert tomllib.loads(done.stdout)["network"]["wg7"]["private_key_path"] == f"{tmp_path}/wg7.key"
    for secret in (PRIVATE.to_base64(), SHARED.to_base64()):
        assert secret[:20] not in done.stdout + done.stderr
    assert (tmp_path / "wg7.key").stat().st_mode & 0o777 == 0o600


def test_import_overwrites_nothing(conf: Path, tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text("mine")
    done = warren("config", "import", str(conf), "--keys", str(tmp_path), "-o", f"{tmp_path}/agent.toml")
    assert done.returncode == 1
    assert done.stderr.startswith(f"warren: {tmp_path}/agent.toml already exists\n")
    assert (tmp_path / "agent.toml").read_text() == "mine"
    assert not list(tmp_path.glob("*.key"))


def test_import_rejects_settings_without_equivalent(conf: Path, tmp_path: Path) -> None:
    conf.write_text(CONF.replace("DNS = 10.0.0.1", "DNS = lan.example\nPostUp = true"))
    done = warren("config", "import", str(conf), "--keys", str(tmp_path))
    assert done.returncode == 1
    assert f"warren: {conf}: line 5: DNS: " in done.stderr
    assert f"warren: {conf}: line 6: PostUp: the agent runs no commands; remove it" in done.stderr
    assert not list(tmp_path.glob("*.key"))


def test_export_rejects_unknown_network(tmp_path: Path) -> None:
    agent_toml(tmp_path, '[network.home]\nprivate_key_path = "/absent.key"\n')
    where = ("--config", f"{tmp_path}/agent.toml")
    done = warren("config", "export", "office", *where)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"warren: {tmp_path}/agent.toml has no network office; known networks: home\n")
    done = warren("config", "export", "home", *where)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("warren: /absent.key: No such file or directory\n")


@pytest.mark.security
def test_export_warns_if_output_is_world_readable(conf: Path, tmp_path: Path) -> None:
    warren("config", "import", str(conf), "--keys", str(tmp_path), "-o", f"{tmp_path}/agent.toml")
    export = f"warren config export wg7 --config {tmp_path}/agent.toml"
    done = shell(f"umask 022; {export} > {tmp_path}/open; umask 077; {export} > {tmp_path}/closed")
    assert done.stderr.count("warning: standard output is a world-accessible file") == 1


def test_show_prints_effective_configuration(tmp_path: Path) -> None:
    path = agent_toml(tmp_path, '[daemon]\nlog_level = "error"\n[network.a]\nprivate_key_path = "/k"\n')
    quiet = {"VIW_AGENT_LOG_LEVEL": "", "RUST_LOG": ""}
    shown = warren("config", "show", "--config", str(path), env=quiet)
    assert (shown.returncode, shown.stderr) == (0, "")
    values = tomllib.loads(shown.stdout)
    assert values["daemon"]["log_level"] == "error"
    assert values["http"] == {
        "enabled": True,
        "bind": ["127.0.0.1", "::1"],
        "port": 9090,
        "socket": "/run/warren/http.sock",
        "token": "/var/lib/warren/http/token",
        "admin_token": "/var/lib/warren/http/admin-token",
        "names": [],
    }
    assert values["network"]["a"]["mtu"] == 1420
    assert values["sandbox"]["memory"] == "512m"
    tables = {"daemon", "http", "metrics", "security", "scripts", "sandbox", "containers", "services", "monitoring"}
    assert values.keys() == tables | {"network"}
    assert "#" not in shown.stdout


def test_show_origin_names_sources(tmp_path: Path) -> None:
    """Flag, environment, file, default (X-33)."""
    path = agent_toml(tmp_path, '[daemon]\nlog_level = "error"\nuser = "tunnels"\n')

    def level(*flags: str, **environment: str) -> str:
        shown = warren("config", "show", "--origin", "--config", str(path), *flags, env=environment).stdout
        assert f'user = "tunnels"  # {path}:3\n' in shown
        assert "port = 9090  # default\n" in shown
        return next(line for line in shown.splitlines() if line.startswith("log_level"))

    assert level("-v", RUST_LOG="warn") == 'log_level = "debug"  # flag --verbose'
    assert level(RUST_LOG="warn", VIW_AGENT_LOG_LEVEL="info") == 'log_level = "info"  # environment VIW_AGENT_LOG_LEVEL'
    assert level(RUST_LOG="warn", VIW_AGENT_LOG_LEVEL="") == 'log_level = "warning"  # environment RUST_LOG'
    assert level(RUST_LOG="", VIW_AGENT_LOG_LEVEL="") == f'log_level = "error"  # {path}:2'


def test_show_reports_invalid_configuration(tmp_path: Path) -> None:
    agent_toml(tmp_path, "[nonsense]\n[http]\nport = 0\n")
    done = warren("config", "show", "--config", f"{tmp_path}/agent.toml")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count(f"warren: {tmp_path}/agent.toml: line ") == 2
