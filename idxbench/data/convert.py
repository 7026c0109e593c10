"""Conversions that lose nothing unsaid: value types block by block, and files written whole or not at all."""

import difflib
import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from idxbench.data.rows import BLOCK_BYTES
from idxbench.errors import DataError, Problem
from idxbench.records import Notice


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
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)  # noqa: PTH105 (tests stand in for it here)
    except OSError as error:
        fix = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "check the folder"
        reason = error.strerror or str(error)
        raise DataError(Problem(str(path), "a file that can be written", reason, fix)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _unchanged(block: NDArray[Any], cast: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell value by value whether a cast kept it; NaN counts as kept where the target has NaN."""
    if block.dtype.kind in "iu" and cast.dtype.kind == "f":
        # Comparing int64 with float64 would promote both to float64 and call
        # 2**53 + 1 equal to 2**53: cast back instead, where that is defined.
        info = np.iinfo(block.dtype)
        inside = np.isfinite(cast) & (cast.astype(np.float64) < float(info.max) + 1.0)
        back = np.where(inside, cast, cast.dtype.type(0)).astype(block.dtype)
        return np.asarray(inside & (back == block))
    same = cast == block
    if cast.dtype.kind == "f":
        same |= np.isnan(block) & np.isnan(cast)
    return np.asarray(same)


def _refuse(where: str, row: int, value: object, dtype: np.dtype[Any], source: np.dtype[Any]) -> DataError:
    return DataError(
        Problem(
            f"{where}: row {row}",
            f"values that {dtype} holds exactly",
            f"{value!s} ({source})",
            "scale or round the vectors yourself first, or write .npy, which keeps every type",
        )
    )


def check_castable(vectors: NDArray[Any], dtype: np.dtype[Any], where: str) -> Notice | None:
    """Make sure that a file of another type can hold these values, before a byte of it is written.

    Parameters
    ----------
    vectors
        (n, d), any integer or float type, read block by block.
    dtype
        The type that will be stored. float32 may round (that is what the
        program computes in); every other type must hold each value exactly.
    where
        The file to be written, for messages.

    Returns
    -------
    Notice or None
        None when the type stays; otherwise what was converted, and how many values were rounded.

    Raises
    ------
    DataError
        A value does not fit: the first such row is named.
    """
    if vectors.dtype == dtype:
        return None
    may_round = dtype == np.float32
    rounded, worst = 0, 0.0
    for rows in row_blocks(len(vectors), vectors[:1].nbytes):
        block = np.asarray(vectors[rows])
        with np.errstate(all="ignore"):
            cast = block.astype(dtype)
            changed = ~_unchanged(block, cast)
            fatal = (np.isinf(cast) & changed) if may_round else changed
        if fatal.any():
            row, column = np.argwhere(fatal)[0]
            raise _refuse(where, rows.start + int(row), block[row, column], dtype, vectors.dtype)
        if changed.any():
            rounded += int(changed.sum())
            exact = block[changed].astype(np.float64)
            worst = max(worst, float(np.max(np.abs(cast[changed] - exact) / np.abs(exact))))
    if rounded == 0:
        return Notice("converted", f"{where}: {vectors.dtype} stored as {dtype}, every value exactly")
    return Notice(
        "rounded",
        f"{where}: {vectors.dtype} stored as {dtype}, {rounded} of {vectors.size} values rounded, "
        f"by at most {worst:.1e} of their size",
        "write .npy to keep every bit",
    )


def to_float32(vectors: NDArray[Any], *, block_rows: int = 65536) -> NDArray[np.float32]:
    """Return the vectors as native float32 in row-major order, without a copy where they already are.

    Parameters
    ----------
    vectors
        (n, d), any integer or float type and layout; float64 is rounded to the
        nearest float32, NaN and infinity stay what they are.
    block_rows
        Rows converted at a time, at least 1.

    Returns
    -------
    (n, d) float32, C-contiguous
        The same object when it was that already (a memory map stays one).

    Raises
    ------
    DataError
        A finite value becomes infinite in float32 (beyond 3.4e38); its row is named.

    Notes
    -----
    Peak memory: the result and one block of at most 8 MiB or ``block_rows`` rows.
    """
    if vectors.dtype == np.float32 and vectors.flags.c_contiguous:
        return vectors
    converted = np.empty(vectors.shape, dtype=np.float32)
    can_overflow = vectors.dtype.kind == "f" and vectors.dtype.itemsize > 4
    for rows in row_blocks(len(vectors), vectors[:1].nbytes, block_rows):
        block = np.asarray(vectors[rows])
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            converted[rows] = block
        if can_overflow:
            lost = np.isinf(converted[rows]) & np.isfinite(block)
            if lost.any():
                row, column = np.argwhere(lost)[0]
                raise _refuse("vectors", rows.start + int(row), block[row, column], converted.dtype, block.dtype)
    return converted


@dataclass(frozen=True)
class ConvertSummary:
    """What a conversion read and wrote.

    Parameters
    ----------
    source, target
        The two files.
    shape
        Rows and columns, the same in both.
    source_dtype, target_dtype
        The value types in the files (of the ids, for ground truth).
    target_bytes
        Size of the file written.
    notices
        What changed on the way, if anything did.
    """

    source: Path
    target: Path
    shape: tuple[int, ...]
    source_dtype: str
    target_dtype: str
    target_bytes: int
    notices: tuple[Notice, ...] = ()

    def __str__(self) -> str:
        size = " x ".join(f"{length:,}" for length in self.shape)
        kinds = (
            self.source_dtype
            if self.source_dtype == self.target_dtype
            else f"{self.source_dtype} as {self.target_dtype}"
        )
        lines = [f"{self.source} -> {self.target}: {size} {kinds}, {self.target_bytes:,} bytes"]
        for notice in self.notices:
            lines += [notice.text, *([f"  {notice.advice}"] if notice.advice else [])]
        return "\n".join(lines)


def convert_file(
    src: Path,
    dst: Path,
    *,
    key: str | None = None,
    role: Literal["items", "queries"] = "items",
    groundtruth: bool = False,
    overwrite: bool = False,
) -> ConvertSummary:
    """Read vectors or ground truth from one format and write them to another, both told by their suffix.

    Parameters
    ----------
    src, dst
        The files; ``dst`` is written under a temporary name first.
    key
        Which array of ``src``, as in ``read_vectors`` and ``read_groundtruth``.
    role
        Which array of a file with several, where ``key`` is None.
    groundtruth
        Whether the files hold neighbour ids rather than vectors.
    overwrite
        Whether ``dst`` may exist already.

    Raises
    ------
    DataError
        ``src`` can't be read, or ``dst`` can't be written or can't hold the values.
    """
    # Imported here: the readers and writers of every format build on the blocks above.
    from idxbench.data.groundtruth import read_groundtruth, write_groundtruth
    from idxbench.data.vectors import describe, read_vectors, write_vectors

    if groundtruth:
        truth = read_groundtruth(src, key=key)
        shape, source_dtype, target_dtype = truth.ids.shape, str(truth.ids.dtype), "int32"
        notice = write_groundtruth(dst, truth.ids, truth.distances, overwrite=overwrite)
    else:
        vectors = read_vectors(src, key, role=role)
        shape, source_dtype = vectors.shape, str(vectors.dtype)
        notice = write_vectors(dst, vectors, role=role, overwrite=overwrite)
        target_dtype = next(array.dtype for array in describe(dst) if len(array.shape) == 2)
    notices = () if notice is None else (notice,)
    return ConvertSummary(src, dst, shape, source_dtype, target_dtype, dst.stat().st_size, notices)
