import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench.data.dataset import Labels
from idxbench.measures.recall import random_recall, recall_at_labels, recall_per_query, summary
from tests.reference import measures as twin


def exact_topk(scores, k):
    ids = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return ids, np.take_along_axis(scores, ids, axis=1)


def test_by_hand():
    truth = np.array([[1, 2, 3, 4]])
    # 2 and 4 are true and among the first three of each; 9 is wrong; of the truth's first three only 2 counts.
    found = np.array([[2, 9, 4, 1]])
    assert recall_per_query(found, truth, 3) == pytest.approx([1 / 3])
    assert recall_per_query(found, truth, 4) == pytest.approx([3 / 4])


def test_a_repeated_id_counts_once():
    found = np.array([[7, 7, 7, 7]])
    assert recall_per_query(found, np.array([[7, 8, 9, 10]]), 4) == pytest.approx([0.25])
    # With tied scores too: four copies of 7 are one answer.
    tied = np.ones((1, 4))
    recall = recall_per_query(found, np.array([[1, 2, 3, 4]]), 4, found_scores=tied, truth_scores=tied)
    assert recall == pytest.approx([0.25])


def test_padding_never_counts():
    truth = np.array([[1, 2, -1], [-1, -1, -1]])
    found = np.array([[-1, 2, -1], [-1, 3, -1]])
    scores = np.full((2, 3), np.nan)
    scores[:, :2] = 1.0
    recall = recall_per_query(found, truth, 3, found_scores=scores, truth_scores=scores)
    # Row 0: two true neighbours exist and one was found. Row 1 has no truth to be graded against.
    assert recall[0] == 0.5
    assert math.isnan(recall[1])


def test_ties_at_the_last_place_are_credited():
    truth = np.array([[0, 1]])
    truth_scores = np.array([[3.0, 2.0]])
    found = np.array([[0, 5]])
    assert recall_per_query(found, truth, 2) == pytest.approx([0.5])
    args = {"truth_scores": truth_scores}
    assert recall_per_query(found, truth, 2, found_scores=np.array([[3.0, 2.0]]), **args) == 1.0
    # The range of the scores handed in is 1, so the tolerance is 1e-6.
    assert recall_per_query(found, truth, 2, found_scores=np.array([[3.0, 2.0 - 0.9e-6]]), **args) == 1.0
    assert recall_per_query(found, truth, 2, found_scores=np.array([[3.0, 2.0 - 1.1e-6]]), **args) == 0.5
    # A range that is known to be larger credits more.
    wide = {"query_scale": np.array([2.0]), **args}
    assert recall_per_query(found, truth, 2, found_scores=np.array([[3.0, 2.0 - 1.1e-6]]), **wide) == 1.0


def test_ties_never_exceed_one():
    # Ids 0 and 1 are true; 2 ties. Finding all of them at k = 2 is impossible, but 1 may be credited only once.
    scores = np.ones((1, 3))
    recall = recall_per_query(
        np.array([[0, 1, 2]]), np.array([[0, 1, -1]]), 3, found_scores=scores, truth_scores=scores
    )
    assert recall == 1.0


def test_random_answers_stay_at_chance_on_tiny_scores():
    # The trap: dot products of size 1e-3, where an absolute tolerance of 1e-3 calls nearly everything a tie.
    rng = np.random.default_rng(0)
    n_items, k = 500, 10
    scores = 2.5e-4 * rng.standard_normal((200, n_items))
    truth, truth_scores = exact_topk(scores, k)
    found = np.array([rng.choice(n_items, k, replace=False) for _ in range(200)])
    found_scores = np.take_along_axis(scores, found, axis=1)
    naive = np.mean(found_scores >= truth_scores[:, -1:] - 1e-3)
    assert naive > 0.9
    recall = recall_per_query(found, truth, k, found_scores=found_scores, truth_scores=truth_scores)
    assert recall.mean() == pytest.approx(random_recall(k, n_items), abs=0.01)


@pytest.mark.parametrize("shift", [0.0, 1e3, 1e6])
def test_a_common_shift_of_scores_credits_nobody(shift):
    # Relative to max |score| the tolerance would be 1 at a shift of 1e6, the whole range of these scores.
    rng = np.random.default_rng(1)
    scores = rng.random((100, 300)) + shift
    truth, truth_scores = exact_topk(scores, 10)
    found = np.array([rng.choice(300, 10, replace=False) for _ in range(100)])
    found_scores = np.take_along_axis(scores, found, axis=1)
    strict = recall_per_query(found, truth, 10)
    assert np.array_equal(
        recall_per_query(found, truth, 10, found_scores=found_scores, truth_scores=truth_scores), strict
    )


def test_swaps_by_float32_rounding_are_credited():
    rng = np.random.default_rng(2)
    scores = rng.standard_normal((50, 200))
    scores[:, 100:] = scores[:, :100] * (1 + 1e-8)
    truth, truth_scores = exact_topk(scores, 9)
    found, _ = exact_topk(scores.astype(np.float32), 9)
    assert recall_per_query(found, truth, 9).mean() < 1
    found_scores = np.take_along_axis(scores, found, axis=1)
    credited = recall_per_query(found, truth, 9, found_scores=found_scores, truth_scores=truth_scores)
    assert (credited == 1).all()


def test_agrees_with_the_twin():
    rng = np.random.default_rng(3)
    # Few distinct scores and few ids: ties, repeats and padding everywhere.
    scores = rng.integers(0, 4, (60, 12)).astype(float)
    truth, truth_scores = exact_topk(scores, 8)
    truth[rng.random(truth.shape) < 0.1] = -1
    found = rng.integers(-1, 12, (60, 9))
    found_scores = np.take_along_axis(scores, np.maximum(found, 0), axis=1)
    for k in (1, 3, 8):
        expected = twin.recall(found, truth, k, found_scores, truth_scores)
        mine = recall_per_query(found, truth, k, found_scores=found_scores, truth_scores=truth_scores)
        np.testing.assert_allclose(mine, expected)
        np.testing.assert_allclose(recall_per_query(found, truth, k), twin.recall(found, truth, k))


def test_k_equal_to_the_number_of_items():
    truth = np.array([[2, 0, 1]])
    assert recall_per_query(np.array([[0, 1, 2]]), truth, 3) == 1.0


def test_no_queries():
    empty = np.empty((0, 5), dtype=np.int64)
    assert recall_per_query(empty, empty, 5).shape == (0,)
    scores = np.empty((0, 5))
    assert recall_per_query(empty, empty, 5, found_scores=scores, truth_scores=scores).shape == (0,)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.lists(st.integers(-1, 8), min_size=4, max_size=4), min_size=1, max_size=6),
    st.integers(1, 4),
    st.sampled_from([-3.0, 0.0, 100.0]),
    st.sampled_from([2.0**-20, 1.0, 2.0**20]),
)
def test_recall_is_a_share_and_does_not_depend_on_the_scale_of_scores(rows, k, shift, scale):
    found = np.array(rows)
    table = np.arange(9, dtype=float) // 2
    scores = np.tile(table, (len(rows), 1))
    truth, truth_scores = exact_topk(scores, 4)
    plain = {"found_scores": table[np.maximum(found, 0)], "truth_scores": truth_scores}
    recall = recall_per_query(found, truth, k, **plain)
    assert ((recall >= recall_per_query(found, truth, k)) & (recall <= 1)).all()
    moved = {name: scale * values + scale * shift for name, values in plain.items()}
    assert np.array_equal(recall_per_query(found, truth, k, **moved), recall)
    assert (recall_per_query(truth, truth, k) == 1).all()


@pytest.mark.parametrize("k", [0, 4])
def test_refuses_a_depth_that_does_not_fit(k):
    ids = np.zeros((2, 3), dtype=np.int64)
    with pytest.raises(ValueError, match=rf"k = {k} does not fit found ids of shape \(2, 3\)"):
        recall_per_query(ids, ids, k)


def test_refuses_shapes_that_do_not_fit():
    ids = np.zeros((2, 3), dtype=np.int64)
    with pytest.raises(ValueError, match="2 rows of found ids against 1 rows of truth"):
        recall_per_query(ids, ids[:1], 3)
    with pytest.raises(ValueError, match="together or not at all"):
        recall_per_query(ids, ids, 3, found_scores=np.ones((2, 3)))
    with pytest.raises(ValueError, match="the shapes of their ids"):
        recall_per_query(ids, ids, 3, found_scores=np.ones((2, 2)), truth_scores=np.ones((2, 3)))


ITEM_LABELS = Labels(np.array([0, 0, 1, 1, 1, -1, 2]), ("a", "b", "c"))


def test_recall_at_labels_by_hand():
    found = np.array([[0, 2, 3], [2, 3, 3], [5, -1, 6], [0, 1, 2], [0, 1, 2]])
    queries = Labels(np.array([0, 1, 2, -1, 3]), ("a", "b", "c", "d"))
    recall = recall_at_labels(found, 3, ITEM_LABELS, queries)
    # a: one of the two there are. b: 2 and 3 (once) of min(3, 3). c: 6, the only one. Then no label, and no item of d.
    assert recall[:3] == pytest.approx([1 / 2, 2 / 3, 1.0])
    assert np.isnan(recall[3:]).all()


def test_label_classes_are_matched_by_name():
    found = np.array([[0, 1, 2]])
    as_items = recall_at_labels(found, 3, ITEM_LABELS, Labels(np.array([1]), ("a", "b", "c")))
    swapped = recall_at_labels(found, 3, ITEM_LABELS, Labels(np.array([0]), ("b", "a")))
    assert as_items == swapped == pytest.approx([1 / 3])


def test_recall_at_labels_agrees_with_the_twin():
    rng = np.random.default_rng(5)
    names = tuple("abcd")
    items, queries = Labels(rng.integers(-1, 3, 30), names), Labels(rng.integers(-1, 4, 40), names)
    found = rng.integers(-1, 30, (40, 12))
    for k in (1, 5, 12):
        expected = twin.label_recall(found, k, items.codes, queries.codes)
        np.testing.assert_allclose(recall_at_labels(found, k, items, queries), expected)


def test_recall_at_labels_refuses_what_does_not_fit():
    found = np.array([[0, 7]])
    with pytest.raises(ValueError, match="an id of 7 with labels for 7 items"):
        recall_at_labels(found, 2, ITEM_LABELS, Labels(np.array([0]), ("a",)))
    with pytest.raises(ValueError, match="2 query labels for 1 queries"):
        recall_at_labels(found, 2, ITEM_LABELS, Labels(np.array([0, 0]), ("a",)))


def test_summary_by_hand():
    # 40 queries: 0, 0, .1, then 37 of 1. At least 95 % (38) reach the third smallest.
    values = np.array([0.0, 0.0, 0.1] + [1.0] * 37)
    told = summary(values)
    assert told.mean.value == pytest.approx(37.1 / 40)
    assert (told.p05, told.zero_share) == (0.1, 0.05)
    assert told.mean.low < told.mean.value < told.mean.high


@pytest.mark.parametrize("n", [1, 19, 20, 39, 40, 57, 100, 140, 340, 1000])
def test_p05_is_reached_by_95_percent_and_the_next_value_is_not(n):
    values = np.arange(n) / n
    p05 = summary(values, resamples=2).p05
    assert 20 * np.sum(values >= p05) >= 19 * n
    assert 20 * np.sum(values > p05) < 19 * n


def test_summary_of_nothing():
    told = summary(np.array([np.nan, np.nan]))
    assert told.mean.n == 0
    assert math.isnan(told.p05)
    assert math.isnan(told.zero_share)


def test_random_recall():
    # Of 5 random items out of 20, each of the true 5 is among them with probability 1/4.
    assert random_recall(5, 20) == 0.25
    assert random_recall(30, 20) == 1.0
    assert math.isnan(random_recall(5, 0))
    rng = np.random.default_rng(0)
    found = rng.permuted(np.tile(np.arange(20), (4_000, 1)), axis=1)[:, :5]
    truth = np.tile(np.arange(5), (4_000, 1))
    assert recall_per_query(found, truth, 5).mean() == pytest.approx(0.25, abs=0.01)
