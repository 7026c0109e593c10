"""From an interval and a floor to a verdict: arithmetic, the same for times, recall and sizes."""

import math
from collections.abc import Collection, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Judged = Literal["regressed", "improved", "same", "inconclusive"]

# Better by more than this factor is a bug until shown otherwise.
SUSPICIOUS = math.log(3.0)
# Sides that differ by any other key are two strategies, kinds of index or parameters: one may well be that much faster.
_ALIKE = {"environment", "side"}
# What rounding may move a figure that repeats to the last digit.
ROUNDING = 1e-9


def floor_log(floor: float) -> float:
    """Return a floor given as a share as a distance between logarithms: 5 % slower is a time 1.05 times as long."""
    return math.log1p(floor)


def judge(low: float, high: float, floor: float) -> Judged:
    """Say what an interval shows.

    Parameters
    ----------
    low, high
        Ends of the interval of a change, positive being worse; NaN where observations support none.
    floor
        Changes of at most this much, either way, do not matter; not negative, in the unit of the interval.

    Returns
    -------
    ``regressed`` or ``improved`` where the whole interval is worse or better than the floor, ``same`` where it lies
    within the floor, ``inconclusive`` otherwise. Swapping the sides swaps the first two.
    """
    if math.isnan(low) or math.isnan(high):
        return "inconclusive"
    if low > floor + ROUNDING:
        return "regressed"
    if high < -floor - ROUNDING:
        return "improved"
    return "same" if -floor - ROUNDING <= low and high <= floor + ROUNDING else "inconclusive"


def suspicious(verdict: str, effect: float, taken: Collection[str]) -> bool:
    """Return whether a time is better than can be believed.

    Parameters
    ----------
    verdict, effect
        Of the time; the effect in logarithms.
    taken
        Keys that the sides differ by, as in `idxbench.measures.rounds.selectors.Sides`.
    """
    return verdict == "improved" and effect < -SUSPICIOUS and _ALIKE.issuperset(taken)


def detectable(effect: float, low: float, floor: float) -> float:
    """Return the smallest worsening that would have been called regressed.

    A change is called so where ``low > floor``. With an interval that reaches as far below its middle as this one, that
    takes ``floor + (effect - low)``. NaN where there is no interval. In the unit of the effect (logarithms of a ratio).
    """
    return floor + (effect - low)


def sign_test(values: Sequence[float] | NDArray[Any]) -> float:
    """Return the two-sided p-value that a median is 0: binomial, exact; zeros are no evidence and left out."""
    from scipy.special import bdtr

    given = np.asarray(values, dtype=np.float64)
    above, below = int((given > 0).sum()), int((given < 0).sum())
    return min(1.0, 2.0 * float(bdtr(min(above, below), above + below, 0.5))) if above + below else 1.0


def fewest(level: float) -> int:
    """Return how many observations the exact interval of a median needs: 6 at .95, 8 at .99."""
    return math.ceil(math.log2(2.0 / (1.0 - level)) - 1e-9)
