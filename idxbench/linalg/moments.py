"""Means, second moments and covariances of rows: float32 blocks where their digits allow it, float64 sums."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.rows import refuse_non_finite
from idxbench.errors import DataError, Problem
from idxbench.linalg.blocks import ROWS, RowSource, each_block, matrix
from idxbench.pool import single_threaded_blas

# The smallest sum of squares whose products kept their digits in float32 even where denormals count as zero.
SMALLEST_SQUARES = 1e-26


def second_moment(x: NDArray[Any], *, center: bool = False, threads: int | None = None) -> NDArray[np.float64]:
    """Average the outer products of rows: ``X'X / n``, or the covariance.

    Parameters
    ----------
    x
        (n, d) finite numbers of any real type, n and d at least 1; a memory map is read block by block, once.
        Squares must stay within float64: values up to 1e150.
    center
        Subtract the mean row: the covariance, divided by n.
    threads
        None or 0 for every usable core. The result is the same for any number, bit for bit.

    Returns
    -------
    (d, d) float64, symmetric. An axis that is zero throughout (with ``center``: constant) has exactly zero in
    its row and column; one row has covariance 0.

    Raises
    ------
    DataError
        Wrong shape or type, rows with NaN or infinity, squares beyond float64.

    Notes
    -----
    Types that float32 holds exactly (float32, float16, integers up to 16 bits) are multiplied in float32,
    4,096 rows at a time, and blocks are added in float64: entry (i, j) is off by about 1e-7 of
    ``sqrt(S_ii S_jj)`` (2e-8 over a million rows), and by up to 3e-6 where an axis takes few distinct values,
    whose roundings don't cancel. Other types, and blocks whose squares leave float32, are multiplied in float64
    at half the speed: about 1e-15. Cast to float64 where small eigenvalues matter, or use `qr_factor`, which
    does not square them.

    With ``center`` every block is shifted to its own mean before it is multiplied and blocks are combined by
    the formula of Chan, Golub and LeVeque (1983, Am. Stat. 37, 242): the errors above are then relative to
    the spreads and not to the offset, however far the data lie from the origin.

    Memory: d x d per thread and one block per thread (4,096 d numbers; none for plain float32).
    """
    x = matrix(x)
    n_rows, n_dims = x.shape

    def one(start: int) -> _Block:
        return _multiply(x[start : start + ROWS], start, center)

    products: NDArray[np.float64] = np.zeros((n_dims, n_dims))
    counts, shifts, sums = [], [], []
    with single_threaded_blas(), np.errstate(over="ignore", invalid="ignore"):
        for block in each_block(one, len(x), threads):
            products += block.products
            if center:
                counts.append(block.n_rows)
                shifts.append(block.shift)
                sums.append(block.sums)
        if center:
            products += _between(np.array(counts, np.float64), np.array(shifts), np.array(sums))
        moment = np.asarray(products / n_rows)
    _refuse_out_of_range(moment, x, x[0] if center else np.zeros_like(x[0]))
    return moment


def mean_row(x: RowSource, *, threads: int | None = None) -> NDArray[np.float64]:
    """Average the rows.

    Parameters
    ----------
    x
        (n, d) finite numbers, n and d at least 1; read block by block, once.
    threads
        None or 0 for every usable core; the result is the same for any number.

    Returns
    -------
    (d,) float64, added up in float64.

    Raises
    ------
    DataError
        Wrong shape or type, rows with NaN or infinity.
    """
    x = matrix(x)

    def one(start: int) -> NDArray[np.float64]:
        block = np.asarray(x[start : start + ROWS], np.float64)
        refuse_non_finite(block, "x", start)
        total = np.asarray(block.sum(axis=0)) / len(x)
        # Rows near the largest float: each divided before they are added.
        return total if np.isfinite(total).all() else np.asarray((block / len(x)).sum(axis=0))

    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.zeros(x.shape[1])
        for part in each_block(one, len(x), threads):
            mean += part
    return mean


@dataclass(frozen=True)
class _Block:
    """Products of the rows of a block, each minus ``shift``.

    Parameters
    ----------
    products
        (d, d) sum of outer products.
    shift
        (d,) what was subtracted.
    sums
        (d,) the sum of the shifted rows.
    n_rows
        How many.
    """

    products: NDArray[Any]
    shift: NDArray[np.float64]
    sums: NDArray[np.float64]
    n_rows: int


def _multiply(rows: NDArray[Any], start: int, center: bool) -> _Block:
    if np.can_cast(rows.dtype, np.float32):
        single = np.asarray(rows, np.float32)
        found = _products(single, center)
        if _kept_digits(found, single):
            return found
    block = np.asarray(rows, np.float64)
    refuse_non_finite(block, "x", start)
    return _products(block, center)


def _products(rows: NDArray[Any], center: bool) -> _Block:
    n_dims = rows.shape[1]
    if not center:
        return _Block(rows.T @ rows, np.zeros(n_dims), np.zeros(n_dims), len(rows))
    ones = np.ones(len(rows), rows.dtype)
    shift = (ones @ rows) / rows.dtype.type(len(rows))
    moved = rows - shift
    products, sums = moved.T @ moved, ones @ moved
    # The mean of equal numbers is not quite that number: a constant axis is found and made exactly 0.
    rounding = len(rows) * np.finfo(rows.dtype).eps * np.abs(shift.astype(np.float64))
    narrow = np.flatnonzero(products.diagonal() <= len(rows) * rounding**2)
    still = narrow[(rows[:, narrow] == rows[0, narrow]).all(axis=0)]
    products[still] = products[:, still] = sums[still] = 0
    shift[still] = rows[0, still]
    return _Block(products, shift.astype(np.float64), sums.astype(np.float64), len(rows))


def _kept_digits(found: _Block, rows: NDArray[np.float32]) -> bool:
    """Tell whether no product overflowed, and none that matters was lost to underflow.

    A sum of squares is NaN or infinite where anything in its column is or became so.
    """
    squares = found.products.diagonal()
    if not np.isfinite(squares).all():
        return False
    small = squares < SMALLEST_SQUARES
    return not small.any() or bool((rows[:, small] == found.shift[small].astype(np.float32)).all())


def _between(
    counts: NDArray[np.float64], shifts: NDArray[np.float64], sums: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what turns the products of shifted blocks into those around the mean row.

    Blocks are shifted by almost their mean: ``-sums sums' / n`` takes the rest off. Then the outer products of
    the blocks' means around the mean of all are added.
    """
    weights = np.sqrt(counts)[:, None]
    rest = sums / weights
    means = shifts + sums / counts[:, None]
    # From the first mean: a constant axis stays at exactly 0.
    means -= means[0].copy()
    means -= (counts / counts.sum()) @ means
    spread = means * weights
    return np.asarray(spread.T @ spread - rest.T @ rest)


def _refuse_out_of_range(moment: NDArray[np.float64], x: NDArray[Any], origin: NDArray[Any]) -> None:
    largest = float(moment.diagonal().max())
    if np.isfinite(moment).all() and largest > 1e-300:
        return
    found = "larger ones"
    if largest <= 1e-300:
        if not any((x[start : start + ROWS] != origin).any() for start in range(0, len(x), ROWS)):
            return
        found = "none that large"
    raise DataError(
        Problem("x", "values between 1e-150 and 1e150 in size", found, "their squares leave float64: rescale them")
    )
