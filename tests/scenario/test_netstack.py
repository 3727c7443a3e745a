"""Networks without an interface: an agent without any privilege, whose stack serves proxies, forwards and dials."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.program import WARREN
from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES, Host
from tests.netns.pair import FAR_INNER, NEAR_INNER

from .agent import START_SECONDS, USER, Agent, Network
from .conftest import network_to

pytestmark = [*IN_NAMESPACES, pytest.mark.needs("setpriv", "curl")]
Two = tuple[Agent, Agent]

PROXY = "127.0.0.1:1080"
HTTP_PROXY = "127.0.0.1:3128"
TABLES = (
    'backend = "netstack"',
    f'socks5 = {{listen = "{PROXY}"}}',
    f'http_proxy = {{listen = "{HTTP_PROXY}"}}',
    (
        f'forwards = [{{listen = "127.0.0.1:8080", to = "{FAR_INNER[0]}:8000"}}, '
        '{tunnel_port = 9000, to = "127.0.0.1:9000"}]'
    ),
)
PAGE = "a page of the far side\n"
UNPRIVILEGED = ("setpriv", "--no-new-privs", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all")


def as_nobody(directory: Path) -> tuple[str, ...]:
    """What starts a program as a user without any capability, who owns `directory`."""
    for path in ("run/warren", "var/log/warren", "var/lib/warren/http"):
        (directory / path).mkdir(parents=True, exist_ok=True)
    subprocess.run(["chown", "-R", f"{USER}:", directory], check=True)
    if USER == "root":  # in a user namespace there may be nobody else
        return UNPRIVILEGED
    return (*UNPRIVILEGED, "--reuid", USER, "--regid", USER_GROUP, "--clear-groups")


USER_GROUP = subprocess.run(["id", "-gn", USER], capture_output=True, text=True, check=True).stdout.strip()


def start_unprivileged(agent: Agent) -> None:
    """As somebody without rights, until its socket answers."""
    start = ("agent", "start", "--root", str(agent.directory), "--user", USER, "--verbose")
    agent.process = process = agent.host.start(*as_nobody(agent.directory), *WARREN, *start, log="agent")
    until(lambda: process.poll() is not None or agent.answers(), "the agent answers", START_SECONDS)
    assert process.poll() is None, agent.host.log()


def serve_page(host: Host, directory: Path, address: str, port: int) -> None:
    """A web server with one page."""
    directory.mkdir()
    (directory / "page").write_text(PAGE)
    host.start("python3", "-m", "http.server", "--bind", address, "--directory", directory, str(port), log="web")


@dataclass(frozen=True, slots=True)
class Stacked:
    """The near side has a stack, the far side an interface and a web server."""

    near: Agent
    far: Agent
    network: Network


@pytest.fixture
def stacked(two: Two, tmp_path: Path) -> Stacked:
    near, far = two
    network = network_to(far, NEAR_INNER[0], FAR_INNER[0]).but(lines=TABLES)
    near.configure(network)
    far.start()
    far.until_state("active")
    start_unprivileged(near)
    near.until_state("active")
    serve_page(far.host, tmp_path / "far", FAR_INNER[0], 8000)
    until(lambda: fetched(near, f"http://{FAR_INNER[0]}:8000/page", "--socks5-hostname", PROXY), "the page is there")
    return Stacked(near, far, network)


def fetched(agent: Agent, url: str, *options: str) -> str:
    """What curl fetches, empty if it fails."""
    done = agent.host.attempt("curl", "--silent", "--fail", "--max-time", "60", *options, url)
    return done.stdout if done.returncode == 0 else ""


def test_an_agent_without_rights_reaches_a_peer_and_changes_nothing_of_its_host(stacked: Stacked) -> None:
    """Rows W-34, W-35, H-13, H-45."""
    near = stacked.near
    assert near.host.path("/etc/resolv.conf").read_bytes() == Path("/etc/resolv.conf").read_bytes()
    page = f"http://{FAR_INNER[0]}:8000/page"
    assert fetched(near, page, "--proxy", f"http://{HTTP_PROXY}") == PAGE
    assert fetched(near, page, "--proxytunnel", "--proxy", f"http://{HTTP_PROXY}") == PAGE
    assert fetched(near, "http://127.0.0.1:8080/page") == PAGE
    shown = near.network()
    assert (shown["state"], shown["backend"], shown["health"]) == ("active", "netstack", "healthy")
    assert near.peers()["far"]["allowed_ips"] == [f"{FAR_INNER[0]}/32"]
    status = near.attempt("status")
    assert "netstack" in status.stdout
    assert "in another netns" not in status.stdout
    assert status.returncode == 0, status.stderr
    assert "wg0" not in near.host.links()
    assert f"{FAR_INNER[0]}" not in near.host.ip("route", "show", "table", "all")
    status_file = near.host.path(f"/proc/{near.pid()}/status").read_text()
    assert [line for line in status_file.splitlines() if line.startswith(("CapPrm", "CapEff"))] == [
        f"{name}:\t{'0' * 16}" for name in ("CapPrm", "CapEff")
    ]


def test_only_ports_that_a_forward_names_answer_from_the_network(stacked: Stacked, tmp_path: Path) -> None:
    """W-35: nothing of the host is reachable unless a forward names it."""
    near, far = stacked.near, stacked.far
    for port in (9000, 9001):
        serve_page(near.host, tmp_path / f"near{port}", "127.0.0.1", port)
    until(lambda: fetched(far, f"http://{NEAR_INNER[0]}:9000/page"), "the forwarded port answers")
    assert fetched(far, f"http://{NEAR_INNER[0]}:9000/page") == PAGE
    done = far.host.attempt("curl", "--silent", "--max-time", "60", f"http://{NEAR_INNER[0]}:9001/page")
    assert done.returncode == 7  # refused at once


def test_commands_reach_the_network_through_the_agent(stacked: Stacked) -> None:
    near = stacked.near
    done = near.attempt("curl", f"http://{FAR_INNER[0]}:8000/page")
    assert (done.returncode, done.stdout) == (0, PAGE)
    head = near.ask("curl", "-I", f"http://{FAR_INNER[0]}:8000/page")
    assert (head["status"], head["body_bytes"]) == (200, 0)
    assert near.attempt("curl", f"http://{FAR_INNER[0]}:8001/").returncode == 7
    assert near.attempt("curl", "ftp://10.0.0.5/").returncode == 3
    said = near.host.attempt(
        *WARREN, "nc", FAR_INNER[0], "8000", "--root", near.directory, stdin="GET /page HTTP/1.0\r\n\r\n"
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("HTTP/1.0 200 OK")
    assert said.stdout.endswith(PAGE)


def test_a_proxy_whose_address_is_in_use_is_a_condition_until_it_listens(two: Two) -> None:
    near, far = two
    address, port = PROXY.split(":")
    holder = near.host.start("python3", "-m", "http.server", "--bind", address, port, log="holder")
    until(lambda: near.host.attempt("curl", "--silent", f"http://{PROXY}/").returncode == 0, "the address is taken")
    near.configure(network_to(far, NEAR_INNER[0], FAR_INNER[0]).but(lines=TABLES))
    start_unprivileged(near)
    near.until_state("active")
    until(lambda: "socks5 127.0.0.1:1080" in conditions(near), "the condition is shown")
    near.host.kill(near.host.processes("python3")[0])
    assert holder.wait(60) != 0
    until(lambda: "socks5 127.0.0.1:1080" not in conditions(near), "the proxy listens", 60)


def conditions(agent: Agent) -> str:
    return " ".join(agent.network()["warnings"])


def test_a_reload_changes_the_tables_and_loses_nothing(stacked: Stacked, tmp_path: Path) -> None:
    near, far = stacked.near, stacked.far
    (tmp_path / "far/bulk").write_bytes(bytes(1 << 20))
    out = tmp_path / "bulk"
    going = near.host.start(
        "curl", "--silent", "--limit-rate", "256k", "--socks5-hostname", PROXY, "--output", out,
        f"http://{FAR_INNER[0]}:8000/bulk", log="curl",
    )  # fmt: skip
    until(lambda: out.exists() and out.stat().st_size > 0, "the transfer has begun")
    near.configure(stacked.network.but(lines=(*TABLES[:2], 'mixed = {listen = "127.0.0.1:1081"}')))
    near.reload()
    until(lambda: fetched(near, f"http://{FAR_INNER[0]}:8000/page", "--proxy", "socks5h://127.0.0.1:1081"), "mixed")
    assert fetched(near, f"http://{FAR_INNER[0]}:8000/page", "--proxy", "http://127.0.0.1:1081") == PAGE
    assert not fetched(near, "http://127.0.0.1:8080/page"), "the forward is gone"
    assert going.wait(120) == 0
    assert out.stat().st_size == 1 << 20
    assert near.peers()["far"]["allowed_ips"] == [f"{FAR_INNER[0]}/32"]
    assert far.network()["state"] == "active"


def test_auto_without_an_entrance_is_unavailable_and_says_why(two: Two) -> None:
    """A network that is meant for the host does not become a stack beside which the host would speak in clear."""
    near, far = two
    stack = Network("stack", "wg1", "10.99.0.1/32", 0, "stack.key", lines=('backend = "netstack"',))
    near.configure(stack)
    start_unprivileged(near)
    near.until_state("active", "stack")
    near.configure(stack, network_to(far, NEAR_INNER[0], FAR_INNER[0]))
    subprocess.run(["chown", "-R", f"{USER}:", near.directory], check=True)
    near.reload()
    near.until_state("error")
    error = near.network()["error"]
    for reason in ("no backend can be had for wg0", "kernel: ", "userspace: ", "netstack: the network has no proxy"):
        assert reason in error
    assert near.network("stack")["state"] == "active"


def test_a_proxy_under_auto_is_a_stack_on_every_host(two: Two) -> None:
    near, far = two
    near.configure(network_to(far, NEAR_INNER[0], FAR_INNER[0]).but(lines=(f'socks5 = {{listen = "{PROXY}"}}',)))
    near.start()
    near.until_state("active")
    shown = json.loads(near.attempt("list", "--json").stdout)["networks"][0]
    assert shown["backend"] == "netstack"
    assert shown["backend_reason"] == "kernel: it does not serve socks5; userspace: it does not serve socks5"
