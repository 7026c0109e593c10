"""Files that only grow: whole lines, synced, one writer at a time, and a crash that costs the last line at most."""

import fcntl
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from idxbench.errors import Problem, ResultError
from idxbench.store.files import FULL, append_open, disk_full, sync_folder


def whole_lines(path: Path) -> tuple[list[str], bool]:
    """Return the lines of a file, and whether a torn last one was left out.

    Raises
    ------
    ResultError
        The file can't be read, or is no UTF-8.
    """
    try:
        return _split(path.read_bytes())
    except OSError as error:
        raise ResultError(Problem(str(path), "a readable file", error.strerror or str(error))) from None
    except UnicodeDecodeError as error:
        raise ResultError(Problem(str(path), "UTF-8", f"byte {error.start} is none", "restore the file")) from None


def append_lines(path: Path, make: Callable[[Sequence[str]], Sequence[str]]) -> None:
    """Append lines in one write, and sync them; what can't be written whole leaves the file as it was.

    Parameters
    ----------
    path
        The file; made, with its folder, where it is missing.
    make
        Given the lines the file has, returns those to append. The file is locked from before the one to after the
        other, so that two writers can't both find that a line is missing.

    Raises
    ------
    ResultError
        The file can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        held = path.read_bytes()
        lines, torn = _split(held)
        added = "".join(f"{line}\n" for line in make(lines)).encode()
        _append(descriptor, held, added, torn=torn)
        sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        os.close(descriptor)


def _append(descriptor: int, held: bytes, added: bytes, *, torn: bool) -> None:
    size = held.rfind(b"\n") + 1 if torn else len(held)
    if torn:
        os.ftruncate(descriptor, size)
    elif held and not held.endswith(b"\n"):
        added = b"\n" + added
    append_open(descriptor, added, size, sync=True)


def _split(content: bytes) -> tuple[list[str], bool]:
    *lines, last = content.split(b"\n")
    if last:
        try:
            # A line that is whole but for its end came from an editor, not from a crash.
            json.loads(last)
            lines.append(last)
            last = b""
        except ValueError:
            pass
    return [line.decode() for line in lines], bool(last)


def _unwritable(path: Path, error: OSError) -> ResultError:
    found = error.strerror or str(error)
    if error.errno in FULL:
        return disk_full(str(path), found, "the same command again")
    fix = "choose another with --history DIR"
    return ResultError(Problem(str(path), "a file this user can write to", found, fix))
