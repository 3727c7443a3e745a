"""Open and rotate key files below the key directories, from where nobody but root can have put them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from warren._core import PublicKey
from warren.errors import KeyFileError, WarrenError
from warren.files.directory import READ_FLAGS
from warren.files.key_file import MAX_BYTES, check_key_file
from warren.privsep.io.helper_state import HelperState, as_key_file_error, root_directory
from warren.privsep.operation import DESCRIPTOR, Operation
from warren.privsep.wire import TEXT, Codec, parsed_codec
from warren.tunnel.io.key_rotation import rotate_key
from warren.tunnel.rotation import KeyFiles, Step


@dataclass(frozen=True, slots=True)
class OpenKey:
    """Open a key file for reading."""

    path: str


@dataclass(frozen=True, slots=True)
class RotateKey:
    """Perform one step of a key rotation."""

    path: str
    step: Step


def open_key(state: HelperState, request: OpenKey) -> int:
    """Return the descriptor of a key file. Raises KeyFileError."""
    directory, names = locate_key(request.path, state.rules.key_directories)
    with as_key_file_error(request.path), root_directory(Path(directory), *names[:-1]) as parent:
        descriptor = parent.open(names[-1], READ_FLAGS)
    try:
        status = os.fstat(descriptor)
        check_key_file(Path(request.path), status, state.rules.owners)
        if status.st_size > MAX_BYTES:  # another file of root's is none of the agent's business
            problem = f"{request.path} holds no key: it has {status.st_size} octets, a key has at most {MAX_BYTES}"
            raise KeyFileError(problem, code="key_file.invalid")
    except WarrenError:
        os.close(descriptor)
        raise
    return descriptor


def rotate(state: HelperState, request: RotateKey) -> KeyFiles:
    """Return the public keys after a step. Raises KeyFileError and StateError."""
    os.close(open_key(state, OpenKey(request.path)))
    return rotate_key(Path(request.path), request.step, state.rules.owners)


def locate_key(path: str, directories: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the one of `directories` that a key file lies in, and the names that lead from there to the file.

    Raises KeyFileError for a path that lies in none of them, or that has `..` in it.
    """
    for directory in directories:
        start = f"{directory.rstrip('/')}/"
        names = path[len(start) :].split("/")
        if path.startswith(start) and "\0" not in path and not {"", ".", ".."} & {*names}:
            return directory, tuple(names)
    within = " or ".join(directories)
    raise KeyFileError(f"{path!r} is outside of {within}: the helper opens no other keys", code="key_file.not_allowed")


def _encode_key_files(files: KeyFiles) -> list[str | None]:
    return [None if key is None else key.to_base64() for key in (files.current, files.next, files.previous)]


def _decode_key_files(value: object) -> KeyFiles:
    match value:
        case [str(current), (str() | None) as following, (str() | None) as previous]:
            others = (PublicKey.from_base64(key) if key else None for key in (following, previous))
            return KeyFiles(PublicKey.from_base64(current), *others)
    raise ValueError("expected three public keys")


KEY_FILES = Codec(_encode_key_files, _decode_key_files)
OPEN_KEY = Operation(OpenKey, {"path": TEXT}, open_key, DESCRIPTOR)
ROTATE_KEY = Operation(RotateKey, {"path": TEXT, "step": parsed_codec(Step)}, rotate, KEY_FILES)
