"""K-means against Lloyd's loop written out, and its promises: repeatable, no empty cluster, any scale."""

import numpy as np
import pytest

from idxbench import kmeans
from idxbench.errors import DataError
from idxbench.measures.kmeans import PreparedItems


def lloyd(rows, start, iterations):
    """The slow twin: float64, one row at a time."""
    centroids = rows[start].astype(float)
    for _ in range(iterations):
        labels = np.array([int(np.argmin([np.sum((row - c) ** 2) for c in centroids])) for row in rows])
        for c in range(len(start)):
            if (labels == c).any():
                centroids[c] = rows[labels == c].mean(axis=0)
    return labels


def blobs(n=400, d=6, clusters=4, spread=0.3, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, clusters, n)
    return rng.normal(size=(clusters, d))[truth] * 3 + spread * rng.normal(size=(n, d)), truth


def test_agrees_with_lloyd_step_by_step():
    items, _ = blobs(spread=2.0)
    prepared = PreparedItems(items, spherical=False, threads=2)
    start = np.array([3, 50, 111, 200])
    for iterations in (1, 2, 5):
        np.testing.assert_array_equal(prepared.cluster(start, iterations).labels, lloyd(items, start, iterations))


def test_spherical_ignores_norms():
    items, _truth = blobs()
    scaled = items * np.exp(np.random.default_rng(1).normal(size=(len(items), 1)))
    one, two = (kmeans(rows, 4, seed=0, spherical=True, threads=2) for rows in (items, scaled))
    np.testing.assert_array_equal(one.labels, two.labels)
    np.testing.assert_allclose(np.linalg.norm(one.centroids, axis=1), 1, rtol=1e-6)


def test_clear_clusters_are_found():
    items, truth = blobs(spread=0.05)
    found = kmeans(items, 4, seed=0).labels
    assert len({(a, b) for a, b in zip(found, truth, strict=True)}) == 4


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_inertia_and_centroids_are_in_the_units_of_the_data(scale):
    items, _ = blobs()
    found = kmeans(items * scale, 4, seed=0)
    for c in range(4):
        np.testing.assert_allclose(found.centroids[c], items[found.labels == c].mean(axis=0) * scale, rtol=2e-3)
    direct = np.sum((items * scale - found.centroids[found.labels].astype(float)) ** 2)
    assert found.inertia == pytest.approx(direct, rel=1e-3)


def test_threads_change_nothing_and_seeds_do():
    items, _ = blobs(n=5000, spread=3.0)
    runs = [kmeans(items, 8, seed=1, threads=threads) for threads in (1, 2, 3)]
    for other in runs[1:]:
        np.testing.assert_array_equal(runs[0].labels, other.labels)
        np.testing.assert_array_equal(runs[0].centroids, other.centroids)
    assert not np.array_equal(runs[0].labels, kmeans(items, 8, seed=2).labels)


def test_no_cluster_stays_empty():
    """Start three centroids on one point: two of them lose every tie and must be sent elsewhere."""
    items = np.concatenate([np.zeros((30, 2)), [[10.0, 0], [0, 10.0], [7.0, 7.0]]])
    found = PreparedItems(items, spherical=False).cluster(np.array([0, 1, 2, 3]))
    assert set(found.labels) == {0, 1, 2, 3}
    assert found.inertia == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("spherical", [False, True])
def test_edges(spherical):
    assert kmeans(np.ones((1, 1)), 1, seed=0, spherical=spherical).labels.tolist() == [0]
    same = kmeans(np.ones((20, 3)), 4, seed=0, spherical=spherical)
    assert same.labels.tolist() == [0] * 20
    zeros = kmeans(np.zeros((5, 2)), 2, seed=0, spherical=spherical)
    assert np.isfinite(zeros.centroids).all()
    all_own = kmeans(np.random.default_rng(0).normal(size=(9, 3)), 9, seed=0, spherical=spherical)
    assert sorted(all_own.labels) == list(range(9))


def test_mistakes():
    with pytest.raises(DataError, match="1 to 3 clusters"):
        kmeans(np.ones((3, 2)), 4, seed=0)
    with pytest.raises(DataError, match="row 1"):
        kmeans(np.array([[1.0], [np.nan]]), 1, seed=0)
