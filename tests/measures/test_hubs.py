import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench.measures.hubs import antihub_share, hub_gini, occurrences, random_floor
from tests.reference import measures as twin


def test_by_hand():
    ids = np.array([[0, 1, 1], [0, 2, -1], [0, 1, 2]])
    counts = occurrences(ids, 5)
    assert counts.tolist() == [3, 2, 2, 0, 0]
    assert antihub_share(counts) == pytest.approx(2 / 5)
    # Ascending 0 0 2 2 3, weights -4 -2 0 2 4: (4 + 12) / (5 * 7).
    assert hub_gini(counts) == pytest.approx(16 / 35)


def test_extremes():
    assert hub_gini(np.full(7, 3)) == 0.0
    assert hub_gini(np.array([0, 0, 0, 9])) == pytest.approx(0.75)
    assert math.isnan(hub_gini(np.zeros(4, dtype=np.int64)))
    assert math.isnan(antihub_share(np.array([], dtype=np.int64)))
    assert occurrences(np.empty((0, 3), dtype=np.int64), 2).tolist() == [0, 0]
    with pytest.raises(ValueError, match="an id of 5 among 5 items"):
        occurrences(np.array([[5]]), 5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(-1, 8), min_size=3, max_size=3), min_size=1, max_size=9))
def test_agrees_with_the_twins(rows):
    counts = occurrences(np.array(rows), 9)
    assert counts.tolist() == twin.occurrences(rows, 9).tolist()
    if counts.any():
        assert hub_gini(counts) == pytest.approx(twin.gini(counts))
        assert 0 <= hub_gini(counts) <= 1 - 1 / 9 + 1e-12


@pytest.mark.parametrize(("n_items", "n_queries", "k"), [(1000, 100, 10), (40, 60, 30), (50, 1, 50), (12, 200, 3)])
def test_random_floor_has_the_antihub_share_of_its_formula(n_items, n_queries, k):
    runs = np.array([random_floor(n_items, n_queries, k, seed) for seed in range(20)])
    expected = (1 - k / n_items) ** n_queries
    assert runs[:, 1].mean() == pytest.approx(expected, abs=0.01)


def test_random_floor_is_what_random_answers_show():
    rng = np.random.default_rng(0)
    ids = np.argsort(rng.random((300, 200)), axis=1)[:, :10]
    counts = occurrences(ids, 200)
    gini, antihub = random_floor(200, 300, 10, seed=1)
    assert gini == pytest.approx(hub_gini(counts), abs=0.03)
    assert antihub == pytest.approx(antihub_share(counts), abs=0.01)


def test_random_lists_never_repeat_an_id():
    from idxbench.measures.hubs import _random_lists

    lists = _random_lists(500, 6, 12, np.random.default_rng(0)).T
    assert all(len(set(row)) == 6 for row in lists.tolist())
    # Uniform: each item is in half of the lists.
    share = np.bincount(lists.ravel(), minlength=12) / 500
    assert share == pytest.approx(np.full(12, 0.5), abs=0.09)


def test_random_floor_edges():
    assert random_floor(10, 5, 10, 0) == (0.0, 0.0)
    assert random_floor(10, 5, 99, 0) == (0.0, 0.0)
    gini, antihub = random_floor(10, 0, 3, 0)
    assert math.isnan(gini)
    assert antihub == 1.0
    assert random_floor(100, 50, 5, seed=3) == random_floor(100, 50, 5, seed=3)
