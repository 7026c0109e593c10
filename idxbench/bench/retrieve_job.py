"""The retrieve task from truth to cells."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from idxbench.bench.arms import measure_indexes
from idxbench.bench.embed import Embedded, rank_notice
from idxbench.bench.figures import Where
from idxbench.bench.gauge import gauge_rows
from idxbench.bench.inputs import Inputs
from idxbench.bench.plan import Plan
from idxbench.bench.retrieve import Reference, StrategyResult, measure_strategy, truth_time_row
from idxbench.bench.session import Session
from idxbench.bench.truths import TruthSource
from idxbench.measures.ranking import check_ranking
from idxbench.measures.recall import random_recall, recall_per_query
from idxbench.records import compact_json
from idxbench.truth.exact import ExactIndex


def retrieve(session: Session, inputs: Inputs, plan: Plan, spaces: Sequence[Embedded]) -> Reference:
    """Find the truths, grade every strategy, then build, search and grade every index; return the task reference."""
    truths = TruthSource(session.config.cache, session.progress)
    reference = _reference(session, inputs, truths)
    results = {embedded.space.name: _strategy(session, embedded, truths, reference) for embedded in spaces}
    session.save()
    for name, builds in groupby(enumerate(plan.builds), key=lambda numbered: numbered[1].space.name):
        if name in results:
            measure_indexes(session, list(builds), results[name], reference)
    _spread_over_builds(session, plan)
    return reference


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
    rows = [*result.rows, *gauge_rows(embedded, session.threads)]
    session.directory.append({"kind": "strategy", "strategy": space.name}, rows)
    return result


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
