"""The big-ann-benchmarks binaries ``.fbin .u8bin .i8bin .f16bin .dbin``: a header of two counts, then the rows."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.files import file_size, row_blocks
from idxbench.errors import DataError, Problem

BIGANN_DTYPES: dict[str, np.dtype[Any]] = {
    ".fbin": np.dtype("<f4"),
    ".u8bin": np.dtype("u1"),
    ".i8bin": np.dtype("i1"),
    ".f16bin": np.dtype("<f2"),
    ".dbin": np.dtype("<f8"),
}


def bigann_layout(path: Path) -> tuple[int, int, int]:
    """Return rows, dimensions and header bytes, decided by the exact size of the file.

    The header is two uint32 (8 bytes) in the usual layout and two uint64 (16
    bytes) in the extended one, which no field tells apart: only one of them fits
    the size.

    Raises
    ------
    DataError
        The file is missing, empty, shorter than a header, says 0 rows or 0
        dimensions, or fits neither layout (the bytes of each are given).
    """
    size = file_size(path)
    itemsize = BIGANN_DTYPES[path.suffix.lower()].itemsize
    head = path.open("rb")
    with head:
        header = head.read(16)
    if size < 8:
        raise DataError(
            Problem(str(path), "a header of 8 bytes (uint32 rows, uint32 dimensions)", f"{size} bytes in all")
        )
    n, d = (int(value) for value in np.frombuffer(header[:8], "<u4"))
    if n * d > 0 and size == 8 + n * d * itemsize:
        return n, d, 8
    wide = tuple(int(value) for value in np.frombuffer(header, "<u8")) if len(header) == 16 else (0, 0)
    if wide[0] * wide[1] > 0 and size == 16 + wide[0] * wide[1] * itemsize:
        return wide[0], wide[1], 16
    raise _misfit(path, size, n, d, itemsize)


def _misfit(path: Path, size: int, n: int, d: int, itemsize: int) -> DataError:
    if n * d == 0:
        return DataError(
            Problem(
                str(path),
                "at least 1 row and 1 dimension",
                f"a header of {n} rows x {d} dimensions in a file of {size} bytes",
                "write or download it again",
            )
        )
    expected = 8 + n * d * itemsize
    found = f"{size} bytes, {abs(size - expected)} too {'few' if size < expected else 'many'}"
    others = [suffix for suffix, dtype in BIGANN_DTYPES.items() if size == 8 + n * d * dtype.itemsize]
    if others:
        fix = f"the size is that of a {others[0]} file: rename it"
    elif size < expected:
        whole = (size - 8) // (d * itemsize)
        fix = f"it was cut short after {whole} whole rows: copy or download it again"
    else:
        fix = "check that the file is of this format"
    layout = f"{expected} bytes: 8 + {n} rows x {d} dimensions x {itemsize} (or 16 + ... with a uint64 header)"
    return DataError(Problem(str(path), layout, found, fix))


def read_bigann(path: Path) -> NDArray[Any]:
    """Map the vectors of a file into memory, read-only.

    Returns
    -------
    (n, d) numpy.memmap
        Of the type its suffix names.

    Raises
    ------
    DataError
        As for `bigann_layout`.
    """
    n, d, offset = bigann_layout(path)
    return np.memmap(path, BIGANN_DTYPES[path.suffix.lower()], "r", offset, (n, d))


def write_bigann(path: Path, vectors: NDArray[Any], dtype: np.dtype[Any]) -> None:
    """Write header and rows block by block; counts beyond 32 bits get the extended header.

    Parameters
    ----------
    path
        Where to; written in place.
    vectors
        (n, d) values that ``dtype`` can hold (`check_castable` tells).
    dtype
        The type to store.
    """
    wide = max(vectors.shape) > np.iinfo(np.uint32).max
    with path.open("wb") as file:
        file.write(np.array(vectors.shape, "<u8" if wide else "<u4").tobytes())
        for rows in row_blocks(len(vectors), vectors.shape[1] * dtype.itemsize):
            file.write(np.ascontiguousarray(vectors[rows], dtype).data)
