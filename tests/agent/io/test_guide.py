"""docs/guide/configuration.md says what is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.project.conftest import ROOT
from warren.agent.config import AgentConfig, load_config
from warren.agent.config_sections import agent_sections
from warren.agent.io.config_file import check_keys, read_config
from warren.cli.validate import Verdict, as_text
from warren.config.defaults import defaults_for
from warren.errors import ConfigError

pytestmark = pytest.mark.integration

GUIDE = (ROOT / "docs/guide/configuration.md").read_text()
EXAMPLE = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)[0]
WRONG = "[network.home]\nmtu = 1200\nadress = 1\n"
NETWORKS, COMMANDS = GUIDE.split("## Tables of signed commands")
ROWS = dict(re.findall(r"^\| `([\w.]+)` \| .*? ?\| (.+) \|$", NETWORKS, re.MULTILINE))
"""By key, what the guide says where it is absent."""
HEADERS = ("[network.a]", "[[network.a.peers]]", "[daemon]", "[http]", "[metrics]")


def load(text: str) -> AgentConfig:
    return load_config(text, "f.toml", defaults_for("warren"))


def test_the_example_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.touch(0o640)
    path.write_text(EXAMPLE)
    config = read_config(path, defaults_for("warren", str(tmp_path)))
    assert (config.warnings, check_keys(config, None).findings) == ((), ())
    assert "agent.toml is valid: 1 network, 1 enabled; 1 peer" in as_text(Verdict(Path("agent.toml"), config))
    assert "is valid: 1 network, 1 enabled; 1 peer\n" in GUIDE


def test_the_mistakes_are_told_in_these_words() -> None:
    with pytest.raises(ConfigError) as error:
        load(WRONG)
    assert as_text(Verdict(Path("wrong.toml"), None, error.value.findings)) in GUIDE


def test_every_key_is_there_with_its_default() -> None:
    config = load('[network.a]\nprivate_key_path = "/k"\n')
    shown: dict[str, object] = {}
    for section in agent_sections(config):
        prefix = "" if section.key.startswith("network") else f"{section.key}."
        shown |= {f"{prefix}{key}": value for key, value in section.values.items()}
    peer_keys = {
        "name",
        "public_key",
        "preshared_key_path",
        "endpoint",
        "allowed_ips",
        "persistent_keepalive_secs",
        "probe",
    }
    assert ROWS.keys() == shown.keys() | peer_keys
    written = {key: re.match(r"`(.+?)`", text) for key, text in ROWS.items()}
    said = {key: tomllib.loads(f"x = {found[1]}")["x"] for key, found in written.items() if found}
    assert said.pop("persistent_keepalive_secs") == 25
    assert said.pop("allowed_ips") == []
    assert {key: shown[key] for key in said} == said
    assert shown.keys() - said.keys() == {"private_key_path"}


def test_every_key_that_it_names_is_taken() -> None:
    with pytest.raises(ConfigError) as error:
        load("".join(f"{header}\nzzz = 1\n" for header in HEADERS))
    known = {
        finding.key.removesuffix("zzz"): set(finding.expected.removeprefix("expected one of ").split(", "))
        for finding in error.value.findings
        if finding.key.endswith("zzz")
    }
    tables = ("daemon", "http", "metrics")
    own = {f"{table}.{key}" for table in tables for key in known[f"{table}."]}
    assert own | known["network.a."] - {"peers"} | known["network.a.peers[0]."] == ROWS.keys()


def test_every_key_of_a_table_of_commands_is_there() -> None:
    """`close` names all keys of a table where one is none of them."""
    words = set(re.findall(r"`(?:\[\w.]+\] )?`?(\w+)", COMMANDS))
    for table in ("security", "scripts", "sandbox", "containers", "monitoring"):
        with pytest.raises(ConfigError) as refused:
            load(f"[{table}]\nzzzzzzzz = 1\n")
        keys = str(refused.value).partition("expected one of ")[2].split(", ")
        assert set(keys) <= words, table
