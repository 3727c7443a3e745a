"""Changes and reads of files outside of `warren.files`, which has the one safe way for each of them.

A function of that package that takes a path takes the trust in it as well, and has no default for it: so whoever opens
a file has decided whether root may believe what lies there (docs/decisions/0031-files-of-root.md).
"""

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
        "truncate", "unlink", "utime", "listdir", "scandir",
    },
    "fcntl": {"flock", "lockf"},
    "shutil": {"chown", "copy", "copy2", "copyfile", "copymode", "copystat", "copytree", "move", "rmtree"},
}  # fmt: skip
METHODS = {
    "chmod", "hardlink_to", "lchmod", "mkdir", "rmdir", "symlink_to", "touch", "unlink", "write_bytes", "write_text",
    "glob", "iterdir", "read_bytes", "read_text", "rglob",
}  # fmt: skip
MODES = set("rwxab+t")


@dataclass(frozen=True, slots=True)
class Exemption:
    """A call that opens no file on a disk; `target` is its first argument, or the object of its method."""

    module: str
    target: str
    reason: str


EXEMPTIONS = (
    Exemption("tunnel/io/firewall_programs.py", "path", "procfs"),
    Exemption("tunnel/io/forwarding_settings.py", "SYSCTL / conf", "sysctls"),
    Exemption("tunnel/io/forwarding_settings.py", "SYSCTL / key", "a sysctl"),
    Exemption("tunnel/io/forwarding_settings.py", "link / field", "a sysctl"),
    Exemption("agent/io/preflight.py", "path", "a sysctl"),
    Exemption("cli/help.py", "formatter", "the formatter of click, which writes help"),
    Exemption("cli/output.py", "os.devnull", "a device"),
    Exemption("clock.py", "BOOT_ID", "procfs; the ground floor has no package below it"),
    Exemption("commands/handlers/dynamic_user.py", "'/proc'", "procfs"),
    Exemption("commands/handlers/first_line.py", "OTHER_FORMATS", "procfs"),
    Exemption("commands/handlers/script_file.py", "Path(f'/proc/self/fd/{entry.descriptor}')", "an open descriptor"),
    Exemption("commands/handlers/sandbox_process.py", "os.devnull", "a device"),
    Exemption("privsep/io/control_group.py", "own", "cgroupfs"),
    Exemption("privsep/io/control_group.py", "own / 'cgroup.procs'", "cgroupfs"),
    Exemption("privsep/io/capabilities.py", "PING_GROUPS", "procfs"),
    Exemption("privsep/io/capabilities.py", "STATUS", "procfs"),
    Exemption("privsep/io/control_group.py", "GROUPS", "procfs"),
    Exemption("privsep/io/operations/tun.py", "TUN", "a device"),
    Exemption("privsep/io/helper_process.py", "Path('/proc/self/comm')", "procfs"),
    Exemption("privsep/io/runner_process.py", "Path('/proc/self/comm')", "procfs"),
    Exemption("tunnel/io/apply.py", "IPV6 / link / 'disable_ipv6'", "procfs"),
    Exemption("tunnel/io/link_owner.py", "Path(f'/proc/{pid}/stat')", "procfs"),
    Exemption("tunnel/io/nft_guard.py", "CONF", "procfs"),
    Exemption("tunnel/io/nft_guard.py", "CONF / link / name", "procfs"),
    Exemption("tunnel/io/nft_guard.py", "VALID_MARK", "procfs"),
)


def main() -> int:
    """Print each place; 1 if there is any."""
    found = [*places(ROOT), *undecided(ROOT), *unused(ROOT)]
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return 1 if found else 0


def places(root: Path) -> Iterator[str]:
    """Yield `path:line: call` for each change of a file outside of its home."""
    for path, call in _calls(root):
        if _exemption(root, path, call) is None:
            yield f"{path.relative_to(root)}:{call.lineno}: {ast.unparse(call.func)} is for warren.files alone"


def undecided(root: Path) -> Iterator[str]:
    """Yield `path:line: …` for each call that gives no trust without a name for the reason."""
    for path in sorted((root / SOURCE).rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and any(_is_no_trust(each) for each in call.keywords):
                yield f"{path.relative_to(root)}:{call.lineno}: trust=None; expected process_trust() or NAMED_BY_USER"


def _is_no_trust(keyword: ast.keyword) -> bool:
    return keyword.arg == "trust" and isinstance(keyword.value, ast.Constant) and keyword.value.value is None


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
            return True
        case ast.Name(name) if name in names:
            module, _, function = names[name].partition(".")
            return function in MODULES[module]
        case ast.Attribute(_, "open"):
            return _has_mode(call)
        case ast.Attribute(_, "rename" | "replace"):  # Path's take one argument, str's and dataclasses' more
            return len(call.args) == 1 and not call.keywords
        case ast.Attribute(_, name):
            return name in METHODS
    return False


def _has_mode(call: ast.Call) -> bool:
    """Return whether the arguments are those of Path.open, and not of another method of that name."""
    values = [each.value for each in call.args[:1] if isinstance(each, ast.Constant)]
    is_mode = any(isinstance(value, str) and 0 < len(value) <= 4 and set(value) <= MODES for value in values)
    return is_mode or any(each.arg in {"mode", "encoding"} for each in call.keywords)


def _exemption(root: Path, path: Path, call: ast.Call) -> Exemption | None:
    module = path.relative_to(root / SOURCE).as_posix()
    targets = [ast.unparse(each) for each in call.args[:1]]
    if isinstance(call.func, ast.Attribute):
        targets.append(ast.unparse(call.func.value))
    return next((each for each in EXEMPTIONS if each.module == module and each.target in targets), None)


if __name__ == "__main__":
    sys.exit(main())
