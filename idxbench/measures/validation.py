"""How well similarities agree with what people know, and which of them can be told apart.

Strategies are compared on the same observations: one resampling of pairs, queries or items serves all of them, so that
what is common to all (a hard query, an odd grade) cancels out of differences.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.measures.intervals import Estimate, mean_interval

Values = NDArray[np.float64]

RESAMPLES = 2000
# Weights of resamples times pairs held at a time (32 MB).
_BLOCK_VALUES = 4_000_000


@dataclass(frozen=True)
class Comparison:
    """A figure of every strategy, and each against the best.

    Parameters
    ----------
    figures
        One per strategy.
    best
        The strategy with the highest figure, the first of those that share it.
    differences
        Figure of each strategy minus that of the best, with its own 95 % interval, from paired observations.
    p_values
        Of each against the best, adjusted by Holm over all pairs of strategies: the best is chosen by the same data,
        and only a family that holds every pair keeps its level whichever that is. 1 for the best itself.
    """

    figures: tuple[Estimate, ...]
    best: int
    differences: tuple[Estimate, ...]
    p_values: tuple[float, ...]


def compare_means(values: NDArray[Any], *, seed: int = 0) -> Comparison:
    """Compare means over observations that all strategies share.

    Parameters
    ----------
    values
        (s, n) in [0, 1], n at least 2, no NaN: a row per strategy.
    seed
        Of the intervals.

    Notes
    -----
    p-values are those of the paired t-test, but never below ``2^(1 - m)`` where m observations differ at all: what
    flipping signs at random can reach. The t-test alone calls 5 lucky queries of 1,000 significant.
    """
    figures = tuple(mean_interval(row, seed=seed) for row in values)
    best = int(np.argmax([one.value for one in figures]))
    differences = tuple(mean_interval(row - values[best], seed=seed, bounds=(-1.0, 1.0)) for row in values)

    def p_value(one: int, other: int) -> float:
        return paired_p(values[one] - values[other])

    return Comparison(figures, best, differences, _against_best(p_value, len(values), best))


def paired_p(differences: Values) -> float:
    """Return the two-sided p-value of paired differences having mean 0; see `compare_means`."""
    from scipy.special import stdtr

    n, changed = len(differences), int(np.count_nonzero(differences))
    spread = float(differences.std(ddof=1)) / np.sqrt(n)
    if changed == 0:
        return 1.0
    by_signs = 2.0 ** (1 - changed)
    by_t = 2.0 * float(stdtr(n - 1, -abs(float(differences.mean())) / spread)) if spread > 0 else 0.0
    return min(1.0, max(by_t, by_signs))


def compare_spearman(scores: NDArray[Any], grades: NDArray[Any], *, seed: int = 0) -> Comparison:
    """Compare rank correlations of scores with grades.

    Parameters
    ----------
    scores
        (s, n) finite, n at least 3: a row per strategy, a column per pair.
    grades
        (n,) finite.
    seed
        Of the resampling.

    Notes
    -----
    Intervals are percentiles of the Bayesian bootstrap over pairs (Rubin 1981), the same weights for all strategies;
    p-values are of the difference over its standard error in that bootstrap, by Student's t with n - 2 degrees.
    """
    values = np.array([weighted_spearman(row, grades, np.ones((1, len(grades))))[0] for row in scores])
    drawn = _resampled(scores, grades, seed)
    best = int(np.argmax(values))
    n = len(grades)

    def p_value(one: int, other: int) -> float:
        from scipy.special import stdtr

        error = float((drawn[one] - drawn[other]).std(ddof=1))
        gap = abs(float(values[one] - values[other]))
        # Rankings that are the same leave a gap and an error of rounding only.
        return 1.0 if gap < 1e-12 else 2.0 * float(stdtr(n - 2, -gap / max(error, 1e-300)))

    figures = tuple(_estimate(float(value), row, n) for value, row in zip(values, drawn, strict=True))
    differences = tuple(
        _estimate(float(value - values[best]), row - drawn[best], n) for value, row in zip(values, drawn, strict=True)
    )
    return Comparison(figures, best, differences, _against_best(p_value, len(values), best))


def _estimate(value: float, drawn: Values, n: int) -> Estimate:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(value, min(float(low), value), max(float(high), value), n)


def _resampled(scores: Values, grades: Values, seed: int) -> Values:
    rng = np.random.default_rng(seed)
    drawn = np.empty((len(scores), RESAMPLES))
    block = max(1, _BLOCK_VALUES // len(grades))
    for start in range(0, RESAMPLES, block):
        weights = rng.standard_exponential((min(block, RESAMPLES - start), len(grades)))
        for row, found in zip(scores, drawn, strict=True):
            found[start : start + block] = weighted_spearman(row, grades, weights)
    return drawn


def weighted_spearman(a: NDArray[Any], b: NDArray[Any], weights: Values) -> Values:
    """Return Spearman's correlation under each row of weights; with weights of 1 the usual one.

    The rank of a value is the weight below it and half of that of its ties: what its midrank would be were every
    observation there as many times as its weight says.

    Parameters
    ----------
    a, b
        (n,) finite.
    weights
        (w, n) positive.

    Returns
    -------
    (w,) in [-1, 1]; 0 where all values of a or of b tie.
    """
    total = weights.sum(axis=1, keepdims=True)
    one, other = _centered_ranks(a, weights, total), _centered_ranks(b, weights, total)
    top = (weights * one * other).sum(axis=1)
    under = np.sqrt((weights * one * one).sum(axis=1) * (weights * other * other).sum(axis=1))
    out = np.zeros(len(weights))
    np.divide(top, under, out=out, where=under > 1e-12 * total[:, 0] ** 3)
    return out


def _centered_ranks(values: NDArray[Any], weights: Values, total: Values) -> Values:
    """Return weighted midranks minus their mean, which is half of the weight whatever the ties."""
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(group[order]) > 0])
    sizes = np.add.reduceat(weights[:, order], starts, axis=1)
    middle = np.cumsum(sizes, axis=1) - sizes / 2.0
    return np.asarray(middle[:, group] - total / 2.0)


def _against_best(p_value: Any, n_strategies: int, best: int) -> tuple[float, ...]:
    couples = [(one, other) for one in range(n_strategies) for other in range(one + 1, n_strategies)]
    adjusted = dict(zip(couples, holm(np.array([p_value(*couple) for couple in couples])), strict=True))
    return tuple(1.0 if one == best else float(adjusted[min(one, best), max(one, best)]) for one in range(n_strategies))


def holm(p_values: Values) -> Values:
    """Adjust p-values of a family so that the chance of any false rejection keeps its level (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    raised = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1.0) if len(raised) else raised
    return adjusted


def ranked_gains(found: NDArray[np.int64], hits: NDArray[np.bool_], n_relevant: NDArray[Any], k: int) -> Values:
    """Return nDCG@k per row with gains of 1: what the hits earn by rank over what a perfect list would.

    Parameters
    ----------
    found
        (q, at least k) ids, best first; -1 is padding.
    hits
        The same shape: which of them are relevant.
    n_relevant
        (q,) how many there are to find, at least 1.
    k
        Depth.
    """
    worth = 1.0 / np.log2(np.arange(2, k + 2))
    earned = ((hits & (found >= 0))[:, :k] * worth).sum(axis=1)
    # A sum and a cumulative sum round differently: a perfect list must not be above 1.
    return np.asarray(np.minimum(earned / np.cumsum(worth)[np.minimum(n_relevant, k) - 1], 1.0))


def chance_ndcg(n_relevant: NDArray[Any], n_candidates: NDArray[Any], k: int) -> Values:
    """Return the nDCG@k expected of a random order of the candidates, per query."""
    worth = 1.0 / np.log2(np.arange(2, k + 2))
    cumulative = np.cumsum(worth)
    reached = cumulative[np.minimum(n_candidates, k) - 1]
    return np.asarray(n_relevant / n_candidates * reached / cumulative[np.minimum(n_relevant, k) - 1])


def chance_hit_rate(n_relevant: NDArray[Any], n_candidates: NDArray[Any], k: int) -> Values:
    """Return how probably a random order of the candidates has one of the relevant among its first k, per query."""
    from scipy.special import gammaln

    others = n_candidates - n_relevant
    depth = np.minimum(k, n_candidates)
    # C(others, k) / C(candidates, k), where there are enough others to fill the list with.
    enough = others >= depth
    left = np.where(enough, others, depth)
    missing = gammaln(left + 1) - gammaln(left - depth + 1) - gammaln(n_candidates + 1)
    missing += gammaln(n_candidates - depth + 1)
    return np.asarray(np.where(enough, -np.expm1(missing), 1.0))
