"""Speed at equal recall: both sides' curves read at one recall, round by round where they took turns."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from idxbench.measures.curves import front, log_speed_at
from idxbench.measures.intervals import Estimate, median_interval
from idxbench.measures.rounds.at_recall import SPEED, round_speeds
from idxbench.measures.rounds.judging import sign_test
from idxbench.measures.rounds.paired import too_few
from idxbench.measures.shift import rank_test, shift_interval
from idxbench.records import Run
from idxbench.verdicts.changes import FrontPoint, Matched
from idxbench.verdicts.runs.context import Context
from idxbench.verdicts.runs.figures import Figure, Figures, Joined, Slot, join_one
from idxbench.verdicts.runs.outcome import Outcome, not_compared, outcome
from idxbench.verdicts.runs.times import NO_PAIRS

# Recalls at which speeds are compared besides the config's target, where both sides reach them.
LEVELS = (0.9, 0.95, 0.99)
_SIDES: tuple[Literal["base", "new"], ...] = ("base", "new")


@dataclass(frozen=True)
class Curve:
    """Recall and speed along the searches of one build, on one side.

    Parameters
    ----------
    searches
        Compact JSON, in the order they were measured, without what the sides are selected by.
    recalls
        (p,) of each, the median over runs.
    speeds
        (runs, p) queries per second; of the rounds (rounds, p) where both sides took turns.
    """

    searches: tuple[str, ...]
    recalls: tuple[float, ...]
    speeds: NDArray[np.float64]

    def reach(self) -> float:
        """Return the largest recall on the curve."""
        return max(self.recalls)

    def first(self, recall: float) -> str:
        """Return the cheapest search that reaches a recall; empty where none does."""
        reached = [place for place, found in enumerate(self.recalls) if found >= recall - 1e-12]
        return self.searches[reached[0]] if reached else ""


def match_speeds(figures: Figures, context: Context) -> list[tuple[Matched, float]]:
    """Compare speeds at equal recall along every curve that both sides have; with the p-value of each.

    Each side is read along its own searches. Gated, where the policy gates ``qps_batch``, at the target recall of the
    new side's config; at the other levels shown. The recall is that against the task reference, or the strategy's own
    where the base has no other.
    """
    target = float(context.new[-1].info.get("config", {}).get("target_recall", 0.95))
    reference = "task" if any(slot[3:] == ("recall", "task") for slot in figures.base) else "own"
    sides = [_points(side, reference) for side in (figures.base, figures.new)]
    found = []
    for place, ours in sides[0].items():
        theirs = sides[1].get(place)
        if theirs is None:
            continue
        about = join_one(ours[0].slot, ours[0].speed, theirs[0].speed, context.sides, context.policy)
        about = replace(about, cell=replace(about.cell, search="", k=place[3]))
        base, new = _curve(ours, context, context.base), _curve(theirs, context, context.new)
        reach = min(base.reach(), new.reach())
        for recall in sorted({target} | {level for level in LEVELS if level <= reach}):
            if base.reach() >= recall:
                cell = replace(about.cell, reference=f"recall>={recall:g}")
                at = replace(about, cell=cell, gated=about.gated and recall == target)
                found.append(_at(at, context, base, new, recall))
    return found


def pareto_fronts(figures: Figures) -> tuple[FrontPoint, ...]:
    """Return the best trades of recall for speed of each side, at every depth."""
    found: list[FrontPoint] = []
    for side, held in zip(_SIDES, (figures.base, figures.new), strict=True):
        by_depth: dict[int, list[_Point]] = {}
        for place, points in _points(held, "task").items():
            by_depth.setdefault(place[3], []).extend(points)
        for k, points in sorted(by_depth.items()):
            recalls = [float(np.median(point.recall.values)) for point in points]
            speeds = [float(np.median(point.speed.values)) for point in points]
            for place_of in front(recalls, speeds):
                row = points[place_of].recall.row
                at = (row.strategy, row.index, row.build, row.search, k)
                found.append(FrontPoint(side, *at, recalls[place_of], speeds[place_of]))
    return tuple(found)


@dataclass(frozen=True)
class _Point:
    """One search of one side."""

    slot: Slot
    speed: Figure
    recall: Figure


def _points(side: Mapping[Slot, Figure], reference: str) -> dict[tuple[str, str, str, int], list[_Point]]:
    """Return the curves of a side by strategy, index, build and depth."""
    speeds = {slot[1]: (slot, figure) for slot, figure in side.items() if slot[0] == "retrieve" and slot[3] == SPEED}
    curves: dict[tuple[str, str, str, int], list[_Point]] = {}
    for (task, key, k, metric, graded), figure in side.items():
        if (task, metric, graded) == ("retrieve", "recall", reference) and key in speeds:
            curves.setdefault((*key[:3], k), []).append(_Point(*speeds[key], figure))
    return curves


def _curve(points: Sequence[_Point], context: Context, runs: Sequence[Run]) -> Curve:
    searches = tuple(point.slot[1][3] for point in points)
    recalls = tuple(float(np.median(point.recall.values)) for point in points)
    return Curve(searches, recalls, _speeds([point.speed for point in points], context, runs))


def _speeds(figures: Sequence[Figure], context: Context, runs: Sequence[Run]) -> NDArray[np.float64]:
    if context.same and context.rounds:
        rows = [figure.row for figure in figures]
        return round_speeds(context.rounds, [(row.strategy, row.index, row.build, row.search) for row in rows])
    # Runs that have every point of the curve; others would be read off another curve.
    held = [{run.path: row.value for run, row in zip(one.runs, one.rows, strict=True)} for one in figures]
    whole = [run.path for run in runs if all(run.path in values for values in held)]
    return np.array([[values[path] for values in held] for path in whole]).reshape(len(whole), len(held))


def _at(about: Joined, context: Context, base: Curve, new: Curve, recall: float) -> tuple[Matched, float]:
    """Compare two curves at one recall, which the base reaches."""
    one, two = (log_speed_at(curve.recalls, curve.speeds, recall) for curve in (base, new))
    found = _compare(about, context, one, two, new.reach() >= recall, new.reach())
    cell = about.cell
    place = (cell.strategy, cell.index, cell.build, cell.k, recall)
    return Matched(*place, found.change, base.first(recall), new.first(recall)), found.p


def _compare(
    about: Joined, context: Context, one: NDArray[np.float64], two: NDArray[np.float64], reached: bool, reach: float
) -> Outcome:
    """Compare logarithms of speeds: of rounds in pairs, of runs by ranks, or only shown."""
    base = float(np.exp(np.nanmedian(one))) if np.isfinite(one).any() else math.nan
    if not reached:
        return not_compared(replace(about, gated=False), base, math.nan, "advisory", f"new reaches {reach:.3f} at most")
    new = float(np.exp(np.nanmedian(two))) if np.isfinite(two).any() else math.nan
    floor = context.control.floor(SPEED, about.metric.floor)
    apart = context.incomparable or context.depth or context.redefined.get(about.cell.strategy, "")
    if apart:
        return not_compared(about, base, new, "incomparable", apart)
    if context.same and context.rounds:
        slower = one - two
        estimate = median_interval(slower, level=context.level)
        apart = NO_PAIRS if not estimate.n and np.isfinite(one).any() and np.isfinite(two).any() else ""
        why, p = apart or too_few(estimate.n, context.level), sign_test(slower[~np.isnan(slower)])
        return outcome(about, context, base, new, estimate, "rounds", floor, why=why, p=p)
    n = min(len(one), len(two))
    if n >= context.policy.min_runs and not context.times:
        estimate = shift_interval(-one, -two, level=context.policy.level)
        return outcome(about, context, base, new, estimate, "runs", floor, p=rank_test(one, two))
    why = context.times or f"{n} run{'s' if n != 1 else ''} a side, {context.policy.min_runs} support a verdict"
    effect = math.log(base / new)
    return outcome(about, context, base, new, Estimate(effect, math.nan, math.nan, n), "single", floor, why=why)
