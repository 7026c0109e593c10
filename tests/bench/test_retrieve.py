"""Recall and losses of real indexes against an independent float64 computation, on awkward data."""

import numpy as np
import pytest

from idxbench.bench.embed import embed
from idxbench.bench.figures import Where
from idxbench.bench.inputs import Inputs
from idxbench.bench.plan import make_plan
from idxbench.bench.progress import Silent
from idxbench.bench.retrieve import (
    Reference,
    Timed,
    build_rows,
    cell_result,
    make_job,
    measure_strategy,
    time_rows,
)
from idxbench.bench.truths import TruthSource
from idxbench.config.load import parse_config
from idxbench.data.dataset import Dataset
from idxbench.data.fingerprint import fingerprint
from idxbench.measures.ranking import check_ranking
from idxbench.store.round_rows import ROUND_METRICS, RoundRow
from idxbench.timing.child import Child
from idxbench.truth.exact import ExactIndex
from tests.reference import search as twin

N_ITEMS, N_QUERIES, N_DIMS = 90, 25, 5


def awkward(kind, seed=0):
    rng = np.random.default_rng(seed)
    items, queries = rng.normal(size=(N_ITEMS, N_DIMS)), rng.normal(size=(N_QUERIES, N_DIMS))
    if kind == "ties":
        items, queries = rng.integers(-1, 2, items.shape), rng.integers(-2, 3, queries.shape)
    if kind == "duplicates":
        items = items[rng.integers(0, 12, N_ITEMS)]
    if kind == "zero rows":
        items[rng.integers(0, N_ITEMS, 20)] = 0
        queries[3] = 0
    return items.astype(np.float32), queries.astype(np.float32)


def independent_recall(found, items, queries, similarity, k):
    """By the definition: distinct found ids at least as good as the k-th best score, over k."""
    table = twin.scores(items, queries, similarity)
    recall = []
    for ids, scores in zip(found[:, :k], table, strict=True):
        kth = np.sort(scores)[::-1][k - 1]
        slack = 1e-6 * np.ptp(np.sort(scores)[::-1][: k + 10])
        good = {i for i in ids.tolist() if i >= 0 and scores[i] >= kth - slack}
        recall.append(len(good) / k)
    return np.array(recall)


@pytest.mark.parametrize("k", [7, N_ITEMS])
@pytest.mark.parametrize("kind", ["gaussian", "ties", "duplicates", "zero rows"])
@pytest.mark.parametrize("similarity", ["dot", "cosine", "l2"])
def test_recall_is_what_the_definition_says(tmp_path, similarity, kind, k):
    items, queries = awkward(kind)
    config = parse_config(
        {
            "k": k,
            "data": {"source": "gaussian", "trained_with": similarity},
            "strategy": [{"transform": {"kind": "rescaled", "sigma": 0.5}, "similarity": similarity}],
            "index": [{"kind": "hnswlib", "M": 3, "ef_construction": 5, "ef": [k]}],
            "measure": {"rounds": 1},
            "cache": False,
        }
    )
    plan = make_plan(config)
    inputs = Inputs(Dataset("d", items, queries), similarity, 2, {}, {}, len(queries), ())
    embedded = embed(plan.spaces[0], inputs, tmp_path / "space", threads=2)
    mapped_items, mapped_queries = np.asarray(embedded.items), np.asarray(embedded.queries)
    truths = TruthSource(False, Silent())
    exact = ExactIndex(items, similarity, threads=2)
    prints = {"items": fingerprint(items), "queries": fingerprint(queries)}
    task = truths.find(exact, queries, k, prints, "task")
    own = truths.find(embedded.exact, mapped_queries, k, embedded.fingerprints, "own")
    reference = Reference(exact, task, inputs.dataset)
    heads = np.concatenate([task.neighbors.ids, own.neighbors.ids], axis=1)
    ranking = check_ranking(exact, embedded.exact, queries, mapped_queries, heads, 0)
    strategy = measure_strategy(embedded, own, reference, ranking, config)
    build = plan.builds[0]

    def child(mode):
        folder = tmp_path / mode
        folder.mkdir()
        return Child(make_job(build, embedded, config, 2, folder, tmp_path / "index", mode), folder)

    with child("build") as building:
        result = building.build(lambda n: None)
    with child("load") as loaded:
        loaded.load()
        (answers,) = loaded.answers()
    timed = Timed(answers.ids, answers.n_short, (), ())
    cell = cell_result(build, build.searches[0], timed, strategy, reference, config)
    found = answers.ids

    # A zero query finds every item as good as any other under dot and cosine: it is left out.
    asked = np.any(queries, axis=1) | (similarity == "l2")
    by_task = np.where(asked, independent_recall(found, items, queries, similarity, k), np.nan)
    by_own = np.where(asked, independent_recall(found, mapped_items, mapped_queries, similarity, k), np.nan)
    np.testing.assert_allclose(cell.samples[f"recall_task@{k}"], by_task, atol=1e-6)
    np.testing.assert_allclose(cell.samples[f"recall_own@{k}"], by_own, atol=1e-6)
    values = {(row.metric, row.reference): row.value for row in [*strategy.rows, *cell.rows]}
    overlap = independent_recall(own.neighbors.ids, items, queries, similarity, k)[asked].mean()
    by_task = by_task[asked]
    assert values["recall", "task"] == pytest.approx(by_task.mean())
    assert values["exact_overlap", "task"] == pytest.approx(overlap)
    assert values["metric_loss", "task"] == pytest.approx(1 - overlap)
    assert values["index_loss", "task"] == pytest.approx(overlap - by_task.mean())
    assert values["zero_recall_share", "task"] == pytest.approx((by_task == 0).mean())
    if similarity == "dot":
        assert ranking.kept == "scores"
        assert overlap == 1
    rows = {(r.metric, r.reference): r.value for r in build_rows(plan.builds[0], result, strategy, reference, config)}
    assert {metric for metric, _ in rows} == {
        "build_time", "index_bytes", "memory_peak", "unreachable_share", "recall_ceiling", "batch_threads",
    }  # fmt: skip
    held = [
        len(set(row[:k].tolist()) & set(np.flatnonzero(result.reachable).tolist())) / k for row in own.neighbors.ids
    ]
    assert rows["recall_ceiling", "own"] == pytest.approx(np.mean(held))
    assert rows["unreachable_share", ""] == pytest.approx(1 - result.reachable.mean())


def test_rounds_are_the_unit_and_not_queries():
    """Six rounds of 1, 2, ... 6 ms each: the median round is 3.5, the interval the extremes, however many queries."""
    none = {"qps_threads": np.nan, "latency_p99": np.nan, "response_p50": np.nan}
    rounds = [_round(number, latency_p50=number / 1e3, **none) for number in range(1, 7)]
    timed = Timed(np.zeros((1_000, 10), np.int64), 0, tuple(rounds), ())
    rows = {row.metric: row for row in time_rows(Where("retrieve", "raw", "dot", "hnswlib", "{}", "{}"), timed)}
    p50 = rows["latency_p50"]
    assert (p50.value, p50.low, p50.high, p50.n) == pytest.approx((3.5e-3, 1e-3, 6e-3, 6))
    # A percentile that the queries don't support is told as unknown; what was not measured has no row.
    assert np.isnan(rows["latency_p99"].value)
    assert rows["latency_p99"].n == 0
    assert not {"qps_threads", "response_p50"} & rows.keys()
    five = Timed(timed.ids, 0, timed.rounds[:5], ())
    (few,) = (row for row in time_rows(Where("retrieve", "raw"), five) if row.metric == "latency_p50")
    assert (few.n, np.isnan(few.low)) == (5, True)


def _round(number, **given):
    values = dict.fromkeys(ROUND_METRICS, 1.0) | given
    return RoundRow(
        session=1, round=number, attempt=0, strategy="raw", index="hnswlib", build="{}", search="{}", copy=0, **values,
        pressure=0.0, steal=0.0, others=0.0, switches=0, settled=True, overloaded=False, flagged=False,
    )  # fmt: skip
