"""Scripts that are there, and that the kernel could not run."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.pipeline.bundles import put, trusted_directory
from warren.commands.effects.effect import EffectError
from warren.commands.handlers import first_line
from warren.commands.handlers.first_line import first_line_problem
from warren.commands.handlers.script_file import ScriptError, open_script
from warren.commands.settings import ScriptSettings

pytestmark = pytest.mark.integration

OWNERS = frozenset({0})


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the path of a script on a host without other formats."""
    monkeypatch.setattr(first_line, "OTHER_FORMATS", Path("/nonexistent"))
    with trusted_directory() as directory:
        yield directory / "my script"


def problem(script: Path, text: bytes) -> str:
    """Return why a script does not run. It is no security event."""
    put(script, "")
    script.write_bytes(text)
    with pytest.raises(EffectError) as error:
        open_script("panel_create", ScriptSettings({"panel_create": str(script)}), OWNERS, {})
    assert not isinstance(error.value, ScriptError)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"#!/bin/sh\r\necho hello\r\n", r"its interpreter /bin/sh\r does not exist, as its lines end with CR and LF"),
        (b"#!/bin/sh -e\r\necho hello\r\n", "as its lines end with CR and LF"),
        (b"#! /usr/bin/env python3\r\nprint()\r\n", "as its lines end with CR and LF"),
        (b"\xef\xbb\xbf#!/bin/sh\necho hello\n", "it begins with a byte order mark"),
        (b"\xef\xbb\xbf#!/bin/sh\r\necho hello\r\n", "it begins with a byte order mark"),
        ("#!/bin/sh\n".encode("utf-16"), "it is encoded in UTF-16"),
        (b"echo hello\n", "it has no first line #!INTERPRETER, such as #!/bin/sh"),
        (b"", "it has no first line #!INTERPRETER"),
        (b"\n#!/bin/sh\necho hello\n", "it has no first line #!INTERPRETER"),
        (b" #!/bin/sh\necho hello\n", "it has no first line #!INTERPRETER"),
        (b"#!\necho hello\n", "names no absolute path of an interpreter"),
        (b"#!sh\necho hello\n", "names no absolute path of an interpreter, such as #!/bin/sh, but 'sh'"),
        (b"#!/usr/bin/python9\n", "its interpreter /usr/bin/python9 does not exist; install it"),
        (b"#!/bin/\x1b[2Jsh\n", r"its interpreter /bin/\x1b[2Jsh does not exist"),
    ],
)
def test_script_that_the_kernel_cannot_run_is_rejected_with_the_reason(script: Path, text: bytes, said: str) -> None:
    assert said in problem(script, text)


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        (b"#!/bin/sh\r\necho hello\r\n", b"#!/bin/sh\necho hello\n"),
        (b"\xef\xbb\xbf#!/bin/sh\necho hello\n", b"#!/bin/sh\necho hello\n"),
    ],
)
def test_command_of_the_reason_mends_the_script(script: Path, text: bytes, fixed: bytes) -> None:
    command = problem(script, text).rpartition("; run: ")[2]
    subprocess.run(["sh", "-c", command], check=True)
    assert script.read_bytes() == fixed
    assert subprocess.run([script], capture_output=True, check=True).stdout == b"hello\n"


@pytest.mark.parametrize("head", [b"#!/bin/sh\n", b"#! /bin/sh -e\n", b"#!\t/bin/sh\n", b"#!/bin/sh", b"\x7fELF\x02"])
def test_file_that_the_kernel_can_run_has_no_problem(script: Path, head: bytes) -> None:
    assert first_line_problem(head, str(script)) is None


def test_format_that_the_host_has_registered_may_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(first_line, "OTHER_FORMATS", tmp_path)
    (tmp_path / "status").touch()
    assert first_line_problem(b"MZ", "/x") is not None
    (tmp_path / "wine").touch()
    assert first_line_problem(b"MZ", "/x") is None
