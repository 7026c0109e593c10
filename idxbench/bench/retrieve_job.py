"""The retrieve task from truth to cells."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from idxbench.bench.child import ChildError
from idxbench.bench.embed import Embedded
from idxbench.bench.figures import Where
from idxbench.bench.inputs import Inputs
from idxbench.bench.plan import Build, Plan
from idxbench.bench.retrieve import (
    Reference,
    StrategyResult,
    build_rows,
    cell_results,
    measure_strategy,
    run_build,
    truth_time_row,
)
from idxbench.bench.rundir import Failure
from idxbench.bench.session import Session
from idxbench.bench.truths import TruthSource
from idxbench.measures.ranking import check_ranking
from idxbench.measures.recall import random_recall, recall_per_query
from idxbench.records import compact_json
from idxbench.truth.exact import ExactIndex

# Queries from which on a recall of 0 can't be bad luck.
ENOUGH = 20


def retrieve(session: Session, inputs: Inputs, plan: Plan, spaces: Sequence[Embedded]) -> None:
    """Find the truths, grade every strategy, then build, search and grade every index."""
    truths = TruthSource(session.config.cache, session.progress)
    reference = _reference(session, inputs, truths)
    results = {embedded.space.name: _strategy(session, embedded, truths, reference) for embedded in spaces}
    session.save()
    for position, build in enumerate(plan.builds):
        if build.space.name in results:
            _build(session, build, position, results[build.space.name], reference)
            session.save()
    _spread_over_builds(session, plan)


def _reference(session: Session, inputs: Inputs, truths: TruthSource) -> Reference:
    config = session.config
    k = max(config.k)
    exact = ExactIndex(inputs.items, config.trained_similarity, threads=session.threads, keep=False)
    queries = np.asarray(inputs.queries)
    truth = None
    if inputs.dataset.neighbors is not None:
        truth, notice = truths.given(exact, queries, inputs.dataset.neighbors, k, config.seed)
        session.notices.append(notice)
    truth = truth or truths.find(exact, queries, k, inputs.fingerprints, "task reference")
    reference = Reference(exact, truth, inputs.dataset)
    session.facts["sanity"] = _sanity(reference, k, config.seed)
    place = Where("retrieve", k=k)
    session.directory.append({"kind": "task-truth", "origin": truth.origin}, [truth_time_row(place, truth, "task")])
    return reference


def _sanity(reference: Reference, k: int, seed: int) -> dict[str, float]:
    """Grade the truth against itself (must be 1) and random answers (about k / n): else no figure is worth a thing."""
    truth_ids, n_items = reference.truth.neighbors.ids, len(reference.exact.items)
    itself = float(np.nanmean(recall_per_query(truth_ids, truth_ids, k)))
    if itself != 1.0:
        raise RuntimeError(f"exact search against itself has recall {itself}: a bug, please report it")
    random_ids = np.random.default_rng(seed).integers(0, n_items, (len(truth_ids), k))
    return {
        "exact_against_itself": itself,
        "random_answers": float(np.nanmean(recall_per_query(random_ids, truth_ids, k))),
        "random_expected": random_recall(k, n_items),
    }


def _strategy(session: Session, embedded: Embedded, truths: TruthSource, reference: Reference) -> StrategyResult:
    config, space = session.config, embedded.space
    mapped = np.asarray(embedded.queries)
    own = truths.find(embedded.exact, mapped, max(config.k), embedded.fingerprints, space.name)
    heads = np.concatenate([reference.truth.neighbors.ids, own.neighbors.ids], axis=1)
    ranking = check_ranking(reference.exact, embedded.exact, reference.queries, mapped, heads, config.seed)
    result = measure_strategy(embedded, own, reference, ranking, config)
    session.strategies.append(
        {
            "name": space.name,
            "transform": space.described,
            "similarity": space.similarity,
            "kept": ranking.kept,
            "n_dims": int(embedded.items.shape[1]),
        }
    )
    session.directory.append({"kind": "strategy", "strategy": space.name}, result.rows)
    return result


def _build(session: Session, build: Build, position: int, strategy: StrategyResult, reference: Reference) -> None:
    config = session.config
    unit = {"kind": "build", "strategy": build.space.name, "index": build.kind, "build": build.build_json}
    try:
        with _progress(session, build, len(strategy.embedded.items)) as tell:
            folder = session.directory.work / f"build-{position}"
            result = run_build(build, strategy.embedded, config, session.threads, folder, tell)
    except ChildError as error:
        _fail(session, build, unit, str(error))
        return
    session.directory.append(
        unit | {"batch_threads": result.batch_threads}, build_rows(build, result, strategy, reference, config)
    )
    for cell in cell_results(build, result, strategy, reference, config):
        search = compact_json(cell.search)
        session.directory.save_queries("|".join((build.space.name, build.kind, build.build_json, search)), cell.samples)
        failure = None
        if cell.own_recall == 0.0 and len(reference.queries) >= ENOUGH and max(config.k) < len(reference.exact.items):
            # An index that finds not one true neighbour of many queries is broken, not bad.
            reason = "recall is 0 for every query against its own exact search: a broken index, not a bad one"
            failure = Failure(build.space.name, build.kind, build.build_json, (search,), reason)
            session.failures.append(failure)
        session.directory.append(unit | {"kind": "cell", "search": search}, cell.rows, failure)


def _fail(session: Session, build: Build, unit: Mapping[str, Any], reason: str) -> None:
    space = build.space
    searches = tuple(compact_json(search) for search in build.searches)
    failure = Failure(space.name, build.kind, build.build_json, searches, reason)
    session.failures.append(failure)
    place = ("retrieve", space.name, space.similarity, build.kind, build.build_json)
    rows = [Where(*place, search).value("failed", 1.0, "count") for search in searches]
    session.directory.append(unit, rows, failure)


@contextmanager
def _progress(session: Session, build: Build, n_items: int) -> Iterator[Callable[[str, int], None]]:
    """Show building and searching as one bar, each in thousandths of its own steps."""
    n_searches = len(build.searches) * session.config.measure.rounds
    steps = {"built": 1000 / n_items, "searched": 1000 / n_searches}
    with session.progress.stage(f"{build.space.name}: {build.kind} {build.build_json}".rstrip(), 2000) as advance:
        done, shown = 0.0, 0

        def tell(stage: str, n: int) -> None:
            nonlocal done, shown
            done += steps.get(stage, 0.0) * n
            advance(int(done) - shown)
            shown = int(done)

        yield tell


def _spread_over_builds(session: Session, plan: Plan) -> None:
    """With several builds of one index, say how far their recalls lie apart: the floor of the index seed."""
    if session.config.measure.builds < 2:
        return
    recalls: dict[Where, list[float]] = {}
    for build in plan.builds:
        unseeded = compact_json({name: value for name, value in build.parameters.items() if name != "seed"})
        for row in session.directory.rows:
            same = (row.strategy, row.index, row.build) == (build.space.name, build.kind, build.build_json)
            if same and row.metric == "recall" and row.reference == "task" and row.search:
                place = Where("retrieve", row.strategy, row.similarity, row.index, unseeded, row.search, row.k)
                recalls.setdefault(place, []).append(row.value)
    rows = [
        place.value("recall_build_floor", max(values) - min(values), n=len(values), reference="task")
        for place, values in recalls.items()
        if len(values) > 1
    ]
    session.directory.append({"kind": "build-floor"}, rows)
