"""A visitor of the pages behind nginx has no session, and floods, forges headers, or lures others onto a page."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.netns.deadline import until
from tests.nginx import HEAD
from tests.project.conftest import ROOT
from warren.commands.bootstrap_routes import REDEEM_PER_MINUTE, BootstrapRoutes
from warren.commands.effects.effect import Effects
from warren.commands.providers.bootstrap import Session
from warren.http.auth import Access
from warren.http.io.listeners import open_unix
from warren.http.io.server import serve
from warren.http.router import HttpRouter

pytestmark = [pytest.mark.integration, pytest.mark.security, pytest.mark.needs("nginx", "curl")]

TIMEOUT_SECONDS = 30
TOKEN = "t" * 43
ATTACKER, VISITOR = "127.0.0.2", "127.0.0.3"
GUIDE = (ROOT / "docs/guide/panel.md").read_text()
NGINX = (
    HEAD
    + """        listen 127.0.0.1:{port};
        listen 127.0.0.2:{port};
        listen 127.0.0.3:{port};
        {locations}
    }}
}}
"""
)


async def perform(_: Effects[Any]) -> Session:
    """Redeem each token that has the right form."""
    return Session("c" * 43, "ada", "s-1", 60)


class Site:
    """An nginx as the guide configures it, before an agent's endpoint."""

    def __init__(self, directory: Path, port: int) -> None:
        (snippet,) = (each for each in re.findall(r"```nginx\n(.*?)```", GUIDE, re.DOTALL) if "/login" in each)
        locations = snippet.replace("/run/warren", str(directory))
        (directory / "nginx.conf").write_text(NGINX.format(directory=directory, port=port, locations=locations))
        self.port = port

    def redeem(self, source: str, token: str, *headers: str) -> int:
        """Return the status that a visitor gets who redeems a token."""
        words = ["curl", "--silent", "--output", os.devnull, "--write-out", "%{http_code}", "--interface", source]
        words += [word for header in headers for word in ("--header", header)]
        words += ["--data", f"bootstrap_token={token}", f"http://127.0.0.1:{self.port}/login"]
        return int(subprocess.run(words, capture_output=True, text=True, check=True, timeout=TIMEOUT_SECONDS).stdout)

    def flood(self, *headers: str) -> set[int]:
        """Return the statuses of junk that one visitor sends over one connection until the limit is reached."""
        statuses = set()
        with socket.create_connection(("127.0.0.1", self.port), TIMEOUT_SECONDS, (ATTACKER, 0)) as connection:
            replies = connection.makefile("rb")
            lines = ["POST /login HTTP/1.1", "Host: vpn.example", "Content-Type: application/x-www-form-urlencoded"]
            lines += ["Content-Length: 1", *headers, "", "x"]
            for _ in range(2 * REDEEM_PER_MINUTE):
                connection.sendall("\r\n".join(lines).encode())
                statuses.add(int(replies.readline().split()[1]))
                length = 0
                while (line := replies.readline().strip()) != b"":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                replies.read(length)
            replies.close()
        return statuses


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made = Site(tmp_path, port)
    loop = asyncio.new_event_loop()
    router = HttpRouter(BootstrapRoutes(perform, loop.time).routes(), Access)
    task = loop.create_task(serve(open_unix(tmp_path / "bootstrap.sock"), router))
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(loop.run_until_complete, asyncio.wait([task]))
        with subprocess.Popen(["nginx", "-e", tmp_path / "error.log", "-c", tmp_path / "nginx.conf"]) as nginx:
            try:
                until(lambda: is_open(port), "nginx listens")
                yield made
            finally:
                nginx.terminate()
                loop.call_soon_threadsafe(task.cancel)
                running.result(TIMEOUT_SECONDS)
    loop.close()


def is_open(port: int) -> bool:
    """Return whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_flood_of_one_visitor_locks_no_other_out(site: Site) -> None:
    assert 429 in site.flood()
    assert site.redeem(VISITOR, "junk") == 403
    assert site.redeem(VISITOR, TOKEN) == 200


def test_visitor_cannot_choose_the_address_that_is_counted(site: Site) -> None:
    assert 429 in site.flood("X-Real-IP: 192.0.2.1")
    assert site.redeem(ATTACKER, TOKEN, "X-Real-IP: 192.0.2.2") == 429
    assert site.redeem(VISITOR, TOKEN) == 200


@pytest.mark.parametrize(
    "header",
    ["Origin: https://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"],
)
def test_page_of_another_site_logs_no_visitor_in(site: Site, header: str) -> None:
    assert site.redeem(VISITOR, TOKEN, header) == 403


def test_page_of_the_site_itself_logs_a_visitor_in(site: Site) -> None:
    own = f"http://127.0.0.1:{site.port}"
    assert site.redeem(VISITOR, TOKEN, f"Origin: {own}") == 200
    assert site.redeem(VISITOR, TOKEN, f"Origin: {own}", "Sec-Fetch-Site: same-origin") == 200
