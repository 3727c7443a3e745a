"""`warren up`, `down` and `status` with real links in two hosts."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.netns.deadline import until
from tests.netns.host import IN_NAMESPACES
from tests.netns.pair import FAR_INNER, OUTER

from .ends import PORT, Ends, reachable
from .program import WARREN

pytestmark = IN_NAMESPACES

ROUTES = 20_000  # enough that `up` is still running when the signal comes


def test_up_status_and_down_of_a_tunnel(ends: Ends) -> None:
    """Rows H-44 to H-46."""
    untouched = ends.traces(ends.near)
    output = ends.done(ends.near, "up", ends.conf(ends.near, allowed_ips="10.9.0.2/32, fd09::2/128, 10.42.0.0/16"))
    assert output == f"wg0 is up: 10.9.0.1/24, fd09::1/64; port {PORT}; mtu 1420; 1 peer; 3 routes\n"
    ends.done(ends.far, "up", ends.conf(ends.far))
    assert reachable(ends)

    assert "mtu 1420" in ends.near.ip("link", "show", "wg0")
    assert "10.42.0.0/16 dev wg0" in ends.near.ip("route", "show")
    assert "fd09::2 dev wg0" in ends.near.ip("-6", "route", "show")

    status = json.loads(ends.done(ends.near, "status", "--json"))
    assert status["failures"] == []
    (interface,) = status["interfaces"]
    (peer,) = interface["peers"]
    assert (interface["up"], peer["up"], peer["public_key"]) == (True, True, ends.public_key(ends.far))
    assert ends.done(ends.near, "status").startswith(f"wg0  up  port {PORT}  mtu 1420  10.9.0.1/24, fd09::1/64\n")
    seen_by_wg = ends.near.run("wg", "show", "wg0", "latest-handshakes").split()[-1]
    assert int(seen_by_wg) == int(peer["latest_handshake"])

    assert ends.done(ends.near, "down", "wg0") == "wg0 is down\n"
    ends.expect_traces(ends.near, untouched)
    assert "wg0" not in ends.near.ip("route", "show", "table", "all")


def test_echo_of_1392_octets_fits_mtu_1420(ends: Ends) -> None:
    """Row H-47: the headers of ICMP and IPv4 add 28."""
    ends.up()
    assert ends.near.attempt("ping", "-c1", "-W5", "-M", "do", "-s", "1392", FAR_INNER[0]).returncode == 0
    refused = ends.near.attempt("ping", "-c1", "-W5", "-M", "do", "-s", "1400", FAR_INNER[0])
    assert refused.returncode == 1
    assert "mtu=1420" in refused.stderr


def test_up_applies_mtu_fwmark_and_table(ends: Ends) -> None:
    settings = "MTU = 1300\nFwMark = 0x77\nTable = 4242"
    assert "mtu 1300; 1 peer; 2 routes" in ends.done(ends.near, "up", ends.conf(ends.near, interface=settings))
    assert "mtu 1300" in ends.near.ip("link", "show", "wg0")
    assert ends.near.run("wg", "show", "wg0", "fwmark").strip() == "0x77"
    assert "10.9.0.2 dev wg0" in ends.near.ip("route", "show", "table", "4242")
    assert "10.9.0.2 " not in ends.near.ip("route", "show")


def test_up_with_table_off_adds_no_route(ends: Ends) -> None:
    conf = ends.conf(ends.near, interface="Table = off", allowed_ips="0.0.0.0/0")
    assert "1 peer; 0 routes" in ends.done(ends.near, "up", conf)
    assert "default" not in ends.near.ip("route", "show", "table", "all")


def test_up_resolves_endpoint_name(ends: Ends) -> None:
    ends.done(ends.near, "up", ends.conf(ends.near, endpoint=f"localhost:{PORT}"))
    assert ends.near.run("wg", "show", "wg0", "endpoints").split()[-1] in {f"127.0.0.1:{PORT}", f"[::1]:{PORT}"}


def test_up_accepts_link_local_endpoint_with_zone(ends: Ends) -> None:
    index = ends.near.ip("-o", "link", "show", "eth0").partition(":")[0]
    ends.done(ends.near, "up", ends.conf(ends.near, endpoint=f"[fe80::2%eth0]:{PORT}"))
    shown = ends.near.run("wg", "show", "wg0", "endpoints").split()[-1]
    assert shown in {f"[fe80::2%eth0]:{PORT}", f"[fe80::2%{index}]:{PORT}"}


def test_up_of_running_interface_changes_nothing(ends: Ends) -> None:
    ends.up()
    output = ends.refused(ends.near, "up", ends.conf(ends.near, interface="MTU = 1300"))
    assert output == "warren: wg0 is already up\n        take it down first: warren down wg0\n"
    assert reachable(ends)


def test_up_reports_port_in_use(ends: Ends) -> None:
    """Row H-52."""
    with ends.near.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", PORT))
        output = ends.refused(ends.near, "up", ends.conf(ends.near))
    assert output.startswith(f"warren: UDP port {PORT} is in use by another program\n")


def test_up_undoes_everything_if_the_kernel_rejects_an_address(ends: Ends) -> None:
    """A link cannot have a multicast address; the engine is already running then."""
    output = ends.refused(ends.near, "up", ends.conf(ends.near, address="10.9.0.1/24, ff02::1/64"))
    assert "ff02::1/64" in output


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        ({"interface": "DNS = 10.9.0.2"}, "line 5: DNS"),
        ({"interface": "PostUp = touch /run/ran"}, "line 5: PostUp"),
        ({"interface": "PreUp = touch /run/ran"}, "line 5: PreUp"),
        ({"interface": "SaveConfig = true"}, "line 5: SaveConfig"),
        ({"interface": "Adress = 10.9.0.1/24"}, "line 5: Adress"),
        ({"endpoint": "no-such-host.invalid:51820"}, "the endpoint no-such-host.invalid:51820 does not resolve"),
        ({"mode": 0o602}, "is writable by everybody (mode 0602)"),
    ],
)
def test_up_of_rejected_file_changes_nothing(lines: dict[str, str], where: str, ends: Ends) -> None:
    assert where in ends.refused(ends.near, "up", ends.conf(ends.near, **lines))  # type: ignore[arg-type]
    assert not ends.near.path("/run/ran").exists()


@pytest.mark.security
def test_up_warns_about_world_readable_file(ends: Ends) -> None:
    conf = ends.conf(ends.near, mode=0o644)
    done = ends.warren(ends.near, "up", conf)
    assert done.returncode == 0
    assert done.stderr == (
        f"warren: warning: {conf} is world accessible and holds a private key; mend it: chmod 600 {conf}\n"
    )


@pytest.mark.parametrize("file", ["absent.conf", "wg0.txt", "a name that is too long.conf"])
def test_up_reports_unusable_file(file: str, ends: Ends, tmp_path: Path) -> None:
    if not file.startswith("absent"):
        (tmp_path / file).write_text("[Interface]\n")
    assert ends.refused(ends.near, "up", tmp_path / file).startswith(f"warren: {tmp_path / file}: ")


@pytest.mark.security
def test_up_and_down_leave_links_of_other_programs_alone(ends: Ends) -> None:
    ends.near.ip("link", "add", "wg0", "type", "veth", "peer", "name", "other")
    assert "the link wg0 already exists" in ends.refused(ends.near, "up", ends.conf(ends.near))
    assert "it was left alone" in ends.refused(ends.near, "down", "wg0")


def test_down_accepts_name_or_file_once(ends: Ends) -> None:
    conf = ends.conf(ends.near)
    for name in (conf, "wg0"):
        ends.done(ends.near, "up", conf)
        ends.done(ends.near, "down", name)
        assert ends.refused(ends.near, "down", name).startswith("warren: no userspace WireGuard serves wg0\n")


def test_status_after_kill_reports_it_and_up_recovers(ends: Ends) -> None:
    ends.up()
    ends.near.run("pkill", "-KILL", "-x", "warren-wg")
    until(lambda: "wg0" not in ends.near.links(), "the link is gone with its engine")
    done = ends.warren(ends.near, "status")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("warren: wg0 is not up: its engine was killed")
    ends.done(ends.near, "up", ends.conf(ends.near))
    until(lambda: reachable(ends), "the tunnel is back", 10 * 60)


def test_status_shows_link_that_was_set_down(ends: Ends) -> None:
    ends.up()
    ends.near.ip("link", "set", "wg0", "down")
    done = ends.warren(ends.near, "status", "wg0")
    assert done.returncode == 3
    assert done.stdout.startswith("wg0  down  ")


def test_status_and_down_handle_link_in_another_namespace(ends: Ends) -> None:
    ends.done(ends.near, "up", ends.conf(ends.near))
    untouched = ends.traces(ends.far)
    ends.near.ip("link", "set", "wg0", "netns", str(ends.far.pid))
    assert "wg0  in another netns  " in ends.warren(ends.near, "status").stdout
    ends.done(ends.near, "down", "wg0")
    # Seen from here it is gone with its socket; the link goes when the engine that held it has ended.
    until(lambda: ends.traces(ends.far) == untouched, "the link has left the other namespace")


def test_status_without_interfaces(ends: Ends) -> None:
    done = ends.warren(ends.near, "status")
    assert (done.returncode, done.stderr) == (3, "")
    assert "warren up FILE.conf" in done.stdout
    assert "no userspace WireGuard serves wg9" in ends.refused(ends.near, "status", "wg9")


@pytest.mark.needs("setpriv")
def test_up_and_down_without_capability_change_nothing(ends: Ends) -> None:
    ends.up()
    before = ends.traces(ends.near)
    for words in (("down", "wg0"), ("up", str(ends.conf(ends.near, name="wg1")))):
        done = ends.near.attempt("setpriv", "--bounding-set=-net_admin", *WARREN, *words)
        assert (done.returncode, done.stdout) == (1, "")
        assert "CAP_NET_ADMIN" in done.stderr
        assert "Traceback" not in done.stderr
        ends.expect_traces(ends.near, before)
    assert reachable(ends)


def test_up_without_tun_device_reports_it(ends: Ends) -> None:
    command = f"mount -t tmpfs tmpfs /dev/net && exec {' '.join(WARREN)} up {ends.conf(ends.near)}"
    done = ends.near.attempt("unshare", "--mount", "sh", "-c", command)
    assert done.returncode == 1
    assert done.stderr.startswith("warren: /dev/net/tun is missing: ")


def test_up_without_engine_names_searched_places(ends: Ends, tmp_path: Path) -> None:
    code = (
        "import sys, sysconfig\n"
        f"sysconfig.get_path = lambda name: {str(tmp_path)!r}\n"
        "from warren.cli.main import main\nsys.exit(main())"
    )
    done = ends.near.attempt("env", "PATH=/nowhere", WARREN[0], "-c", code, "up", ends.conf(ends.near))
    assert done.returncode == 1
    assert done.stderr.startswith(f"warren: warren-wg is neither in {tmp_path} nor on the PATH\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_interrupted_undoes_everything(number: signal.Signals, ends: Ends) -> None:
    prefixes = ", ".join(f"10.{64 + n // 256}.{n % 256}.0/24" for n in range(ROUTES))
    conf = ends.conf(ends.near, allowed_ips=prefixes)
    untouched = ends.traces(ends.near)
    process = ends.near.start(*WARREN, "up", conf)
    until(lambda: "dev wg0 proto 119 scope link" in ends.near.ip("route", "show"), "the first route is there")
    (pid,) = ends.near.processes(WARREN[0])
    ends.near.kill(pid, number.name.removeprefix("SIG"))
    assert process.wait(120) == 130
    ends.expect_traces(ends.near, untouched)
    assert "interrupted" in ends.near.log()


@pytest.mark.needs("wg")
def test_wg_reads_and_writes_our_interface(ends: Ends) -> None:
    """`wg showconf` prints the settings of the file."""
    ends.done(ends.near, "up", ends.conf(ends.near))
    shown = ends.near.run("wg", "showconf", "wg0")
    for line in (
        f"ListenPort = {PORT}",
        f"Endpoint = {OUTER['far'][0]}:{PORT}",
        "AllowedIPs = 10.9.0.2/32, fd09::2/128",
    ):
        assert line in shown
    file = Path(ends.conf(ends.near)).parent / "showconf"
    file.write_text(shown)
    ends.near.run("wg", "syncconf", "wg0", file)


def test_up_ignores_environment_of_the_engine(ends: Ends) -> None:
    """With these `warren-wg` would stay in the foreground, and up would wait for it."""
    env = {"WG_PROCESS_FOREGROUND": "1", "LOG_LEVEL": "verbose", "WG_TUN_FD": "0"}
    done: subprocess.CompletedProcess[str] = ends.near.attempt(*WARREN, "up", ends.conf(ends.near), env=env)
    assert done.returncode == 0, done.stderr
