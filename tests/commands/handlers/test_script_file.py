"""Whether a script's file may be trusted (V-57, V-83): the checks, and races against them."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.commands.pipeline.bundles import put, trusted_directory
from warren.commands.handlers.script_file import MAX_BYTES, Script, ScriptError, open_script
from warren.commands.result import Code, CommandError
from warren.commands.settings import ScriptSettings

pytestmark = [pytest.mark.integration, pytest.mark.security]

STRANGER = 54321
OWNERS = frozenset({0, os.geteuid()})
TEXT = "#!/bin/sh\necho good\n"
PIN = hashlib.sha256(TEXT.encode()).hexdigest()
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="root")


@pytest.fixture
def trusted() -> Iterator[Path]:
    """A directory of scripts."""
    with trusted_directory() as directory:
        yield directory


def entry(path: Path | str, **others: object) -> ScriptSettings:
    return ScriptSettings({"panel_create": str(path)}, **others)  # type: ignore[arg-type]


def opened(settings: ScriptSettings, **pinned: str) -> Script:
    return open_script("panel_create", settings, OWNERS, pinned)


def problem(settings: ScriptSettings, **pinned: str) -> str:
    """Of one that may not be trusted; its event says the same."""
    with pytest.raises(ScriptError) as refused:
        opened(settings, **pinned)
    assert str(refused.value.fields["problem"]) in str(refused.value)
    assert refused.value.EVENT == "script.changed"
    return str(refused.value.fields["problem"])


def writable(part: Path, mode: int) -> str:
    return f"{part} is writable by users other than its owner (mode {mode:04o}); chmod go-w {part}"


def missing(settings: ScriptSettings) -> Code:
    with pytest.raises(CommandError) as refused:
        opened(settings)
    return refused.value.code


def test_an_entry_and_a_file_below_the_root(trusted: Path) -> None:
    script = put(trusted / "add_user.sh", TEXT)
    assert opened(entry(script)) == opened(ScriptSettings(scripts_root=str(trusted))) == Script(str(script))


def test_what_is_not_there(trusted: Path) -> None:
    put(trusted / "file", TEXT)
    for path in (trusted / "absent", trusted / "absent" / "add", trusted / "file" / "add"):
        assert missing(entry(path)) is Code.SCRIPT_NOT_FOUND
    assert missing(ScriptSettings(scripts_root=str(trusted))) is Code.SCRIPT_NOT_FOUND
    assert missing(ScriptSettings()) is Code.SCRIPT_NOT_FOUND


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o722])
def test_a_file_that_others_can_write(trusted: Path, mode: int) -> None:
    script = put(trusted / "add", TEXT, mode)
    assert problem(entry(script)) == writable(script, mode)


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777])
def test_a_directory_on_the_way_that_others_can_write(trusted: Path, mode: int) -> None:
    above = trusted / "above"
    (above / "below").mkdir(parents=True)
    script = put(above / "below" / "add", TEXT)
    above.chmod(mode)
    assert problem(entry(script)) == writable(above, mode)


@as_root
@pytest.mark.parametrize("part", ["above", "above/below", "above/below/add"])
def test_a_part_that_belongs_to_another(trusted: Path, part: str) -> None:
    (trusted / "above" / "below").mkdir(parents=True)
    script = put(trusted / "above" / "below" / "add", TEXT)
    os.chown(trusted / part, STRANGER, 0)
    assert problem(entry(script)).startswith(f"{trusted / part} is owned by an untrusted user (uid {STRANGER})")


def test_what_is_no_file(trusted: Path) -> None:
    os.mkfifo(trusted / "fifo", 0o644)
    for path in (trusted, trusted / "fifo"):
        assert problem(entry(path)) == f"{path} is not a regular file"


def test_a_link_is_followed_as_far_as_it_may_be_trusted(trusted: Path) -> None:
    (trusted / "bin").mkdir()
    script = put(trusted / "bin" / "add", TEXT)
    (trusted / "absolute").symlink_to(script)
    (trusted / "sibling").symlink_to("bin/../bin/./add")
    (trusted / "sbin").symlink_to("bin")
    for path in ("absolute", "sibling", "sbin/add"):
        assert opened(entry(trusted / path)) == Script(str(script))
    (trusted / "open").mkdir()
    (trusted / "open").chmod(0o777)
    (trusted / "open" / "link").symlink_to(script)
    (trusted / "astray").symlink_to("open/link")
    for path in ("open/link", "astray"):
        assert problem(entry(trusted / path)).startswith(
            f"{trusted / 'open'} is writable by users other than its owner"
        )


@as_root
def test_a_link_of_another_is_not_followed(trusted: Path) -> None:
    script = put(trusted / "add", TEXT)
    (trusted / "link").symlink_to(script)
    os.lchown(trusted / "link", STRANGER, 0)
    assert "is owned by an untrusted user" in problem(entry(trusted / "link"))


def test_links_that_lead_in_a_circle(trusted: Path) -> None:
    (trusted / "one").symlink_to("other")
    (trusted / "other").symlink_to("one")
    assert "Too many levels of symbolic links" in problem(entry(trusted / "one"))


def test_a_link_above_the_top_stays_there(trusted: Path) -> None:
    script = put(trusted / "add", TEXT)
    (trusted / "link").symlink_to("../" * 30 + str(script).lstrip("/"))
    assert opened(entry(trusted / "link")) == Script(str(script))


def test_what_leads_out_of_the_root(trusted: Path) -> None:
    root = trusted / "root"
    root.mkdir()
    outside = put(trusted / "outside", TEXT)
    (root / "add_user.sh").symlink_to(outside)
    said = problem(ScriptSettings(scripts_root=str(root)))
    assert said == f"{root / 'add_user.sh'} leads to {outside}, outside scripts_root"
    (trusted / "rooted").mkdir()
    put(trusted / "rooted" / "add_user.sh", TEXT)
    (root / "add_user.sh").unlink()
    (root / "add_user.sh").symlink_to(trusted / "rooted" / "add_user.sh")
    assert "outside scripts_root" in problem(ScriptSettings(scripts_root=str(root)))


def test_a_pinned_script_is_a_copy_that_nobody_can_change(trusted: Path) -> None:
    script = put(trusted / "add", TEXT)
    for settings, pinned in ((entry(script, sha256={"panel_create": PIN}), {}), (entry(script), {"panel_create": PIN})):
        found = opened(settings, **pinned)
        assert found.image is not None
        script.write_text("#!/bin/sh\necho evil\n")
        assert os.pread(found.image, 100, 0) == TEXT.encode()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(found.image, b"evil")
        # Root opens what nobody may write; what is sealed not even root writes.
        again = f"/proc/self/fd/{found.image}"
        with pytest.raises(PermissionError):
            Path(again).write_bytes(b"evil")
        os.close(found.image)
        assert "is pinned" in problem(settings, **pinned)
        put(script, TEXT)


def test_a_pinned_script_is_bounded(trusted: Path) -> None:
    script = put(trusted / "add", "#" * (MAX_BYTES + 1))
    assert problem(entry(script), panel_create=PIN) == f"{script} has more than {MAX_BYTES} octets"


def test_no_descriptor_is_left(trusted: Path) -> None:
    put(trusted / "add", TEXT)
    (trusted / "one").symlink_to("one")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in ("add", "one", "absent"):
        with suppress(ScriptError, CommandError):
            opened(entry(trusted / path))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@as_root
def test_a_link_that_is_swapped_all_the_time_never_leads_to_what_another_wrote(trusted: Path) -> None:
    """A directory of another user, between good and evil; whatever the moment, it is refused."""
    theirs = trusted / "theirs"
    theirs.mkdir()
    good, evil = put(trusted / "good", TEXT), put(theirs / "evil", "#!/bin/sh\necho evil\n")
    os.chown(evil, STRANGER, STRANGER)
    ended = threading.Event()

    def swap() -> None:
        while not ended.is_set():
            for goal in (good, evil):
                (theirs / "new").symlink_to(goal)
                os.chown(theirs, STRANGER if goal is evil else 0, 0)
                (theirs / "new").rename(theirs / "link")

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for _ in range(500):
            with suppress(ScriptError, CommandError):
                assert opened(entry(theirs / "link")).path == str(good)
    finally:
        ended.set()
        swapper.join()
