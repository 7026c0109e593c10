"""From one value type to another, block by block, with nothing lost unsaid."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.files import row_blocks
from idxbench.errors import DataError, Problem
from idxbench.records import Notice


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
        The type that will be stored. float32 and float16 may round, which choosing such
        a format asks for, and the notice says by how much; every other type must hold each value exactly.
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
    may_round = dtype == np.float32 or (dtype == np.float16 and vectors.dtype.kind == "f")
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
