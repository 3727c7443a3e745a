"""Every key has one row, from which its parser, `config show` and the reference page come."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from checks import reference_configuration
from checks.reference_configuration import all_tables, unknown_keys
from tests.project.conftest import ROOT
from warren.agent.config import load_config
from warren.config.defaults import defaults_for
from warren.errors import ConfigError

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
PLANTED = '    planted_seconds: int = option(duration_in(range(1, HOUR + 1)), "A planted key.", default=30)\n'
PROBE = """
from checks.reference_configuration import configuration_page, unknown_keys
from warren.agent.config import config_sections, load_config
from warren.config.defaults import defaults_for
from warren.config.toml_writer import encode_toml
config = load_config("[monitoring]\\nplanted_seconds = '1m'", "f.toml", defaults_for("warren"))
assert config.commands.monitoring.planted_seconds == 60
assert "planted_seconds = 60\\n" in encode_toml([*config_sections(config)])
assert "| `planted_seconds` | 1 s to 1 h | `30` | A planted key. |" in configuration_page()
assert not [*unknown_keys("`[monitoring] planted_seconds`")]
"""


@pytest.mark.unit
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_key_in_a_document_exists(document: Path) -> None:
    assert [*unknown_keys(document.read_text())] == []


@pytest.mark.unit
@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("set `[sandbox] memory_bytes` to more", "[sandbox] memory_bytes"),
        ("`[sandbox]` `file_bytes` is larger", "[sandbox] file_bytes"),
        ("| key of `[sandbox]` | |\n|---|---|\n| `memory`, `cores` | 1 |\n", "[sandbox] cores"),
        ("`[services.openvpn] port`", "[services.openvpn] port"),
        ("`[nowhere] key`", "[nowhere] key"),
    ],
)
def test_an_unknown_key_in_a_document_is_found(text: str, key: str) -> None:
    assert [*unknown_keys(text)] == [key]


@pytest.mark.unit
@pytest.mark.parametrize(
    "text",
    [
        "`[sandbox] memory`",
        "`[scripts] sha256.panel_create`",
        "`[network.home] mtu`",
        "`[services.openvpn] unit`",
        "`[services] sshd`",
        "| key of `[sandbox]` | |\n|---|---|\n| `memory`, `network` | 1 |\n",
    ],
)
def test_a_known_key_in_a_document_is_accepted(text: str) -> None:
    assert [*unknown_keys(text)] == []


@pytest.mark.unit
def test_no_document_names_an_attribute_in_place_of_its_key() -> None:
    attributes = {"memory_bytes", "file_bytes", "memory_limit_mb", "max_memory_mb"}
    for document in DOCUMENTS:
        if document.name != "CHANGELOG.md":
            named = set(re.findall(r"`(\w+)`", document.read_text()))
            assert not named & attributes, document


@pytest.mark.unit
def test_each_row_has_one_sentence_of_documentation() -> None:
    for found in all_tables():
        for row in found.rows:
            assert re.fullmatch(r"[A-Z].*[^.]\.", row.doc), f"[{found.name}] {row.key}"
            assert ". " not in row.doc, f"[{found.name}] {row.key}"


@pytest.mark.unit
def test_the_reader_takes_exactly_the_keys_of_the_page() -> None:
    names = [found.name.replace("NAME", "a") for found in all_tables()]
    headers = (f"[[{name}]]" if found.is_list else f"[{name}]" for name, found in zip(names, all_tables(), strict=True))
    text = "".join(f"{header}\nzzz = 1\n" for header in headers)
    with pytest.raises(ConfigError) as error:
        load_config(text, "f.toml", defaults_for("warren"))
    expected = {
        finding.key.removesuffix(".zzz").replace("[0]", ""): set(
            finding.expected.removeprefix("expected one of ").split(", ")
        )
        for finding in error.value.findings
        if finding.key.endswith(".zzz")
    }
    within = {name.rpartition(".")[2] for name in names if name.startswith("network.a.")}
    for name, found in zip(names, all_tables(), strict=True):
        keys = {row.key.split(".", maxsplit=1)[0] for row in found.rows}
        if name != "services":  # which takes any key
            assert expected[name] - within == keys, name


@pytest.mark.integration
def test_a_new_key_is_one_row_in_its_own_module(tmp_path: Path) -> None:
    """One line is added to one module; parser, `config show`, the page and the check of documents follow."""
    package = tmp_path / "warren"
    shutil.copytree(ROOT / "src/warren", package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for extension in (ROOT / "src/warren").glob("*.so"):
        (package / extension.name).symlink_to(extension)
    module = package / "commands/settings.py"
    anchor = "class MonitoringSettings(Settings):\n"
    head, tail = module.read_text().split(anchor)
    docstring, body = tail.split("\n\n", maxsplit=1)
    module.write_text(f"{head}{anchor}{docstring}\n\n{PLANTED}{body}")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run([sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.unit
def test_the_page_is_generated() -> None:
    page = ROOT / "docs/reference/configuration.md"
    assert page.read_text() == reference_configuration.configuration_page(), "run: python -m checks.reference --write"
