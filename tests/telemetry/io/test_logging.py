"""Lines of logs: JSON that machines read, text that people read, and no secret in either (H-79, H-91)."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren._core import PresharedKey, PrivateKey
from warren.telemetry.io.logging import HIDDEN, JsonFormatter, TextFormatter, presentable, set_level, start_logging
from warren.telemetry.levels import Level

pytestmark = pytest.mark.unit

KEY = PrivateKey.generate()
PRESHARED = PresharedKey.generate()
SECRETS = {KEY.to_base64(), PRESHARED.to_base64(), "hunter2"}
log = logging.getLogger("warren.test")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Logging belongs to the process."""
    root, ours = logging.getLogger(), logging.getLogger("warren")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def record(event: str, level: int = logging.INFO, **fields: object) -> logging.LogRecord:
    """As a logger makes it, at a time that is known."""
    made = log.makeRecord(log.name, level, __file__, 1, event, (), None, extra=fields)
    made.created = 1_700_000_000.9
    return made


def as_json(made: logging.LogRecord) -> dict[str, Any]:
    """The line, read back."""
    line = JsonFormatter().format(made)
    assert len(line.splitlines()) == 1
    read: dict[str, Any] = json.loads(line)
    return read


def test_an_event_is_one_object_on_one_line() -> None:
    made = record("network.up", network="default", peers=3, address=ip_address("10.0.0.1"), since=None)
    assert list(as_json(made).items()) == [
        ("ts", "2023-11-14T22:13:20Z"),
        ("level", "info"),
        ("event", "network.up"),
        ("network", "default"),
        ("peers", 3),
        ("address", "10.0.0.1"),
        ("since", None),
    ]


def test_people_read_it_on_one_line_too() -> None:
    made = record("network.failed", logging.ERROR, network="default", reason="no such\nfile", ports=[1, 2])
    said = TextFormatter().format(made)
    assert said == r'2023-11-14T22:13:20Z error   network.failed network=default reason="no such\nfile" ports="[1, 2]"'


def test_free_text_of_a_library_becomes_an_event_of_its_own() -> None:
    made = logging.LogRecord("asyncio.base", logging.ERROR, "", 1, "Task was %s", ("lost",), None)
    read = as_json(made)
    assert (read["event"], read["message"]) == ("asyncio.message", "Task was lost")


def test_an_exception_comes_with_its_traceback() -> None:
    said = []
    for as_json in (True, False):
        start_logging(Level.INFO, stream := io.StringIO(), as_json=as_json)
        try:
            int("wrong")
        except ValueError:
            log.exception("reload.failed")
        said.append(stream.getvalue())
    assert json.loads(said[0])["traceback"].endswith("'wrong'")
    assert json.loads(said[0])["level"] == "error"
    assert said[1].splitlines()[1] == "Traceback (most recent call last):"


@pytest.mark.security
@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
@pytest.mark.parametrize("key", [KEY, PRESHARED])
def test_no_key_gets_out(formatter: logging.Formatter, key: PrivateKey | PresharedKey) -> None:
    fields: dict[str, Any] = {"given": key, "several": [key, {"deep": (key,)}], "mapping": {"peer": key}}
    made = logging.LogRecord("warren", logging.INFO, "", 1, "key %s read", (key,), None)
    for line in (formatter.format(record("key.read", **fields)), formatter.format(made)):
        assert not any(secret in line for secret in SECRETS)
    assert presentable(fields) == {
        "given": HIDDEN,
        "several": [HIDDEN, {"deep": [HIDDEN]}],
        "mapping": {"peer": HIDDEN},
    }


@pytest.mark.security
@pytest.mark.parametrize("name", ["token", "password", "private_key", "privateKey", "admin_token", "preshared_key"])
def test_what_is_named_a_secret_is_hidden(name: str) -> None:
    fields: dict[str, Any] = {name: "hunter2", "request": {name: "hunter2"}}
    made = record("request.refused", **fields)
    assert as_json(made)[name] == HIDDEN
    for formatter in (JsonFormatter(), TextFormatter()):
        assert "hunter2" not in formatter.format(made)


def test_what_is_public_is_not() -> None:
    read = as_json(record("key.read", private_key_path="/etc/warren/private.key", public_key="abc="))
    assert HIDDEN not in read.values()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.text(max_size=20), values)
def test_whatever_is_logged_is_one_line(said: str, value: object) -> None:
    made = record(said, value=value)
    as_json(made)
    assert len(TextFormatter().format(made).split("\n")) == 1


def test_the_level_holds_from_one_line_to_the_next() -> None:
    stream = io.StringIO()
    start_logging(Level.WARNING, stream, as_json=True)
    log.info("first.event")
    log.warning("second.event")
    set_level(Level.DEBUG)
    log.debug("third.event")
    logging.getLogger("asyncio").debug("Using selector: EpollSelector")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["second.event", "third.event"]


def test_a_stream_that_is_no_terminal_gets_json() -> None:
    stream = io.StringIO()
    start_logging(Level.INFO, stream)
    log.info("agent.started")
    assert json.loads(stream.getvalue())["event"] == "agent.started"


def test_a_terminal_gets_text() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    start_logging(Level.INFO, stream)
    log.info("agent.started")
    assert stream.getvalue().endswith("info    agent.started\n")
