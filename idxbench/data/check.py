"""What is wrong with an array of vectors: values that are no numbers, zero rows, duplicates, widths that differ."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.files import row_blocks
from idxbench.data.rows import row_norms
from idxbench.errors import DataError, Problem

SHOWN = 5


@dataclass(frozen=True)
class VectorReport:
    """What one pass over the vectors found.

    Parameters
    ----------
    n_rows, n_dims, dtype
        Shape and type as stored.
    n_zero_rows, zero_rows
        Rows whose every value is 0 in float32: how many, and the first five.
    n_duplicate_rows
        Rows equal to an earlier row, value by value (-0.0 equals 0.0).
    first_duplicates
        The first five of them as (row, earliest equal row).
    min_norm, max_norm, mean_norm
        Euclidean norms of the rows, in float64.
    """

    n_rows: int
    n_dims: int
    dtype: str
    n_zero_rows: int
    zero_rows: tuple[int, ...]
    n_duplicate_rows: int
    first_duplicates: tuple[tuple[int, int], ...]
    min_norm: float
    max_norm: float
    mean_norm: float


def check_matrix(array: NDArray[Any], where: str) -> None:
    """Make sure that an array is 2-D, not empty, and of an integer or float type; reads no values.

    Raises
    ------
    DataError
        It is not. Booleans, complex numbers, strings, dates and objects are refused.
    """
    if array.ndim != 2:
        fix = "one row per vector: reshape(1, -1) for a single one" if array.ndim == 1 else "reshape(n, -1)"
        raise DataError(
            Problem(where, "a 2-D array (vectors, dimensions)", f"{array.ndim}-D of shape {array.shape}", fix)
        )
    if array.dtype.kind not in "iuf":
        raise DataError(Problem(where, "integers or floats", f"dtype {array.dtype}", "save them as a float32 array"))
    if 0 in array.shape:
        n, d = array.shape
        raise DataError(Problem(where, "at least 1 row and 1 dimension", f"{n} rows x {d} dimensions"))


class _Tally:
    """How many rows have a property, and the first five of them."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[int] = []

    def add(self, mask: NDArray[np.bool_], start: int) -> None:
        rows = np.flatnonzero(mask)
        self.count += len(rows)
        self.first.extend(int(row) + start for row in rows[: SHOWN - len(self.first)])


def check_vectors(vectors: NDArray[Any], where: str, *, block_rows: int = 65536) -> VectorReport:
    """Look at every value once and report zero rows, duplicates and norms; refuse NaN and infinity.

    Parameters
    ----------
    vectors
        (n, d), any integer or float type and layout, possibly a memory map.
    where
        What they are, for messages: the file.
    block_rows
        The most rows looked at together, at least 1; fewer where rows are wide.

    Returns
    -------
    VectorReport
        Zero rows and duplicates are counted, not refused.

    Raises
    ------
    DataError
        The array is not 2-D, numeric and non-empty; or rows hold NaN or infinite
        values, counting those that become infinite in float32 (beyond 3.4e38).

    Notes
    -----
    One pass, blocks of 8 MiB and 8 bytes per row for the hashes of the rows; a
    second look at those rows alone whose hashes are equal. The message about
    bad rows counts all of them, so the pass goes to the end.
    """
    check_matrix(vectors, where)
    n, d = vectors.shape
    bad, zero = _Tally(), _Tally()
    hashes = np.empty(n, np.uint64)
    weights = _hash_weights(d * min(8, vectors.dtype.itemsize))  # longer floats are hashed as float64
    low, high, total = np.inf, 0.0, 0.0
    for rows in row_blocks(n, d * max(8, vectors.dtype.itemsize), block_rows):
        block = _native(vectors[rows])
        squares, finite, nonzero = _measure(block)
        bad.add(~finite, rows.start)
        zero.add(finite & ~nonzero, rows.start)
        norms = np.sqrt(squares)
        low, high, total = min(low, float(norms.min())), max(high, float(norms.max())), total + norms.sum()
        hashes[rows] = _hash_rows(block, weights)
    if bad.count:
        raise DataError(
            Problem(
                where,
                "numbers that float32 can hold",
                f"NaN, infinity or beyond 3.4e38 in {bad.count} of {n} rows, first in rows {_written(bad.first)}",
                "find out where they come from; drop, repair or rescale these rows",
            )
        )
    duplicates, originals = _duplicates(vectors, hashes)
    return VectorReport(
        n_rows=n,
        n_dims=d,
        dtype=str(vectors.dtype),
        n_zero_rows=zero.count,
        zero_rows=tuple(zero.first),
        n_duplicate_rows=len(duplicates),
        first_duplicates=tuple(
            (int(row), int(original)) for row, original in zip(duplicates[:SHOWN], originals[:SHOWN], strict=True)
        ),
        min_norm=low,
        max_norm=high,
        mean_norm=float(total) / n,
    )


@dataclass(frozen=True)
class Extent:
    """How long vectors are.

    Parameters
    ----------
    largest_norm
        In float64.
    n_zero_rows, zero_rows
        Rows of zeros: how many, and the first five.
    """

    largest_norm: float
    n_zero_rows: int
    zero_rows: tuple[int, ...]


def check_finite(vectors: NDArray[Any], where: str, progress: Callable[[int], None] | None = None) -> Extent:
    """Look at every value once and refuse NaN and infinity; less than `check_vectors`, for vectors without number.

    Parameters
    ----------
    vectors
        (n, d), any integer or float type and layout, possibly a memory map. Values beyond float32 are fine.
    where
        What they are, for messages: the file.
    progress
        Told the rows of each block.

    Raises
    ------
    DataError
        Rows hold NaN or infinity, or are longer than float64 can say; all of them are counted.

    Notes
    -----
    One pass, a few blocks of 8 MiB.
    """
    bad, zero = _Tally(), _Tally()
    largest = 0.0
    for rows in row_blocks(len(vectors), 8 * vectors.shape[1]):
        with np.errstate(all="ignore"):
            norms = row_norms(np.asarray(vectors[rows], np.float64))
        bad.add(~np.isfinite(norms), rows.start)
        zero.add(norms == 0.0, rows.start)
        largest = max(largest, float(norms.max()))
        if progress is not None:
            progress(len(norms))
    if bad.count:
        raise DataError(
            Problem(
                where,
                "finite numbers",
                f"NaN or infinity in {bad.count} of {len(vectors)} rows, first in rows {_written(bad.first)}",
                "find out where they come from; drop or repair these rows",
            )
        )
    return Extent(largest, zero.count, tuple(zero.first))


def _written(rows: list[int]) -> str:
    return ", ".join(str(row) for row in rows)


def _native(block: NDArray[Any]) -> NDArray[Any]:
    """Return a block row-major, in native byte order, without -0.0 and without padding bytes."""
    dtype = block.dtype.newbyteorder("=")
    if dtype.kind == "f" and dtype.itemsize > 8:
        dtype = np.dtype(np.float64)  # an 80-bit float carries bytes that mean nothing
    with np.errstate(over="ignore", invalid="ignore"):
        block = np.ascontiguousarray(block, dtype)
    return block + dtype.type(0) if dtype.kind == "f" else block


def _measure(block: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return of each row the squared norm, whether it is finite, and whether anything but 0, in float32."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        wide = block.astype(np.float64, copy=False)
        squares: NDArray[np.float64] = np.einsum("ij,ij->i", wide, wide)
        if block.dtype.kind == "f" and block.dtype.itemsize == 8:
            narrow = block.astype(np.float32)
            return squares, np.asarray(np.isfinite(narrow).all(axis=1)), np.asarray(narrow.any(axis=1))
    # The square of a float32 neither overflows nor vanishes in float64: one look at the sum is enough.
    return squares, np.isfinite(squares), squares != 0


def _hash_weights(row_bytes: int) -> NDArray[np.uint64]:
    """Return one odd 64-bit number for every 8 bytes of a row, always the same."""
    generator = np.random.default_rng(20240607)
    return generator.integers(0, 2**64, size=-(-row_bytes // 8), dtype=np.uint64) | np.uint64(1)


def _hash_rows(block: NDArray[Any], weights: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hash the bytes of each row to 64 bits: a weighted sum of its 8-byte words, modulo 2**64.

    The words are folded onto their low half first: the low bits of small whole
    numbers in float are all 0, and only low bits reach all bits of a product.
    """
    words = block
    row_bytes = block.shape[1] * block.dtype.itemsize
    if row_bytes % 8:
        words = np.zeros((len(block), 8 * len(weights)), np.uint8)
        words[:, :row_bytes] = block.view(np.uint8)
    folded = words.view(np.uint64)
    folded = folded ^ (folded >> np.uint64(32))
    hashed: NDArray[np.uint64] = folded @ weights
    return hashed


def _duplicates(vectors: NDArray[Any], hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows equal to an earlier one, ascending, and the earliest row each is equal to."""
    _, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    candidates = np.flatnonzero(counts[inverse] > 1)
    groups = inverse[candidates]
    found: list[NDArray[np.int64]] = []
    originals: list[NDArray[np.int64]] = []
    while len(candidates):
        # The earliest row of each group stands for it. Rows with its hash but not its
        # values (a collision) go another round among themselves.
        _, first, back = np.unique(groups, return_index=True, return_inverse=True)
        leaders = candidates[first][back]
        equal = _rows_equal(vectors, candidates, leaders)
        repeats = equal & (candidates != leaders)
        found.append(candidates[repeats])
        originals.append(leaders[repeats])
        candidates, groups = candidates[~equal], groups[~equal]
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    rows, earliest = np.concatenate(found), np.concatenate(originals)
    order = np.argsort(rows, kind="stable")
    return rows[order], earliest[order]


def _rows_equal(vectors: NDArray[Any], left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Compare pairs of rows value by value, block by block."""
    equal = np.empty(len(left), bool)
    for pairs in row_blocks(len(left), vectors[:1].nbytes):
        equal[pairs] = (vectors[left[pairs]] == vectors[right[pairs]]).all(axis=1)
    return equal


def check_widths(items: NDArray[Any], queries: NDArray[Any], where_items: str, where_queries: str) -> None:
    """Make sure that items and queries have the same number of dimensions.

    Raises
    ------
    DataError
        They do not; both files and widths are named.
    """
    if items.shape[1] != queries.shape[1]:
        raise DataError(
            Problem(
                where_queries,
                f"{items.shape[1]} dimensions, as the items in {where_items}",
                f"{queries.shape[1]} dimensions",
                "take items and queries from the same model",
            )
        )
