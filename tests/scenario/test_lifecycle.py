"""An agent from its start to its end."""

from __future__ import annotations

import json

from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES
from tests.netns.pair import FAR_INNER

from .agent import LINKS_OUTLIVE, USER, Agent

pytestmark = IN_NAMESPACES
Two = tuple[Agent, Agent]


def test_two_agents_connect_and_report_it(joined: Two) -> None:
    near, _ = joined
    network = near.network()
    assert (network["state"], network["connection"], network["health"]) == ("active", "connected", "healthy")
    assert network["peers"] == {"total": 1, "active": 1, "healthy": 1, "waiting": 0, "names": ["far"]}
    assert network["traffic"]["rx_bytes"] > 0
    peer = near.peers()["far"]
    assert peer["health"] == "healthy"
    assert peer["endpoint"] == "192.0.2.2:51820"
    assert "interface: wg0" in near.host.run("wg", "show", "wg0")


def test_status_shows_networks_interfaces_and_peers_by_name(joined: Two) -> None:
    near, _ = joined
    done = near.attempt("status")
    assert done.returncode == 0
    networks, interfaces = done.stdout.split("\n\n")
    assert networks.splitlines()[1].split()[:4] == ["default", "active", "healthy", "wg0"]
    assert interfaces.splitlines()[0].startswith("wg0  up")
    assert interfaces.splitlines()[3].startswith("far ")
    shown = near.ask("status")
    assert [network["network"] for network in shown["networks"]] == ["default"]
    assert [interface["name"] for interface in shown["interfaces"]] == ["wg0"]
    near.attempt("disconnect")
    assert near.attempt("status").returncode == 3


def test_latency_is_measured_inside_the_tunnel(joined: Two) -> None:
    near, _ = joined
    until(lambda: near.peers()["far"]["latency_seconds"], "an echo came back", 60)
    assert near.peers()["far"]["loss_rate"] == 0, "what went out before far was there does not count"


def test_disconnect_and_stop_restore_the_host(two: Two) -> None:
    near, _ = two
    before = near.traces()
    near.start()
    near.until_state("active")
    during = near.traces()
    assert during != before
    assert near.attempt("disconnect").stdout == "default is stopped\n"
    assert near.traces() == before
    assert near.attempt("connect").stdout == "default is starting on wg0\n"
    near.until_state("active")
    assert near.attempt("agent", "stop").returncode == 0
    assert near.ended() == 0
    assert near.traces() == before
    assert near.attempt("list").returncode == 1


def test_deleted_link_is_created_again(joined: Two) -> None:
    near, _ = joined
    near.host.ip("link", "delete", "wg0")
    until(lambda: near.said("network.failed"), "it is noticed")
    near.until_state("active")
    until(lambda: near.host.attempt("ping", "-c1", "-W1", FAR_INNER[0]).returncode == 0, "far is reached again", 60)
    assert "deleted by another program" in near.said("network.failed")[0]["error"]


def test_deleted_route_is_restored(joined: Two) -> None:
    near, _ = joined
    near.host.ip("route", "delete", f"{FAR_INNER[0]}/32")
    until(lambda: FAR_INNER[0] in near.host.ip("route"), "the route is there again")
    assert near.network()["state"] == "active"


def test_restart_after_a_kill_restores_the_state(joined: Two) -> None:
    near, _ = joined
    before = near.traces()
    near.host.kill(near.pid(), "KILL")
    near.ended()
    assert ("wg0" in near.host.links()) is LINKS_OUTLIVE
    near.start()
    near.until_state("active")
    until(lambda: near.host.attempt("ping", "-c1", "-W1", FAR_INNER[0]).returncode == 0, "far is reached again", 60)
    assert near.traces() == before


def test_second_agent_is_rejected_with_the_pid_of_the_first(joined: Two) -> None:
    near, _ = joined
    done = near.attempt("agent", "start", "--user", USER)
    assert done.returncode == 1
    assert str(near.pid()) in done.stderr
    assert near.network()["state"] == "active"


def test_busy_port_fails_one_network_only(two: Two) -> None:
    """Rows H-15 and H-52."""
    near, _ = two
    near.host.start("socat", "-u", "UDP-LISTEN:7777", "OPEN:/dev/null")
    until(lambda: "7777" in near.host.run("ss", "-uln"), "the port is taken")
    text = near.config.read_text()
    near.config.write_text(
        text
        + text.replace("network.default", "network.other")
        .replace("wg0", "wg1")
        .replace("51820", "7777", 1)
        .replace("10.9.0", "10.8.0")
    )
    near.start()
    near.until_state("active", "default")
    near.until_state("error", "other")
    assert "7777" in near.network("other")["error"]
    assert "in use" in near.network("other")["error"]
    assert near.attempt("list").returncode == 0


def test_health_is_served_over_http(joined: Two) -> None:
    near, _ = joined
    healthz = json.loads(near.host.run("curl", "-s", "http://localhost:9090/healthz"))
    assert healthz["status"] == "healthy"
    assert healthz["networks"]["default"]["state"] == "connected"
    assert healthz["networks"]["default"]["peerHealth"] == 100.0
    near.attempt("disconnect")
    code = near.host.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://localhost:9090/healthz")
    assert code == "503"
    metrics = near.host.run("curl", "-s", "http://localhost:9090/metrics")
    assert 'warren_network_handshakes_total{network="default",result="success"}' in metrics
