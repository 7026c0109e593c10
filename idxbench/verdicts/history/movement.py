"""What all indexes of a machine do together from night to night: the machine itself, or something they share."""

import numpy as np
from numpy.typing import NDArray

# Of so many indexes one can change without dragging along what the others have in common.
ENOUGH = 4
_SWEEPS = 4


def shared_movement(
    levels: NDArray[np.float64], rows: NDArray[np.int64], arms: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Split off what all series have in common, without letting a series explain itself.

    A median polish (Tukey): each series about its own median, each night the median over indexes of what is left. An
    index has several series, of several searches and metrics, that move as one, so that it has one voice; and its own
    is left out of what is taken from its series.

    Parameters
    ----------
    levels
        (s, n) series by night, NaN where there is none.
    rows
        (s, n) number of the stretch of nights over which a series can be compared with itself.
    arms
        (s,) which index a series is of.

    Returns
    -------
    Of each series, (s, n), what the other indexes did; of all, (n,), what they did. NaN in nights with too few indexes,
    or 0 throughout and NaN where there are too few in all.
    """
    names = np.unique(arms)
    alone = np.zeros_like(levels), np.full(levels.shape[1], np.nan)
    if len(names) < ENOUGH:
        return alone
    shared = np.zeros(levels.shape[1])
    for _ in range(_SWEEPS):
        voices = _voices(levels - _own_level(levels - shared, rows), arms, names)
        enough = np.isfinite(voices).sum(axis=0) >= ENOUGH
        shared = np.where(enough, _median(voices), 0.0)
    others = np.full_like(levels, np.nan)
    for position, name in enumerate(names):
        others[arms == name] = np.where(enough, _median(np.delete(voices, position, axis=0)), np.nan)
    return others, np.where(enough, shared, np.nan)


def _own_level(left: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the median of every stretch of every series, at its nights."""
    level = np.full_like(left, np.nan)
    # Numbers only grow along a series, so that counting changes numbers its stretches from 0.
    stretch = np.cumsum(np.diff(rows, axis=1, prepend=rows[:, :1]) != 0, axis=1)
    for number in range(int(stretch.max(initial=0)) + 1):
        here = stretch == number
        level = np.where(here, _median(np.where(here, left, np.nan), axis=1)[:, None], level)
    return level


def _voices(left: NDArray[np.float64], arms: NDArray[np.int64], names: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.stack([_median(left[arms == name]) for name in names])


def _median(values: NDArray[np.float64], axis: int = 0) -> NDArray[np.float64]:
    """Return the median of what is no NaN; NaN without any. ``np.nanmedian`` takes ten times as long for so few."""
    ordered = np.sort(values, axis=axis)
    n = np.expand_dims(np.isfinite(ordered).sum(axis=axis), axis)
    low = np.take_along_axis(ordered, np.maximum(n - 1, 0) // 2, axis)
    high = np.take_along_axis(ordered, np.minimum(n // 2, ordered.shape[axis] - 1), axis)
    return np.asarray(np.squeeze((low + high) / 2.0, axis))
