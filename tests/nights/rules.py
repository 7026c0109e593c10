"""The rules under test, night after night, and two that many dashboards use."""

import math

import numpy as np

from idxbench.verdicts.history.judge import TOGETHER_FLOOR, find_changes
from idxbench.verdicts.history.rules import find_change

FLOOR = math.log(1.05)


def ours(simulated, *, arms=None, start=0, stop=None):
    """Judge every night as of that night.

    Returns
    -------
    candidate, confirmed
        (s, n) whether a series has such an alarm in a night.
    together
        (n,) whether all indexes together have a confirmed one.
    """
    levels = np.where(simulated.flagged, np.nan, simulated.levels)
    s, n = levels.shape
    arms = np.arange(s) if arms is None else arms
    rows = np.tile(np.arange(s)[:, None], (1, n))
    candidate, confirmed, together = np.zeros((s, n), bool), np.zeros((s, n), bool), np.zeros(n, bool)
    for night in range(start, n if stop is None else stop):
        if simulated.flagged[night]:
            continue
        here = slice(0, night + 1)
        found, shared = find_changes(
            levels[:, here], rows[:, here], arms, np.ones(s, bool), np.full(s, FLOOR), np.empty((s, 0))
        )
        candidate[:, night] = [one.state == "candidate" for one in found]
        confirmed[:, night] = [one.state == "confirmed" for one in found]
        if np.isfinite(shared).any():
            one = find_change(shared, np.zeros(night + 1, np.int64), TOGETHER_FLOOR, np.empty(0))
            together[night] = one.state == "confirmed"
    return candidate, confirmed, together


def last_against_previous(simulated):
    """Alarm where a night is more than 5 % worse than the one before."""
    levels = simulated.levels
    alarms = np.zeros(levels.shape, bool)
    alarms[:, 1:] = np.diff(levels, axis=1) > FLOOR
    return alarms


def robust_z(simulated, *, window=30, limit=3.5):
    """Alarm where a night lies more than 3.5 scaled median distances above the median of the 30 before."""
    levels = simulated.levels
    alarms = np.zeros(levels.shape, bool)
    for night in range(8, levels.shape[1]):
        before = levels[:, max(0, night - window) : night]
        center = np.median(before, axis=1, keepdims=True)
        spread = 1.4826 * np.median(np.abs(before - center), axis=1)
        alarms[:, night] = levels[:, night] - center[:, 0] > limit * spread
    return alarms


def episodes(alarms):
    """Count alarms that begin: nights with one after a night without."""
    before = np.zeros_like(alarms)
    before[..., 1:] = alarms[..., :-1]
    return int((alarms & ~before).sum())


def nights_to(alarms, at):
    """Count the nights until a series' first alarm from night ``at`` on (1: in that night; NaN: never)."""
    after = alarms[:, at:]
    return np.where(after.any(axis=1), after.argmax(axis=1) + 1.0, np.nan)
