"""Probes and predictors, by hand, against the obvious way in float64, and on planted coordinates."""

import math

import numpy as np
import pytest

from idxbench.data.dataset import Labels
from idxbench.linalg.canonical import canonical
from idxbench.linalg.factors import qr_factor
from idxbench.measures.identifiability import (
    answers,
    cluster_floor,
    gauge_probe,
    label_figures,
    metric_overlaps,
    neighbors_of,
    scores_moved,
    split_half,
    top_tenth_share,
)
from idxbench.strategies.score_corr import score_corr

K = 5


def vectors(n, d=8, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def ranked(scores, k):
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def score(name, a, b):
    if name == "l2":
        return -((a[:, None] - b[None]) ** 2).sum(axis=2)
    if name == "cosine":
        a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    return a @ b.T


def probe(items, queries, *, axes=None, sigma=1.0, probes=2):
    asking = np.arange(0, len(items), 2)
    reference = score_corr(items, queries).items
    return gauge_probe(
        items, queries, queries, reference, asking, K, axes=axes, sigma=sigma, probes=probes, seed=0, threads=2
    )


def test_answers_by_hand():
    # The largest is everyone's strongest match but of the one that points away, and of zero scores the first.
    items = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    found = answers(items, np.array([[1.0, 0.1], [0.0, 1.0]]), 1)
    assert found.distinct == 3 / 4  # 1, 1, 2, 3
    assert found.self_match == 3 / 4
    # Others' strongest: 1, 0, 0 (a tie of zeros goes to the lowest), 2.
    assert found.unlinked_items == 1 / 4
    assert found.unlinked_answers == 0.0
    assert answers(items, np.array([[-1.0, 0.0]]), 1).unlinked_answers == 1.0
    assert math.isnan(answers(items, None, 1).unlinked_answers)


def test_answers_against_the_obvious_way():
    items, queries = vectors(300) * np.exp(vectors(300, 1, seed=1)), vectors(40, seed=2)
    found = answers(items, queries, K, threads=2)
    scores = items @ items.T
    first = scores.argmax(axis=1)
    np.fill_diagonal(scores, -np.inf)
    linked = np.unique(ranked(scores, K))
    assert found.distinct == len(set(first.tolist())) / 300
    assert found.self_match == np.mean(first == np.arange(300))
    assert found.unlinked_items == 1 - len(linked) / 300
    assert found.unlinked_answers == np.mean(~np.isin(ranked(queries @ items.T, K), linked))


def test_overlaps_against_the_obvious_way():
    items, queries = vectors(200) + 0.5, vectors(30, seed=3)
    shared, by_dot = metric_overlaps(items, queries, np.arange(4), K)
    np.testing.assert_array_equal(by_dot, ranked(queries @ items.T, K))
    for (one, other), found in shared.items():
        lists = [ranked(score(name, queries, items), K) for name in (one, other)]
        expected = np.mean([len(set(a) & set(b)) / K for a, b in zip(*lists, strict=True)])
        assert found.value == pytest.approx(expected)
        assert found.n == 30
    own, _ = metric_overlaps(items, None, np.arange(50), K)
    assert {one.n for one in own.values()} == {50}


def test_the_probe_keeps_scores_and_score_corr_and_moves_cosine():
    found = probe(vectors(400), vectors(300, seed=1))
    assert found.scores_moved < 1e-5
    assert found.cosine_kept.value < 0.8
    assert found.score_corr_kept.value > 0.99
    assert found.probes == 2


def test_a_weak_probe_moves_little():
    found = probe(vectors(400), vectors(300, seed=1), sigma=1e-6, probes=1)
    assert found.cosine_kept.value > 0.99


def test_a_collapsed_model_is_probed_along_the_axes_it_uses():
    """Over many columns random scales average out: only the four directions in use show what is free."""
    rng = np.random.default_rng(2)
    basis = np.linalg.qr(rng.normal(size=(256, 256)))[0][:4]
    items, queries = vectors(600, 4) @ basis, vectors(300, 4, seed=1) @ basis
    maps = canonical(qr_factor(items) / np.sqrt(600), qr_factor(queries) / np.sqrt(300), 0.5)
    assert maps.rank == 4
    by_columns, by_axes = probe(items, queries, probes=4), probe(items, queries, axes=maps, probes=4)
    assert by_axes.scores_moved < 1e-5
    assert by_axes.score_corr_kept.value > 0.99
    assert by_axes.cosine_kept.value < by_columns.cosine_kept.value - 0.1


def test_scores_moved_by_hand():
    items, queries = np.array([[1.0], [-4.0]]), np.array([[2.0], [0.0]])
    assert scores_moved(items, queries, items, queries) == 0.0
    # Scores 2 and -8 become 2 and -8.5: half of one, over 8. The zero query says nothing.
    assert scores_moved(items, queries, np.array([[1.0], [-4.25]]), queries) == 0.5 / 8


def test_neighbors_leave_out_self_by_id():
    items = np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 0.1]])
    assert neighbors_of(items, np.array([0, 2]), 2, "dot", 1).tolist() == [[2, 1], [1, 0]]


def test_top_tenth_share():
    norms = np.arange(20.0)
    assert top_tenth_share(np.array([[19, 0], [18, 17]]), norms) == 0.5
    assert top_tenth_share(np.array([[0, 1]]), norms) == 0.0


def test_split_half_knows_enough_queries_from_too_few():
    items = vectors(300, 16)
    queries = vectors(4000, 16, seed=1) * 2.0 ** -np.arange(16)
    asking = np.arange(100)
    assert split_half(items, queries, asking, K).value > 0.8
    assert split_half(items, queries[:12], asking, K).value < 0.6


def test_cluster_floor_is_high_on_clusters_and_low_on_noise():
    centers = 20 * vectors(5, 6)
    assert cluster_floor(np.repeat(centers, 60, axis=0) + vectors(300, 6, seed=1), 5, 3, spherical=False) > 0.9
    assert cluster_floor(vectors(400, 30), 20, 3, spherical=True) < 0.3


def test_label_figures_by_hand():
    labels = Labels(np.array([0, 0, 1, 1, -1]), ("a", "b"))
    asking = np.array([0, 1, 2, 3])
    found = {"x": np.array([[1], [0], [3], [2]]), "y": np.array([[1], [2], [0], [1]])}
    figures = label_figures(found, asking, labels, 0.25)
    assert figures.agreement["x"].value == 1.0
    assert figures.agreement["y"].value == 0.25
    gap = figures.differences["x", "y"]
    assert gap.value == 0.75
    assert gap.low < 0.75 < gap.high
    assert figures.chance == 0.25


def test_intervals_of_labels_widen_with_the_number_of_comparisons():
    rng = np.random.default_rng(0)
    labels = Labels(rng.integers(0, 2, 300), ("a", "b"))
    asking = np.arange(200)
    lists = {name: rng.integers(0, 300, (200, 3)) for name in "abcd"}
    two = label_figures({name: lists[name] for name in "ab"}, asking, labels, 0.5).differences["a", "b"]
    four = label_figures(lists, asking, labels, 0.5).differences["a", "b"]
    assert four.high - four.low > two.high - two.low
