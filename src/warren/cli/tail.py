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

POLL_INTERVAL_SECONDS = 0.05
TIMEOUT_SECONDS = 30.0


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
    offset, has_started = 0, False
    with suppress(WarrenError):
        while True:
            piece = request(socket, "tail_output", config={"corr_id": corr_id, "from": offset}, timeout=TIMEOUT_SECONDS)
            if text := str(piece["text"]):
                write(text)
            offset, has_started = int(str(piece["next"])), has_started or not piece["ended"]
            if piece["ended"] and (has_started or ended.is_set()):
                return
            if piece["ended"]:
                ended.wait(POLL_INTERVAL_SECONDS)


def _corr_id(envelope: str) -> str | None:
    """Return the `corr_id` of an envelope without verifying it, or None."""
    try:
        text = read(envelope).text
        corr_id = parse_object(from_base64url(text.split(".")[1])).get("corr_id")
    except (JwsError, ValueError):
        return None
    return corr_id if isinstance(corr_id, str) else None
