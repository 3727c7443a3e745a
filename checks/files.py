"""Changes of files outside of `warren.files`, which has the one safe way to make each of them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "src/warren"
HOME = f"{SOURCE}/files/"

MODULES = {
    "os": {
        "chmod", "chown", "fchmod", "fchown", "fdatasync", "fsync", "ftruncate", "lchown", "link", "makedirs", "mkdir",
        "mkfifo", "mknod", "open", "remove", "removedirs", "rename", "renames", "replace", "rmdir", "symlink",
        "truncate", "unlink", "utime",
    },
    "fcntl": {"flock", "lockf"},
    "shutil": {"chown", "copy", "copy2", "copyfile", "copymode", "copystat", "copytree", "move", "rmtree"},
}  # fmt: skip
METHODS = {
    "chmod", "hardlink_to", "lchmod", "mkdir", "rmdir", "symlink_to", "touch", "unlink", "write_bytes", "write_text",
}  # fmt: skip
WRITING = set("wax+")


@dataclass(frozen=True, slots=True)
class Exemption:
    """A call that is no change of a file on a disk; `target` is its first argument, or the object of its method."""

    module: str
    target: str
    reason: str


EXEMPTIONS = (
    Exemption("cli/help.py", "formatter", "the formatter of click, which writes help"),
    Exemption("cli/output.py", "os.devnull", "a device"),
    Exemption("commands/handlers/sandbox_process.py", "os.devnull", "a device"),
    Exemption("privsep/io/control_group.py", "own", "cgroupfs"),
    Exemption("privsep/io/control_group.py", "own / 'cgroup.procs'", "cgroupfs"),
    Exemption("privsep/io/operations/tun.py", "TUN", "a device"),
    Exemption("privsep/io/helper_process.py", "Path('/proc/self/comm')", "procfs"),
    Exemption("privsep/io/runner_process.py", "Path('/proc/self/comm')", "procfs"),
    Exemption("tunnel/io/nft_guard.py", "VALID_MARK", "procfs"),
)


def main() -> int:
    """Print each place; 1 if there is any."""
    found = [*places(ROOT), *unused(ROOT)]
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


def places(root: Path) -> Iterator[str]:
    """Yield `path:line: call` for each change of a file outside of its home."""
    for path, call in _calls(root):
        if _exemption(root, path, call) is None:
            yield f"{path.relative_to(root)}:{call.lineno}: {ast.unparse(call.func)} is for warren.files alone"


def unused(root: Path) -> Iterator[str]:
    """Yield the exemptions that nothing needs any more."""
    used = {_exemption(root, path, call) for path, call in _calls(root)}
    yield from (f"{each.module}: no call needs the exemption {each.target}" for each in EXEMPTIONS if each not in used)


def _calls(root: Path) -> Iterator[tuple[Path, ast.Call]]:
    for path in sorted((root / SOURCE).rglob("*.py")):
        if not path.relative_to(root).as_posix().startswith(HOME):
            tree = ast.parse(path.read_text())
            names = _imported(tree)
            yield from ((path, call) for call in ast.walk(tree) if isinstance(call, ast.Call) and _changes(call, names))
            yield from ((path, call) for call in _imports_of_tempfile(tree))


def _imported(tree: ast.Module) -> dict[str, str]:
    """Return the functions that `from os import …` brings, and the module of each."""
    return {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in MODULES
        for alias in node.names
    }


def _imports_of_tempfile(tree: ast.Module) -> Iterator[ast.Call]:
    """Yield a call in the place of each import: whatever the module offers makes a file."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names) if "tempfile" in [alias.name for alias in names]:
                yield ast.Call(ast.Name("tempfile"), [], [], lineno=node.lineno)
            case ast.ImportFrom("tempfile"):
                yield ast.Call(ast.Name("tempfile"), [], [], lineno=node.lineno)


def _changes(call: ast.Call, names: dict[str, str]) -> bool:  # noqa: PLR0911, a case for each form of call
    match call.func:
        case ast.Attribute(ast.Name(module), name) if module in MODULES:
            return name in MODULES[module]
        case ast.Name("open"):
            return _writes(call, 1)
        case ast.Name(name) if name in names:
            module, _, function = names[name].partition(".")
            return function in MODULES[module]
        case ast.Attribute(_, "open"):
            return _writes(call, 0)
        case ast.Attribute(_, "rename" | "replace"):  # Path's take one argument, str's and dataclasses' more
            return len(call.args) == 1 and not call.keywords
        case ast.Attribute(_, name):
            return name in METHODS
    return False


def _writes(call: ast.Call, position: int) -> bool:
    modes = [each.value for each in call.keywords if each.arg == "mode"] + call.args[position : position + 1]
    values = [mode.value for mode in modes if isinstance(mode, ast.Constant)]
    return any(isinstance(value, str) and len(value) <= 4 and WRITING & set(value) != set() for value in values)


def _exemption(root: Path, path: Path, call: ast.Call) -> Exemption | None:
    module = path.relative_to(root / SOURCE).as_posix()
    targets = [ast.unparse(each) for each in call.args[:1]]
    if isinstance(call.func, ast.Attribute):
        targets.append(ast.unparse(call.func.value))
    return next((each for each in EXEMPTIONS if each.module == module and each.target in targets), None)


if __name__ == "__main__":
    sys.exit(main())
