"""How each similarity becomes a dot product plus a bias per item, which is all the kernels know.

============  =================================  ==========================  ==================
metric        item                               query                       bias
============  =================================  ==========================  ==================
dot           ``b``                              ``q``                       0
cosine        ``b / |b|``                        ``q / |q|``                 0
covariance    ``L'b / |L'b|``, ``M = L L'``      ``L'q / |L'q|``             0
l2            ``b - c``                          ``q - c``                   ``-|b - c|^2 / 2``
============  =================================  ==========================  ==================

``c`` is the mean item: distances don't change when everything is shifted, and float32 products of vectors
around the origin lose fewer digits. Items are scaled by one power of two and each query by its own, which
changes no digit and no order, and keeps tiny and huge data inside the range of float32.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from idxbench.data.rows import block_rows, normalized, refuse_non_finite, row_norms
from idxbench.errors import DataError, Problem

Metric = Literal["dot", "cosine", "l2", "covariance"]
METRICS: tuple[str, ...] = get_args(Metric)

Result = TypeVar("Result")


def psd_factor(weight: NDArray[Any]) -> NDArray[np.float64]:
    """Factor a symmetric positive semi-definite matrix.

    Parameters
    ----------
    weight
        (d, d) symmetric up to rounding, no eigenvalue below ``-1e-8`` of the largest.

    Returns
    -------
    (d, r) float64 ``L`` with ``L L' = weight``, r its rank (at least 1).

    Raises
    ------
    DataError
        Not square, not finite, not symmetric, or with a negative eigenvalue.
    """
    matrix = np.asarray(weight, np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise DataError(Problem("weight", "a square (d, d) matrix", f"shape {matrix.shape}"))
    if not np.isfinite(matrix).all():
        raise DataError(Problem("weight", "finite numbers", "NaN or infinity"))
    scale = float(np.abs(matrix).max(initial=0.0))
    if float(np.abs(matrix - matrix.T).max(initial=0.0)) > 1e-6 * scale:
        raise DataError(Problem("weight", "a symmetric matrix", "an asymmetric one", "use (M + M') / 2"))
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    top = max(float(values[-1]), 0.0)
    if values[0] < -1e-8 * max(top, scale):
        raise DataError(Problem("weight", "a positive semi-definite matrix", f"the eigenvalue {values[0]:.3g}"))
    kept = values > 1e-14 * top
    if not kept.any():
        return np.zeros((matrix.shape[0], 1))
    return np.ascontiguousarray(vectors[:, kept] * np.sqrt(values[kept]))


@dataclass(frozen=True)
class Mapping:
    """The map of one metric over one set of items.

    Parameters
    ----------
    metric
        One of `METRICS`.
    center
        (d,) the mean item, used by l2.
    factor
        (d, r) the factor of the weight, used by covariance.
    scale
        A power of two that brings the largest mapped item norm near 1.
    largest
        The largest norm of a mapped item after scaling.
    """

    metric: Metric
    center: NDArray[np.float64] | None
    factor: NDArray[np.float64] | None
    scale: float
    largest: float

    @property
    def by_distance(self) -> bool:
        """Whether a pair scores by its negative squared distance."""
        return self.metric == "l2"

    def exact(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Map rows in float64: dot products (or distances) of mapped rows are the scores.

        Unscaled and uncentred: differences of float32 rows are exact as they are, so equal distances tie.
        """
        mapped = np.asarray(rows, np.float64)
        if self.factor is not None:
            # Normalised first: the factor of a huge or tiny row must not leave the range of float64.
            mapped = normalized(mapped) @ self.factor
        return normalized(mapped) if self.metric in ("cosine", "covariance") else mapped

    def items(self, rows: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Map items for the float32 kernel: (n, r) rows and (n,) bias."""
        bias = np.zeros(len(rows), np.float32)
        if self.metric == "dot" and self.scale == 1.0:
            return np.ascontiguousarray(rows, np.float32), bias
        mapped = self._centered(rows) * self.scale
        if self.by_distance:
            bias = (-0.5 * np.einsum("ij,ij->i", mapped, mapped)).astype(np.float32)
        return np.ascontiguousarray(mapped, np.float32), bias

    def queries(self, rows: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Map queries for the float32 kernel: (q, r) rows, and (q,) the scale each was given."""
        mapped = self._centered(rows)
        # A bias can't follow a scale per query, so under l2 all queries share the scale of the items.
        own = power_of_two(row_norms(mapped))
        scales = np.full(len(mapped), self.scale) if self.by_distance else own
        return np.ascontiguousarray(mapped * scales[:, None], np.float32), scales

    def _centered(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        mapped = self.exact(rows)
        return mapped if self.center is None else mapped - self.center


def power_of_two(norms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the power of two that brings each norm into [0.5, 1); 1 for a norm of zero."""
    _, exponents = np.frexp(norms)
    return np.where(norms == 0.0, 1.0, np.ldexp(1.0, -np.clip(exponents, -1000, 1000)))


def fit_mapping(items: NDArray[Any], metric: Metric, weight: NDArray[Any] | None, pool: Executor) -> Mapping:
    """Prepare the map of a metric: one pass over the items, two for l2, block by block on a pool.

    Raises
    ------
    DataError
        An unknown metric, a weight missing, unwanted or unfit, or items with NaN or infinity.
    """
    if metric not in METRICS:
        raise DataError(Problem("metric", " or ".join(METRICS), repr(metric)))
    if (weight is not None) != (metric == "covariance"):
        if weight is None:
            raise DataError(Problem("weight", "a (d, d) matrix for the metric covariance", "none", "pass weight=..."))
        raise DataError(
            Problem(
                "weight", f"none for the metric {metric}", "a matrix", 'leave it out, or ask for metric="covariance"'
            )
        )
    factor = None if weight is None else psd_factor(weight)
    if factor is not None and factor.shape[0] != items.shape[1]:
        raise DataError(Problem("weight", f"{items.shape[1]} rows, the width of the items", f"{factor.shape[0]} rows"))
    center = _mean_row(items, pool) if metric == "l2" else None
    unit = metric in ("cosine", "covariance")

    def largest_norm(start: int, rows: NDArray[Any]) -> float:
        quick = _quick_largest_norm(rows)
        if quick is not None and center is None:
            return 1.0 if unit else quick
        block = np.asarray(rows, np.float64)
        refuse_non_finite(block, "items", start)
        return 1.0 if unit else float(row_norms(block if center is None else block - center).max())

    largest = max(_over_blocks(largest_norm, items, pool))
    if largest > 1e150 or 0 < largest < 1e-150:
        raise DataError(
            Problem("items", "norms between 1e-150 and 1e150", f"{largest:.3g}", "squares leave float64: rescale them")
        )
    scale = 1.0
    # Ordinary scales are left alone: then the rows of a memory map are used as they lie.
    if metric == "l2" or not (largest == 0.0 or 1e-6 < largest < 1e6):
        scale = float(power_of_two(np.array([largest]))[0])
    return Mapping(metric, center, factor, scale, largest * scale)


def _quick_largest_norm(rows: NDArray[Any]) -> float | None:
    """Return an upper bound of the norms of ordinary float32 rows; None where float64 has to look.

    Squares are summed in float32 at the speed of memory: half the time of a search with one query would go
    into converting the items otherwise. NaN, infinity, overflow and underflow all end outside the range.
    """
    if rows.dtype != np.float32:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        largest = float(np.einsum("ij,ij->i", rows, rows).max())
    # The sum is off by at most d 2^-24 of itself: a thousandth covers 16,000 dimensions.
    return 1.001 * float(np.sqrt(largest)) if 1e-12 < largest < 1e30 and rows.shape[1] < 16_000 else None


def _over_blocks(
    function: Callable[[int, NDArray[Any]], Result], items: NDArray[Any], pool: Executor
) -> Iterator[Result]:
    """Yield ``function(first_row, block)`` of every block, in order."""
    rows = block_rows(items.shape[1])

    def one(start: int) -> Result:
        return function(start, items[start : start + rows])

    return pool.map(one, range(0, len(items), rows))


def _mean_row(items: NDArray[Any], pool: Executor) -> NDArray[np.float64]:
    def part(start: int, rows: NDArray[Any]) -> NDArray[np.float64]:
        block = np.asarray(rows, np.float64)
        refuse_non_finite(block, "items", start)
        # Divided before summing: rows near the largest float must not overflow.
        return np.asarray((block / len(items)).sum(axis=0))

    total = np.zeros(items.shape[1])
    for partial in _over_blocks(part, items, pool):
        total += partial
    return total
