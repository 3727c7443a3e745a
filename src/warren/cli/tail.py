"""Shows what a command says while it is under way."""

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

GLANCE_SECONDS = 0.05
PATIENCE_SECONDS = 30.0


@contextmanager
def follow_output(socket: Path, envelope: str, *, show: bool) -> Iterator[None]:
    """While the block runs; whatever goes wrong with it, the command goes on."""
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
        follower.join(PATIENCE_SECONDS)


def _follow(socket: Path, corr_id: str, ended: threading.Event) -> None:
    offset, has_begun = 0, False
    with suppress(WarrenError):
        while True:
            piece = request(
                socket, "tail_output", config={"corr_id": corr_id, "from": offset}, timeout=PATIENCE_SECONDS
            )
            if text := str(piece["text"]):
                write(text)
            offset, has_begun = int(str(piece["next"])), has_begun or not piece["ended"]
            if piece["ended"] and (has_begun or ended.is_set()):
                return
            if piece["ended"]:
                ended.wait(GLANCE_SECONDS)


def _corr_id(envelope: str) -> str | None:
    """As it says itself; the node believes none of it before its signature."""
    try:
        text = read(envelope).text
        found = parse_object(from_base64url(text.split(".")[1])).get("corr_id")
    except (JwsError, ValueError):
        return None
    return found if isinstance(found, str) else None
