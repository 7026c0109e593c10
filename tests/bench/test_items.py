"""Similar and cluster tasks, their reference and floors, on data whose answers are known."""

import math

import numpy as np
import pytest

from idxbench.bench.cluster import cluster, cluster_rows, starts
from idxbench.bench.figures import Where
from idxbench.bench.inputs import Inputs
from idxbench.bench.reference import item_reference
from idxbench.bench.similar import floor_rows, item_neighbors, neighbor_rows, neighbor_task, noisy_reference
from idxbench.config.load import parse_config
from idxbench.data.dataset import Dataset, Labels


def config(**tables):
    return parse_config({"data": {"source": "digits"}, **tables})


def inputs(items, queries=None, trained="dot", towers=2):
    return Inputs(Dataset("d", items, queries), trained, towers, {}, {}, 0 if queries is None else len(queries), ())


def gaussian(n, d=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


@pytest.mark.parametrize(
    ("trained", "towers", "with_queries", "name", "notice"),
    [
        ("dot", 2, True, "score_corr", None),
        ("unknown", 2, True, "score_corr", None),
        ("dot", 2, False, "cosine", "reference-undetermined"),
        ("dot", 1, True, "dot", None),
        ("cosine", 2, True, "cosine", None),
        ("l2", 1, False, "l2", None),
        ("unknown", 1, True, "dot", None),
    ],
)
def test_the_reference_follows_training(trained, towers, with_queries, name, notice):
    queries = gaussian(500, seed=1) if with_queries else None
    reference = item_reference(inputs(gaussian(200), queries, trained, towers), seed=0)
    assert reference.name == name
    assert [one.code for one in reference.notices] == ([notice] if notice else [])
    assert (reference.halves is not None) == (name == "score_corr")


def test_few_queries_and_lost_dimensions_are_noticed():
    items = gaussian(100, 3) @ gaussian(3, 20, seed=2)
    reference = item_reference(inputs(items, gaussian(6, 20, seed=1)), seed=0)
    assert {one.code for one in reference.notices} == {"rank-deficient"}
    spectrum = 1.0 / np.arange(1, 21)
    reference = item_reference(inputs(gaussian(300, 20), gaussian(24, 20, seed=1) * spectrum), seed=0)
    notice = noisy_reference(floor_rows(reference, neighbor_task(300, config()), None, config(), 1), 24)
    assert notice.code == "reference-noisy"
    assert "two halves of the 24 queries" in notice.text


def test_a_balanced_model_with_many_queries_is_not_called_noisy():
    """White items, isotropic queries: shrinkage is total because the truth is the identity, and all is well known."""
    reference = item_reference(inputs(gaussian(300), gaussian(4000, seed=1)), seed=0)
    assert noisy_reference(floor_rows(reference, neighbor_task(300, config()), None, config(), 2), 4000) is None


def test_neighbours_exclude_self_by_id_even_under_dot():
    """Under dot few items rank themselves first: here the long one is everybody's best."""
    items = np.array([[1.0, 0], [2.0, 0], [10.0, 0], [3.0, 0]])
    task = neighbor_task(4, config())
    found = item_neighbors(items, "dot", task, threads=1)
    assert found.tolist() == [[2, 3, 1], [2, 3, 0], [3, 1, 0], [2, 1, 0]]
    assert (task.shallow, task.deep) == (3, 3)


def test_a_sample_asks_and_all_answer():
    task = neighbor_task(1000, config(similar={"sample": 50}))
    assert len(task.asking) == len(set(task.asking)) == 50
    assert neighbor_task(1000, config(similar={"sample": 0})).asking.tolist() == list(range(1000))


def test_neighbour_figures_by_hand():
    items = gaussian(300)
    task = neighbor_task(300, config())
    truth = item_neighbors(items, "cosine", task, 2)
    labels = Labels(np.zeros(300, np.int64), ("x",))
    rows = {
        (r.metric, r.reference): r.value
        for r in neighbor_rows(Where("similar"), truth, truth, "cosine", task, labels, 0)
    }
    assert rows["neighbor_overlap", "cosine"] == rows["neighbor_overlap_in_50", "cosine"] == 1
    assert rows["label_agreement", "labels"] == 1
    other = item_neighbors(gaussian(300, seed=9), "cosine", task, 2)
    rows = {r.metric: r.value for r in neighbor_rows(Where("similar"), other, truth, "cosine", task, None, 0)}
    assert rows["neighbor_overlap"] == pytest.approx(10 / 299, abs=0.02)
    assert rows["neighbor_overlap_in_50"] == pytest.approx(50 / 299, abs=0.04)


def test_floors_lie_between_chance_and_one():
    data = inputs(gaussian(300), gaussian(400, seed=1) * np.arange(1, 7))
    task = neighbor_task(300, config())
    reference = item_reference(data, seed=0)
    rows = {(r.metric, r.reference): r.value for r in floor_rows(reference, task, None, config(), 2)}
    assert rows["neighbor_overlap", "chance"] == pytest.approx(10 / 299)
    assert 0.5 < rows["neighbor_overlap", "floor"] < 1
    assert rows["neighbor_overlap_in_50", "floor"] >= rows["neighbor_overlap", "floor"]
    assert rows["antihub_share", "chance"] < 0.01


def clustered(items, similarity, settings, begin=None):
    begin = begin or starts(items, similarity, settings.clusters.counts, settings, 2)
    return cluster(items, similarity, begin, settings, 2, lambda n: None), begin


def blobs():
    rng = np.random.default_rng(0)
    return rng.normal(size=(4, 5))[rng.integers(0, 4, 400)] * 5 + rng.normal(size=(400, 5))


def test_a_space_does_not_drift_from_itself():
    """Pure noise must stay silent: the same vectors, clustered again, drift by nothing."""
    settings = config(clusters={"counts": [4], "seeds": 5})
    items = np.random.default_rng(0).normal(size=(400, 2))  # no clusters: seeds disagree, the floor is not 1
    base, begin = clustered(items, "cosine", settings)
    again, _ = clustered(items * 3, "cosine", settings, begin)
    rows = {r.metric: r.value for r in cluster_rows(Where("cluster"), again, base, "cosine", None)}
    assert rows["cluster_drift"] == pytest.approx(0, abs=1e-9)
    assert 0.3 < rows["ari_seed_floor"] < 0.95
    assert rows["ari"] == pytest.approx(rows["ari_seed_floor"])
    assert rows["moved_share"] == 0


def test_unrelated_vectors_drift_all_the_way():
    settings = config(clusters={"counts": [4], "seeds": 5})
    items = blobs()
    base, begin = clustered(items, "cosine", settings)
    shuffled, _ = clustered(items[np.random.default_rng(1).permutation(400)], "cosine", settings, begin)
    rows = {r.metric: r.value for r in cluster_rows(Where("cluster"), shuffled, base, "cosine", None)}
    assert rows["cluster_drift"] > 0.95
    assert abs(rows["ari"]) < 0.05
    assert rows["moved_share"] > 0.5


def test_drift_is_not_measurable_where_seeds_disagree():
    settings = config(clusters={"counts": [12], "seeds": 3})
    noise = np.random.default_rng(0).normal(size=(500, 30))
    base, begin = clustered(noise, "cosine", settings)
    own, _ = clustered(noise, "l2", settings, begin)
    rows = {r.metric: r.value for r in cluster_rows(Where("cluster"), own, base, "cosine", None)}
    assert rows["ari_seed_floor"] < 0.3
    assert math.isnan(rows["cluster_drift"])


def test_labels_are_compared_where_there_are_any():
    settings = config(clusters={"counts": [4], "seeds": 2})
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 400)
    items = rng.normal(size=(4, 5))[truth] * 50 + rng.normal(size=(400, 5))
    codes = np.where(np.arange(400) < 100, -1, truth)
    base, _ = clustered(items, "l2", settings)
    labels = Labels(codes, ("a", "b", "c", "d"))
    rows = {(r.metric, r.reference): r.value for r in cluster_rows(Where("cluster"), base, base, "l2", labels)}
    assert rows["ari", "labels"] == pytest.approx(1)
    assert rows["ami", "labels"] == pytest.approx(1)
    assert ("cluster_drift", "l2") not in rows
