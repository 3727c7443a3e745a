"""How users of OpenVPN end, on real files; with a server in test_openvpn_server.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509

from tests.commands.commands import settings
from tests.commands.providers.performing import Cut, Node
from warren.clock import read_clocks
from warren.commands.effects.effect import EffectError, Effects
from warren.commands.effects.locks import LockFile
from warren.commands.effects.openvpn import KillVpnSessions
from warren.commands.execution import Execution, Handlers
from warren.commands.handlers.locks import lock
from warren.commands.providers import openvpn
from warren.commands.providers.openvpn_files import VpnFiles
from warren.commands.providers.openvpn_user import Login, VpnUser, parse_user, rejection
from warren.commands.providers.pki import is_revoked
from warren.commands.providers.vpn_clock import encode_clock, parse_clock, read_moment
from warren.commands.providers.vpn_revocation import delete_openvpn_user, expire_users
from warren.commands.result import Status
from warren.commands.settings import OpenVpnSettings, PanelSettings, ServiceSettings
from warren.commands.verb import TaskResult, VerbContext
from warren.elapsed_clock import ClockReading, ElapsedState

pytestmark = pytest.mark.integration

DAY_SECONDS = 86_400
SOCKET = "/run/openvpn/management.sock"


class Sessions:
    """A management socket's handler: how many sessions each user has, and whether it answers."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {}
        self.answers = True

    def handlers(self) -> Handlers:
        return {KillVpnSessions: self._end}

    async def _end(self, effect: KillVpnSessions, _: Execution) -> int:
        if not self.answers:
            raise EffectError(f"{effect.socket}: Connection refused")
        return self.of.pop(effect.username, 0)


class Place:
    """A directory of users, and a node that keeps them."""

    def __init__(self, directory: Path) -> None:
        self.files = VpnFiles(str(directory))
        self.sessions = Sessions()
        self.openvpn = OpenVpnSettings(str(directory), SOCKET, "vpn.example.org 1194 udp")
        services = ServiceSettings(openvpn=self.openvpn, panel=PanelSettings(None, 4))
        self.node = Node(replace(settings(), services=services), self.sessions.handlers())

    def make(self, username: str, timeout: int = 60) -> VpnUser:
        args: Mapping[str, object] = {
            "username": username,
            "userpass": "correct horse",
            "source_ip": "192.0.2.2",
            "key": "c2VjcmV0c2VjcmV0c2VjcmV0",
            "hmac_key": "aG1hY2htYWNobWFjaG1hY2ht",
            "timeout": timeout,
        }
        result = self.node.run(openvpn.VERBS[0], args)
        assert result.status == Status.SUCCESS, result.problem
        return parse_user(Path(self.files.entry(username)).read_bytes())

    def rejection(self, user: VpnUser, reading: ClockReading) -> str | None:
        """Why a login is refused, whatever its password is."""
        moment = read_moment(Path(self.files.clock).read_bytes(), reading)
        return rejection(user, Login(user.username, user.username, user.source_ip or ""), moment)

    def crl(self) -> bytes:
        return Path(self.files.crl).read_bytes()

    def left_of(self, username: str) -> list[str]:
        """The files that a user still has."""
        files = self.files
        paths = [files.entry, files.certificate, files.profile, files.spa]
        return [path(username) for path in paths if Path(path(username)).exists()]

    def is_revoked(self, user: VpnUser) -> bool:
        return is_revoked(Path(self.files.crl).read_bytes(), int(user.serial, 16))

    def end(self, username: str) -> tuple[bool, int | None]:
        def part(_: VerbContext) -> Effects[tuple[bool, int | None]]:
            ended = yield from delete_openvpn_user(self.openvpn, self.files, username)
            return ended.existed, ended.sessions

        return self.node.run_internal(part)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_all_of_a_user_ends_and_nothing_of_another(place: Place) -> None:
    user, other = place.make("user1"), place.make("user2")
    place.sessions.of = {"user1": 2, "user2": 1}
    assert place.end("user1") == (True, 2)
    assert place.left_of("user1") == []
    assert len(place.left_of("user2")) == 4
    assert (place.is_revoked(user), place.is_revoked(other)) == (True, False)
    assert place.sessions.of == {"user2": 1}
    assert place.end("user1") == (False, 0)


def test_who_never_was(place: Place) -> None:
    assert place.end("user1") == (False, 0)


def fail_to_end(place: Place) -> VpnUser:
    user = place.make("user1", 3600)
    place.sessions.of, place.sessions.answers = {"user1": 1}, False
    with pytest.raises(EffectError, match="Connection refused"):
        place.end("user1")
    assert place.is_revoked(user)
    assert place.left_of("user1") == [place.files.entry("user1")]
    return user


def test_sessions_that_cannot_be_ended_are_ended_by_the_next_attempt(place: Place) -> None:
    fail_to_end(place)
    place.sessions.answers = True
    assert place.end("user1") == (True, 1)
    assert place.left_of("user1") == []


def test_sessions_that_cannot_be_ended_are_ended_without_another_command_too(place: Place) -> None:
    user = fail_to_end(place)
    place.sessions.answers = True
    assert place.node.run_internal(expire_users, user.created + 60).removed == ("user1",)
    assert (place.left_of("user1"), place.sessions.of) == ([], {})


def test_who_is_not_there_needs_no_server_that_answers(place: Place) -> None:
    place.sessions.answers = False
    assert place.end("user1") == (False, None)


@pytest.mark.parametrize("lost", ["entry", "certificate", "profile", "spa"])
def test_a_user_of_which_a_file_is_lost_ends_too(place: Place, lost: str) -> None:
    user = place.make("user1")
    Path(getattr(place.files, lost)("user1")).unlink()
    assert place.end("user1") == (True, 0)
    assert place.is_revoked(user)
    assert place.left_of("user1") == []


def test_whose_time_is_up_ends_and_nobody_else(place: Place) -> None:
    user, other = place.make("user1", 60), place.make("user2", 3600)
    place.sessions.of = {"user1": 1, "user2": 1}
    early = place.node.run_internal(expire_users, user.expires - 7)
    assert early == TaskResult((), {}, 7)
    late = place.node.run_internal(expire_users, user.expires)
    assert late == TaskResult(("user1",))
    assert place.left_of("user1") == []
    assert (place.is_revoked(user), place.is_revoked(other)) == (True, False)
    assert place.sessions.of == {"user2": 1}


def test_a_server_that_does_not_answer_is_asked_again(place: Place) -> None:
    user, other = place.make("user1"), place.make("user2")
    place.sessions.answers = False
    tried = place.node.run_internal(expire_users, user.expires + 5)
    assert tried.removed == ()
    assert tried.failed == dict.fromkeys(("user1", "user2"), f"{SOCKET}: Connection refused")
    assert place.is_revoked(user)
    assert place.is_revoked(other)
    place.sessions.answers = True
    assert place.node.run_internal(expire_users, user.expires + 10).removed == ("user1", "user2")


def test_an_entry_that_is_none_is_named_and_holds_up_nobody(place: Place) -> None:
    user = place.make("user1")
    Path(place.files.entry("user2")).write_text("{}")
    looked = place.node.run_internal(expire_users, user.expires)
    assert looked.removed == ("user1",)
    assert looked.failed == {"user2": f"{place.files.entry('user2')}: username: expected a text"}


def test_one_of_that_name_who_was_made_meanwhile_lives_on(place: Place) -> None:
    user = place.make("user1", 60)
    entry = Path(place.files.entry("user1"))
    younger = entry.read_bytes().replace(str(user.expires).encode(), str(user.expires + 60).encode())

    async def held_later(effect: LockFile, running: Execution) -> None:
        entry.write_bytes(younger)  # noqa: ASYNC240, nothing else runs here
        await lock(effect, running)

    place.node.others = {**place.node.others, LockFile: held_later}
    assert place.node.run_internal(expire_users, user.expires).removed == ()
    assert len(place.left_of("user1")) == 4


def cut(place: Place, effects: int, act: Callable[[], object]) -> bool:
    """Whether the agent ended, before so many effects were more than it wanted."""
    place.node.effects_left = effects
    try:
        act()
    except Cut:
        return True
    finally:
        place.node.effects_left = None
    return False


def handed_out(place: Place) -> list[int]:
    """The serial numbers of the certificates that somebody may have."""
    return [
        x509.load_pem_x509_certificate(path.read_bytes()).serial_number
        for path in Path(place.files.directory).glob("certs/*.crt")
    ]


def test_made_by_halves_it_can_be_ended_and_made_anew(tmp_path: Path) -> None:
    effects = 0
    while cut(place := Place(tmp_path / str(effects)), effects, lambda: place.make("user1")):
        serials = handed_out(place)
        place.end("user1")
        assert place.left_of("user1") == []
        assert all(is_revoked(Path(place.files.crl).read_bytes(), serial) for serial in serials)
        assert int(place.make("user1").serial, 16) in handed_out(place)
        effects += 1
    assert effects > 10


def test_ended_by_halves_it_ends_at_the_next_attempt(tmp_path: Path) -> None:
    effects = 0
    while True:
        place = Place(tmp_path / str(effects))
        user = place.make("user1")
        place.sessions.of = {"user1": 1}
        if not cut(place, effects, partial(place.node.run_internal, expire_users, user.expires)):
            break
        place.node.run_internal(expire_users, user.expires + 5)
        assert (place.left_of("user1"), place.sessions.of) == ([], {})
        assert place.is_revoked(user)
        effects += 1
    assert effects > 10


def test_without_a_directory_there_is_nothing_to_end(place: Place) -> None:
    place.node.settings = settings()
    assert place.node.run_internal(expire_users) == TaskResult()


@pytest.mark.security
def test_wall_clock_set_ahead_suspends_users_and_deletes_none(place: Place) -> None:
    """Access comes back when the clock is corrected: neither the entry nor the certificate is gone."""
    user = place.make("user1")
    files = place.left_of("user1")
    place.sessions.of = {"user1": 2}
    present = read_clocks()
    ahead = replace(present, wall=user.expires + 30 * DAY_SECONDS)
    outcome = place.node.run_internal_at(expire_users, ahead)
    assert (outcome.removed, outcome.failed, place.sessions.of) == ((), {}, {})
    assert place.node.events[-1] == ("user.suspended", {"username": "user1", "system": "openvpn"})
    assert place.left_of("user1") == files
    assert place.rejection(user, ahead) == "user has expired"
    assert place.rejection(user, present) is None
    assert not is_revoked(place.crl(), int(user.serial, 16))
    both = replace(ahead, boottime=present.boottime + user.expires - user.created + 1)
    assert place.node.run_internal_at(expire_users, both).removed == ("user1",)


@pytest.mark.security
def test_wall_clock_set_back_prolongs_no_access(place: Place) -> None:
    user = place.make("user1")
    present = read_clocks()
    back = replace(present, wall=present.wall - DAY_SECONDS, boottime=present.boottime + user.expires - user.created)
    place.sessions.of = {"user1": 1}
    assert place.node.run_internal_at(expire_users, back).removed == ()
    assert place.sessions.of == {}
    assert place.rejection(user, back) == "user has expired"


@pytest.mark.security
def test_lost_clock_of_users_continues_after_the_newest_user(place: Place) -> None:
    place.make("user1")
    clock = Path(place.files.clock)
    clock.write_bytes(encode_clock(ElapsedState(7_200, 0, "another boot")))
    newest = place.make("user2")
    clock.unlink()
    place.node.run_internal_at(expire_users, read_clocks())
    state = parse_clock(clock.read_bytes())
    assert state
    assert 7_200 <= newest.created_elapsed <= state.elapsed
