"""When a series has changed: the rule of one night, the rule of change points, and what noise is.

All levels here are such that more is worse: logarithms of ratios, or differences in the metric's unit.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from idxbench.verdicts.history.changepoints import change_points
from idxbench.verdicts.history.records import Basis, State

# Nights looked at: older ones say little about what is normal now.
WINDOW = 50
# Fewer than so many nights say nothing about noise, and a middle takes so many.
ENOUGH, CENTER = 8, 3
# Of the last so many nights, two must be out; all, where two nights or more of the same segment were out before. 5 %
# of nights that are 1.3 times slower in one figure alone confirmed .33 alarms of it in 90 nights without that.
RECENT, USUAL = 3, 2
# Of nights without a change, so few lie beyond the limit on the worse side, as far as noise is Gaussian. An alarm
# asks for two nights of three; a candidate is told, and 40 series should not tell one every night.
NIGHT_LEVEL = 0.001
# Two-sided, of the width that is told as noise.
WIDTH_LEVEL = 0.01
# What makes the median distance, and the 85 % quantile, a standard deviation of normal noise.
_MAD, _Q85 = 1.4826, 1.0364
# The variance of a median, that of a mean being 1.
_MEDIAN = math.pi / 2.0


@dataclass(frozen=True)
class Spread:
    """Robust standard deviation of a night about the median of its segment, and how many nights say so."""

    sd: float
    n: int

    def width(self, level: float, n_center: int) -> float:
        """Return what a new night lies within of the median of ``n_center`` others, one-sided at ``level``."""
        if self.n < ENOUGH:
            return math.nan
        from scipy.special import stdtrit

        return float(stdtrit(self.n - 1, 1.0 - level)) * self.sd * math.sqrt(1.0 + _MEDIAN / n_center)


@dataclass(frozen=True)
class Found:
    """What the rules find in one series.

    Parameters
    ----------
    state, basis
        None where nothing got worse.
    change
        By how much it got worse (or, negative, better at the last change point).
    limit
        Of one night; NaN where too few nights say what is normal.
    level, before
        The level now, and the one before.
    since
        Position of the first night of it; -1 where there is none.
    segments
        (n,) number of each night's segment, -1 for nights that don't count.
    spread
        Noise.
    """

    state: State | None
    basis: Basis | None
    change: float
    limit: float
    level: float
    before: float
    since: int
    segments: NDArray[np.int64]
    spread: Spread


def find_change(
    levels: NDArray[np.float64], rows: NDArray[np.int64], floor: float, reruns: NDArray[np.float64]
) -> Found:
    """Apply both rules to a series as of its newest night.

    Parameters
    ----------
    levels
        (n,) nights, oldest first; NaN in those that don't count.
    rows
        (n,) stretches that can be compared with themselves: an accepted change or new data starts another.
    floor
        Smallest change that matters.
    reruns
        Levels of the newest night's runs, one by one.
    """
    kept = np.flatnonzero(np.isfinite(levels))[-WINDOW:]
    if not len(kept):
        nan, unknown = math.nan, np.full(len(levels), -1, dtype=np.int64)
        return Found(None, None, 0.0, nan, nan, nan, -1, unknown, Spread(nan, 0))
    values, stretches = levels[kept], rows[kept]
    starts = _starts(values, stretches)
    numbers = np.searchsorted(starts, np.arange(len(kept)), side="right") - 1
    segments = np.full(len(levels), -1, dtype=np.int64)
    segments[kept] = numbers
    medians = np.array([np.median(values[numbers == one]) for one in range(len(starts))])
    spread = _spread(values[:-RECENT], numbers[:-RECENT])
    comparable = int(numbers[np.argmax(stretches == stretches[-1])])
    step = _step(medians, comparable)
    night = _night(values[numbers == len(starts) - 1], spread, floor, reruns)
    # A change point says more than a night: its size is that of all nights since.
    if step is not None and step.change > floor:
        since = int(kept[starts[step.segment]])
        return Found("confirmed", "step", step.change, night.limit, medians[-1], step.before, since, segments, spread)
    if night.basis is not None:
        since = int(kept[len(kept) - 1 - night.age])
        state: State = "candidate" if night.basis == "night" else "confirmed"
        return Found(state, night.basis, night.change, night.limit, night.level, night.center, since, segments, spread)
    change = step.change if step is not None else 0.0
    before = step.before if step is not None else medians[-1]
    return Found(None, None, change, night.limit, medians[-1], before, -1, segments, spread)


def _starts(values: NDArray[np.float64], stretches: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where segments start: with every stretch, and at the change points inside."""
    edges = np.flatnonzero(np.diff(stretches, prepend=stretches[:1] - 1))
    starts = []
    for start, stop in zip(edges, [*edges[1:], len(values)], strict=True):
        starts += [start, *(start + one for one in change_points(values[start:stop]))]
    return np.array(starts, dtype=np.int64)


def _spread(values: NDArray[np.float64], numbers: NDArray[np.int64]) -> Spread:
    """Return the spread of nights about the median of their segment, the larger of two robust ones.

    The median distance says how far most nights lie; where the worse side has a long tail, its 85 % quantile says more.
    Without it, nights of log-normal noise (sigma .8) were told 4.3 candidates and .5 confirmed alarms in 90 nights
    (``tests/nights``). Not the 90 % quantile: two bad nights in 20 would hide what comes next. Nights that the rules
    are about to judge don't take part.
    """
    long = np.bincount(numbers, minlength=1) >= CENTER
    kept = long[numbers]
    n_segments = int(long.sum())
    n = max(0, int(kept.sum()) - n_segments + 1)
    if n < ENOUGH:
        return Spread(math.nan, n)
    medians = np.array([np.median(values[numbers == one]) if fits else 0.0 for one, fits in enumerate(long)])
    left = (values - medians[numbers])[kept]
    sd = max(_MAD * float(np.median(np.abs(left))), float(np.quantile(left, 0.85)) / _Q85)
    # Medians were fitted: the usual correction for n (Croux and Rousseeuw 1992), once for every segment.
    return Spread(sd * len(left) / (len(left) - 0.8 * n_segments), n)


@dataclass(frozen=True)
class _Step:
    change: float
    before: float
    segment: int


def _step(medians: NDArray[np.float64], first: int) -> _Step | None:
    """Return the last change; changes for the worse that follow each other are one."""
    last = len(medians) - 1
    if last == first:
        return None
    start = last
    while start > first + 1 and medians[last] > medians[last - 1] and medians[start - 1] > medians[start - 2]:
        start -= 1
    return _Step(float(medians[last] - medians[start - 1]), float(medians[start - 1]), start)


@dataclass(frozen=True)
class _Night:
    """How the newest night, or the last three, lie to those before; ``age``: of the first night that is out."""

    basis: Basis | None
    change: float
    limit: float
    level: float
    center: float
    age: int


def _night(values: NDArray[np.float64], spread: Spread, floor: float, reruns: NDArray[np.float64]) -> _Night:
    recent = RECENT if len(values) >= CENTER + RECENT else 1
    before = values[:-recent]
    newest = float(values[-1])
    if len(before) < CENTER or spread.n < ENOUGH:
        return _Night(None, 0.0, math.nan, newest, math.nan, 0)
    center = float(np.median(before))
    limit = max(floor, spread.width(NIGHT_LEVEL, len(before)))
    out = values[-recent:] - center > limit
    basis: Basis | None = None
    needed = 2 if (before - center > limit).sum() < USUAL else RECENT
    if out.sum() >= needed:
        basis = "nights"
    elif out[-1]:
        again = np.sum(reruns - center > limit) >= 2
        basis = "rerun" if again else "night"
    # Where tonight is back inside, the nights that were out say how far.
    level = newest if out[-1] or basis is None else float(np.median(values[-recent:]))
    age = recent - 1 - int(np.argmax(out)) if basis == "nights" else 0
    return _Night(basis, level - center, limit, level, center, age)
