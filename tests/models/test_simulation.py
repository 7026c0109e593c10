import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench.errors import DataError
from idxbench.models import simulation
from idxbench.models.simulation import simulate

SMALL = {"n_users": 400, "n_items": 60, "n_clusters": 3}


def test_shapes_and_values():
    result = simulate(**SMALL, seed=1)
    X = result.interactions
    assert X.format == "csr"
    assert X.shape == (400, 60)
    assert X.dtype == np.float64
    assert set(X.data.tolist()) == {1.0}
    # Without replacement: no item twice in a row, and rows as SciPy wants them.
    assert X.has_canonical_format
    counts = np.diff(X.indptr)
    assert counts.min() >= 1
    assert counts.max() <= 60
    assert result.item_clusters.shape == (60,)
    assert result.item_clusters.dtype == np.int64
    assert set(result.item_clusters.tolist()) <= {0, 1, 2}


def same(a, b):
    return (a.interactions != b.interactions).nnz == 0 and np.array_equal(a.item_clusters, b.item_clusters)


def test_seed_and_block_size(monkeypatch):
    first = simulate(**SMALL, seed=3)
    assert same(first, simulate(**SMALL, seed=3))
    assert not same(first, simulate(**SMALL, seed=4))
    monkeypatch.setattr(simulation, "_BLOCK_KEYS", 700)
    assert same(first, simulate(**SMALL, seed=3))
    monkeypatch.setattr(simulation, "_BLOCK_KEYS", 1)
    assert same(first, simulate(**SMALL, seed=3))


def test_items_stay_when_users_change():
    a, b = (simulate(n, 50, 4, seed=2).item_clusters for n in (10, 300))
    assert np.array_equal(a, b)


def test_sampling_follows_the_weights():
    # One cluster, exponent 1 for all, and nearly every user takes a single item: item of rank r is taken in
    # proportion to 1 / r. Of 4 items: 12, 6, 4 and 3 of 25.
    X = simulate(20_000, 4, 1, beta_range=(1.0, 1.0), count_exponent=40.0, seed=5).interactions
    assert X.nnz == 20_000
    shares = np.sort(X.sum(axis=0) / X.nnz)[::-1]
    assert shares == pytest.approx([12 / 25, 6 / 25, 4 / 25, 3 / 25], abs=0.012)


def test_second_draws_are_without_replacement():
    # Two of three items with weights 1, 1/2, 1/3: the pair {1, 2} has probability
    # (6/11)(3/5) + (3/11)(6/8) = .5318, the pair {1, 3} (6/11)(2/5) + (2/11)(6/9) = .3394, {2, 3} the rest.
    X = simulate(60_000, 3, 1, beta_range=(1.0, 1.0), count_exponent=0.0, seed=6).interactions
    rows = X.toarray()[np.diff(X.indptr) == 2]
    left_out = np.sort(1 - rows.mean(axis=0))
    assert left_out == pytest.approx([0.1288, 0.3394, 0.5318], abs=0.012)


def test_counts_follow_their_power_law():
    counts = np.diff(simulate(40_000, 4, 2, count_exponent=0.5, seed=7).interactions.indptr)
    weights = np.arange(1, 5) ** -0.5
    assert np.bincount(counts, minlength=5)[1:] / 40_000 == pytest.approx(weights / weights.sum(), abs=0.012)


def test_users_prefer_clusters():
    # A small alpha makes users love one cluster: the items of a short list then share it.
    result = simulate(2_000, 60, 3, dirichlet_alpha=0.02, count_exponent=3.0, seed=8)
    X, clusters = result.interactions, result.item_clusters
    pure = [
        len(set(clusters[X.indices[X.indptr[u] : X.indptr[u + 1]]].tolist())) == 1
        for u in range(2_000)
        if X.indptr[u + 1] - X.indptr[u] == 2
    ]
    assert np.mean(pure) > 0.9


def test_popularity_does_not_follow_the_id():
    X = simulate(3_000, 400, 2, beta_range=(1.0, 1.0), count_exponent=2.0, seed=9).interactions
    popular = np.argsort(-X.sum(axis=0))[:40]
    assert 120 < popular.mean() < 280


def test_clusters_are_uniform():
    clusters = simulate(1, 20_000, 4, seed=0).item_clusters
    assert np.bincount(clusters) / 20_000 == pytest.approx(np.full(4, 0.25), abs=0.02)


def test_smallest():
    result = simulate(1, 1, 1)
    assert result.interactions.toarray().tolist() == [[1.0]]
    assert result.item_clusters.tolist() == [0]


def test_preferences_that_round_to_zero_still_fill_the_list():
    X = simulate(200, 10, 5, dirichlet_alpha=1e-3, count_exponent=-5.0, seed=1).interactions
    assert X.has_canonical_format
    assert (np.diff(X.indptr) >= 1).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 6), st.integers(0, 99))
def test_every_user_has_between_one_and_all_items(n_users, n_items, n_clusters, seed):
    X = simulate(n_users, n_items, n_clusters, seed=seed).interactions
    assert X.shape == (n_users, n_items)
    counts = np.diff(X.indptr)
    assert ((counts >= 1) & (counts <= n_items)).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_users": 0}, "n_users\n  expected: 1 or more"),
        ({"n_items": 0}, "n_items\n  expected: 1 or more"),
        ({"n_clusters": 0}, "n_clusters\n  expected: 1 or more"),
        ({"seed": -1}, "seed\n  expected: 0 or more"),
        ({"beta_range": (1.5, 0.25)}, "two finite numbers, ascending"),
        ({"beta_range": (0.0, np.inf)}, "two finite numbers, ascending"),
        ({"dirichlet_alpha": 0.0}, "a number above 0"),
        ({"count_exponent": np.nan}, "a finite number"),
    ],
)
def test_refuses_what_is_out_of_range(wrong, message):
    with pytest.raises(DataError, match=message):
        simulate(**{**SMALL, **wrong})


def test_all_mistakes_are_told_at_once():
    with pytest.raises(DataError, match="n_users") as caught:
        simulate(0, 0, 0)
    assert len(caught.value.problems) == 3


def test_shares_of_clusters():
    result = simulate(1, 20_000, 3, cluster_shares=(2.0, 0.0, 6.0), seed=1)
    assert np.bincount(result.item_clusters, minlength=3) / 20_000 == pytest.approx([0.25, 0.0, 0.75], abs=0.02)


def test_equal_shares_are_another_draw_of_the_same_distribution():
    clusters = simulate(1, 20_000, 4, cluster_shares=(1, 1, 1, 1)).item_clusters
    assert np.bincount(clusters) / 20_000 == pytest.approx(np.full(4, 0.25), abs=0.02)


def test_normalized_popularity_makes_clusters_alike():
    # One steep cluster and flat ones, differing by their random exponents: unnormalised, flat ones take nearly all.
    given_parameters = {"n_users": 20_000, "n_items": 300, "n_clusters": 3, "beta_range": (0.0, 3.0)}
    shares = {}
    for normalize in (False, True):
        result = simulate(
            **given_parameters, count_exponent=40.0, dirichlet_alpha=1e6, normalize_popularity=normalize, seed=4
        )
        taken = np.bincount(result.item_clusters[result.interactions.indices], minlength=3)
        shares[normalize] = taken / taken.sum()
    assert shares[True] == pytest.approx(np.full(3, 1 / 3), abs=0.02)
    assert shares[False].min() < 0.1


def test_most_items_of_a_user():
    counts = np.diff(simulate(5_000, 60, 3, max_count=4, seed=2).interactions.indptr)
    assert set(counts.tolist()) == {1, 2, 3, 4}
    assert same(simulate(**SMALL, max_count=60), simulate(**SMALL))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cluster_shares": (1.0, 1.0)}, "3 finite numbers, none negative, not all 0"),
        ({"cluster_shares": (0.0, 0.0, 0.0)}, "not all 0"),
        ({"cluster_shares": (1.0, -1.0, 1.0)}, "none negative"),
        ({"max_count": 61}, "1 to 60, the number of items"),
        ({"max_count": 0}, "1 to 60"),
    ],
)
def test_refuses_shares_and_counts_that_are_none(wrong, message):
    with pytest.raises(DataError, match=message):
        simulate(**SMALL, **wrong)
