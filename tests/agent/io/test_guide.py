"""The examples of docs/guide/configuration.md are valid, and its output is that of the program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.project.conftest import ROOT
from warren.agent.config import load_config
from warren.agent.io.config_file import check_keys, read_config
from warren.cli.validate import Verdict, as_text
from warren.config.defaults import defaults_for
from warren.errors import ConfigError

pytestmark = pytest.mark.integration

GUIDE = (ROOT / "docs/guide/configuration.md").read_text()
EXAMPLE, *FRAGMENTS = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
WRONG = "[network.home]\nmtu = 1200\nadress = 1\n"


def test_the_example_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.touch(0o640)
    path.write_text(EXAMPLE)
    config = read_config(path, defaults_for("warren", str(tmp_path)))
    assert (config.warnings, check_keys(config, None).findings) == ((), ())
    assert "agent.toml is valid: 1 network, 1 enabled; 1 peer" in as_text(Verdict(Path("agent.toml"), config))
    assert "is valid: 1 network, 1 enabled; 1 peer\n" in GUIDE


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_each_fragment_is_valid(fragment: str) -> None:
    load_config(fragment, "f.toml", defaults_for("warren"))


def test_the_output_of_validate_is_that_of_the_program() -> None:
    with pytest.raises(ConfigError) as error:
        load_config(WRONG, "f.toml", defaults_for("warren"))
    assert as_text(Verdict(Path("wrong.toml"), None, error.value.findings)) in GUIDE
