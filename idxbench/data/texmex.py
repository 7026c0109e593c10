"""The TEXMEX files ``.fvecs .ivecs .bvecs``: every row is its own length as int32, then that many values."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.files import file_size, row_blocks
from idxbench.errors import DataError, Problem

TEXMEX_DTYPES: dict[str, np.dtype[Any]] = {
    ".fvecs": np.dtype("<f4"),
    ".ivecs": np.dtype("<i4"),
    ".bvecs": np.dtype("u1"),
}


def _first_width(path: Path, size: int) -> tuple[int, int]:
    """Return the dimensions the first row names, and the bytes of a row of that many."""
    if size < 4:
        raise DataError(Problem(str(path), "rows that begin with an int32 dimension", f"{size} bytes in all"))
    with path.open("rb") as file:
        d = int(np.frombuffer(file.read(4), "<i4")[0])
    row_bytes = 4 + d * TEXMEX_DTYPES[path.suffix.lower()].itemsize
    if d < 1:
        raise DataError(
            Problem(
                f"{path}: row 0",
                "at least 1 dimension",
                f"a row of {d} dimensions",
                f"check that the file is {path.suffix}, little-endian",
            )
        )
    if row_bytes > size:
        raise DataError(
            Problem(
                f"{path}: row 0",
                f"{row_bytes} bytes: 4, then {d} values",
                f"{size} bytes in all",
                f"check that the file is {path.suffix}, little-endian, and complete",
            )
        )
    return d, row_bytes


def texmex_header(path: Path) -> tuple[int, int]:
    """Return rows and dimensions from the first row and the size alone; other rows are not looked at.

    Raises
    ------
    DataError
        The file is missing, empty or cut short, or names less than one dimension.
    """
    size = file_size(path)
    d, row_bytes = _first_width(path, size)
    if size % row_bytes:
        raise _cut_short(path, size, d, row_bytes)
    return size // row_bytes, d


def _cut_short(path: Path, size: int, d: int, row_bytes: int) -> DataError:
    whole, left = divmod(size, row_bytes)
    return DataError(
        Problem(
            str(path),
            f"a multiple of {row_bytes} bytes: rows of 4 + {d} values",
            f"{size} bytes: {whole} whole rows and {left} bytes more",
            "it was cut short, or is of another format: copy or download it again",
        )
    )


def read_texmex(path: Path) -> NDArray[Any]:
    """Map the vectors of a file into memory, read-only, once every row is known to have the same length.

    Returns
    -------
    (n, d) numpy.memmap
        float32, int32 or uint8. Rows lie 4 bytes apart, so it is not contiguous.

    Raises
    ------
    DataError
        The file is missing, empty or cut short, or a row names another number
        of dimensions than the first (the row is named).

    Notes
    -----
    Reads the leading number of every row, which for short rows means every page of the file.
    """
    size = file_size(path)
    d, row_bytes = _first_width(path, size)
    dtype = TEXMEX_DTYPES[path.suffix.lower()]
    # Rows start at multiples of 4 but for .bvecs, whose lengths are read as bytes.
    cell = np.dtype("u1") if dtype.itemsize == 1 else np.dtype("<i4")
    lead = 4 // cell.itemsize
    cells = np.memmap(path, cell, "r", 0, (size // row_bytes, row_bytes // cell.itemsize))
    head = np.frombuffer(np.array([d], "<i4").tobytes(), cell)
    for rows in row_blocks(len(cells), row_bytes):
        wrong = np.flatnonzero((cells[rows, :lead] != head).any(axis=1))
        if len(wrong):
            row = rows.start + int(wrong[0])
            found = int(np.frombuffer(np.ascontiguousarray(cells[row, :lead]).tobytes(), "<i4")[0])
            raise DataError(
                Problem(
                    f"{path}: row {row} (byte {row * row_bytes})",
                    f"{d} dimensions, as in row 0",
                    f"{found} dimensions",
                    f"check that the file is {path.suffix} and complete",
                )
            )
    # Only now: a row of another length, named above, says more than a wrong size.
    if size % row_bytes:
        raise _cut_short(path, size, d, row_bytes)
    vectors: NDArray[Any] = cells[:, lead:].view(dtype)
    return vectors


def write_texmex(path: Path, vectors: NDArray[Any], dtype: np.dtype[Any]) -> None:
    """Write the rows block by block, each behind its length.

    Parameters
    ----------
    path
        Where to; written in place.
    vectors
        (n, d) values that ``dtype`` can hold (`check_castable` tells).
    dtype
        The type to store: float32, int32 or uint8.
    """
    d = vectors.shape[1]
    row = np.dtype([("d", "<i4"), ("values", dtype, (d,))])
    with path.open("wb") as file:
        for rows in row_blocks(len(vectors), row.itemsize):
            block = np.empty(rows.stop - rows.start, row)
            block["d"] = d
            block["values"] = vectors[rows]
            file.write(block.tobytes())
