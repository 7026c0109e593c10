"""Neighbours that came with the data are believed only where they agree."""

import numpy as np
import pytest

from idxbench.truth.exact import ExactIndex
from idxbench.truth.given import as_neighbors, check_given


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    items, queries = rng.normal(size=(300, 5)), rng.normal(size=(250, 5))
    index = ExactIndex(items, "l2", threads=2)
    return index, queries, index.neighbors(queries, 8).ids


def test_right_neighbours_are_usable(data):
    index, queries, ids = data
    check = check_given(index, queries, ids, 5, seed=0)
    assert (check.usable, check.agreement, check.n_sampled, check.reason) == (True, 1.0, 100, "")
    found = as_neighbors(index, queries, ids, 5)
    np.testing.assert_array_equal(found.ids, ids[:, :5])
    np.testing.assert_allclose(found.scores, index.neighbors(queries, 5).scores)


def test_those_of_another_similarity_are_not(data):
    index, queries, _ = data
    other = ExactIndex(index.items, "dot", threads=2).neighbors(queries, 8).ids
    check = check_given(index, queries, other, 5, seed=0)
    assert not check.usable
    assert "of a sample agree" in check.reason


def test_one_bad_query_of_the_sample_is_enough(data):
    index, queries, ids = data
    few, some = queries[:50], ids[:50].copy()
    some[17, 3] = int(np.setdiff1d(np.arange(300), some[17])[0])
    assert not check_given(index, few, some, 5, seed=0).usable


def test_repeated_padded_shallow_and_impossible_ids_are_not_usable(data):
    index, queries, ids = data
    assert "8 deep and k is 9" in check_given(index, queries, ids, 9, seed=0).reason
    assert "name item 300" in check_given(index, queries, np.where(ids == ids[0, 0], 300, ids), 5, seed=0).reason
    for column, value in ((1, ids[200, 0]), (4, -1)):
        broken = ids.copy()
        broken[200, column] = value  # one row in 250: a sample of 100 can miss it
        assert "1 queries have fewer than 5 different" in check_given(index, queries, broken, 5, seed=0).reason


@pytest.mark.parametrize("metric", ["dot", "cosine", "l2"])
def test_random_neighbours_are_refused_even_where_all_scores_share_a_large_part(metric):
    rng = np.random.default_rng(0)
    items = np.concatenate([rng.normal(size=(2000, 8)), np.full((2000, 1), 1e6)], axis=1)
    queries = np.concatenate([rng.normal(size=(60, 8)), np.ones((60, 1))], axis=1)
    given = np.stack([rng.choice(2000, 10, replace=False) for _ in range(60)])
    assert not check_given(ExactIndex(items, metric), queries, given, 10, seed=0).usable


def test_ties_broken_differently_agree():
    items = np.repeat(np.eye(3), 2, axis=0)
    index = ExactIndex(items, "dot")
    check = check_given(index, np.eye(3), np.array([[1], [3], [5]]), 1, seed=0)
    assert check.usable
