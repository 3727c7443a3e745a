"""The helper as a process of its own: each request for real, and every way round its rules."""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from warren._core import PrivateKey
from warren.commands.settings import CommandSettings, SecuritySettings
from warren.errors import HostError, KeyFileError, StateError
from warren.files.key_file import read_private_key, write_private_key
from warren.privsep.io.helper_client import HelperClient
from warren.privsep.io.helper_process import start_helper
from warren.privsep.io.helper_state import HelperRules
from warren.privsep.io.operations.config_file import OPEN_CONFIG, OpenConfig
from warren.privsep.io.operations.control_socket import REMOVE_SOCKET, RemoveSocket
from warren.privsep.io.operations.dns import (
    APPLY_DNS,
    GET_HOST_DNS,
    RECOVER_DNS,
    REVERT_DNS,
    VERIFY_DNS,
    ApplyDns,
    GetHostDns,
    RecoverDns,
    RevertDns,
    VerifyDns,
)
from warren.privsep.io.operations.key_files import OPEN_KEY, ROTATE_KEY, OpenKey, RotateKey
from warren.privsep.io.operations.runner import OPEN_RUNNER, OpenRunner
from warren.privsep.io.operations.tun import OPEN_TUN, OpenTun
from warren.trust.io.identity_file import make_identity
from warren.tunnel.rotation import Step

pytestmark = [
    pytest.mark.integration,
    pytest.mark.security,
    pytest.mark.skipif(os.geteuid() != 0, reason="the helper is root"),
]
SERVICE, STRANGER = 4711, 4712
SERVERS = (ip_address("192.0.2.1"),)
OWN_NAME_SERVERS = "nameserver 192.0.2.53\n"


class Place:
    """A host's files below a directory, and the helper that works there."""

    def __init__(self, root: Path) -> None:
        self.keys, self.resolv_conf = root / "etc/warren", root / "etc/resolv.conf"
        self.keys.mkdir(parents=True, mode=0o755)
        journal = root / "helper"
        journal.mkdir()
        self.resolv_conf.write_text(OWN_NAME_SERVERS)
        self.config, self.socket = self.keys / "agent.toml", root / "run/agent.sock"
        self.socket.parent.mkdir(mode=0o755)
        owners, commands = frozenset((0, SERVICE)), _commands(root)
        self.rules = HelperRules((str(self.keys),), owners, self.config, self.socket, journal, root, commands)
        self.helper = start_helper(self.rules)

    def key(self, name: str = "private.key", owner: int = 0, mode: int = 0o600) -> Path:
        """A key file in the keys' directory."""
        path = self.keys / name
        write_private_key(path, PrivateKey.generate(), trust=None)
        path.chmod(mode)
        os.chown(path, owner, -1)
        return path

    def refusal(self, path: Path | str) -> str:
        """The code with which a key is refused, to be read and to be changed."""
        codes = set()
        for call in (
            lambda: self.helper.call(OPEN_KEY, OpenKey(str(path))),
            lambda: self.helper.call(ROTATE_KEY, RotateKey(str(path), Step.PREPARE)),
            lambda: self.helper.call(ROTATE_KEY, RotateKey(str(path), Step.RECOVER)),
        ):
            with pytest.raises(KeyFileError) as error:
                call()
            codes.add(error.value.code)
        (code,) = codes
        return code


def _commands(root: Path) -> CommandSettings:
    """Of a node that has an identity."""
    identity, runner = root / "identity", root / "runner"
    make_identity(identity, "gateway-001", (SERVICE, SERVICE))
    runner.mkdir(mode=0o700)
    security = SecuritySettings(str(identity / "trust.jws"), str(identity), exec_enable=True)
    return CommandSettings(security, str(root / "audit"), str(root / "commands"), str(runner))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path)
    yield found
    found.helper.close()


@pytest.mark.parametrize("owner", [0, SERVICE])
def test_a_key_is_passed_to_be_read_alone(place: Place, owner: int) -> None:
    path = place.key(owner=owner)
    descriptor = place.helper.call(OPEN_KEY, OpenKey(str(path)))
    key = read_private_key(path, frozenset((0, SERVICE)), lambda _: os.dup(descriptor))
    assert key == read_private_key(path)
    assert not os.get_inheritable(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(descriptor, b"x")
    os.close(descriptor)


def test_a_key_is_rotated_and_stays_its_owner_s(place: Place) -> None:
    path = place.key(owner=SERVICE)
    old = read_private_key(path).public_key()

    def turn(step: Step) -> object:
        return place.helper.call(ROTATE_KEY, RotateKey(str(path), step))

    prepared = place.helper.call(ROTATE_KEY, RotateKey(str(path), Step.PREPARE))
    assert (prepared.current, prepared.previous) == (old, None)
    committed = place.helper.call(ROTATE_KEY, RotateKey(str(path), Step.COMMIT))
    assert (committed.current, committed.next, committed.previous) == (prepared.next, None, old)
    assert turn(Step.RECOVER) == committed
    assert path.stat().st_uid == SERVICE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    turn(Step.CONFIRM)
    assert [each.name for each in place.keys.iterdir()] == ["private.key"]


def test_a_step_that_cannot_be_is_refused_as_everywhere(place: Place) -> None:
    with pytest.raises(StateError) as error:
        place.helper.call(ROTATE_KEY, RotateKey(str(place.key()), Step.COMMIT))
    assert error.value.code == "rotation.invalid_step"


def test_a_key_outside_of_its_directories(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "private.key"
    write_private_key(path, PrivateKey.generate(), trust=None)
    assert place.refusal(path) == "key_file.not_allowed"
    assert place.refusal(f"{place.keys}/../../private.key") == "key_file.not_allowed"
    assert place.refusal("/etc/shadow") == "key_file.not_allowed"


def test_a_link_is_not_followed_wherever_it_stands(place: Place, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_private_key(elsewhere / "private.key", PrivateKey.generate(), trust=None)
    (place.keys / "link.key").symlink_to(elsewhere / "private.key")
    (place.keys / "directory").symlink_to(elsewhere)
    assert place.refusal(place.keys / "link.key") == "key_file.symlink"
    assert place.refusal(place.keys / "directory/private.key") == "key_file.symlink"
    place.keys.rename(tmp_path / "moved")
    place.keys.symlink_to(tmp_path / "moved")
    write_private_key(tmp_path / "moved/private.key", PrivateKey.generate(), trust=None)
    assert place.refusal(place.keys / "private.key") == "key_file.symlink"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_key_that_others_may_open(place: Place, mode: int) -> None:
    assert place.refusal(place.key(mode=mode)) == "key_file.permissions"


def test_a_key_of_a_stranger(place: Place) -> None:
    assert place.refusal(place.key(owner=STRANGER)) == "key_file.untrusted_owner"


def test_what_is_no_key(place: Place) -> None:
    (place.keys / "directory.key").mkdir()
    os.mkfifo(place.keys / "pipe.key", 0o600)
    (place.keys / "tls.key").write_text("-" * 47)
    (place.keys / "tls.key").chmod(0o600)
    assert place.refusal(place.keys / "tls.key") == "key_file.invalid"
    assert place.refusal(place.keys / "directory.key") == "key_file.invalid"
    assert place.refusal(place.keys / "pipe.key") == "key_file.invalid"
    assert place.refusal(place.keys / "absent.key") == "key_file.unusable"


@pytest.mark.parametrize(("owner", "mode"), [(SERVICE, 0o755), (0, 0o775), (0, 0o1777)])
def test_a_directory_in_which_others_could_put_another_file(place: Place, owner: int, mode: int) -> None:
    """Whoever can write there needs no helper, and could exchange the file between the look at it and the change."""
    path = place.key()
    place.keys.chmod(mode)
    os.chown(place.keys, owner, -1)
    assert place.refusal(path) == "key_file.directory_permissions"


def test_refusals_cost_no_descriptors(place: Place) -> None:
    path = place.key(mode=0o640)
    for _ in range(200):  # it may have 64
        assert place.refusal(path) == "key_file.permissions"


def test_the_driver_of_tun(place: Place) -> None:
    if not Path("/dev/net/tun").exists():
        pytest.skip("the device /dev/net/tun")
    descriptor = place.helper.call(OPEN_TUN, OpenTun())
    assert os.fstat(descriptor).st_rdev == Path("/dev/net/tun").stat().st_rdev
    os.close(descriptor)


def test_the_configuration_is_read_again_and_no_other(place: Place, tmp_path: Path) -> None:
    place.config.write_text("first\n")
    place.config.chmod(0o600)
    with open(place.helper.call(OPEN_CONFIG, OpenConfig())) as file:  # noqa: PTH123, from a descriptor
        assert file.read() == "first\n"
    place.config.unlink()
    place.config.symlink_to(tmp_path / "etc/resolv.conf")
    with pytest.raises(KeyFileError) as error:
        place.helper.call(OPEN_CONFIG, OpenConfig())
    assert error.value.code == "key_file.symlink"


def bound(path: Path, owner: int) -> None:
    """A socket that an agent left behind."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))
    os.chown(path, owner, -1)


def test_the_control_socket_goes(place: Place) -> None:
    bound(place.socket, SERVICE)
    place.helper.call(REMOVE_SOCKET, RemoveSocket())
    assert not place.socket.exists()


def test_nothing_else_goes_by_its_path(place: Place) -> None:
    place.socket.write_text("no socket")
    place.helper.call(REMOVE_SOCKET, RemoveSocket())
    place.socket.unlink()
    bound(place.socket, STRANGER)
    place.helper.call(REMOVE_SOCKET, RemoveSocket())
    place.socket.parent.chmod(0o777)
    with pytest.raises(KeyFileError):
        place.helper.call(REMOVE_SOCKET, RemoveSocket())
    assert place.socket.is_socket()


def test_name_servers(place: Place) -> None:
    assert place.helper.call(APPLY_DNS, ApplyDns("home", "wg0", SERVERS)) == "file"
    assert "nameserver 192.0.2.1\n" in place.resolv_conf.read_text()
    assert place.helper.call(GET_HOST_DNS, GetHostDns()) == (ip_address("192.0.2.53"),)
    place.helper.call(VERIFY_DNS, VerifyDns("home"))
    place.helper.call(REVERT_DNS, RevertDns("home"))
    assert place.resolv_conf.read_text() == OWN_NAME_SERVERS


def test_at_its_end_the_host_has_its_own_back(place: Place) -> None:
    other = start_helper(place.rules)
    other.call(APPLY_DNS, ApplyDns("home", "wg0", SERVERS))
    other.close()
    assert place.resolv_conf.read_text() == OWN_NAME_SERVERS


def test_one_that_was_never_asked_for_name_servers_gives_none_back(place: Place) -> None:
    """It may be that of a second agent, which is refused."""
    place.helper.call(APPLY_DNS, ApplyDns("home", "wg0", SERVERS))
    start_helper(place.rules).close()
    assert "nameserver 192.0.2.1\n" in place.resolv_conf.read_text()


def test_what_others_changed_is_said(place: Place) -> None:
    place.helper.call(APPLY_DNS, ApplyDns("home", "wg0", SERVERS))
    place.resolv_conf.write_text("nameserver 192.0.2.99\n")
    with pytest.raises(HostError) as error:
        place.helper.call(VERIFY_DNS, VerifyDns("home"))
    (problem,) = place.helper.call(RECOVER_DNS, RecoverDns())
    assert error.value.code == problem.code == "dns.changed"


def test_open_runner_refuses_while_previous_runner_exits_and_blocks_no_operation(place: Place) -> None:
    first = place.helper.call(OPEN_RUNNER, OpenRunner())
    with pytest.raises(HostError, match=r"^the previous runner is still exiting$"):
        place.helper.call(OPEN_RUNNER, OpenRunner())
    assert place.helper.call(GET_HOST_DNS, GetHostDns())
    os.close(first)
    os.close(_next_runner(place))


def _next_runner(place: Place) -> int:
    for _ in range(600):
        try:
            return place.helper.call(OPEN_RUNNER, OpenRunner())
        except HostError:
            time.sleep(0.1)
    pytest.fail("the runner has not ended with its line")


class Meddler(HelperClient):
    """An agent that was taken over."""

    def __init__(self, client: HelperClient) -> None:
        super().__init__(client._connection, client.child)

    def say(self, octets: bytes) -> bytes:
        """Whatever it likes."""
        self._connection.send(octets)
        return self._connection.recv(16_384)


@pytest.mark.parametrize(
    "octets", [b"\0", b"{}", b'{"op":"Shell"}', b'{"op":"OpenKey","path":"/etc/shadow","x":1}', b"[" * 16_000]
)
def test_whatever_else_is_asked_is_refused_and_it_goes_on(place: Place, octets: bytes) -> None:
    meddler = Meddler(place.helper)
    assert b"helper.refused" in meddler.say(octets)
    assert meddler.call(RECOVER_DNS, RecoverDns()) == ()


def test_once_it_has_ended_that_is_the_error(tmp_path: Path) -> None:
    helper = Place(tmp_path).helper
    assert helper.child is not None
    os.kill(helper.child, 9)
    with pytest.raises(HostError) as error:
        helper.call(RECOVER_DNS, RecoverDns())
    assert error.value.code == "helper.ended"
    helper.close()
