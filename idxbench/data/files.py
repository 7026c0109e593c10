"""Files handled safely: sizes checked, blocks that bound memory, results written whole or not at all."""

import difflib
import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from idxbench.data.rows import BLOCK_BYTES
from idxbench.errors import DataError, Problem


def row_blocks(n_rows: int, row_bytes: int, block_rows: int | None = None) -> Iterator[slice]:
    """Cut rows into consecutive blocks of about 8 MiB, so that memory is bounded however wide a row is.

    Parameters
    ----------
    n_rows
        How many rows there are; 0 gives no block.
    row_bytes
        Bytes of one row, at least 0.
    block_rows
        An upper limit for the rows of a block; None sets no limit.

    Returns
    -------
    Iterator of slices
        In order, covering every row once; each holds at least one row.
    """
    step = max(1, BLOCK_BYTES // max(1, row_bytes))
    if block_rows is not None:
        step = max(1, min(step, block_rows))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def file_size(path: Path) -> int:
    """Return the size in bytes of a readable, non-empty file.

    Raises
    ------
    DataError
        The path leads nowhere (the nearest name in its folder is offered), to
        a folder, to a file that can't be read, or to an empty one.
    """
    if not path.exists():
        nearby = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        close = difflib.get_close_matches(path.name, nearby, n=1)
        fix = f"did you mean {path.parent / close[0]}?" if close else "check the path"
        raise DataError(Problem(str(path), "a data file", "nothing by that name", fix))
    if path.is_dir():
        raise DataError(Problem(str(path), "a data file", "a folder", "name the file inside it"))
    if not os.access(path, os.R_OK):
        raise DataError(Problem(str(path), "a readable file", "no permission to read it", "chmod u+r it"))
    size = path.stat().st_size
    if size == 0:
        raise DataError(Problem(str(path), "a data file", "an empty file (0 bytes)", "write or download it again"))
    return size


@contextmanager
def replacing(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Lend a temporary name beside ``path`` that takes its place at the end, or vanishes on a failure.

    Parameters
    ----------
    path
        The file to write. Its folder must exist.
    overwrite
        Whether a file already there may be replaced.

    Yields
    ------
    Path
        A name in the same folder with the same suffix, so that the final rename is atomic.

    Raises
    ------
    DataError
        The file exists and may not be replaced, the folder is missing or not
        writable, or the disk is full. Nothing half-written is left behind.
    """
    check_replaceable(path, overwrite=overwrite)
    temporary = _temporary(path)
    try:
        yield temporary
        os.replace(temporary, path)  # noqa: PTH105 (tests stand in for it here)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Lend a new folder beside ``path`` that takes its place at the end, or vanishes with all that is in it.

    ``path`` must not exist, or be an empty folder; raises like `replacing`.
    """
    temporary = _temporary(path)
    try:
        temporary.mkdir()
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")


def _unwritable(path: Path, error: OSError) -> DataError:
    fix = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "check the folder"
    return DataError(Problem(str(path), "a file that can be written", error.strerror or str(error), fix))


def check_replaceable(path: Path, *, overwrite: bool) -> None:
    """Make sure that a file of that name may be written, as far as names tell.

    Raises
    ------
    DataError
        It is a folder, it exists and may not be replaced, or its folder is missing.
    """
    if path.is_dir():
        raise DataError(Problem(str(path), "the name of a file to write", "a folder"))
    if path.exists() and not overwrite:
        raise DataError(
            Problem(
                str(path),
                "a name not yet taken",
                f"an existing file of {path.stat().st_size} bytes",
                "choose another name, or allow overwriting (--force)",
            )
        )
    if not path.parent.is_dir():
        raise DataError(Problem(str(path), "an existing folder", f"no folder {path.parent}", "create it"))


def check_room(path: Path, n_bytes: int) -> None:
    """Make sure, before hours of work, that a file of that many bytes can be written beside ``path``.

    Raises
    ------
    DataError
        The folder can't be written to, or has less space left.
    """
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
        free = shutil.disk_usage(path.parent).free
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            Problem(str(path), "a folder this user can write to", f"{path.parent}: {reason}", "choose another folder")
        ) from error
    if free < n_bytes:
        fix = "free some space, or choose another disk"
        raise DataError(Problem(str(path), f"room for {n_bytes:,} bytes", f"{free:,} bytes free", fix))
