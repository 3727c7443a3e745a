"""Key files: for their owner alone, whole or not there."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.memory import find
from tests.secrets import forms, octets
from warren._core import PresharedKey, PrivateKey
from warren.errors import KeyFileError
from warren.files.key_file import read_preshared_key, read_private_key, write_preshared_key, write_private_key

pytestmark = [pytest.mark.integration, pytest.mark.security]

KEY = PrivateKey.generate()
TEXT = KEY.to_base64()


def key_file(directory: Path, text: str, mode: int = 0o600) -> Path:
    """A file with that text and mode."""
    path = directory / "private.key"
    path.write_text(text, newline="")
    path.chmod(mode)
    return path


def refused(path: Path) -> KeyFileError:
    """Why it was not read."""
    with pytest.raises(KeyFileError) as error:
        read_private_key(path)
    assert TEXT[:20] not in f"{error.value} {error.value.hint}"
    return error.value


@pytest.mark.parametrize("end", ["\n", "", "\r\n", " \n"])
def test_a_key_is_read_with_any_end_of_line(end: str, tmp_path: Path) -> None:
    assert read_private_key(key_file(tmp_path, TEXT + end)) == KEY


@pytest.mark.needs("wg")
def test_what_wg_writes_is_read(tmp_path: Path) -> None:
    """Row H-23: 45 octets."""
    made = subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout
    assert len(made) == 45
    assert read_private_key(key_file(tmp_path, made)).to_base64() == made.strip()


def test_a_preshared_key_is_read_as_strictly(tmp_path: Path) -> None:
    key = PresharedKey.generate()
    assert read_preshared_key(key_file(tmp_path, f"{key.to_base64()}\n")) == key
    with pytest.raises(KeyFileError, match="holds no preshared key"):
        read_preshared_key(key_file(tmp_path, TEXT[:30]))
    with pytest.raises(KeyFileError, match="expected 0600"):
        read_preshared_key(key_file(tmp_path, TEXT, 0o640))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o601, 0o666])
def test_a_file_that_others_can_open_is_refused_with_the_line_that_mends_it(mode: int, tmp_path: Path) -> None:
    path = key_file(tmp_path, TEXT, mode)
    error = refused(path)
    assert error.code == "key_file.permissions"
    assert f"(mode 0{mode:o}), expected 0600" in str(error)
    assert error.hint.startswith(f"chmod 600 {path};")


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_modes_that_are_the_owners_alone(mode: int, tmp_path: Path) -> None:
    assert read_private_key(key_file(tmp_path, TEXT, mode)) == KEY


@pytest.mark.parametrize(
    "text",
    ["", "\n", TEXT[:-1], TEXT + "x", f"{TEXT}\n{TEXT}\n", f"# {TEXT}", "é" * 22, "x" * 10**6],
    ids=["empty", "blank", "short", "long", "two-keys", "comment", "no-ascii", "huge"],
)
def test_a_file_that_holds_no_key(text: str, tmp_path: Path) -> None:
    assert refused(key_file(tmp_path, text)).code == "key_file.invalid"


def test_a_file_of_a_stranger_is_refused(tmp_path: Path) -> None:
    """Row H-70: whoever owns it could change it."""
    path, own = key_file(tmp_path, TEXT), os.geteuid()
    assert read_private_key(path, (own, 1)) == KEY
    with pytest.raises(KeyFileError, match=f"is owned by an untrusted user .uid {own}.") as error:
        read_private_key(path, (own + 1, own + 2))
    assert error.value.code == "key_file.untrusted_owner"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(key_file(tmp_path, TEXT))
    error = refused(link)
    assert error.code == "key_file.symlink"
    assert str(tmp_path / "private.key") in error.hint


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert refused(tmp_path / "pipe").code == "key_file.invalid"


def test_what_is_no_file(tmp_path: Path) -> None:
    assert refused(tmp_path).code == "key_file.unusable"
    assert refused(tmp_path / "absent").code == "key_file.unusable"


def test_a_key_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "private.key"
    before = os.umask(0)
    try:
        write_private_key(path, KEY, trust=None)
    finally:
        os.umask(before)
    assert path.read_text() == f"{TEXT}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_private_key(path) == KEY
    assert list(tmp_path.iterdir()) == [path]


def test_a_preshared_key_is_written_as_closed(tmp_path: Path) -> None:
    path, key = tmp_path / "home.psk", PresharedKey.generate()
    write_preshared_key(path, key, trust=None)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_preshared_key(path) == key


def test_a_key_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    path = key_file(tmp_path, "another key")
    with pytest.raises(KeyFileError) as error:
        write_private_key(path, KEY, trust=None)
    assert error.value.code == "key_file.exists"
    assert path.read_text() == "another key"
    assert list(tmp_path.iterdir()) == [path]


def test_a_dangling_link_is_not_followed_either(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyFileError):
        write_private_key(link, KEY, trust=None)
    assert not (tmp_path / "elsewhere").exists()


@contextmanager
def room_for(octets: int) -> Iterator[None]:
    """Files of this process can have that many octets, as on a disk that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_without_room_nothing_is_left(tmp_path: Path) -> None:
    with room_for(10), pytest.raises(KeyFileError) as error:
        write_private_key(tmp_path / "private.key", KEY, trust=None)
    assert error.value.code == "key_file.unusable"
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError) as error:
        write_private_key(tmp_path / "absent" / "private.key", KEY, trust=None)
    assert error.value.code == "key_file.unusable"


ASKED_AFTER_A_FORK = """
import os
from warren._core import PrivateKey, key_memory
key, before = PrivateKey.generate(), key_memory()
text = key.to_base64()
child = os.fork()
if child == 0:
    own = PrivateKey.generate()
    locked = before.locked_bytes == 0 or "VmLck:\t       0" not in open("/proc/self/status").read()
    os._exit(0 if locked and own.to_base64() not in (text, 44 * "A") and key.to_base64() == 43 * "A" + "=" else 1)
assert os.waitpid(child, 0)[1] == 0
assert key.to_base64() == text
"""


def test_a_child_process_reads_no_key_of_its_parent() -> None:
    """It finds zeros in its place, and locked memory for its own."""
    subprocess.run([sys.executable, "-c", ASKED_AFTER_A_FORK], check=True)


KEEPS_ONE = """
import sys
from pathlib import Path
from warren.files.key_file import read_private_key, write_private_key
from warren._core import PrivateKey
path = Path(sys.argv[1])
write_private_key(path, PrivateKey.generate(), trust=None)
key = read_private_key(path)
key.public_key()
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_key_that_was_written_and_read_lies_in_its_place_alone(tmp_path: Path) -> None:
    """Neither Python's memory nor a stack has a copy, as text or as octets."""
    path = tmp_path / "private.key"
    with subprocess.Popen(
        [sys.executable, "-c", KEEPS_ONE, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"ready\n"
        found = find(Path(f"/proc/{program.pid}"), forms({"key": octets(read_private_key(path))}))
        program.communicate()
    assert list(found) == ["key, raw"]
    assert all(region.flags >= {"dd", "wf"} for region in found["key, raw"])


@pytest.mark.skipif(os.geteuid() != 0, reason="a credential is root's")
@pytest.mark.parametrize(
    ("mode", "directory_mode", "accepted"),
    [(0o440, 0o550, True), (0o400, 0o500, True), (0o440, 0o555, False), (0o640, 0o550, False), (0o444, 0o550, False)],
)
def test_a_credential_of_the_service_manager_may_show_the_mask_of_its_access_list(
    mode: int, directory_mode: int, accepted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H-80; nobody else can enter its directory."""
    path = key_file(tmp_path, TEXT, mode)
    tmp_path.chmod(directory_mode)
    assert mode == 0o400 or refused(path).code == "key_file.permissions"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    if accepted:
        assert read_private_key(path) == KEY
    else:
        assert refused(path).code == "key_file.permissions"
