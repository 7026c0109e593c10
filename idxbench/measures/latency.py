"""Percentiles of latency, and their intervals over rounds."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.measures.intervals import Estimate, median_interval

# A percentile p needs 1 / (1 - p) samples for even one of them to be expected beyond it. With fewer it is the
# maximum under another name, which grows with the number of samples and not with the latency.
MIN_SAMPLES = {"p50": 1, "p95": 20, "p99": 100}


@dataclass(frozen=True)
class LatencyPercentiles:
    """Percentiles of single-query service time, in seconds.

    Parameters
    ----------
    p50_s, p95_s, p99_s
        NaN where the samples are too few: 20 for the 95th, 100 for the 99th.
    n
        How many samples.
    """

    p50_s: float
    p95_s: float
    p99_s: float
    n: int


def percentiles(samples_s: NDArray[Any]) -> LatencyPercentiles:
    """Compute the 50th, 95th and 99th percentile of latencies.

    Parameters
    ----------
    samples_s
        (n,) seconds, finite and not negative.

    Returns
    -------
    LatencyPercentiles
        Interpolated linearly between order statistics, NumPy's default; NaN below `MIN_SAMPLES`.

    Raises
    ------
    ValueError
        A sample is negative, infinite or NaN: a clock or a worker went wrong, and leaving such samples out
        would flatter the tail.
    """
    samples = np.asarray(samples_s, dtype=np.float64)
    if samples.ndim != 1:
        raise ValueError(f"expected one dimension of samples, not shape {samples.shape}")
    if not (np.isfinite(samples).all() and (samples >= 0).all()):
        raise ValueError("a latency is negative, infinite or NaN")
    n = len(samples)
    p50, p95, p99 = np.quantile(samples, [0.5, 0.95, 0.99]) if n else (math.nan,) * 3
    return LatencyPercentiles(
        float(p50),
        float(p95) if n >= MIN_SAMPLES["p95"] else math.nan,
        float(p99) if n >= MIN_SAMPLES["p99"] else math.nan,
        n,
    )


def per_round(latencies_s: NDArray[Any], *, level: float = 0.95) -> dict[str, Estimate]:
    """Estimate each percentile from rounds: its median over rounds, with the sign-test interval.

    A round's percentile is taken over all of its queries, and the round is the unit of replication: queries
    within a round share its noise, and an interval over them is too narrow (81 % false alarms in A/A runs).

    Parameters
    ----------
    latencies_s
        (rounds, q) seconds, one row per round.
    level
        Coverage of the intervals.

    Returns
    -------
    dict[str, Estimate]
        ``p50``, ``p95``, ``p99``, in seconds. ``n`` counts rounds. A percentile that q does not support is
        NaN with n = 0; the ends are NaN below 6 rounds (at .95).

    Raises
    ------
    ValueError
        The array is not two-dimensional, or as in `percentiles`.
    """
    if latencies_s.ndim != 2:
        raise ValueError(f"expected (rounds, queries), not shape {latencies_s.shape}")
    rounds = [percentiles(row) for row in latencies_s]
    return {
        name: median_interval(np.array([getattr(one, f"{name}_s") for one in rounds]), level=level)
        for name in MIN_SAMPLES
    }
