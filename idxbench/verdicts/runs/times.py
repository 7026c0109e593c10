"""Verdicts on times: from pairs of rounds within a run, from many runs a side, or only shown."""

import math
from collections.abc import Mapping

import numpy as np

from idxbench.measures.intervals import Estimate
from idxbench.measures.rounds.paired import TIMES, Key, Paired, pair_rounds, too_few
from idxbench.measures.shift import rank_test, shift_interval
from idxbench.verdicts.runs.context import Context
from idxbench.verdicts.runs.figures import Joined, effect_of, medians
from idxbench.verdicts.runs.outcome import Outcome, outcome

# Why two sides of a run that both took turns have no pairs.
NO_PAIRS = "their rounds have none in common (timed in different groups or sessions)"

Pairs = Mapping[tuple[Key, str], Paired]


def paired_figures(context: Context) -> Pairs:
    """Return what the rounds of one run say, by cell and metric; nothing for two runs."""
    if not context.same:
        return {}
    found = pair_rounds(context.rounds, context.sides, context.policy, context.level)
    return {(one.key, one.metric): one for one in found}


def judge_time(joined: Joined, context: Context, pairs: Pairs) -> Outcome:
    """Judge a time that both sides have."""
    paired = pairs.get((joined.key, joined.cell.metric))
    floor = context.control.floor(joined.cell.metric, joined.metric.floor, _history(joined, context))
    if paired is not None:
        why = too_few(paired.ratio.n, context.level)
        return outcome(joined, context, paired.base, paired.new, paired.ratio, "rounds", floor, why=why, p=paired.p)
    base, new = medians(joined)
    effect = effect_of(joined, base, new)
    if joined.cell.metric in TIMES and context.took_turns(joined.key):
        return outcome(
            joined, context, base, new, Estimate(effect, math.nan, math.nan, 0), "rounds", floor, why=NO_PAIRS
        )
    n = 0 if joined.new is None else min(len(joined.base.rows), len(joined.new.rows))
    if n >= context.policy.min_runs and not context.times and not math.isnan(effect):
        return _many_runs(joined, context, base, new, floor)
    estimate = Estimate(effect, math.nan, math.nan, n)
    return outcome(joined, context, base, new, estimate, "single", floor, why=_shown_only(joined, context, n))


def _shown_only(joined: Joined, context: Context, n: int) -> str:
    """Say why a time is shown and decides nothing."""
    if context.times:
        return context.times
    if context.same:
        return "built once" if joined.cell.metric == "build_time" else "no rounds were kept"
    return f"{n} run{'s' if n != 1 else ''} a side, {context.policy.min_runs} support a verdict"


def _many_runs(joined: Joined, context: Context, base: float, new: float, floor: float) -> Outcome:
    """Compare the runs of two sides by ranks: one run is one observation, whatever the number of its rounds."""
    if joined.new is None:
        raise ValueError("a side is missing")
    sides = [figure.values for figure in (joined.base, joined.new)]
    ratio = joined.metric.kind == "ratio"
    one, two = (joined.sign * (np.log(values) if ratio else values) for values in sides)
    estimate = shift_interval(one, two, level=context.policy.level)
    why = "" if not math.isnan(estimate.low) else f"{estimate.n} runs a side are too few for this level"
    return outcome(joined, context, base, new, estimate, "runs", floor, why=why, p=rank_test(one, two))


def _history(joined: Joined, context: Context) -> float:
    return context.noise.get(joined.cell, 0.0)
