"""The indexes of a run: built, loaded into processes of their own, timed in turns, graded.

All strategies' indexes take turns with each other, so that any two of them can be compared round by round, and the
first of them with a second copy of itself, which says how far a thing differs from itself tonight.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.builds import Built, build_indexes, cell_unit, fail_build
from idxbench.bench.declared import Declared, inconclusive
from idxbench.bench.figures import Where
from idxbench.bench.groups import groups_notice, in_groups, size_of
from idxbench.bench.plan import Build
from idxbench.bench.retrieve import Reference, StrategyResult, Timed, cell_result, make_job
from idxbench.bench.round_loop import Arm, Budget, RoundLoop, answers_name, samples_name
from idxbench.bench.session import Finding, Session
from idxbench.machine import free_memory
from idxbench.measures.intervals import Estimate, median_interval
from idxbench.measures.rounds.paired import control_of
from idxbench.records import Notice, plain_parameters
from idxbench.store.round_rows import RoundRow, counted
from idxbench.store.rundir import Failure
from idxbench.timing.child import Child, ChildError

# Queries from which on a recall of 0 can't be bad luck.
ENOUGH = 20

# Strategy, index, build and search.
Place = tuple[str, str, str, str]


def measure_indexes(
    session: Session, builds: Sequence[tuple[int, Build]], results: Mapping[str, StrategyResult], reference: Reference
) -> None:
    """Build, time and grade the indexes of all strategies, or those that earlier starts of the run left over."""
    built = build_indexes(session, builds, results, reference)
    free = free_memory()
    groups = in_groups([size_of(one) for one in built], free, copies=1 + session.config.measure.control)
    if len(groups) > 1:
        session.notices.append(groups_notice([[built[i].build for i in group] for group in groups], free))
    budget = Budget(session.config.measure.budget)
    sides = Declared.of(session.config)
    looks = 1
    for number, group in enumerate(groups, start=1):
        with ExitStack() as processes:
            arms = _load(session, processes, [built[position] for position in group])
            loop = RoundLoop(session, arms, budget)
            if arms:
                looks = max(looks, _time(session, loop, sides, number / len(groups)))
        for position, arm in enumerate(arms):
            if arm.copy == 0 and position in loop.failed:
                fail_build(session, arm.built.build, loop.failed[position])
            elif arm.copy == 0:
                _grade(session, arm.built, loop.rows(), reference)
        session.save()
    if session.directory.rounds:
        session.once({"kind": "rounds"}, lambda: _finish(session, sides, looks, budget))


def _load(session: Session, processes: ExitStack, members: Sequence[Built]) -> list[Arm]:
    """Load indexes into processes that stay, the first one twice where a control is wanted."""
    wanted = [(one, 0) for one in members]
    if session.config.measure.control:
        wanted.insert(1, (members[0], 1))
    arms = []
    with session.progress.stage("load indexes", len(wanted)) as advance:
        for built, copy in wanted:
            folder = session.directory.work / f"arm-{built.number}-{copy}"
            folder.mkdir()
            embedded = built.strategy.embedded
            job = make_job(built.build, embedded, session.config, session.threads, folder, built.saved, "load")
            try:
                child = processes.enter_context(Child(job, folder))
                child.load()
                arms.append(Arm(built, child, copy))
            except ChildError as error:
                if copy == 0:
                    fail_build(session, built.build, str(error))
            advance(1)
    return arms


def _time(session: Session, loop: RoundLoop, sides: Declared | None, share: float) -> int:
    """Play rounds, and twice as many while the declared sides can't be told apart; return how often that was asked."""
    measure = session.config.measure
    for look in range(sides.looks if sides else 1):
        wanted = measure.rounds * 2**look
        missing = max(0, wanted - loop.done())
        what = "rounds" if look == 0 else f"more rounds, as {sides} can't be told apart yet"
        with session.progress.stage(f"time {what}", missing * loop.turns_per_round) as advance:
            loop.run(wanted, share, advance)
        if sides is None or loop.done() < wanted or not inconclusive(loop.rows(), sides):
            return look + 1
    return sides.looks if sides else 1


def _grade(session: Session, built: Built, rows: Sequence[RoundRow], reference: Reference) -> None:
    """Grade the searches of an index that have not been graded before."""
    build, directory = built.build, session.directory
    answers = directory.load_arrays(answers_name(built)) or {}
    for position, parameters in enumerate(build.searches):
        unit = cell_unit(build, parameters)
        if directory.has(unit):
            continue
        search = unit["search"]
        mine = [
            row
            for row in rows
            if (row.strategy, row.index, row.build, row.search, row.copy)
            == (build.space.name, build.kind, build.build_json, search, 0)
        ]
        samples = [
            (directory.load_arrays(samples_name(row.session, row.round, row.attempt)) or {}).get(
                f"{built.number}|{position}"
            )
            for row in mine
        ]
        timed = Timed(
            answers[f"ids_{position}"],
            int(answers[f"short_{position}"]),
            tuple(mine),
            tuple(one for one in samples if one is not None),
        )
        cell = cell_result(build, parameters, timed, built.strategy, reference, session.config)
        directory.save_queries("|".join((build.space.name, build.kind, build.build_json, search)), cell.samples)
        failure = None
        if (
            cell.own_recall == 0.0
            and len(reference.queries) >= ENOUGH
            and max(session.config.k) < len(reference.exact.items)
        ):
            # An index that finds not one true neighbour of many queries is broken, not bad.
            reason = "recall is 0 for every query against its own exact search: a broken index, not a bad one"
            failure = Failure(build.space.name, build.kind, build.build_json, (search,), reason)
            session.failures.append(failure)
        directory.append(unit, cell.rows, failure)


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


def _finish(session: Session, sides: Declared | None, looks: int, budget: Budget) -> Finding:
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
    _tell_rounds(session, sides, looks, budget)
    return Finding(found)


def _exp(estimate: Estimate) -> Estimate:
    """Turn the estimate of a log ratio into one of the ratio."""
    return replace(estimate, value=math.exp(estimate.value), low=math.exp(estimate.low), high=math.exp(estimate.high))


def _tell_rounds(session: Session, sides: Declared | None, looks: int, budget: Budget) -> None:
    """Put into ``run.json`` how many rounds there were and why, and say so where it was not as planned."""
    rows = [row for row in session.directory.rounds if row.copy == 0]
    played = {(row.session, row.round) for row in rows}
    flagged = {(row.session, row.round) for row in rows if row.flagged}
    again = {(row.session, row.round) for row in rows if row.attempt}
    bad = {(row.session, row.round) for row in rows if row.attempt and row.flagged}
    session.facts["rounds"] = {
        "planned": session.config.measure.rounds,
        "played": len(played),
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
                f"the budget of {session.config.measure.budget:g} s ended the rounds after {len(played)}",
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
