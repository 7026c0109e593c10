"""Speed at equal recall: reading a curve of recall and speed at a recall of one's own."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def log_speed_at(recalls: Sequence[float], speeds: NDArray[np.float64], recall: float) -> NDArray[np.float64]:
    """Read the logarithm of the speed at a recall off a curve, for many curves that share their recalls.

    Parameters
    ----------
    recalls
        (p,) of the points, in any order.
    speeds
        (r, p) queries per second of the points in every round, above 0; NaN where a round lacks one.
    recall
        To be reached.

    Returns
    -------
    (r,) float64
        Linear between neighbouring points of the envelope, in recall and log speed. A point that is slower and finds
        less than another is not on the envelope: nobody would choose it. Below the smallest recall of a point, the
        speed of the fastest point; NaN above the largest, and in a round that lacks a point that counts.
    """
    order = np.argsort(np.asarray(recalls), kind="stable")
    held = np.asarray(recalls, dtype=np.float64)[order]
    logs = np.log(np.asarray(speeds, dtype=np.float64)[:, order])
    # The fastest of those that find as much or more. NaN wins over all: a curve with a hole has no envelope.
    envelope = np.maximum.accumulate(logs[:, ::-1], axis=1)[:, ::-1]
    beyond = np.searchsorted(held, recall - 1e-12)
    if beyond == len(held):
        return np.full(len(logs), math.nan)
    if beyond == 0 or held[beyond] == recall:
        return np.asarray(envelope[:, beyond])
    left, right = held[beyond - 1], held[beyond]
    share = (recall - left) / (right - left)
    return np.asarray((1.0 - share) * envelope[:, beyond - 1] + share * envelope[:, beyond])


def front(recalls: Sequence[float], speeds: Sequence[float]) -> tuple[int, ...]:
    """Return which points no other beats in both recall and speed, by ascending recall; of equal points the first."""
    order = sorted(range(len(recalls)), key=lambda i: (-recalls[i], -speeds[i], i))
    kept: list[int] = []
    for i in order:
        if not kept or speeds[i] > speeds[kept[-1]]:
            kept.append(i)
    return tuple(reversed(kept))
