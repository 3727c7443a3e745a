"""A terminal forger has text shown to an operator: a script's output, a name, a log, an answer, an error."""

from __future__ import annotations

import io
import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.program import warren
from tests.cli.test_status import ELSEWHERE, NOW, UP
from warren.audit.text import line_text
from warren.cli.command import _as_text as result_text
from warren.cli.status_table import as_table
from warren.cli.status_text import as_text
from warren.cli.tail import OutputLines
from warren.commands.result import Code, Result, Status
from warren.errors import HostError
from warren.files.lock_file import LockFile
from warren.files.unix_listener import listen
from warren.localapi.io.client import MAX_ANSWER_BYTES, request
from warren.telemetry.io.logging import TextFormatter

pytestmark = [pytest.mark.integration, pytest.mark.security]

HOSTILE = "\x1b[2J\x1b[H\rSUCCESS\n\u202e\x9b1A\x07\ud800"
SHOWN = r"\x1b[2J\x1b[H\rSUCCESS\n\u202e\x9b1A\x07\ud800"


def assert_harmless(text: str) -> None:
    """Check that nothing in a text controls a terminal, and that it is not hidden either."""
    assert all(each.isprintable() or each in "\n\t" for each in text)
    assert r"\x1b[2J" in text


@contextmanager
def hostile_agent(path: Path, *answers: bytes) -> Iterator[None]:
    """Answer each connection with the next of these octets, as an agent that was taken over might."""
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            for octets in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65_536)
                    try:
                        connection.sendall(octets)
                    except OSError:
                        return

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        yield
        server.join(10)


def answer(data: object) -> bytes:
    return json.dumps({"id": "1", "success": True, "data": data}).encode() + b"\n"


NETWORK = {
    "network": HOSTILE, "state": "active", "health": "healthy", "interface": HOSTILE, "backend": HOSTILE,
    "peers": {"total": 1, "healthy": 1, "waiting": 0}, "traffic": {"rx_bytes": 0, "tx_bytes": 0},
    "error": HOSTILE, "warnings": [HOSTILE],
}  # fmt: skip


def test_answers_of_an_agent_control_no_terminal(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    listed = answer({"networks": [NETWORK], "conditions": [{"message": HOSTILE}]})
    error = json.dumps({"id": "1", "success": False, "error": {"type": "invalid_state", "message": HOSTILE}}).encode()
    for words, octets in (
        (("list",), listed),
        (("disconnect", "x"), error + b"\n"),
        (("connect", "x"), answer(NETWORK)),
    ):
        with hostile_agent(path, octets):
            done = warren(*words, "--socket", str(path))
        path.unlink()
        assert_harmless(done.stdout + done.stderr)


def test_names_of_interfaces_and_answers_of_their_programs_control_no_terminal() -> None:
    interface = replace(ELSEWHERE, name="wg\x1b[2J", offloads_off=(("tso", HOSTILE),))
    names = {str(peer.public_key): HOSTILE for peer in UP.peers}
    assert_harmless(as_text((interface, UP), NOW, names))
    for styled in (as_table((interface, UP), NOW, 200, networks=[NETWORK], names=names),):
        assert SHOWN in styled
        assert "\x1b[2J" not in styled
        assert "\x07" not in styled


def test_output_of_a_program_cannot_look_like_a_result(capsys: pytest.CaptureFixture[str]) -> None:
    output = OutputLines()
    for piece in ("\x1b[2J\x1b[Hdel", "ete_user SUCCESS\n  corr_id: 1\n\ndelete_user SUCCESS", "\n", "end"):
        output.write(piece)
    output.end()
    shown = capsys.readouterr().out
    assert_harmless(shown)
    assert shown.splitlines() == [
        r"| \x1b[2J\x1b[Hdelete_user SUCCESS",
        "|   corr_id: 1",
        "| ",
        "| delete_user SUCCESS",
        "| end",
    ]


def test_fields_of_a_result_cannot_look_like_another_one() -> None:
    forged = "x\ndelete_user SUCCESS\n  corr_id: 2"
    result = Result("1", "node", "list_users", Status.ERROR, Code.EXEC_FAILED, 0, problem=forged)
    lines = result_text(result, {"profile": forged, "na\nme": "v"}).splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        r"list_users ERROR EXEC_FAILED: x\ndelete_user SUCCESS\n  corr_id: 2"
    ]
    assert [line for line in lines if line.startswith("  corr_id")] == ["  corr_id: 1"]


def test_entries_of_a_forged_log_stay_on_their_lines(tmp_path: Path) -> None:
    entry = {
        "timestamp": "t\n2027-01-15T08:00:00Z",
        "n": 1,
        "event": HOSTILE,
        "command": HOSTILE,
        "parameters": {"\x1b[2J": 1},
    }
    assert "\n" not in line_text(json.dumps(entry).encode())
    (tmp_path / "audit.jsonl").write_text(json.dumps(entry) + "\n\x1b[2J\x1b[H\n")
    for options in ((), ("--json",)):
        done = warren("audit", "show", str(tmp_path / "audit.jsonl"), *options)
        assert_harmless(done.stdout.replace(r"\u001b", r"\x1b"))
        assert len(done.stdout.splitlines()) == 2


def test_log_lines_on_a_terminal_control_nothing() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter())
    logger = logging.getLogger("warren.test_terminal_forger")
    logger.propagate = False
    logger.addHandler(handler)
    logger.warning("program.stderr", extra={"stderr": HOSTILE, "reversed": "\u202eabc", "\x1b[2J": 1})
    logger.error("command.crashed", exc_info=ValueError(HOSTILE))
    shown = stream.getvalue()
    assert all(each.isprintable() or each == "\n" for each in shown)
    assert len([line for line in shown.splitlines() if "program.stderr" in line]) == 1


def test_lock_file_of_another_process_controls_no_terminal(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    with LockFile.open(tmp_path / "agent.sock.lock", trust=None) as lock:
        assert lock.acquire()
        lock.record_holder("\x1b[2J\x1b[H\u202e4242")
        with pytest.raises(HostError) as error:
            listen(path, trust=None)
    assert_harmless(str(error.value))


def test_paths_and_messages_of_errors_control_no_terminal(tmp_path: Path) -> None:
    name = tmp_path / "\x1b[2J\u202e.toml"
    for words in (("validate", "--config", str(name)), ("audit", "verify", str(name)), ("trust", "show", str(name))):
        done = warren(*words)
        assert done.returncode != 0
        assert_harmless(done.stdout + done.stderr)


def test_answer_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    with hostile_agent(path, b"x" * (MAX_ANSWER_BYTES + (1 << 20))), pytest.raises(Exception, match="longer than"):
        request(path, "ping")


@pytest.mark.parametrize("octets", [b"[" * 200_000, b'{"a":' * 100_000, b"\xff\n", b"9" * 5000 + b"\n"])
def test_answer_that_no_parser_takes_is_an_error(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "agent.sock"
    with hostile_agent(path, octets), pytest.raises(Exception, match="invalid response"):
        request(path, "ping")
