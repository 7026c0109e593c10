"""Percentiles of latency, where there are samples enough for them."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
