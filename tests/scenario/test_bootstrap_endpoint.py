"""A bootstrap token opens one session, which a real nginx verifies at each request (G-40, V-56)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES

from .agent import USER
from .commanded import Commanded
from .conftest import MakeAgent

pytestmark = [
    *IN_NAMESPACES,
    pytest.mark.security,
    pytest.mark.needs("nginx", "curl"),
    pytest.mark.skipif(USER == "root", reason="a user namespace has no other users"),
]
NGINX = """
daemon off; pid {directory}/nginx.pid; error_log stderr; user root;
events {{}}
http {{
  access_log off;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  upstream warren {{ server unix:{endpoint}; }}
  server {{
    listen unix:{directory}/socket;
    location /bootstrap/redeem {{ proxy_pass http://warren; }}
    location = /verify {{
      internal; proxy_pass http://warren/bootstrap/verify; proxy_pass_request_body off;
      proxy_set_header Content-Length ""; proxy_set_header Cookie $http_cookie;
    }}
    location / {{
      auth_request /verify; auth_request_set $user $upstream_http_x_warren_user;
      add_header X-User $user; root {directory}/html;
    }}
  }}
}}
"""


@pytest.fixture
def node(make_agent: MakeAgent) -> Commanded:
    node = Commanded(make_agent("node"))
    node.prepare("[services]", 'bootstrap_socket = "/run/warren/bootstrap.sock"')
    node.start()
    return node


@pytest.fixture
def site(node: Commanded, tmp_path: Path) -> Iterator[Path]:
    """Return the socket of an nginx in front of the agent's endpoint."""
    endpoint = node.agent.directory / "run/warren/bootstrap.sock"
    config = tmp_path / "nginx.conf"
    (tmp_path / "html").mkdir()
    (tmp_path / "html/panel").write_text("the panel\n")
    config.write_text(NGINX.format(directory=tmp_path, endpoint=endpoint))
    # One worker, which is root and so may use the endpoint: a host's nginx is in the socket's group.
    with subprocess.Popen(["nginx", "-e", "stderr", "-c", config], cwd=tmp_path) as nginx:
        try:
            until((tmp_path / "socket").exists, "nginx listens")
            yield tmp_path / "socket"
        finally:
            nginx.terminate()


def curl(site: Path, path: str, *options: str) -> str:
    """Return the status, then the headers."""
    command = ["curl", "-s", "-D", "-", "-o", "/dev/null", "--unix-socket", str(site), f"http://node{path}", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def generate(node: Commanded) -> str:
    result = node.run("generate_bootstrap", username="ada", session_id="s-1", ttl_seconds=600)
    return str(node.opened(result)["bootstrap_token"])


def redeem(site: Path, token: str) -> tuple[str, str]:
    """Return the status, and the cookie as a browser sends it."""
    response = curl(site, "/bootstrap/redeem", "--data-urlencode", f"bootstrap_token={token}")
    cookies = [line.partition(": ")[2] for line in response.splitlines() if line.lower().startswith("set-cookie:")]
    assert all(cookie.endswith("; Path=/; Secure; HttpOnly; SameSite=Strict") for cookie in cookies)
    return response.split()[1], cookies[0].partition(";")[0] if cookies else ""


def test_token_opens_one_session_until_it_is_revoked(node: Commanded, site: Path) -> None:
    assert curl(site, "/panel").split()[1] == "401"
    token = generate(node)
    status, cookie = redeem(site, token)
    assert status == "200"
    assert cookie.startswith("__Host-warren-bootstrap=")
    assert redeem(site, token) == ("403", "")
    inside = curl(site, "/panel", "-H", f"Cookie: other=1; {cookie}")
    assert inside.split()[1] == "200"
    assert "X-User: ada" in inside
    assert curl(site, "/panel", "-H", f"Cookie: {cookie}; {cookie}").split()[1] == "401"
    assert node.run("revoke_bootstrap", bootstrap_token=token).data == {"revoked": True}
    assert curl(site, "/panel", "-H", f"Cookie: {cookie}").split()[1] == "401"
    log = json.dumps(node.audit()) + node.agent.host.log()
    assert token not in log
    assert cookie.partition("=")[2] not in log


def test_socket_is_opened_once_its_directory_exists(make_agent: MakeAgent) -> None:
    node = Commanded(make_agent("node"))
    node.prepare("[services]", 'bootstrap_socket = "/var/lib/warren/late/bootstrap.sock"')
    node.start()

    def is_shown() -> bool:
        return "bootstrap.unavailable" in {each["name"] for each in node.agent.look("list")["conditions"]}

    assert is_shown()
    late, state = (node.agent.directory / "var/lib/warren" / name for name in ("late", "commands"))
    node.agent.host.run("mkdir", "-m", "700", late)
    node.agent.host.run("chown", "--reference", state, late)
    until(lambda: not is_shown(), "the socket is open")
    assert curl(late / "bootstrap.sock", "/bootstrap/redeem").split()[1] == "405"


@pytest.mark.parametrize(
    ("path", "options", "status"),
    [
        ("/bootstrap/redeem", ("-d", "bootstrap_token=guess"), "403"),
        ("/bootstrap/redeem", ("-d", "bootstrap_token=a&bootstrap_token=b"), "400"),
        ("/bootstrap/redeem", ("-H", "Content-Type: text/plain", "-d", "x"), "415"),
        ("/bootstrap/redeem", ("-H", "Content-Type: application/json", "-d", '{"a":1,"a":2}'), "400"),
        ("/bootstrap/redeem", (), "405"),
        ("/bootstrap/verify", ("-X", "POST"), "405"),
        ("/healthz", (), "404"),
    ],
)
def test_endpoint_rejects_invalid_requests(node: Commanded, path: str, options: tuple[str, ...], status: str) -> None:
    endpoint = node.agent.directory / "run/warren/bootstrap.sock"
    assert curl(endpoint, path, *options).split()[1] == status
