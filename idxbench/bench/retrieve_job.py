"""The retrieve task from truth to cells."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from idxbench.bench.arms import measure_indexes
from idxbench.bench.builds import build_unit
from idxbench.bench.embed import Embedded, rank_notice
from idxbench.bench.figures import Where
from idxbench.bench.gauge import gauge_rows
from idxbench.bench.inputs import Inputs
from idxbench.bench.plan import Build, Plan
from idxbench.bench.retrieve import Reference, StrategyResult, measure_strategy, truth_time_row
from idxbench.bench.session import Finding, Session
from idxbench.bench.truths import TruthSource
from idxbench.measures.ranking import RankingCheck, check_ranking
from idxbench.measures.recall import random_recall, recall_per_query
from idxbench.records import compact_json
from idxbench.store.rundir import Failure
from idxbench.truth.exact import ExactIndex


def retrieve(session: Session, inputs: Inputs, plan: Plan, spaces: Sequence[Embedded]) -> Reference:
    """Find the truths, grade every strategy, then build, search and grade every index; return the task reference."""
    truths = TruthSource(session.config.cache, session.progress)
    reference = _reference(session, inputs, truths)
    waiting = [(number, build) for number, build in enumerate(plan.builds) if not _done(session, build)]
    needed = {build.space.name for _, build in waiting}
    results = {}
    for embedded in spaces:
        result = _strategy(session, embedded, truths, reference, needed=embedded.space.name in needed)
        if result is not None:
            results[embedded.space.name] = result
    session.save()
    measure_indexes(session, waiting, results, reference)
    session.facts["libraries"] = _libraries(session, plan)
    _spread_over_builds(session, plan)
    return reference


def _libraries(session: Session, plan: Plan) -> list[dict[str, str]]:
    """Return which library, of which version, stands behind each kind of index in each environment."""
    found = {}
    for build in plan.builds:
        library, version = session.directory.told(build_unit(build)).get("library", ("", ""))
        environment = build.parameters.get("environment", "")
        if library:
            found[build.kind, environment] = {
                "index": build.kind,
                "environment": environment,
                "library": library,
                "version": version,
            }
    return list(found.values())


def _done(session: Session, build: Build) -> bool:
    """Tell whether every cell of a build is measured."""
    cell = {"kind": "cell", "strategy": build.space.name, "index": build.kind, "build": build.build_json}
    return all(session.directory.has(cell | {"search": compact_json(search)}) for search in build.searches)


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
    rows = [truth_time_row(Where("retrieve", k=k), truth, "task")]
    session.once({"kind": "task-truth"}, lambda: Finding(rows))
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


def _strategy(
    session: Session, embedded: Embedded, truths: TruthSource, reference: Reference, *, needed: bool
) -> StrategyResult | None:
    """Grade a strategy; one that was graded in an earlier session again only where its indexes need that."""
    config, space = session.config, embedded.space

    @cache
    def graded() -> tuple[StrategyResult, RankingCheck]:
        mapped = np.asarray(embedded.queries)
        own = truths.find(embedded.exact, mapped, max(config.k), embedded.fingerprints, space.name)
        heads = np.concatenate([reference.truth.neighbors.ids, own.neighbors.ids], axis=1)
        ranking = check_ranking(reference.exact, embedded.exact, reference.queries, mapped, heads, config.seed)
        return measure_strategy(embedded, own, reference, ranking, config), ranking

    def work() -> Finding:
        result, ranking = graded()
        cut = rank_notice(embedded, int(reference.exact.items.shape[1]), ranking.score_change)
        session.notices += [cut] if cut else []
        session.strategies.append(
            {
                "name": space.name,
                "transform": space.described,
                "similarity": space.similarity,
                "kept": ranking.kept,
                "n_dims": int(embedded.items.shape[1]),
                "fitted": embedded.facts,
            }
        )
        return Finding([*result.rows, *gauge_rows(embedded, session.threads)])

    unit = {"kind": "strategy", "strategy": space.name}
    new = not session.directory.has(unit)
    session.once(unit, work)
    return graded()[0] if new or needed else None


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
    # An index that failed is tried again when the run is resumed, and then there is one more to compare.
    failed = Failure("", "", "", (), "some indexes failed") if session.failures else None
    session.once({"kind": "build-floor"}, lambda: Finding(rows, failed))
