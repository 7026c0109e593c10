"""K-means against Lloyd's loop written out, and its promises: repeatable, no empty cluster, any scale and type."""

import numpy as np
import pytest

from idxbench import kmeans
from idxbench.errors import DataError
from idxbench.measures import kmeans as module
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


@pytest.mark.parametrize("cache_floats", [module.CACHE_FLOATS, 6 * 15])
def test_agrees_with_lloyd_step_by_step(cache_floats, monkeypatch):
    """In parts of 40 rows, each in one block or in several."""
    monkeypatch.setattr(module, "PART_PRODUCTS", 1)
    monkeypatch.setattr(module, "CACHE_FLOATS", cache_floats)
    items, _ = blobs(n=2500, spread=2.0)
    prepared = PreparedItems(items, spherical=False, threads=2)
    start = np.array([3, 50, 111, 200])
    for iterations in (1, 2, 5):
        np.testing.assert_array_equal(prepared.cluster(start, iterations).labels, lloyd(items, start, iterations))


def test_spherical_agrees_with_its_loop_step_by_step():
    items, _ = blobs(spread=2.0)
    unit = items / np.linalg.norm(items, axis=1, keepdims=True)
    prepared = PreparedItems(items, spherical=True, threads=2)
    start = np.array([3, 50, 111, 200])
    centroids = unit[start]
    for iterations in range(1, 6):
        labels = np.argmax(unit @ centroids.T, axis=1)
        found = prepared.cluster(start, iterations, tolerance=0.0)
        np.testing.assert_array_equal(found.labels, labels)
        np.testing.assert_allclose(found.centroids, centroids, rtol=1e-5, atol=1e-6)
        assert found.inertia == pytest.approx(np.sum((unit - centroids[labels]) ** 2), rel=1e-5)
        centroids = np.stack([unit[labels == c].sum(axis=0) for c in range(4)])
        centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)


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


def test_inertia_of_tight_clusters_keeps_its_digits():
    """A hundred millionth of the sum of squares: what float32 scores are wrong by is ten times as much."""
    rng = np.random.default_rng(0)
    items = rng.integers(-2, 3, (500, 6)) + 1e-4 * rng.standard_normal((500, 6))
    prepared = PreparedItems(items, spherical=False)
    found = prepared.cluster(np.unique(np.round(items), axis=0, return_index=True)[1], tolerance=0.0)
    direct = np.sum((items - [items[found.labels == label].mean(axis=0) for label in found.labels]) ** 2)
    assert 0 < direct < 1e-7 * np.sum(items**2)
    assert found.inertia == pytest.approx(direct, rel=2e-2)


@pytest.mark.parametrize("spherical", [False, True])
@pytest.mark.parametrize("start", ["k-means++", "sampled"])
def test_threads_change_nothing_and_seeds_do(spherical, start, monkeypatch):
    """With numbers of so many sizes that float64 sums depend on their order."""
    monkeypatch.setattr(module, "PART_PRODUCTS", 1 << 14)
    items = blobs(n=2500, spread=3.0)[0] ** 9
    items = np.concatenate([items, -items])
    runs = [kmeans(items, 8, seed=1, spherical=spherical, start=start, threads=threads) for threads in (1, 2, 3)]
    for other in runs[1:]:
        np.testing.assert_array_equal(runs[0].labels, other.labels)
        np.testing.assert_array_equal(runs[0].centroids, other.centroids)
        assert runs[0].inertia == other.inertia
    other = kmeans(items, 8, seed=2, spherical=spherical, start=start)
    assert not np.array_equal(runs[0].labels, other.labels)


def test_starts_are_distinct_items():
    items, _ = blobs(n=60)
    prepared = PreparedItems(np.repeat(items, 2, axis=0), spherical=False)
    for method in ("k-means++", "sampled"):
        for count in (1, 7, 120):
            ids = prepared.start(count, 3, method)
            assert len(np.unique(ids)) == count
            assert 0 <= ids.min() <= ids.max() < 120
            np.testing.assert_array_equal(ids, prepared.start(count, 3, method))


def test_a_spread_start_covers_more_than_a_sampled_one():
    items, truth = blobs(clusters=20, spread=0.01)
    prepared = PreparedItems(items, spherical=False)
    covered = {
        method: np.mean([len(set(truth[prepared.start(20, seed, method)])) for seed in range(5)])
        for method in ("k-means++", "sampled")
    }
    assert covered["k-means++"] > 19
    assert covered["sampled"] < 16


def test_stops_where_the_inertia_stops_falling():
    items, _ = blobs(n=2000, spread=3.0)
    prepared = PreparedItems(items, spherical=False)
    start = prepared.start(8, 0)
    inertias = [prepared.cluster(start, made, tolerance=0.0).inertia for made in range(1, 9)]
    assert (np.diff(inertias) < 0).all()
    stopped = prepared.cluster(start, 9, tolerance=0.01)
    gains = -np.diff(inertias) / inertias[1:]
    assert stopped.iterations == np.flatnonzero(gains <= 0.01)[0] + 2
    assert stopped.inertia == inertias[stopped.iterations - 1]


@pytest.mark.parametrize("spherical", [False, True])
@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "f8", "i1", "u2", "i8"])
def test_types_of_items_change_nothing(spherical, dtype, tmp_path):
    items = np.round(blobs()[0] * 6 + 60)
    np.save(tmp_path / "items.npy", items.astype(dtype))
    expected = kmeans(items, 4, seed=0, spherical=spherical)
    found = kmeans(np.load(tmp_path / "items.npy", mmap_mode="r"), 4, seed=0, spherical=spherical)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_allclose(found.centroids, expected.centroids, rtol=1e-6)


@pytest.mark.parametrize(("dtype", "exponent"), [("f4", -140), ("f4", 121), ("f8", -1000), ("f8", 490), ("f2", 9)])
def test_labels_do_not_depend_on_the_scale(dtype, exponent):
    """Down to numbers without all their digits, and up to where squares would leave their type."""
    items = np.round(blobs()[0] * 4)
    start = np.array([3, 50, 111, 200])
    prepared = PreparedItems((items * 2.0**exponent).astype(dtype), spherical=False)
    with np.errstate(over="ignore"):  # centroids are float32
        np.testing.assert_array_equal(prepared.cluster(start).labels, kmeans_labels(items, start))


def kmeans_labels(items, start):
    return PreparedItems(items, spherical=False).cluster(start).labels


def test_a_far_origin_costs_no_digits():
    items, _ = blobs(spread=2.0)
    start = np.array([3, 50, 111, 200])
    np.testing.assert_array_equal(kmeans_labels(items + 1e9, start), kmeans_labels(items, start))


def test_no_cluster_stays_empty():
    """Start three centroids on one point: two of them lose every tie and must be sent elsewhere."""
    items = np.concatenate([np.zeros((30, 2)), [[10.0, 0], [0, 10.0], [7.0, 7.0]]])
    found = PreparedItems(items, spherical=False).cluster(np.array([0, 1, 2, 3]))
    assert set(found.labels) == {0, 1, 2, 3}
    assert found.inertia == pytest.approx(0, abs=1e-5)


def test_an_empty_cluster_restarts_at_the_item_farthest_from_its_centroid():
    """Not at the item of the lowest score, which is one that happens to be near the mean of all."""
    items = np.concatenate([np.zeros((30, 2)), np.tile([10.0, 0], (30, 1)), [[14.0, 0]]])
    found = PreparedItems(items, spherical=False).cluster(np.array([0, 1, 30]), 2)
    assert found.labels.tolist() == [0] * 30 + [2] * 30 + [1]


def test_no_spherical_cluster_restarts_at_a_zero_row():
    """It has no direction: the cluster would stay empty for ever."""
    items = np.concatenate([np.tile([1.0, 0], (9, 1)), np.tile([0, 1.0], (9, 1)), [[0.9, 0.3], [0, 0]]])
    found = PreparedItems(items, spherical=True).cluster(np.array([0, 1, 9]), 2)
    assert found.labels.tolist() == [0] * 9 + [2] * 9 + [1, 0]


@pytest.mark.parametrize("spherical", [False, True])
def test_edges(spherical):
    assert kmeans(np.ones((1, 1)), 1, seed=0, spherical=spherical).labels.tolist() == [0]
    same = kmeans(np.ones((20, 3)), 4, seed=0, spherical=spherical)
    assert same.labels.tolist() == [0] * 20
    zeros = kmeans(np.zeros((5, 2)), 2, seed=0, spherical=spherical)
    assert np.isfinite(zeros.centroids).all()
    all_own = kmeans(np.random.default_rng(0).normal(size=(9, 3)), 9, seed=0, spherical=spherical)
    assert sorted(all_own.labels) == list(range(9))


@pytest.mark.parametrize("spherical", [False, True])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_named(spherical, bad, monkeypatch):
    monkeypatch.setattr(module, "CACHE_FLOATS", 64)  # blocks of eight rows
    items = blobs(n=50, d=2)[0].astype("f4")
    items[[17, 33], [0, 1]] = bad
    with pytest.raises(DataError, match=r"in row 17\n"):
        kmeans(items, 3, seed=0, spherical=spherical, threads=2)


def test_mistakes():
    with pytest.raises(DataError, match="1 to 3 clusters"):
        kmeans(np.ones((3, 2)), 4, seed=0)
    with pytest.raises(DataError, match="row 1"):
        kmeans(np.array([[1.0], [np.nan]]), 1, seed=0)
    with pytest.raises(DataError, match=r"k-means\+\+ or sampled"):
        kmeans(np.ones((3, 2)), 1, seed=0, start="random")
    with pytest.raises(DataError, match="within 1e\\+150"):
        kmeans(np.array([[1e151], [0.0]]), 1, seed=0)
