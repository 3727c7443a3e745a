"""What docs/guide/openvpn.md, panel.md and containers.md say is so."""

from __future__ import annotations

import re

import pytest

from tests.project.conftest import ROOT
from warren.agent.config import load_config
from warren.commands.providers.openvpn import FORM_001, FORM_004
from warren.commands.providers.openvpn_files import VpnFiles, server_lines
from warren.commands.settings import ContainerSettings
from warren.config.defaults import defaults_for

pytestmark = pytest.mark.unit

GUIDES = ("openvpn", "panel", "containers")
OPENVPN, PANEL, CONTAINERS = ((ROOT / f"docs/guide/{name}.md").read_text() for name in GUIDES)


def test_the_lines_of_a_server() -> None:
    assert (
        f"# warren openvpn init /etc/openvpn\n{server_lines(VpnFiles('/etc/openvpn'), '/usr/bin/warren')}```" in OPENVPN
    )


@pytest.mark.parametrize("guide", [OPENVPN, PANEL])
def test_the_tables_are_valid(guide: str) -> None:
    (table,) = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)
    config = load_config(table, "agent.toml", defaults_for("warren"))
    assert config.warnings == ()
    services = config.commands.services
    assert services.openvpn.remote == "vpn.example.org 1194 udp" or services.panel.htpasswd is not None


def test_every_argument_is_explained() -> None:
    rows = re.findall(r"^\| (`.*?`) \| (✓?) ?\| (✓?) ?\|", OPENVPN, re.MULTILINE)
    explained = {
        (name, bool(of_001), bool(of_004)) for names, of_001, of_004 in rows for name in re.findall(r"`(\w+)`", names)
    }
    passwords = {("password", True, True), ("userpass", True, True)}  # one row for both
    others = {(name, name in FORM_001.rules, name in FORM_004.rules) for name in {**FORM_001.rules, **FORM_004.rules}}
    assert explained == passwords | {row for row in others if row[0] not in {"password", "userpass"}}


def test_the_table_of_containers_says_what_is_usual() -> None:
    (table,) = re.findall(r"```toml\n(.*?)```", CONTAINERS, re.DOTALL)
    config = load_config(table, "agent.toml", defaults_for("warren"))
    assert config.warnings == ()
    assert config.commands.containers == ContainerSettings(images=("viworks/firefox:latest",))
