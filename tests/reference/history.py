"""Slow twins of what a history computes: energy distances by loops, and exact coverage of rank intervals."""

import math

import numpy as np


def energy_cut(values, shortest=3, *, passing=False):
    """Return the first position of the second side of the best cut, and its statistic (Matteson and James 2014)."""
    best = (0, -math.inf)
    n = len(values)
    ends = [(at, n) for at in range(shortest, n - shortest + 1)]
    if passing:
        ends = [(at, end) for at in range(shortest, n) for end in range(at + shortest, n + 1)]
    for at, end in ends:
        left, right = [float(v) for v in values[:at]], [float(v) for v in values[at:end]]
        across = sum(abs(x - y) for x in left for y in right)
        inside = [sum(abs(s[i] - s[j]) for i in range(len(s)) for j in range(i)) for s in (left, right)]
        a, b = len(left), len(right)
        energy = 2 * across / (a * b) - inside[0] / math.comb(a, 2) - inside[1] / math.comb(b, 2)
        statistic = a * b / (a + b) * energy
        if statistic > best[1]:
            best = (at, statistic)
    return best


def energy_change_points(values, rng, permutations=1000, level=0.001):
    """Return the change points, with a permutation test of its own draws."""
    if len(values) < 6:
        return []
    for passing in (False, True):
        at, found = energy_cut(values, passing=passing)
        better = 0
        for _ in range(permutations):
            better += energy_cut(rng.permutation(values), passing=passing)[1] >= found - 1e-12
            if better:
                break
        if (1 + better) / (1 + permutations) < level:
            after = [at + one for one in energy_change_points(values[at:], rng, permutations, level)]
            return [*energy_change_points(values[:at], rng, permutations, level), at, *after]
    return []


def rank_interval_coverage(n, level):
    """Return the exact coverage of the rank interval of a median of n continuous draws; None: there is none.

    The interval from the j-th smallest to the j-th largest misses the median where fewer than j draws lie on one side.
    """
    misses = [sum(math.comb(n, i) for i in range(j)) / 2**n for j in range(1, n // 2 + 2)]
    fitting = [j for j, miss in enumerate(misses, start=1) if miss <= (1 - level) / 2]
    return None if not fitting else 1 - 2 * misses[max(fitting) - 1]


def shared_movement(levels):
    """Median polish of an index a row: what all did in a night, with the row's own voice left out."""
    levels = np.array(levels, dtype=np.float64)
    shared = np.zeros(levels.shape[1])
    for _ in range(4):
        own = [np.median(row - shared) for row in levels]
        shared = np.array(
            [np.median([row[n] - o for row, o in zip(levels, own, strict=True)]) for n in range(len(shared))]
        )
    voices = levels - np.array(own)[:, None]
    return np.array([np.median(np.delete(voices, i, axis=0), axis=0) for i in range(len(levels))])
