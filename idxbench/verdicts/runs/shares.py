"""Verdicts on what no clock measures: recall, overlap, sizes."""

import json
import math

import numpy as np
from numpy.typing import NDArray

from idxbench.measures.intervals import Estimate, mean_interval
from idxbench.measures.shift import rank_test, shift_interval
from idxbench.records import compact_json
from idxbench.verdicts.runs.context import Context
from idxbench.verdicts.runs.figures import Figure, Joined, effect_of, medians
from idxbench.verdicts.runs.libraries import same_library
from idxbench.verdicts.runs.outcome import Outcome, outcome
from idxbench.verdicts.runs.samples import Samples
from idxbench.verdicts.runs.surroundings import same_queries

_RESAMPLES = 4000
# Bytes by which the peak of one build differs from process to process: up to .4 MiB between six runs of a 2.76 MB
# index, 6 % of its peak. Beyond 50 MiB the policy's 2 % is more.
_MEMORY_STEP = 2.0**20


def judge_share(joined: Joined, context: Context, samples: Samples) -> Outcome:
    """Judge a figure that both sides have and no clock measured.

    Where builds repeat, as those of one version of a library do, any change is real. Otherwise it is weighed by the
    queries, paired where both sides asked the same ones; by ranks where there are runs enough; or, where there is
    neither, as it stands.
    """
    if joined.new is None:
        raise ValueError("a side is missing")
    base, new = medians(joined)
    effect = effect_of(joined, base, new)
    if math.isnan(effect):
        estimate = Estimate(effect, math.nan, math.nan, 1)
        return outcome(
            joined, context, base, new, estimate, "single", joined.metric.floor, why="no ratio of such values"
        )
    if joined.metric.exact and context.exact and same_library(joined):
        change = context.policy.metrics.get(joined.cell.measure)
        floor = 0.0 if change is None or change.floor is None else change.floor
        return outcome(joined, context, base, new, Estimate(effect, effect, effect, _n(joined)), "exact", floor)
    noise = max(_seed_spread(joined, context), context.noise.get(joined.cell, 0.0))
    if joined.cell.metric == "memory_peak" and base > 0:
        noise = max(noise, _MEMORY_STEP / base)
    floor = max(joined.metric.floor, noise)
    differences = _per_query(joined, context, samples)
    if differences is not None:
        return _by_query(joined, context, differences, base, new, floor)
    n = min(len(joined.base.rows), len(joined.new.rows))
    if n >= context.policy.min_runs and joined.metric.kind == "difference":
        one, two = (joined.sign * figure.values for figure in (joined.base, joined.new))
        estimate = shift_interval(one, two, level=context.policy.level)
        return outcome(joined, context, base, new, estimate, "runs", floor, p=rank_test(one, two))
    return _as_it_stands(joined, context, base, new, effect, floor)


def _as_it_stands(joined: Joined, context: Context, base: float, new: float, effect: float, floor: float) -> Outcome:
    """Compare two values, with the intervals they were measured with where they have any.

    The interval of the difference is the widest that both allow: they may come from the same queries.
    """
    if joined.new is None:
        raise ValueError("a side is missing")
    one, two = joined.base.row, joined.new.row
    if joined.metric.kind == "difference" and not math.isnan(one.low) and not math.isnan(two.low):
        ends = sorted((joined.sign * (two.low - one.high), joined.sign * (two.high - one.low)))
        estimate = Estimate(effect, min(ends[0], effect), max(ends[1], effect), min(one.n, two.n))
        return outcome(joined, context, base, new, estimate, "queries", floor)
    return outcome(joined, context, base, new, Estimate(effect, effect, effect, _n(joined)), "exact", floor)


def _n(joined: Joined) -> int:
    return min(len(figure.rows) for figure in (joined.base, joined.new) if figure)


def _per_query(joined: Joined, context: Context, samples: Samples) -> NDArray[np.float64] | None:
    """Return how much worse every query fares; None where they can't be paired."""
    if joined.cell.metric != "recall" or joined.new is None:
        return None
    if not all(same_queries(one, two) for one in joined.base.runs for two in joined.new.runs):
        return None
    one, two = (_mean(figure, samples) for figure in (joined.base, joined.new))
    if one is None or two is None or len(one) != len(two):
        return None
    return np.asarray(joined.sign * (two - one))


def _mean(figure: Figure, samples: Samples) -> NDArray[np.float64] | None:
    return samples.mean_recall(figure.runs, figure.rows)


def _by_query(
    joined: Joined, context: Context, differences: NDArray[np.float64], base: float, new: float, floor: float
) -> Outcome:
    level, bounds = context.policy.level, (-1.0, 1.0)
    estimate = mean_interval(differences, level=level, resamples=_RESAMPLES, bounds=bounds)
    p = math.nan if joined.gated else bootstrap_p(differences)
    return outcome(joined, context, base, new, estimate, "queries", floor, p=p)


def bootstrap_p(differences: NDArray[np.float64], *, resamples: int = _RESAMPLES, seed: int = 0) -> float:
    """Return the two-sided p-value that a mean is 0, by the Bayesian bootstrap: at least ``2 / resamples``."""
    values, counts = np.unique(differences[~np.isnan(differences)], return_counts=True)
    if not values.size or not values.any():
        return 1.0
    weights = np.random.default_rng(seed).standard_gamma(counts, size=(resamples, values.size))
    means = weights @ values
    tail = min(float((means <= 0).mean()), float((means >= 0).mean()))
    return min(1.0, max(2.0 * tail, 2.0 / resamples))


def _seed_spread(joined: Joined, context: Context) -> float:
    """Return how far builds of this index from several seeds lie apart in recall, where a run built several."""
    if joined.cell.metric != "recall" or joined.new is None:
        return 0.0
    spread = 0.0
    for figure, runs in ((joined.base, context.base), (joined.new, context.new)):
        row = figure.row
        built = json.loads(row.build) if row.build else {}
        unseeded = compact_json({key: value for key, value in built.items() if key != "seed"})
        place = (row.strategy, row.index, unseeded, row.search, row.k)
        spreads = [
            one.value
            for one in runs[-1].measurements
            if one.metric == "recall_build_floor" and (one.strategy, one.index, one.build, one.search, one.k) == place
        ]
        spread = max([spread, *spreads])
    return spread
