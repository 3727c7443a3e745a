"""What cannot be opened is tried again until it can be."""

from __future__ import annotations

import asyncio
import logging
import socket
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest

from warren.backoff import BackoffPolicy
from warren.http.io.listeners import TcpAddress, open_tcp
from warren.http.io.opening import Opening
from warren.http.io.token_file import read_or_make_token

pytestmark = pytest.mark.integration

SOON = BackoffPolicy((0.01,))


def test_a_port_in_use_is_opened_once_it_is_free() -> None:
    other = socket.create_server(("127.0.0.1", 0))
    listener = Opening("near", partial(open_tcp, TcpAddress(ip_address("127.0.0.1"), other.getsockname()[1])), SOON)
    assert listener.attempt() is None
    assert listener.problem is not None
    assert listener.problem.code == "http.port_in_use"

    async def wait() -> None:
        waiting = asyncio.ensure_future(listener.wait())
        await asyncio.sleep(3 * SOON.max_seconds)
        assert not waiting.done()
        other.close()
        (await waiting).close()

    asyncio.run(wait())
    assert listener.problem is None


def test_a_token_file_is_read_once_its_directory_exists(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "http/token"
    token = Opening(str(path), lambda: read_or_make_token(path), SOON)
    with caplog.at_level(logging.INFO):
        assert token.attempt() is None
        assert token.attempt() is None
        path.parent.mkdir(mode=0o700)
        assert asyncio.run(token.wait()) == path.read_text().strip()
    assert [record.getMessage() for record in caplog.records] == ["http.open_failed", "http.opened"]
