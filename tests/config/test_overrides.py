"""The precedence of flag, environment, file and default (X-33)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from warren.agent.config import AgentConfig, load_config
from warren.config.defaults import defaults_for
from warren.config.overrides import LOG_LEVEL, overrides, verbosity
from warren.errors import ConfigError

pytestmark = pytest.mark.unit

FILE = '[daemon]\nlog_level = "error"\n'


def level(text: str, environment: Mapping[str, str], *, verbose: bool = False) -> tuple[str, str | None]:
    """The log level that counts, and where it comes from."""
    above = overrides(AgentConfig, {LOG_LEVEL: verbosity(verbose)}, environment)
    config = load_config(text, "f.toml", defaults_for("warren"), above)
    return config.daemon.log_level, config.origins.get(LOG_LEVEL)


def test_flag_precedes_environment_precedes_file() -> None:
    both = {"VIW_AGENT_LOG_LEVEL": "INFO", "RUST_LOG": "warn"}
    assert level(FILE, both, verbose=True) == ("debug", "flag --verbose")
    assert level(FILE, both) == ("info", "environment VIW_AGENT_LOG_LEVEL")
    assert level(FILE, {"RUST_LOG": "warn"}) == ("warning", "environment RUST_LOG")
    assert level(FILE, {}) == ("error", "f.toml:2")
    assert level("", {}) == ("info", None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("trace", "debug"), ("hyper=debug,warn", "warning"), ("hyper=debug", "error"), ("off", "error"), ("", "error")],
)
def test_filters_of_single_modules_are_ignored(text: str, expected: str) -> None:
    assert level(FILE, {"RUST_LOG": text})[0] == expected


def test_invalid_override_is_reported_with_its_source() -> None:
    with pytest.raises(ConfigError) as error:
        level(FILE, {"VIW_AGENT_LOG_LEVEL": "loud"})
    (finding,) = error.value.findings
    assert (finding.key, finding.line) == ("environment VIW_AGENT_LOG_LEVEL", None)


def test_any_key_can_have_a_flag() -> None:
    above = overrides(AgentConfig, {"daemon.socket": ("--socket", "/elsewhere"), "daemon.user": ("--user", None)}, {})
    config = load_config('[daemon]\nuser = "tunnels"\n', "f.toml", defaults_for("warren"), above)
    assert (config.daemon.socket, config.daemon.user) == ("/elsewhere", "tunnels")
