"""The indexes of one strategy: built one after the other, then timed in turns, all of them alive at once.

On a machine that others use, too, speed changes from minute to minute. Indexes that take turns within each round
are hit alike, so that their ratios stay when their times do not.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol

from idxbench.bench.figures import Where
from idxbench.bench.groups import groups_notice, in_groups
from idxbench.bench.plan import Build
from idxbench.bench.retrieve import Reference, StrategyResult, build_rows, cell_results, make_job
from idxbench.bench.session import Session
from idxbench.machine import free_memory
from idxbench.records import compact_json
from idxbench.store.rundir import Failure
from idxbench.timing.child import Child, ChildError
from idxbench.timing.rounds import SearchTiming, turns

# Queries from which on a recall of 0 can't be bad luck.
ENOUGH = 20


class TakesTurns(Protocol):
    """What is needed of a child to time it."""

    def turn(self, search: int) -> None:
        """Time a search once more; raises `ChildError` when it can't."""
        ...


@dataclass(frozen=True)
class Arm:
    """One built index, waiting in its process."""

    build: Build
    child: Child


def take_turns(
    children: Sequence[TakesTurns], n_searches: Sequence[int], *, rounds: int, seed: int, advance: Callable[[int], None]
) -> dict[int, str]:
    """Time every search of every child once a round, one at a time.

    Parameters
    ----------
    children
        Built.
    n_searches
        How many searches each has.
    rounds, seed
        As in `turns`.
    advance
        Told 1 after every turn.

    Returns
    -------
    Why, by position, a child failed. It gets no more turns; the others go on.
    """
    failed: dict[int, str] = {}
    for order in turns(n_searches, rounds, seed):
        for position, search in order:
            if position not in failed:
                try:
                    children[position].turn(search)
                except ChildError as error:
                    failed[position] = str(error)
            advance(1)
    return failed


def measure_indexes(
    session: Session, builds: Sequence[tuple[int, Build]], strategy: StrategyResult, reference: Reference
) -> None:
    """Build, time and grade the indexes of a strategy; each comes with a number that no other has."""
    n_items, n_dims = strategy.embedded.items.shape
    free = free_memory()
    groups = in_groups([build for _, build in builds], int(n_items), int(n_dims), free)
    if len(groups) > 1:
        session.notices.append(groups_notice(groups, free))
    numbered = iter(builds)
    for group in groups:
        with ExitStack() as processes:
            arms = []
            for _ in group:
                number, build = next(numbered)
                arm = _start(session, processes, build, number, strategy, reference)
                if arm is not None:
                    arms.append(arm)
            for arm, timings in _timed(session, arms):
                _grade(session, arm.build, timings, strategy, reference)
        session.save()


def _start(
    session: Session, processes: ExitStack, build: Build, number: int, strategy: StrategyResult, reference: Reference
) -> Arm | None:
    """Build one index in a process that stays; None where that failed."""
    folder = session.directory.work / f"build-{number}"
    job = make_job(build, strategy.embedded, session.config, session.threads, folder)
    label = f"{build.space.name}: {build.kind} {build.build_json}".rstrip()
    try:
        child = processes.enter_context(Child(job, folder))
        with session.progress.stage(label, len(strategy.embedded.items)) as advance:
            built = child.build(advance)
    except ChildError as error:
        _fail(session, build, str(error))
        return None
    rows = build_rows(build, built, strategy, reference, session.config)
    session.directory.append(_unit(build) | {"batch_threads": built.batch_threads}, rows)
    session.save()
    return Arm(build, child)


def _timed(session: Session, arms: Sequence[Arm]) -> Iterator[tuple[Arm, tuple[SearchTiming, ...]]]:
    """Time arms in turns; yield those that came through."""
    if not arms:
        return
    rounds, seed = session.config.measure.rounds, session.config.seed
    n_searches = [len(arm.build.searches) for arm in arms]
    label = f"{arms[0].build.space.name}: time {len(arms)} index" + ("es in turns" if len(arms) > 1 else "")
    with session.progress.stage(label, rounds * sum(n_searches)) as advance:
        failed = take_turns([arm.child for arm in arms], n_searches, rounds=rounds, seed=seed, advance=advance)
    for position, arm in enumerate(arms):
        try:
            if position in failed:
                raise ChildError(failed[position])
            timings = arm.child.finish()
        except ChildError as error:
            _fail(session, arm.build, str(error))
        else:
            yield arm, timings


def _grade(
    session: Session, build: Build, timings: Sequence[SearchTiming], strategy: StrategyResult, reference: Reference
) -> None:
    config = session.config
    for cell in cell_results(build, timings, strategy, reference, config):
        search = compact_json(cell.search)
        session.directory.save_queries("|".join((build.space.name, build.kind, build.build_json, search)), cell.samples)
        failure = None
        if cell.own_recall == 0.0 and len(reference.queries) >= ENOUGH and max(config.k) < len(reference.exact.items):
            # An index that finds not one true neighbour of many queries is broken, not bad.
            reason = "recall is 0 for every query against its own exact search: a broken index, not a bad one"
            failure = Failure(build.space.name, build.kind, build.build_json, (search,), reason)
            session.failures.append(failure)
        session.directory.append(_unit(build) | {"kind": "cell", "search": search}, cell.rows, failure)


def _unit(build: Build) -> dict[str, Any]:
    return {"kind": "build", "strategy": build.space.name, "index": build.kind, "build": build.build_json}


def _fail(session: Session, build: Build, reason: str) -> None:
    space = build.space
    searches = tuple(compact_json(search) for search in build.searches)
    failure = Failure(space.name, build.kind, build.build_json, searches, reason)
    session.failures.append(failure)
    place = ("retrieve", space.name, space.similarity, build.kind, build.build_json)
    rows = [Where(*place, search).value("failed", 1.0, "count") for search in searches]
    session.directory.append(_unit(build), rows, failure)
