"""One figure judged: the change, and the p-value that the others of its kind are weighed with."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from idxbench.measures.intervals import Estimate
from idxbench.measures.rounds.judging import ROUNDING, detectable, floor_log, judge, suspicious
from idxbench.verdicts.changes import Basis, Change, Verdict
from idxbench.verdicts.runs.context import Context
from idxbench.verdicts.runs.figures import Joined

# Share of false discoveries among the figures that are not gated and are said to have changed.
FALSE_DISCOVERIES = 0.05


@dataclass(frozen=True)
class Outcome:
    """A change, with the p-value that there is none; NaN where nothing was tested."""

    change: Change
    p: float = math.nan


def outcome(
    joined: Joined,
    context: Context,
    base: float,
    new: float,
    estimate: Estimate,
    basis: Basis,
    floor: float,
    *,
    why: str = "",
    p: float = math.nan,
) -> Outcome:
    """Judge one figure.

    Parameters
    ----------
    joined, context
        What it is, and how it is looked at.
    base, new
        The figures shown.
    estimate
        Of the change, positive being worse; in logarithms for a ratio.
    basis
        What it rests on.
    floor
        Effective, as a share for a ratio, in the metric's unit for a difference.
    why
        Half a sentence. With basis ``single`` or without an interval it says why nothing is decided.
    p
        That nothing changed.
    """
    ratio = joined.metric.kind == "ratio"
    limit = floor_log(floor) if ratio else floor
    verdict: Verdict = judge(estimate.low, estimate.high, limit)
    timed = joined.is_time and basis in ("rounds", "runs")
    if not joined.gated or basis == "single":
        verdict = "advisory"
    elif timed and context.unstable:
        verdict, why = "unstable", why or "the control differs from itself"
    elif timed and suspicious(verdict, estimate.value, context.sides.taken):
        verdict, why = "suspicious", why or "more than three times better: a bug until shown otherwise"
    seen = detectable(estimate.value, estimate.low, limit)
    return Outcome(
        Change(
            joined.cell,
            base,
            new,
            estimate.value,
            estimate.low,
            estimate.high,
            joined.metric.kind,
            estimate.n,
            basis,
            joined.metric.floor,
            floor,
            verdict,
            joined.gated,
            math.expm1(seen) if ratio else seen,
            why,
            joined.base.row.unit,
        ),
        p,
    )


def not_compared(joined: Joined, base: float, new: float, verdict: Verdict, why: str) -> Outcome:
    """Say that a figure is missing, or can't be compared."""
    nan, floor, unit = math.nan, joined.metric.floor, joined.base.row.unit
    kind, gated = joined.metric.kind, joined.gated
    return Outcome(
        Change(joined.cell, base, new, nan, nan, nan, kind, 0, "single", floor, floor, verdict, gated, nan, why, unit)
    )


def weigh(outcomes: Sequence[Outcome]) -> list[Change]:
    """Say which of the figures that are not gated changed beyond chance, given how many were looked at.

    By Benjamini and Hochberg (1995) at ``FALSE_DISCOVERIES``; they stay advisory, and are told which way they went.
    """
    tested = [place for place, one in enumerate(outcomes) if not one.change.gated and not math.isnan(one.p)]
    ranked = sorted(tested, key=lambda place: outcomes[place].p)
    enough = [
        rank for rank, place in enumerate(ranked, 1) if outcomes[place].p <= FALSE_DISCOVERIES * rank / len(ranked)
    ]
    found = set(ranked[: max(enough, default=0)])
    changes = [one.change for one in outcomes]
    for place in found:
        change = changes[place]
        if abs(change.effect) > ROUNDING:
            way = "worse" if change.effect > 0 else "better"
            changes[place] = replace(change, why=f"{way}, beyond chance among {len(ranked)}")
    return changes
