import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench.data.sources import gaussian as module
from idxbench.data.sources.gaussian import gaussian
from idxbench.errors import DataError

EVERYTHING = {"spectrum_decay": 0.5, "norm_spread": 0.6, "clusters": 4, "seed": 3}


def test_shapes_and_types():
    data = gaussian(30, 7, 5, **EVERYTHING)
    for array, n in ((data.items, 30), (data.queries, 7)):
        assert array.shape == (n, 5)
        assert array.dtype == np.float32
        assert array.flags["C_CONTIGUOUS"]
    assert data.labels.codes.shape == (30,)
    assert data.query_labels.codes.shape == (7,)
    assert data.labels.names == ("cluster 0", "cluster 1", "cluster 2", "cluster 3")


def test_without_queries_and_clusters():
    data = gaussian(3, 0, 2)
    assert data.queries is None
    assert data.labels is None
    assert data.query_labels is None


def test_plain_is_standard_normal():
    data = gaussian(20_000, 100, 6)
    assert data.items.mean(axis=0) == pytest.approx(np.zeros(6), abs=0.03)
    assert np.cov(data.items.T) == pytest.approx(np.eye(6), abs=0.04)


def test_spectrum_decays_as_asked():
    # i^-1: standard deviations 1, 1/2, 1/3, 1/4.
    data = gaussian(20_000, 100, 4, spectrum_decay=1.0)
    assert data.items.std(axis=0) == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4], rel=0.03)


def test_norms_spread_log_normally():
    plain, spread = (gaussian(20_000, 50, 8, norm_spread=sigma, seed=1) for sigma in (0.0, 0.6))
    # The noise has its own stream, so the factors are the quotient of the norms.
    factors = np.log(np.linalg.norm(spread.items, axis=1) / np.linalg.norm(plain.items, axis=1))
    assert factors.mean() == pytest.approx(0.0, abs=0.02)
    assert factors.std() == pytest.approx(0.6, rel=0.03)
    assert np.linalg.norm(spread.queries, axis=1).std() > np.linalg.norm(plain.queries, axis=1).std()


def test_clusters_are_what_the_labels_say():
    data = gaussian(4_000, 500, 16, clusters=5, cluster_spread=0.1)
    centres = np.array([data.items[data.labels.codes == c].mean(axis=0) for c in range(5)])
    for rows, labels in ((data.items, data.labels), (data.queries, data.query_labels)):
        nearest = np.argmin(np.linalg.norm(rows[:, None] - centres, axis=2), axis=1)
        assert np.array_equal(nearest, labels.codes)
    within = data.items - centres[data.labels.codes]
    assert within.std() == pytest.approx(0.1, rel=0.03)


@pytest.mark.parametrize("numbers", [1, 37, 160])
def test_block_size_does_not_matter(monkeypatch, numbers):
    whole = gaussian(50, 11, 5, **EVERYTHING)
    monkeypatch.setattr(module, "_BLOCK_NUMBERS", numbers)
    split = gaussian(50, 11, 5, **EVERYTHING)
    assert np.array_equal(split.items, whole.items)
    assert np.array_equal(split.queries, whole.queries)
    assert np.array_equal(split.labels.codes, whole.labels.codes)


def test_seeds_and_streams():
    first = gaussian(50, 11, 5, **EVERYTHING)
    longer = gaussian(80, 11, 5, **EVERYTHING)
    assert np.array_equal(longer.items[:50], first.items)
    assert np.array_equal(longer.queries, first.queries)
    assert not np.array_equal(gaussian(50, 11, 5, **{**EVERYTHING, "seed": 4}).items, first.items)
    assert not np.array_equal(first.items[:11], first.queries)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 20),
    st.integers(0, 5),
    st.integers(1, 6),
    st.floats(0, 3),
    st.floats(0, 2),
    st.integers(0, 4),
    st.integers(0, 99),
)
def test_always_finite_and_of_the_asked_shape(n_items, n_queries, n_dims, decay, spread, clusters, seed):
    data = gaussian(n_items, n_queries, n_dims, spectrum_decay=decay, norm_spread=spread, clusters=clusters, seed=seed)
    assert data.items.shape == (n_items, n_dims)
    assert np.isfinite(data.items).all()
    if clusters:
        assert data.labels.codes.max() < clusters


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_items": 0}, "n_items\n  expected: 1 or more"),
        ({"n_queries": -1}, "n_queries\n  expected: 0 or more"),
        ({"n_dims": 0}, "n_dims\n  expected: 1 or more"),
        ({"clusters": -1}, "clusters\n  expected: 0 or more"),
        ({"seed": -1}, "seed\n  expected: 0 or more"),
        ({"norm_spread": -0.1}, "norm_spread\n  expected: 0.0 or more"),
        ({"norm_spread": np.nan}, "norm_spread"),
        ({"spectrum_decay": np.inf}, "spectrum_decay\n  expected: a finite number"),
        ({"cluster_spread": 0.0}, "cluster_spread\n  expected: a number above 0"),
    ],
)
def test_refuses_what_is_out_of_range(wrong, message):
    with pytest.raises(DataError, match=message):
        gaussian(**{"n_items": 5, "n_queries": 2, "n_dims": 3, **wrong})
