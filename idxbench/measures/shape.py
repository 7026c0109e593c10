"""What one table of vectors looks like by itself: rows, norms, columns, rank."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idxbench.data.check import VectorReport
from idxbench.linalg.canonical import RANK_TOLERANCE

# A column whose standard deviation is below this share of its mean is constant: float32 rounds to 6e-8.
STILL = 1e-6


@dataclass(frozen=True)
class Shape:
    """Figures of all rows of one side.

    Parameters
    ----------
    n_rows, n_dims, dtype
        As stored.
    zero_rows, near_zero_rows, duplicate_rows
        Counts: rows of zeros; other rows shorter than a given share of the median norm; rows equal to an earlier one.
    norm_low, norm_median, norm_high
        5th, 50th and 95th percentile of the norms of rows that are not zero; 0 where all are.
    norm_spread
        Standard deviation of the natural logarithm of those norms.
    common_share
        ``|mean|^2 / E|b|^2``: the share of the squared norms that all rows have in common; 0 without any norm.
    rank
        Directions the rows span, beyond rounding.
    constant_columns, dead_columns
        Columns with one value other than 0 in all rows, and columns of zeros.
    """

    n_rows: int
    n_dims: int
    dtype: str
    zero_rows: int
    near_zero_rows: int
    duplicate_rows: int
    norm_low: float
    norm_median: float
    norm_high: float
    norm_spread: float
    common_share: float
    rank: int
    constant_columns: tuple[int, ...]
    dead_columns: tuple[int, ...]


def shape_of(
    report: VectorReport,
    triangle: NDArray[np.float64],
    mean: NDArray[np.float64],
    norms: NDArray[np.float64],
    near_zero: float,
) -> Shape:
    """Describe one side from what was read of it block by block.

    Parameters
    ----------
    report
        Of `check_vectors`.
    triangle
        (., d) factor of the rows over the root of their number: ``R'R`` is their second moment.
    mean
        (d,) mean row.
    norms
        (n,) norms of the rows.
    near_zero
        Share of the median norm below which a row that is not zero counts as near zero.
    """
    # A row counts as zero where float32 holds nothing of it, which the report knows and float64 norms do not.
    present = norms[norms > np.finfo(np.float32).smallest_subnormal / 2]
    low, median, high = np.percentile(present, [5, 50, 95]) if len(present) else (0.0, 0.0, 0.0)
    squares = float((triangle**2).sum())
    constant, dead = still_columns(triangle, mean)
    return Shape(
        n_rows=report.n_rows,
        n_dims=report.n_dims,
        dtype=report.dtype,
        zero_rows=report.n_zero_rows,
        near_zero_rows=int((present < near_zero * median).sum()),
        duplicate_rows=report.n_duplicate_rows,
        norm_low=float(low),
        norm_median=float(median),
        norm_high=float(high),
        norm_spread=float(np.std(np.log(present))) if len(present) else 0.0,
        common_share=min(float(mean @ mean) / squares, 1.0) if squares > 0 else 0.0,
        rank=rank_of(triangle),
        constant_columns=constant,
        dead_columns=dead,
    )


def still_columns(triangle: NDArray[np.float64], mean: NDArray[np.float64]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the columns that hold one value other than 0, and those that hold zeros, from factor and mean."""
    squares = np.einsum("ij,ij->j", triangle, triangle)
    dead = squares == 0.0
    # The difference keeps 1e-15 of the square of the mean, so deviations down to 3e-8 of the mean are seen.
    still = ~dead & (squares - mean**2 <= (STILL * mean) ** 2)
    return tuple(map(int, np.flatnonzero(still))), tuple(map(int, np.flatnonzero(dead)))


def rank_of(triangle: NDArray[np.float64]) -> int:
    """Count the directions that rows span, each axis taken in units of its own size first."""
    size = np.sqrt(np.einsum("ij,ij->j", triangle, triangle))
    values = np.linalg.svd(triangle / np.where(size == 0.0, 1.0, size), compute_uv=False)
    return int((values > max(RANK_TOLERANCE * float(values[0]), np.finfo(float).tiny)).sum())


def directions_holding(values: NDArray[np.float64], share: float) -> int:
    """Return how many of the largest singular values hold a share of the sum of squares; 0 where all are 0."""
    squares = np.sort(values**2)[::-1]
    total = float(squares.sum())
    return int(np.searchsorted(np.cumsum(squares), share * total * (1 - 1e-12)) + 1) if total > 0 else 0
