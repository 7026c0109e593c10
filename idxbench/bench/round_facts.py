"""What the rounds of a run were as a whole: how many, how disturbed, and how far a thing differs from itself."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.declared import Declared
from idxbench.bench.figures import Where
from idxbench.bench.round_loop import Budget
from idxbench.bench.session import Finding, Session
from idxbench.measures.intervals import Estimate, median_interval
from idxbench.measures.rounds.paired import control_of
from idxbench.records import Notice, plain_parameters
from idxbench.store.round_rows import RoundRow, counted
from idxbench.store.rundir import Failure

# Strategy, index, build and search.
Place = tuple[str, str, str, str]


def control_ratios(rows: Sequence[RoundRow], metric: str) -> dict[Place, NDArray[np.float64]]:
    """Return, per search of an index that has a control, each round's log ratio of the copy's figure to its own."""
    pairs: dict[Place, dict[tuple[int, int], dict[int, float]]] = {}
    for row in rows:
        place = (row.strategy, row.index, row.build, row.search)
        pairs.setdefault(place, {}).setdefault((row.session, row.round), {})[row.copy] = getattr(row, metric)
    ratios = {}
    for place, rounds in pairs.items():
        both = [math.log(pair[1] / pair[0]) for pair in rounds.values() if {0, 1} <= pair.keys()]
        if both:
            ratios[place] = np.array(both)
    return ratios


def tell_rounds(session: Session, sides: Declared | None, looks: int, budget: Budget) -> Finding:
    """Say what the rounds as a whole were: how many, how disturbed, and how far a thing differs from itself."""
    rows = counted(session.directory.rounds)
    similarities = {row.strategy: row.similarity for row in session.directory.rows if row.task == "retrieve"}
    found = []
    for metric in ("latency_p50", "qps_batch"):
        for (strategy, index, build, search), ratio in control_ratios(rows, metric).items():
            where = Where("retrieve", strategy, similarities.get(strategy, ""), index, build, search)
            place = where.at(max(session.config.k))
            found.append(place.estimate("control_ratio", _exp(median_interval(ratio)), "", reference=metric))
    policy = session.config.gate
    unstable = control_of(rows, policy, policy.level).unstable
    if unstable:
        advice = "believe no ratio of times of this run: stop what else runs, and run again"
        session.notices.append(Notice("unstable", unstable, advice))
    _tell(session, sides, looks, budget)
    # An index that failed is tried again when the run is resumed, and then this is told anew.
    failed = Failure("", "", "", (), "some indexes failed") if session.failures else None
    return Finding(found, failed)


def _exp(estimate: Estimate) -> Estimate:
    """Turn the estimate of a log ratio into one of the ratio."""
    return replace(estimate, value=math.exp(estimate.value), low=math.exp(estimate.low), high=math.exp(estimate.high))


def _tell(session: Session, sides: Declared | None, looks: int, budget: Budget) -> None:
    """Put into ``run.json`` how many rounds there were and why, and say so where it was not as planned."""
    rows = [row for row in session.directory.rounds if row.copy == 0]
    played = {(row.session, row.round) for row in rows}
    # Groups that do not fit into memory together have rounds of their own.
    per_cell = Counter((row.strategy, row.index, row.build, row.search) for row in counted(rows))
    n_rounds = max(per_cell.values(), default=0)
    flagged = {(row.session, row.round) for row in rows if row.flagged}
    again = {(row.session, row.round) for row in rows if row.attempt}
    bad = {(row.session, row.round) for row in rows if row.attempt and row.flagged}
    session.facts["rounds"] = {
        "planned": session.config.measure.rounds,
        "played": n_rounds,
        "looks": looks,
        "looks_allowed": sides.looks if sides else 1,
        "disturbed": len(flagged),
        "repeated": len(again),
        "still_disturbed": len(bad),
        "seconds": round(budget.spent, 3),
        "budget_ended": budget.ended,
    }
    session.notices += _unsteady(rows, session.config.measure.rate)
    if bad:
        session.notices.append(
            Notice(
                "disturbed",
                f"in {len(flagged)} of {len(played)} rounds other work had the processors, and in {len(bad)} of them "
                "also when they were played again; those count as they are",
                "times are of a busy machine: compare ratios, and run when less else does",
            )
        )
    if budget.ended:
        session.notices.append(
            Notice(
                "budget-spent",
                f"the budget of {session.config.measure.budget:g} s ended the rounds after {n_rounds}",
                "intervals are as wide as so few rounds make them: raise --budget, or measure fewer cells",
            )
        )


def _unsteady(rows: Sequence[RoundRow], rate: float) -> Iterator[Notice]:
    """Say which searches never warmed up, and which can't keep up with the rate: in most of their rounds."""
    turns: dict[Place, list[RoundRow]] = {}
    for row in rows:
        turns.setdefault((row.strategy, row.index, row.build, row.search), []).append(row)

    def named(which: Callable[[RoundRow], bool]) -> str:
        often = [place for place, its in turns.items() if sum(map(which, its)) > len(its) / 2]
        return "; ".join(
            " ".join(filter(None, (strategy, "in", index, plain_parameters(build), plain_parameters(search))))
            for strategy, index, build, search in often
        )

    restless = named(lambda row: not row.settled)
    if restless:
        yield Notice(
            "not-settled",
            f"in most rounds the batches of the warm-up did not come to within 10 % of each other: {restless}",
            "read the intervals of these times, and take more rounds",
        )
    late = named(lambda row: row.overloaded)
    if late:
        yield Notice(
            "overloaded",
            f"at {rate:g} queries per second they come faster than they are answered: {late}. Their response times "
            "grow for as long as that lasts",
            "read them as 'too many', or lower measure.rate",
        )
