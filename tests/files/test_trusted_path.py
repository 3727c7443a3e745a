"""Who can write a path is proven component by component, against every way round it (V-57)."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from warren.files.trusted_path import (
    ROOT_TRUST,
    Doubt,
    Trust,
    UntrustedPathError,
    open_trusted,
    trusted_directory,
    verify_trusted,
    walk_trusted,
)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.security,
    pytest.mark.skipif(os.geteuid() != 0, reason="root"),
]
SERVICE = 4711
FOLLOWING = Trust(follow_links=True)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Make a directory of root's with one file below it."""
    (tmp_path / "state/helper").mkdir(parents=True, mode=0o755)
    (tmp_path / "state/helper/dns.json").write_text("root's")
    return tmp_path / "state"


def doubt(path: Path, trust: Trust = ROOT_TRUST) -> tuple[Doubt, Path]:
    with pytest.raises(UntrustedPathError) as error:
        os.close(open_trusted(path, trust=trust))
    assert error.value.code == "path.untrusted"
    assert str(error.value.component) in str(error.value)
    return error.value.doubt, error.value.component


def content(path: Path, trust: Trust = ROOT_TRUST) -> str:
    with open(open_trusted(path, trust=trust)) as file:  # noqa: PTH123, from a descriptor
        return file.read()


def test_open_trusted_reads_what_only_root_can_write(state: Path) -> None:
    assert content(state / "helper/dns.json") == "root's"


def test_open_trusted_makes_a_file_with_its_mode(state: Path) -> None:
    os.close(open_trusted(state / "helper/lock", os.O_RDWR | os.O_CREAT, 0o600))
    assert (state / "helper/lock").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("part", ["", "helper", "helper/dns.json"])
def test_open_trusted_rejects_another_owner_of_any_component(state: Path, part: str) -> None:
    os.chown(state / part, SERVICE, -1)
    assert doubt(state / "helper/dns.json") == (Doubt.OWNER, state / part)


@pytest.mark.parametrize("part", ["", "helper", "helper/dns.json"])
@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_open_trusted_rejects_another_writer_of_any_component(state: Path, part: str, mode: int) -> None:
    (state / part).chmod(mode)
    assert doubt(state / "helper/dns.json") == (Doubt.WRITABLE, state / part)


@pytest.mark.parametrize("part", ["helper", "helper/dns.json"])
def test_open_trusted_rejects_a_link_at_any_component(state: Path, part: str) -> None:
    (state / part).rename(state.parent / "elsewhere")
    (state / part).symlink_to(state.parent / "elsewhere")
    assert doubt(state / "helper/dns.json") == (Doubt.LINK, state / part)


def test_open_trusted_never_writes_through_a_link(state: Path) -> None:
    target = state.parent / "target"
    (state / "helper/lock").symlink_to(target)
    with pytest.raises(UntrustedPathError):
        open_trusted(state / "helper/lock", os.O_RDWR | os.O_CREAT)
    assert not target.exists()


def test_a_walk_follows_a_link_of_root_s_if_it_may(state: Path) -> None:
    (state / "link").symlink_to("helper")
    with walk_trusted(state / "link/dns.json", FOLLOWING) as entry:
        assert entry.path == state / "helper/dns.json"
    os.lchown(state / "link", SERVICE, -1)
    assert doubt(state / "link/dns.json", FOLLOWING) == (Doubt.OWNER, state / "link")


def test_a_walk_ends_in_a_circle_of_links(state: Path) -> None:
    (state / "one").symlink_to("two")
    (state / "two").symlink_to("one")
    with pytest.raises(OSError, match="Too many levels"), walk_trusted(state / "one", FOLLOWING):
        pass


def test_a_sticky_directory_leads_to_directories_of_root_s_alone(state: Path) -> None:
    """As the state directory, in which the service's group makes directories of its own beside root's."""
    state.chmod(0o1777)
    assert content(state / "helper/dns.json") == "root's"
    (state / "file").write_text("a hard link of another could be here")
    assert doubt(state / "file") == (Doubt.WRITABLE, state)
    (state / "link").symlink_to("helper")
    with pytest.raises(UntrustedPathError):
        content(state / "link/dns.json", FOLLOWING)
    os.chown(state / "helper", SERVICE, -1)
    assert doubt(state / "helper/dns.json") == (Doubt.OWNER, state / "helper")
    assert doubt(state / "helper/dns.json", Trust(allow_sticky=False))[0] is Doubt.WRITABLE


def test_a_trusted_directory_is_no_sticky_one(state: Path) -> None:
    state.chmod(0o1777)
    with pytest.raises(UntrustedPathError):
        trusted_directory(state)


def test_what_is_missing_or_no_directory_is_an_error_of_the_system(state: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_trusted(state / "helper/absent")
    with pytest.raises(NotADirectoryError):
        open_trusted(state / "helper/dns.json/below")
    with pytest.raises(NotADirectoryError):
        trusted_directory(state / "helper/dns.json")
    with pytest.raises(FileNotFoundError):
        verify_trusted(state / "absent")


def test_more_users_may_be_trusted(state: Path) -> None:
    os.chown(state / "helper", SERVICE, -1)
    assert content(state / "helper/dns.json", Trust(frozenset((0, SERVICE)))) == "root's"


def test_no_descriptor_is_left(state: Path) -> None:
    (state / "link").symlink_to("helper")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in ("link/dns.json", "absent", "helper"):
        with suppress(UntrustedPathError, OSError):
            os.close(open_trusted(state / path))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_directory_that_is_swapped_all_the_time_never_leads_to_what_another_wrote(state: Path) -> None:
    """The service's directory, which it exchanges between root's content and its own."""
    theirs = state / "theirs"
    theirs.mkdir()
    (theirs / "dns.json").write_text("evil")
    os.chown(theirs, SERVICE, SERVICE)
    ended = threading.Event()

    def swap() -> None:
        while not ended.is_set():
            for target in ("helper", "theirs"):
                (state / "new").symlink_to(target)
                (state / "new").rename(state / "link")

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for _ in range(500):
            with suppress(UntrustedPathError, FileNotFoundError):
                assert content(state / "link/dns.json", FOLLOWING) == "root's"
    finally:
        ended.set()
        swapper.join()
