"""Say why the kernel cannot run a script: its first line names no interpreter that is there (execve(2)).

The kernel reports only that there is no such file, or that the format is wrong, though the script is there.
"""

from __future__ import annotations

import codecs
import shlex
from pathlib import Path

from warren.terminal import visible_line

MAX_BYTES = 256  # as much of a file as the kernel reads to find its interpreter (BINPRM_BUF_SIZE)
ELF = b"\x7fELF"
MARK = b"#!"
OTHER_FORMATS = Path("/proc/sys/fs/binfmt_misc")
"""The formats that this host's owner has registered beside scripts and programs (binfmt_misc)."""
NO_FORMATS = frozenset(("register", "status"))


def first_line_problem(head: bytes, path: str) -> str | None:
    """Return why a file that begins with `head` cannot run and how to mend it, or None.

    `head` has at most MAX_BYTES.
    """
    name = shlex.quote(path)
    if head.startswith(MARK):
        return _interpreter_problem(head.partition(b"\n")[0].removeprefix(MARK), name)
    if head.startswith(codecs.BOM_UTF8):
        problem = "it begins with a byte order mark, which hides its first line #!INTERPRETER"
        return f"{problem}; run: sed -i '1s/^\\xEF\\xBB\\xBF//' {name}"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return f"it is encoded in UTF-16; run: iconv -f UTF-16 -t UTF-8 {name}, and replace it by the output"
    is_known = head.startswith(ELF) or _has_other_formats()
    return None if is_known else "it has no first line #!INTERPRETER, such as #!/bin/sh"


def _interpreter_problem(line: bytes, name: str) -> str | None:
    interpreter = visible_line(line.strip(b" \t").partition(b" ")[0].partition(b"\t")[0].decode(errors="replace"))
    if b"\r" in line:
        problem = f"its interpreter {interpreter} does not exist, as its lines end with CR and LF"
        return f"{problem}; run: sed -i 's/\\r$//' {name}"
    if not interpreter.startswith("/"):
        return f"its first line names no absolute path of an interpreter, such as #!/bin/sh, but {interpreter!r}"
    if not Path(interpreter).exists():
        return f"its interpreter {interpreter} does not exist; install it, or correct the first line of {name}"
    return None


def _has_other_formats() -> bool:
    try:
        return bool({each.name for each in OTHER_FORMATS.iterdir()} - NO_FORMATS)
    except OSError:
        return False
