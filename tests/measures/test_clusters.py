import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from idxbench.measures.clusters import (
    ami,
    ari,
    compared_rows,
    cross_ari,
    drift,
    largest_cluster_share,
    mean_floor,
    moved_share,
    pairwise_ari,
)
from tests.reference import measures as twin

two_assignments = st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), min_size=1, max_size=14)


def test_ari_by_hand():
    a, b = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2])
    # Of 6 pairs: 2 together in a, 1 in b, 1 in both. Expected 2 * 1 / 6; (1 - 1/3) / (3/2 - 1/3) = 4/7.
    assert ari(a, b) == pytest.approx(4 / 7)
    assert ari(a, 1 - a) == 1.0
    # Crossed: none together in both. (0 - 4/6) / (2 - 4/6) = -1/2.
    assert ari(a, np.array([0, 1, 0, 1])) == pytest.approx(-0.5)


def test_unlabeled_rows_are_left_out_and_no_class_of_their_own():
    a = np.array([0, 0, 1, 1, 2, 2])
    labels = np.array([5, 5, 3, 3, -1, -1])
    assert ari(a, labels) == ami(a, labels) == 1.0
    assert moved_share(a, labels) == 0.0
    assert compared_rows(a, labels) == 4
    # As a class, -1 would have agreed with cluster 2 here, and hurt here:
    spread = np.array([5, 5, 3, 3, -1, 4])
    assert ari(a, np.array([5, -1, 3, 3, 4, 4])) == 1.0
    assert compared_rows(spread, spread) == 5


def test_nothing_left_to_compare():
    a, none = np.array([0, 1]), np.array([-1, -1])
    assert math.isnan(ari(a, none))
    assert math.isnan(ami(a, none))
    assert math.isnan(moved_share(a, none))
    assert math.isnan(largest_cluster_share(none))
    assert compared_rows(a, none) == 0


@pytest.mark.parametrize(
    ("a", "b"), [([0], [3]), ([0, 0, 0], [2, 2, 2]), ([0, 1, 2], [2, 0, 1]), ([0, 0, 0], [0, 1, 2]), ([0, 0], [0, 1])]
)
def test_degenerate_clusterings_as_in_scikit_learn(a, b):
    assert ari(np.array(a), np.array(b)) == adjusted_rand_score(a, b)


@settings(max_examples=100, deadline=None)
@given(two_assignments)
def test_ari_agrees_with_twin_and_scikit_learn(rows):
    a, b = np.array(rows).T
    assert ari(a, b) == pytest.approx(twin.ari(a, b), nan_ok=True)
    assert ari(a, b) == pytest.approx(ari(b, a), nan_ok=True)
    keep = (a >= 0) & (b >= 0)
    if keep.any():
        assert ari(a, b) == pytest.approx(adjusted_rand_score(a[keep], b[keep]))
        assert ami(a, b) == pytest.approx(adjusted_mutual_info_score(a[keep], b[keep]))
        assert moved_share(a, b) == pytest.approx(twin.moved_share(a, b))
        assert largest_cluster_share(a[keep]) == np.bincount(a[keep]).max() / keep.sum()


def test_many_clusters_are_counted_by_sorting():
    # 3,000 x 3,000 cells for 4,000 rows: too many to count by position.
    rng = np.random.default_rng(0)
    a = rng.integers(0, 3_000, 4_000)
    b = np.where(rng.random(4_000) < 0.7, a, rng.integers(0, 3_000, 4_000))
    assert ari(a, b) == pytest.approx(adjusted_rand_score(a, b))


def test_a_million_rows_do_not_overflow():
    # Half of all pairs squared is 6e22, beyond 64 bits.
    a = np.repeat(np.arange(2), 500_000)
    b = a.copy()
    b[:1000] = 1
    assert ari(a, b) == pytest.approx(adjusted_rand_score(a, b), abs=1e-12)


def test_chance_is_zero():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 10, (2, 20_000))
    assert abs(ari(a, b)) < 1e-3
    assert abs(ami(a, b)) < 2e-3


def test_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"assignments of shapes \(2,\) and \(3,\)"):
        ari(np.zeros(2, dtype=int), np.zeros(3, dtype=int))
    with pytest.raises(ValueError, match="a code of -2"):
        ami(np.array([0, -2]), np.array([0, 1]))


def test_pairs_and_crosses():
    a = np.array([[0, 0, 1, 1], [0, 0, 1, 2], [0, 1, 0, 1]])
    # In the order (0, 1), (0, 2), (1, 2); the first two by hand above.
    expected = [4 / 7, -0.5, twin.ari(a[1], a[2])]
    assert pairwise_ari(a) == pytest.approx(expected)
    assert mean_floor(pairwise_ari(a)) == pytest.approx(np.mean(expected))
    assert pairwise_ari(a[:1]) == []
    assert math.isnan(mean_floor([]))
    assert cross_ari(a[:1], a) == pytest.approx((1.0 + 4 / 7 - 0.5) / 3)
    assert math.isnan(cross_ari(a[:0], a))


def test_drift_by_hand():
    # Across .45 against floors .9 and .4: 1 - .45 / .6.
    assert drift(0.45, 0.9, 0.4) == pytest.approx(0.25)
    assert drift(0.8, 0.7, 0.7) == 0.0
    assert drift(-0.1, 0.9, 0.9) == 1.0
    assert drift(0.2, 0.3, 0.3) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("cross", "one", "other"), [(0.2, 0.29, 0.9), (0.2, 0.9, 0.29), (math.nan, 0.9, 0.9), (0.2, math.nan, 0.9)]
)
def test_drift_is_not_measurable_below_its_floor(cross, one, other):
    assert drift(cross, one, other) is None


def test_drift_is_silent_on_noise_and_finds_a_planted_change():
    rng = np.random.default_rng(2)
    truth, other = rng.integers(0, 5, (2, 2_000))

    def seeds(base):
        # Every seed puts a fifth of the rows anywhere.
        noisy = np.tile(base, (5, 1))
        return np.where(rng.random(noisy.shape) < 0.2, rng.integers(0, 5, noisy.shape), noisy)

    a, same, changed = seeds(truth), seeds(truth), seeds(np.where(np.arange(2_000) < 1_000, truth, other))
    floor = mean_floor(pairwise_ari(a))
    assert drift(cross_ari(a, same), floor, mean_floor(pairwise_ari(same))) < 0.03
    assert drift(cross_ari(a, changed), floor, mean_floor(pairwise_ari(changed))) > 0.5


def test_moved_share_by_hand():
    # Names swapped, and one row of five moved.
    assert moved_share(np.array([0, 0, 0, 1, 1]), np.array([1, 1, 0, 0, 0])) == pytest.approx(0.2)
    # Three clusters against one: the largest keeps its rows.
    assert moved_share(np.array([0, 1, 1, 2]), np.zeros(4, dtype=int)) == 0.5


def test_largest_cluster_share():
    assert largest_cluster_share(np.array([3, 3, 3, 0])) == 0.75
    assert largest_cluster_share(np.array([-1, -1, 2, 0])) == 0.5
