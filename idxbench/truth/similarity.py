"""All pairs of two sets of vectors, scored as exact search scores them: float64 inside, float32 out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.rows import refuse_non_finite, row_norms
from idxbench.errors import DataError, Problem
from idxbench.linalg.blocks import each_block
from idxbench.pool import single_threaded_blas
from idxbench.truth.exact import check_matrix
from idxbench.truth.mapping import LARGEST, SAMPLE, Mapping, Metric, fit_mapping

# Rows of either side multiplied in one go: a tile of scores takes 8 MiB.
TILE = 1024


def similarity(
    a: NDArray[Any],
    b: NDArray[Any],
    metric: Metric = "dot",
    *,
    weight: NDArray[Any] | None = None,
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Score every row of one array with every row of another.

    Parameters
    ----------
    a, b
        (n, d) and (m, d) finite numbers of any real type, possibly no rows; memory maps are read block by block.
        Norms up to 1e150 under dot and l2, any under cosine and covariance.
    metric
        ``dot``, ``cosine``, ``l2`` (negative squared distances) or ``covariance``.
    weight
        (d, d) symmetric positive semi-definite, for ``covariance`` only: the cosine under it,
        ``a'Mb / sqrt(a'Ma b'Mb)``. It is folded into the vectors, once per row and never per pair.
    threads
        None or 0 for every usable core. The result is the same for any number, bit for bit.

    Returns
    -------
    (n, m) float32, higher is better. A zero row scores 0 under cosine and covariance. Under l2 no score is
    positive, and rows that are equal score exactly 0. Scores beyond float32 are infinite, those below it 0.

    Raises
    ------
    DataError
        Wrong shapes, NaN or infinity, norms beyond 1e150, an unknown metric, an unfit weight.

    Notes
    -----
    Added up in float64: dot is off by ``d 2^-53 |a| |b|`` at most before it is rounded to float32, cosine by
    some 1e-15, ``l2`` by about a unit of the last digit of float32 however close two rows are. ``|a - b|^2``
    comes from norms and products of rows shifted by a mean row, and is calculated again from the difference of
    the rows as given where it is so small beside the norms that digits were lost: for the pairs of tight
    clusters far apart, which is up to 50 times slower.

    Memory: 4 n m bytes for the result, 8 min(n, m) d for the mapped rows of the shorter side, and per thread
    24 MiB of tiles and a few blocks of 1,024 float64 rows.
    """
    a = check_matrix(a, "a", allow_empty=True)
    b = check_matrix(b, "b", allow_empty=True)
    if a.shape[1] != b.shape[1]:
        raise DataError(Problem("b", f"width {a.shape[1]}, that of a", f"width {b.shape[1]}"))
    with single_threaded_blas():
        mapping = fit_mapping(b[:: max(1, -(-len(b) // SAMPLE))], metric, weight)
        scores = np.empty((len(a), len(b)), np.float32)
        # The shorter side is mapped once and held, the longer one streams past it.
        a_streams = len(a) >= len(b)
        held_rows, streamed = (_Side("b", b, mapping), _Side("a", a, mapping))[:: 1 if a_streams else -1]
        held = list(each_block(held_rows.part, len(held_rows.given), threads, TILE))

        def one(start: int) -> None:
            part = streamed.part(start)
            for other in held:
                left, right = (part, other) if a_streams else (other, part)
                scores[left.rows, right.rows] = _tile(left, right)

        for _ in each_block(one, len(streamed.given), threads, TILE):
            pass
    return scores


@dataclass(frozen=True)
class _Part:
    """Some rows of one side.

    Parameters
    ----------
    rows
        Which.
    given
        (n, d) as they came.
    mapped
        (n, r) whose dot products are the scores; under l2 (n, d) shifted.
    squares
        (n,) squared norms of the mapped rows, under l2 only.
    """

    rows: slice
    given: NDArray[Any]
    mapped: NDArray[np.float64]
    squares: NDArray[np.float64] | None


@dataclass(frozen=True)
class _Side:
    """One of the two arrays, mapped part by part."""

    name: str
    given: NDArray[Any]
    mapping: Mapping

    def part(self, start: int) -> _Part:
        rows = slice(start, min(start + TILE, len(self.given)))
        given = self.given[rows]
        block = np.asarray(given, np.float64)
        refuse_non_finite(block, self.name, start)
        if self.mapping.unit:
            return _Part(rows, given, self.mapping.exact_queries(block), None)
        largest = float(row_norms(block).max())
        if largest > LARGEST:
            found, fix = f"{largest:.3g} from row {start} on", "squares leave float64: rescale them"
            raise DataError(Problem(self.name, f"norms up to {LARGEST}", found, fix))
        if not self.mapping.by_distance:
            return _Part(rows, given, block, None)
        moved = block - self.mapping.center
        return _Part(rows, given, moved, np.einsum("ij,ij->i", moved, moved))


def _tile(left: _Part, right: _Part) -> NDArray[np.float64]:
    tile = np.asarray(left.mapped @ right.mapped.T)
    if left.squares is None or right.squares is None:
        return tile
    tile *= 2.0
    largest = left.squares[:, None] + right.squares
    tile -= largest
    # Squares and products are off by (d + 3) 2^-52 of the sum of squares at most: a distance below this share of
    # it could differ in the last digit of float32, or be positive, and is calculated from the difference.
    largest *= -((left.mapped.shape[1] + 8) * 2.0**-27)
    close = tile >= largest
    for row in np.flatnonzero(close.any(axis=1)):
        columns = np.flatnonzero(close[row])
        # Of the rows as given: the difference of equal rows is 0, and that of close ones has lost nothing.
        apart = np.asarray(right.given[columns], np.float64) - np.asarray(left.given[row], np.float64)
        tile[row, columns] = 0.0 - np.einsum("ij,ij->i", apart, apart)
    return tile
