"""Two sides of runs compared: every figure with its verdict, worst first."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from idxbench.config.policy import Policy
from idxbench.measures.rounds.judging import ROUNDING
from idxbench.measures.rounds.paired import TIMES, Key, Paired
from idxbench.records import Run, plain_parameters
from idxbench.verdicts.changes import Cell, Change, Comparison, Matched, Verdict
from idxbench.verdicts.runs.context import Context, make_context
from idxbench.verdicts.runs.figures import Figure, Figures, Joined, join_figures, medians
from idxbench.verdicts.runs.libraries import library_differences
from idxbench.verdicts.runs.matched import match_speeds, pareto_fronts
from idxbench.verdicts.runs.outcome import Outcome, not_compared, weigh
from idxbench.verdicts.runs.samples import Samples
from idxbench.verdicts.runs.shares import judge_share
from idxbench.verdicts.runs.surroundings import differences, same_machine
from idxbench.verdicts.runs.times import Pairs, judge_time, paired_figures

WORST_FIRST: tuple[Verdict, ...] = (
    "regressed", "missing", "suspicious", "unstable", "incomparable", "inconclusive", "traded", "advisory", "improved",
    "same",
)  # fmt: skip


def compare_runs(
    base: Sequence[Run],
    new: Sequence[Run],
    *,
    base_selector: str = "",
    new_selector: str = "",
    policy: Policy,
    noise: Mapping[Cell, float] | None = None,
) -> Comparison:
    """Compare two sides: two runs, several runs a side, or two sides of one run.

    Parameters
    ----------
    base, new
        Runs of each side, oldest first, at least one each. One and the same run on both sides is compared with itself:
        its rounds are paired.
    base_selector, new_selector
        What of the runs is meant: see `idxbench.measures.rounds.selectors.parse_selector`.
    policy
        What counts as worse.
    noise
        How far nights of history lie apart, by cell with all columns as in ``measurements.csv``: a share for a ratio,
        the metric's unit for a difference. Floors are at least that, between runs.

    Raises
    ------
    ConfigError
        A selector that nothing answers to, or that leaves several things to compare.
    ResultError
        Files of a run that can't be read.
    """
    context = make_context(base, new, base_selector, new_selector, policy, noise)
    figures = join_figures(base, new, context.sides, policy, same=context.same)
    failures = _failures(context)
    outcomes = [*_judged(figures.joined, context, failures)]
    matched = match_speeds(figures, context)
    weighed = weigh([*outcomes, *(Outcome(one.change, p) for one, p in matched)])
    changes = _traded(weighed[: len(outcomes)])
    at_recall = [
        replace(one, change=change) for (one, _), change in zip(matched, weighed[len(outcomes) :], strict=True)
    ]
    return Comparison(
        _label(base, context.sides.base.text),
        _label(new, context.sides.new.text),
        len(base),
        len(new),
        paired=context.same and bool(context.rounds),
        machine=all(same_machine(one, two) for one in base for two in new),
        differences=(
            *library_differences(figures.joined),
            *(() if context.same else differences(base[-1], new[-1])),
        ),
        changes=tuple(sorted(changes, key=badness)),
        matched=tuple(sorted(at_recall, key=_badness_matched)),
        unstable=context.control.unstable,
        notices=tuple(_notices(context, figures, failures)),
        fronts=pareto_fronts(figures),
    )


def badness(change: Change) -> tuple[bool, int, float]:
    """Sort changes, worst first: gated ones, by verdict, by how many floors they are worse."""
    effect = 0.0 if math.isnan(change.effect) else change.effect
    return not change.gated, WORST_FIRST.index(change.verdict), -effect / max(change.floor, change.declared, 1e-3)


def _badness_matched(one: Matched) -> tuple[bool, int, float]:
    return badness(one.change)


def _judged(joined: Sequence[Joined], context: Context, failures: Mapping[Key, str]) -> Iterator[Outcome]:
    pairs, samples = paired_figures(context), Samples()
    for one in joined:
        base, new = medians(one)
        apart = _apart(one, context)
        if one.new is None:
            # What can't be compared anyway is not missing.
            if one.gated:
                why = failures.get(one.key) or failures.get((*one.key[:3], "")) or "not there"
                yield not_compared(one, base, new, *(("incomparable", apart) if apart else ("missing", why)))
        elif apart:
            yield not_compared(one, base, new, "incomparable", apart)
        elif one.is_time:
            yield judge_time(one, context, pairs)
        else:
            yield judge_share(one, context, samples)
    for like, paired in _only_in_rounds(joined, pairs, context):
        yield judge_time(like, context, {(paired.key, paired.metric): paired})


def _only_in_rounds(joined: Sequence[Joined], pairs: Pairs, context: Context) -> Iterator[tuple[Joined, Paired]]:
    """Yield figures of rounds that have no row in ``measurements.csv``, told like others of their cell."""
    timed = {one.key: one for one in joined if one.cell.metric in TIMES and one.new is not None}
    known = {(one.key, one.cell.metric) for one in joined}
    for place, paired in pairs.items():
        like, metric = timed.get(paired.key), context.policy.metric(paired.metric)
        if place not in known and like is not None and metric is not None:
            row = replace(like.base.row, unit="1/s" if paired.metric.startswith("qps") else "s")
            cell = replace(like.cell, metric=paired.metric, reference="")
            base = Figure(like.base.runs[-1:], (row,))
            yield replace(like, cell=cell, metric=metric, gated=metric.gate, base=base), paired


def _apart(one: Joined, context: Context) -> str:
    """Say why a figure can't be compared at all; empty where it can."""
    searched = context.depth if one.cell.search or one.cell.metric in TIMES else ""
    return context.incomparable or searched or context.redefined.get(one.cell.strategy, "")


def _traded(changes: Sequence[Change]) -> list[Change]:
    """Call faster searches that find less traded, and never improved."""
    lost: dict[tuple[Key, str], Change] = {}
    for change in changes:
        if change.cell.metric == "recall":
            place = (_place(change.cell), change.cell.reference)
            lost[place] = max(lost.get(place, change), change, key=lambda one: one.effect)
    found = []
    for change in changes:
        if change.cell.metric in TIMES and change.verdict in ("improved", "suspicious"):
            recall = lost.get((_place(change.cell), "task")) or lost.get((_place(change.cell), "own"))
            if recall is not None and recall.effect > recall.floor + ROUNDING:
                why = f"recall@{recall.cell.k} fell from {recall.base:.3f} to {recall.new:.3f}"
                change = replace(change, verdict="traded", why=why)  # noqa: PLW2901
        found.append(change)
    return found


def _place(cell: Cell) -> Key:
    return cell.strategy, cell.index, cell.build, cell.search


def _failures(context: Context) -> dict[Key, str]:
    """Return what failed on the new side, by what the sides are joined on, and why."""
    run, sides = context.new[-1], context.sides
    reasons = {
        (told["strategy"], told["index"], told["build"]): told["reason"] for told in run.info.get("failures", ())
    }
    found = {}
    for row in run.measurements:
        if row.metric == "failed" and sides.new.matches(row):
            reason = reasons.get((row.strategy, row.index, row.build), "no reason was kept")
            key = sides.key(row)
            found[key] = f"failed: {reason}"
            found[*key[:3], ""] = found[key]
    return found


def _label(runs: Sequence[Run], selector: str) -> str:
    where = str(runs[-1].path) + (f" and {len(runs) - 1} before" if len(runs) > 1 else "")
    return f"{where}::{selector}" if selector else where


def _notices(context: Context, figures: Figures, failures: Mapping[Key, str]) -> Iterator[str]:
    for run in context.new if context.same else (*context.base, *context.new):
        if run.info.get("status", "finished") != "finished":
            yield f"{run.path} is not complete ({run.info.get('status')}): what it measured is compared"
    for key, why in failures.items():
        if not key[3]:
            yield f"{_named(key)} {why}"
    missing = sum(one.new is None for one in figures.joined)
    if missing:
        yield f"{missing} figures of the base are not on the new side"
    if figures.only_new:
        yield f"{figures.only_new} figures of the new side are not on the base's: nothing is said of them"
    yield from _round_notices(context)


def _named(key: Key) -> str:
    strategy, index, build, search = key
    return " ".join(filter(None, (strategy, index, plain_parameters(build), plain_parameters(search))))


def _round_notices(context: Context) -> Iterator[str]:
    disturbed = {(row.session, row.round): row.attempt for row in context.rounds if row.flagged}
    twice = sum(attempt > 0 for attempt in disturbed.values())
    every = {(row.session, row.round) for row in context.rounds}
    if twice:
        yield f"{twice} of {len(every)} rounds were disturbed twice, and count"
    if len(disturbed) > twice:
        yield f"{len(disturbed) - twice} of {len(every)} rounds were disturbed and not repeated, and count"
    sessions = {row.session for row in context.rounds}
    if len(sessions) > 1:
        yield f"the run was resumed {len(sessions) - 1} times: rounds are paired within a start"
    if context.same and not context.rounds:
        yield "this run kept no rounds: times of its sides can't be paired"
    if context.same and context.rounds and not any(row.copy for row in context.rounds):
        yield "without an A/A control: nothing says how far an index differs from itself tonight"
    if context.same and context.control.too_few:
        yield context.control.too_few
