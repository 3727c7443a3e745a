"""Who decides how much is logged (X-33)."""

from __future__ import annotations

import pytest

from warren.errors import InputError
from warren.telemetry.levels import Level, log_level

pytestmark = pytest.mark.unit

OURS, RUST = "VIW_AGENT_LOG_LEVEL", "RUST_LOG"


@pytest.mark.parametrize(
    ("flag", "environ", "file", "level"),
    [
        ("debug", {OURS: "error", RUST: "warn"}, "info", Level.DEBUG),
        (None, {OURS: "error", RUST: "warn"}, "debug", Level.ERROR),
        (None, {RUST: "warn"}, "debug", Level.WARNING),
        (None, {}, "debug", Level.DEBUG),
        (None, {}, None, Level.INFO),
        ("", {OURS: "", RUST: ""}, "", Level.INFO),
        (" WARNING ", {}, None, Level.WARNING),
        ("trace", {}, None, Level.DEBUG),
    ],
)
def test_the_first_that_says_so_decides(
    flag: str | None, environ: dict[str, str], file: str | None, level: Level
) -> None:
    assert log_level(flag, environ, file) is level


@pytest.mark.parametrize(
    ("directives", "level"),
    [
        ("info,harmony_agent=debug", Level.DEBUG),
        ("harmony-agent=error,info", Level.ERROR),
        ("warren=warn", Level.WARNING),
        ("hyper=debug,warn", Level.WARNING),
        ("hyper=trace", Level.INFO),
        ("off", Level.INFO),
        ("sometimes,warren=never", Level.INFO),
    ],
)
def test_rust_log_may_speak_of_other_programs(directives: str, level: Level) -> None:
    assert log_level(None, {RUST: directives}, None) is level


@pytest.mark.parametrize(
    ("flag", "environ", "file", "source"),
    [("loud", {}, None, "the flag"), (None, {OURS: "loud"}, None, OURS), (None, {}, "loud", "the configuration")],
)
def test_a_word_that_is_no_level_is_told_with_who_said_it(
    flag: str | None, environ: dict[str, str], file: str | None, source: str
) -> None:
    with pytest.raises(InputError, match=f"{source}: 'loud' is no log level; expected error, warning, info, debug"):
        log_level(flag, environ, file)
