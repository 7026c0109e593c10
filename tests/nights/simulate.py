"""Nights that never were: series of one machine with known noise, and with steps where we put them."""

import math
from dataclasses import dataclass

import numpy as np

# Noise of a night about its level: the standard deviation of its logarithm where it has one.
SD = 0.03
KINDS = ("gaussian", "student", "lognormal", "drift", "bad nights", "bad series", "all of it")
BAD_SHARE, BAD_FACTOR = 0.05, 1.3


@dataclass(frozen=True)
class Simulated:
    """Levels of series by night, more being worse, and which nights were flagged."""

    levels: np.ndarray  # (s, n)
    flagged: np.ndarray  # (n,)


def simulate(kind, *, series=40, nights=90, seed=0, sd=SD, flagged=0.5):
    """Draw nights without a change.

    ``gaussian``; ``student``: t with 2 degrees of freedom, scaled to the same median distance; ``lognormal``: skewed,
    its long tail on the worse side; ``drift``: a random walk and a slow sinus common to all series; ``bad nights``:
    5 % of nights 1.3 times slower in all series, a share ``flagged`` of them with a flag; ``bad series``: the same 5 %,
    but of the figures of each series alone, and never flagged; ``all of it``: student, drift and bad nights.
    """
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    shape = (series, nights)
    levels = {
        "student": lambda: sd * rng.standard_t(2, shape) * 0.6745 / 0.8165,
        "lognormal": lambda: sd * (np.exp(0.8 * rng.standard_normal(shape)) - 1.0),
        "all of it": lambda: sd * rng.standard_t(2, shape) * 0.6745 / 0.8165,
    }.get(kind, lambda: sd * rng.standard_normal(shape))()
    flags = np.zeros(nights, dtype=bool)
    if kind in ("drift", "all of it"):
        walk = np.cumsum(0.015 * rng.standard_normal(nights))
        levels = levels + walk + 0.06 * np.sin(2 * math.pi * (np.arange(nights) / 60 + rng.random()))
    if kind in ("bad nights", "all of it"):
        bad = rng.random(nights) < BAD_SHARE
        levels = levels + math.log(BAD_FACTOR) * bad
        flags = bad & (rng.random(nights) < flagged)
    if kind == "bad series":
        levels = levels + math.log(BAD_FACTOR) * (rng.random(shape) < BAD_SHARE)
    return Simulated(levels, flags)


def plant(simulated, step, *, at, which):
    """Make some series slower by ``step`` from night ``at`` on."""
    levels = simulated.levels.copy()
    levels[which, at:] += math.log1p(step)
    return Simulated(levels, simulated.flagged)
