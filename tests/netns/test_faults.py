"""What goes wrong around an engine: a clear error or a clean end, and no process, link or socket left behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .conftest import MakeHost
from .deadline import until
from .engine import Engine
from .host import IN_NAMESPACES, Host
from .interface import Interface
from .pair import FAR_INNER, INNER, Pair, prefixes, single
from .traffic import reach

pytestmark = IN_NAMESPACES

SOCKET = "/run/wireguard/wg0.sock"


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    return make_host("near")


def assert_gone(host: Host, engine: Engine) -> None:
    """Waits for the end of the process; then neither link nor socket may be left."""
    until(lambda: not host.processes(engine.program), "the engine has ended")
    assert "wg0" not in host.links()
    assert not host.path(SOCKET).exists()


def assert_refuses(host: Host, engine: Engine, *words: str) -> None:
    """The program ends at once, unwell, with one of these words as its reason, in the foreground and as a daemon."""
    for foreground in ("0", "1"):
        done = host.attempt(engine.program, "wg0", env={"WG_PROCESS_FOREGROUND": foreground})
        assert done.returncode != 0
        assert any(word in done.stderr + done.stdout for word in words), done
        assert not host.processes(engine.program)


def test_kill_9_takes_the_link_and_a_new_start_the_stale_socket(pair: Pair) -> None:
    pair.open()
    near = pair.near
    near.host.kill(near.pid)
    until(lambda: "wg0" not in near.host.links(), "the link is gone")
    assert near.host.path(SOCKET).exists()
    near.restart()
    near.up(*prefixes(INNER["near"]))
    near.peer(pair.far.keys, *single(INNER["far"]), Endpoint=pair.outer("far"))
    reach(near.host, FAR_INNER[0])


@pytest.mark.parametrize("signal", ["TERM", "INT"])
def test_a_signal_ends_it(alone: Interface, signal: str) -> None:
    alone.host.kill(alone.pid, signal)
    assert_gone(alone.host, alone.engine)
    assert alone.process.wait() == 0


def test_deleting_the_link_ends_it(alone: Interface) -> None:
    alone.host.ip("link", "del", "wg0")
    assert_gone(alone.host, alone.engine)


@pytest.mark.parametrize("state", ["up", "down"])
def test_deleting_the_socket_ends_it(alone: Interface, state: str) -> None:
    alone.host.ip("link", "set", "wg0", state)
    alone.host.path(SOCKET).unlink()
    assert_gone(alone.host, alone.engine)


def test_the_end_of_the_namespace_that_the_tun_is_in(alone: Interface, make_host: MakeHost) -> None:
    inside = make_host("inside")
    alone.host.ip("link", "set", "wg0", "netns", str(inside.pid))
    inside.ip("link", "set", "wg0", "up")
    inside.close()
    assert_gone(alone.host, alone.engine)


def test_a_second_engine_of_the_same_name_is_refused(alone: Interface) -> None:
    done = alone.host.attempt(alone.engine.program, "wg0", env={"WG_PROCESS_FOREGROUND": "1"})
    assert done.returncode != 0
    assert "wg0" in done.stderr + done.stdout
    assert len(alone.host.processes(alone.engine.program)) == 1
    assert alone.answers()


def test_the_name_of_another_link_is_refused(host: Host, warren: Engine) -> None:
    host.ip("link", "add", "wg0", "type", "veth", "peer", "other")
    assert_refuses(host, warren, "wg0")
    assert not host.path(SOCKET).exists()
    host.ip("link", "del", "wg0")


@pytest.mark.parametrize("name", ["", "sixteen-letters-", "with/slash", ".."])
def test_a_name_that_no_link_can_have_is_refused(host: Host, warren: Engine, name: str) -> None:
    done = host.attempt(warren.program, name, env={"WG_PROCESS_FOREGROUND": "1"})
    assert done.returncode != 0
    assert done.stderr + done.stdout
    assert host.links() == ["lo"]
    assert not list(host.path("/run").rglob("*.sock"))


def test_no_tun_device(host: Host, warren: Engine) -> None:
    host.run("mount", "-t", "tmpfs", "tmpfs", "/dev/net")
    assert_refuses(host, warren, "/dev/net/tun")
    assert_gone(host, warren)


def test_no_permission(host: Host, warren: Engine) -> None:
    """Root that has lost CAP_NET_ADMIN."""
    done = host.attempt("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", warren.program, "wg0")
    assert done.returncode != 0
    assert "permi" in done.stderr + done.stdout
    assert_gone(host, warren)


def test_nobody_at_all(host: Host, warren: Engine) -> None:
    """An ordinary user, to whom the socket directory is closed too."""
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    if host.attempt(*nobody, "true").returncode != 0:
        pytest.skip("a second user (this namespace has one)")
    program = host.path("/run/engine")
    program.write_bytes(warren.program.read_bytes())
    program.chmod(0o755)
    done = host.attempt(*nobody, "/run/engine", "wg0")
    assert done.returncode != 0
    assert "permi" in (done.stderr + done.stdout).lower()
    assert not host.processes("/run/engine")
    assert_gone(host, warren)


def test_a_full_disk(host: Host, warren: Engine) -> None:
    """No inode is left where the socket should be."""
    host.run("mkdir", "/run/wireguard")
    host.run("mount", "-t", "tmpfs", "-o", "nr_inodes=1", "tmpfs", "/run/wireguard")
    assert_refuses(host, warren, "No space left", "no space left")
    assert_gone(host, warren)


def test_a_read_only_socket_directory(host: Host, warren: Engine) -> None:
    host.run("mkdir", "/run/wireguard")
    host.run("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", "/run/wireguard")
    assert_refuses(host, warren, "Read-only", "read-only")
    assert_gone(host, warren)


def test_a_daemon_answers_when_its_starter_returns(host: Host, warren: Engine) -> None:
    """It holds no descriptor of the starter's: `run` would wait for the end of its output."""
    host.run(warren.program, "wg0")
    assert host.run("wg", "show", "interfaces") == "wg0\n"
    assert len(host.processes(warren.program)) == 1
    assert oct(host.path(SOCKET).stat().st_mode & 0o777) in {"0o600", "0o700"}
    host.ip("link", "del", "wg0")
    assert_gone(host, warren)


def test_a_tun_and_a_socket_that_were_opened_elsewhere(host: Host, warren: Engine) -> None:
    """`WG_TUN_FD` and `WG_UAPI_FD`: a starter opens both and becomes the engine, which takes them as they are."""
    process = host.start(sys.executable, Path(__file__).with_name("starter.py"), warren.program, "wg0")
    until(lambda: "wg0" in host.attempt("wg", "show", "wg0").stdout, "it answers on the socket that it was given")
    host.ip("link", "del", "wg0")
    assert_gone(host, warren)
    assert process.wait() == 0


def test_a_tun_opened_with_rights_that_the_engine_lacks(host: Host, warren: Engine) -> None:
    drop = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
    host.start(sys.executable, Path(__file__).with_name("starter.py"), *drop, warren.program, "wg0")
    until(lambda: "wg0" in host.attempt("wg", "show", "wg0").stdout, "it answers on the socket that it was given")
