"""Simulated rounds judged by the paired rule: worse where the whole interval lies beyond the floor."""

import math

import numpy as np

from idxbench.measures.intervals import median_interval
from idxbench.measures.rounds.judging import floor_log, judge


def paired_shares(step, *, sd, n, trials=1000, seed=0, level=0.99, floor=0.05, heavy=False):
    """Return how often each verdict falls on a true ``step``.

    ``sd`` is that of a round's log ratio; ``heavy`` draws t with 2 degrees of freedom of the same median distance.
    """
    rng = np.random.default_rng([seed, n])
    noise = rng.standard_t(2, (trials, n)) * 0.6745 / 0.8165 if heavy else rng.standard_normal((trials, n))
    counts = {}
    for ratios in math.log1p(step) + sd * noise:
        one = median_interval(ratios, level=level)
        verdict = judge(one.low, one.high, floor_log(floor))
        counts[verdict] = counts.get(verdict, 0) + 1
    return {verdict: counts.get(verdict, 0) / trials for verdict in ("regressed", "improved", "same", "inconclusive")}
