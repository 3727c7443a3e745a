"""Show the output of a command while it is running."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from warren.cli.output import write
from warren.errors import WarrenError
from warren.jws import JwsError, from_base64url, read
from warren.localapi.io.client import request
from warren.strictjson import parse_object
from warren.terminal import LINE_BREAK

POLL_INTERVAL_SECONDS = 0.05
TIMEOUT_SECONDS = 30.0
MARK = "| "


class OutputLines:
    """Write the output of a program with a mark before each line: it cannot look like a line of this program."""

    def __init__(self) -> None:
        self._at_start = True

    def write(self, text: str) -> None:
        """Write the next piece, which is not empty."""
        marked = (MARK if self._at_start else "") + text.replace(LINE_BREAK, LINE_BREAK + MARK)
        self._at_start = text.endswith(LINE_BREAK)
        write(marked.removesuffix(MARK) if self._at_start else marked)

    def end(self) -> None:
        """End an incomplete line."""
        if not self._at_start:
            write(LINE_BREAK)
            self._at_start = True


@contextmanager
def follow_output(socket: Path, envelope: str, *, show: bool) -> Iterator[None]:
    """Show the output while the block runs. A failure to show it does not affect the command."""
    ended = threading.Event()
    corr_id = _corr_id(envelope) if show else None
    if corr_id is None:
        yield
        return
    follower = threading.Thread(target=_follow, args=(socket, corr_id, ended), name="output", daemon=True)
    follower.start()
    try:
        yield
    finally:
        ended.set()
        follower.join(TIMEOUT_SECONDS)


def _follow(socket: Path, corr_id: str, ended: threading.Event) -> None:
    offset, has_started, output = 0, False, OutputLines()
    with suppress(WarrenError):
        while True:
            piece = request(socket, "tail_output", config={"corr_id": corr_id, "from": offset}, timeout=TIMEOUT_SECONDS)
            if text := str(piece["text"]):
                output.write(text)
            offset, has_started = int(str(piece["next"])), has_started or not piece["ended"]
            if piece["ended"] and (has_started or ended.is_set()):
                break
            if piece["ended"]:
                ended.wait(POLL_INTERVAL_SECONDS)
    output.end()


def _corr_id(envelope: str) -> str | None:
    """Return the `corr_id` of an envelope without verifying it, or None."""
    try:
        text = read(envelope).text
        corr_id = parse_object(from_base64url(text.split(".")[1])).get("corr_id")
    except (JwsError, ValueError):
        return None
    return corr_id if isinstance(corr_id, str) else None
