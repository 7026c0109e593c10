"""How each similarity becomes a dot product plus a bias per item, which is all that the fast kernels know.

============  ==================================  ==========================  ==================
metric        item                                query                       bias
============  ==================================  ==========================  ==================
dot           ``b``                               ``q``                       0
cosine        ``b / |b|``                         ``q / |q|``                 0
covariance    ``L'b / |L'b|``, ``M = L L'``       ``L'q / |L'q|``             0
l2            ``b - c``                           ``q - c``                   ``-|b - c|^2 / 2``
============  ==================================  ==========================  ==================

``c`` is the mean of a sample of items: distances don't change when everything is shifted, and products of
vectors around the origin lose fewer digits. Scores themselves are float64 sums over the vectors as given.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from idxbench.data.rows import normalized
from idxbench.errors import DataError, Problem
from idxbench.linalg.factors import psd_factor

Metric = Literal["dot", "cosine", "l2", "covariance"]
METRICS: tuple[str, ...] = get_args(Metric)

# Rows looked at to find a center, the spread of the axes and of the norms.
SAMPLE = 2048
# Beyond these, squares leave float64.
SMALLEST, LARGEST = 1e-150, 1e150


@dataclass(frozen=True)
class Mapping:
    """The map of one metric.

    Parameters
    ----------
    metric
        One of `METRICS`.
    center
        (d,) float64, zero but under l2.
    factor
        (d, r) the factor of the weight, under covariance only.
    """

    metric: Metric
    center: NDArray[np.float64]
    factor: NDArray[np.float64] | None

    @property
    def by_distance(self) -> bool:
        """Whether a pair scores by its negative squared distance."""
        return self.metric == "l2"

    @property
    def unit(self) -> bool:
        """Whether items are divided by their norms."""
        return self.metric in ("cosine", "covariance")

    def weighted(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Map rows by the factor of the weight to unit rows.

        Normalised before, too: the product of a huge or tiny row must not leave the range of float64.
        """
        if self.factor is None:
            raise ValueError("no weight")
        return normalized(normalized(np.asarray(rows, np.float64)) @ self.factor)

    def exact_queries(self, queries: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map queries to what items are multiplied by, or compared with under l2, in float64."""
        mapped = queries
        if self.metric == "covariance":
            mapped = self.weighted(queries)
        elif self.metric == "cosine":
            mapped = normalized(queries)
        return np.ascontiguousarray(mapped)


def fit_mapping(sample: NDArray[Any], metric: Metric, weight: NDArray[Any] | None) -> Mapping:
    """Prepare the map of a metric from some items, finite or not.

    Raises
    ------
    DataError
        An unknown metric, or a weight that is missing, unwanted or unfit.
    """
    n_dims = sample.shape[1]
    check_metric(metric, weight)
    factor = None if weight is None else psd_factor(weight)
    if factor is not None and factor.shape[0] != n_dims:
        raise DataError(Problem("weight", f"{n_dims} rows, the width of the items", f"{factor.shape[0]} rows"))
    center = np.zeros(n_dims if factor is None else factor.shape[1])
    if metric == "l2":
        rows = np.asarray(sample, np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            # Divided before summing: rows near the largest float must not overflow.
            mean = (rows / len(rows)).sum(axis=0)
        if np.isfinite(mean).all():
            center = mean
    return Mapping(metric, center, factor)


def check_metric(metric: str, weight: NDArray[Any] | None) -> None:
    """Raise a DataError unless the metric is known and comes with a weight just where it needs one."""
    if metric not in METRICS:
        raise DataError(Problem("metric", " or ".join(METRICS), repr(metric)))
    if metric == "covariance" and weight is None:
        raise DataError(Problem("weight", "a (d, d) matrix for the metric covariance", "none", "pass weight=..."))
    if metric != "covariance" and weight is not None:
        fix = 'leave it out, or ask for metric="covariance"'
        raise DataError(Problem("weight", f"none for the metric {metric}", "a matrix", fix))


def power_of_two(norms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the power of two that brings each norm into [0.5, 1); 1 for a norm of zero."""
    _, exponents = np.frexp(norms)
    return np.where(norms == 0.0, 1.0, np.ldexp(1.0, -np.clip(exponents, -1000, 1000)))


def refuse_extreme(largest: float) -> None:
    """Raise a DataError where squares of norms leave float64."""
    if largest > LARGEST or 0 < largest < SMALLEST:
        found = f"{largest:.3g}"
        raise DataError(
            Problem("items", f"norms between {SMALLEST} and {LARGEST}", found, "squares leave float64: rescale them")
        )
