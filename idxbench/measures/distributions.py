"""What a mean or a percentile leaves out: whole distributions, at a few levels each."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Shares of queries; denser where the tail is.
LEVELS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 1.0)
# Recalls that a query reaches or not; the first stands for "more than nothing".
REACHED = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)


def latency_curve(samples_s: NDArray[Any]) -> NDArray[np.float64]:
    """Compute quantiles of latency at `LEVELS`: of every round by itself, then their median over rounds.

    So the curve passes through p50, p95 and p99 as ``measurements.csv`` has them.

    Parameters
    ----------
    samples_s
        (rounds, q) seconds, or (q,) of a single round.

    Returns
    -------
    (levels,) float64
        Seconds. NaN at a level that q queries don't support: below 1 / (1 - p) of them, it would be the maximum.
    """
    rounds = np.atleast_2d(np.asarray(samples_s, np.float64))
    n = rounds.shape[1]
    if n == 0:
        return np.full(len(LEVELS), math.nan)
    curve = np.median(np.quantile(rounds, LEVELS, axis=1), axis=1)
    short = [p < 1.0 and n * (1.0 - p) < 1.0 - 1e-9 for p in LEVELS]
    return np.asarray(np.where(short, math.nan, curve))


def share_reaching(recalls: NDArray[Any]) -> NDArray[np.float64]:
    """Compute the share of queries whose recall reaches each of `REACHED`; the first: is above 0.

    Parameters
    ----------
    recalls
        (q,) of single queries; NaN for those that are left out.

    Returns
    -------
    (levels,) float64
        In [0, 1], never ascending; NaN where no query is left.
    """
    held = np.asarray(recalls, np.float64)
    held = held[np.isfinite(held)]
    if not len(held):
        return np.full(len(REACHED), math.nan)
    # Recalls are kept as float32: .9 of them is a little less.
    return np.array([np.mean(held > 0.0 if level == 0.0 else held >= level - 1e-6) for level in REACHED])
