"""Errors: fault, hint and redaction."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from warren import errors
from warren._core import PrivateKey
from warren.errors import ConfigError, Fault, Finding, HostError, WarrenError

pytestmark = pytest.mark.unit

TREE = Path(__file__).parent.parent
CODE_ASSIGNMENT = r'code(?:: str)? ?= ?"([a-z0-9_.]+)"(?: if .* else "([a-z0-9_.]+)")?'


def test_error_classes_cover_every_fault() -> None:
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, WarrenError)]
    assert {c.fault for c in classes if c is not WarrenError} == set(Fault)


def test_hints_hold_exactly_the_codes_in_use() -> None:
    python = "".join(path.read_text() for path in (TREE / "src/warren").rglob("*.py"))
    rust = (TREE / "rust/crates/python/src/failure.rs").read_text()
    used = {code for codes in re.findall(CODE_ASSIGNMENT, python) for code in codes if code}
    used |= set(re.findall(r'"([a-z_]+\.[a-z0-9_]+)"', rust)) - {"warren.errors"}
    assert used == errors.HINTS.keys()


def test_error_carries_its_hint() -> None:
    error = HostError("UDP port 1", code="host.port_in_use", errno=98)
    assert (str(error), error.errno, error.hint) == ("UDP port 1", 98, errors.HINTS["host.port_in_use"])
    assert HostError("no", code="host.refused", hint="use another").hint == "use another"


def test_config_error_lists_every_finding() -> None:
    error = ConfigError([Finding("MTU", "is 3", "expected more", 7), Finding("name", "is long", "cut it")], source="f")
    assert str(error) == "f: line 7: MTU: is 3; expected more\nf: name: is long; cut it"


def test_redacted_repr_hides_text_like_a_key() -> None:
    """H-79."""
    assert errors.redacted_repr("10.0.0.300") == "'10.0.0.300'"
    key = PrivateKey.generate().to_base64()
    for text in (key, f"{key}A", f"/{key}", base64.b64decode(key).hex(), base64.b64decode(key).hex().upper()):
        assert errors.redacted_repr(text) == "a text like a key"


@pytest.mark.security
@pytest.mark.parametrize("before", [0, 20, 31, 50, 63])
def test_key_in_a_text_that_is_cut_leaves_no_part(before: int) -> None:
    """A part of a key no longer looks like one: what is cut first cannot be recognized."""
    key = str(PrivateKey.generate().public_key())
    assert errors.redacted_repr("x" * before + key, 64) == "a text like a key"


def test_long_text_is_cut() -> None:
    assert errors.redacted_repr("x" * 9, 8) == f"'{'x' * 8}'"
    assert errors.redacted_repr("x" * 8, 8) == f"'{'x' * 8}'"
