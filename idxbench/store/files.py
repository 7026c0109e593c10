"""Files that are whole or not there, also after a crash, and words for a place that can't be written."""

import errno
import os
from contextlib import suppress
from pathlib import Path

from idxbench.errors import Problem, ResultError

# No room on the disk, above the limit of a file's size, above the user's quota: room helps, and nothing else does.
FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


class DiskFullError(ResultError):
    """There is no room left to write to; what stands can be resumed once there is."""


def disk_full(where: str, found: str, command: str = "the same command with --resume") -> DiskFullError:
    """Say that there is no room left, and which command goes on from here."""
    return DiskFullError(Problem(where, "room to write to", found, f"make room, then: {command}"))


def unwritable(path: Path, error: OSError) -> ResultError:
    """Say that a result can't be written, and what to do."""
    found = error.strerror or str(error)
    if error.errno in FULL:
        return disk_full(str(path), found)
    return ResultError(
        Problem(str(path), "a folder this user can write to, with room left", found, "choose another with --out DIR")
    )


def told_full(text: str, folder: Path) -> str:
    """Return what a process that died for want of room said, or had no room left to say; empty where there is room."""
    if any(os.strerror(code) in text for code in FULL):
        return text
    try:
        left = os.statvfs(folder)
    except OSError:
        return ""
    return "" if left.f_bavail else f"{os.strerror(errno.ENOSPC)}: {text}"


def append(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Write at the end of a file, in one go: all of it, or after an error nothing.

    Raises
    ------
    OSError
        It can't be written. What stood before stands.
    """
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        append_open(file, data, os.fstat(file).st_size, sync=sync)
    finally:
        os.close(file)


def append_open(file: int, data: bytes, size: int, *, sync: bool) -> None:
    """Write at the end of an open file of ``size`` bytes: all of it, or after an error nothing.

    Raises
    ------
    OSError
        It can't be written.
    """
    try:
        _write(file, data)
        if sync:
            os.fsync(file)
    except OSError:
        # A full disk takes half a line, too.
        with suppress(OSError):
            os.ftruncate(file, size)
        raise


def replace(path: Path, data: bytes) -> None:
    """Put a new file in the place of an old one: whoever reads sees one of them, whole.

    Raises
    ------
    OSError
        It can't be written. The old one stands.
    """
    part = path.with_name(f"{path.name}.part")
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        _write(file, data)
        os.fsync(file)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
    finally:
        os.close(file)
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names of a folder last; not every file system can, or needs to."""
    with suppress(OSError):
        file = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def _write(file: int, data: bytes) -> None:
    """Write in one call; where the disk takes but a part of it, the next call tells why."""
    while data:
        data = data[os.write(file, data) :]
