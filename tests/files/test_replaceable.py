"""What a rename must not or cannot replace is refused with a reason, before anything is changed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trust.parties import BUNDLE, ROOT
from warren.errors import TrustError
from warren.files.atomic import update_file
from warren.files.bounded_read import read_bounded
from warren.files.directory import open_directory
from warren.files.replaceable import check_replaceable, is_mount_point
from warren.trust.bundle_verify import sign_bundle
from warren.trust.io.bundle_file import install_bundle

pytestmark = [pytest.mark.integration, pytest.mark.security]
LINK = "is a symbolic link; name the file that it leads to"
MOUNT = "is a mount point, which cannot be replaced; mount its directory instead"
BOUND = 'mount --bind "$1" "$1" && shift && exec "$@"'
UPDATE = """
import sys
from pathlib import Path
from warren.files.atomic import replace_file, update_file
from warren.files.replaceable import is_mount_point
path = Path(sys.argv[1])
print(is_mount_point(path), is_mount_point(path.parent), is_mount_point(path.with_name("beside")))
for change in (update_file, replace_file):
    try:
        change(path, b"new", 0o600, trust=None)
    except OSError as error:
        print(error.strerror)
print(*sorted(each.name for each in path.parent.iterdir()))
"""
ROTATE = """
import sys
from pathlib import Path
from warren.errors import KeyFileError
from warren.tunnel.io.key_rotation import rotate
from warren.tunnel.rotation import Step
try:
    rotate(Path(sys.argv[1]), Step.PREPARE)
except KeyFileError as error:
    print(error.code, error)
"""


def test_a_file_and_nothing_can_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    check_replaceable(path)
    path.touch()
    check_replaceable(path)
    assert not is_mount_point(path)
    assert not is_mount_point(tmp_path / "absent")


@pytest.mark.parametrize("target", ["target", "absent"])
def test_a_link_is_refused_and_kept_with_its_target(tmp_path: Path, target: str) -> None:
    (tmp_path / "target").write_bytes(b"old")
    path = tmp_path / "link"
    path.symlink_to(target)
    with pytest.raises(OSError, match=LINK) as raised:
        update_file(path, b"new", 0o600, trust=None)
    assert raised.value.errno == errno.ELOOP
    assert path.readlink() == Path(target)
    assert (tmp_path / "target").read_bytes() == b"old"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link", "target"]


def test_a_link_that_is_not_followed_is_called_one(tmp_path: Path) -> None:
    path = tmp_path / "link"
    path.symlink_to("target")
    with pytest.raises(OSError, match=LINK):
        read_bounded(path, 1, trust=None)
    with open_directory(tmp_path) as directory, pytest.raises(OSError, match=LINK):
        directory.open("link", os.O_RDONLY)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(OSError, match="is not a regular file"):
        update_file(path, b"new", 0o600, trust=None)


def test_a_bundle_is_not_installed_in_the_place_of_a_link(tmp_path: Path) -> None:
    path = tmp_path / "trust.jws"
    path.symlink_to("elsewhere.jws")
    with pytest.raises(TrustError, match=LINK):
        install_bundle(path, sign_bundle(BUNDLE, ROOT), (ROOT.public.kid,))
    assert path.is_symlink()


@pytest.mark.root
@pytest.mark.needs("unshare", "mount")
def test_a_mount_point_is_refused_with_the_reason(tmp_path: Path) -> None:
    """As one file of a container, which the engine mounts."""
    (tmp_path / "beside").touch()
    lines = _bound(tmp_path, UPDATE)
    assert lines == ["True False False", MOUNT, MOUNT, "beside file"]


@pytest.mark.root
@pytest.mark.needs("unshare", "mount")
def test_a_key_in_a_mount_point_is_not_rotated(tmp_path: Path) -> None:
    script = f"from warren._core import PrivateKey\nimport sys\nfrom pathlib import Path\n{ROTATE}"
    lines = _bound(tmp_path, script)
    assert lines == [
        f"key_file.mount_point {tmp_path / 'file'} is a mount point, so no other key can be put in its place"
    ]
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def _bound(directory: Path, script: str) -> list[str]:
    """Run a script about a private key file that is a mount of its own."""
    path = directory / "file"
    path.write_text("yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n")  # of wg(8)
    path.chmod(0o600)
    argv = ["unshare", "--mount", "sh", "-c", BOUND, "-", str(path), sys.executable, "-c", script, str(path)]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
