import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench.data.dataset import Labels
from idxbench.measures.neighbors import (
    chance_label_agreement,
    chance_overlap,
    chance_overlap_within,
    contained_mask,
    distinct_mask,
    exclude_self,
    label_agreement,
    overlap,
    overlap_within,
    self_match_share,
)
from tests.reference import measures as twin

id_rows = st.lists(st.lists(st.integers(-1, 7), min_size=5, max_size=5), min_size=1, max_size=8)


def test_masks_by_hand():
    ids = np.array([[3, -1, 3, 0, -1, 0]])
    assert distinct_mask(ids).tolist() == [[True, False, False, True, False, False]]
    # Row-wise: 3 stands in the second row of the reference only.
    rows = np.array([[3, 0], [3, -1]])
    assert contained_mask(rows, np.array([[0, -1], [3, 3]])).tolist() == [[False, True], [True, False]]


def test_the_first_of_many_repeats_is_marked():
    # Long rows: short ones are sorted in order even by a sort that keeps none.
    ids = np.random.default_rng(0).integers(-1, 30, (10, 300))
    expected = [[one >= 0 and one not in row[:place] for place, one in enumerate(row)] for row in ids.tolist()]
    assert distinct_mask(ids).tolist() == expected


def test_padding_alone_is_contained_nowhere():
    padding = np.full((2, 3), -1)
    assert not contained_mask(padding, padding).any()
    assert not distinct_mask(padding).any()


def test_self_is_excluded_by_id_not_by_position():
    # Row 0 finds itself last, row 1 not at all, row 2 first, row 3 twice.
    ids = np.array([[5, 6, 0], [5, 6, 7], [2, 5, 6], [3, 5, 3]])
    own = np.array([0, 1, 2, 3])
    expected = [[5, 6], [5, 6], [5, 6], [5, -1]]
    assert exclude_self(ids, own, 2).tolist() == expected
    # What dropping the first column would have done.
    assert ids[:, 1:].tolist() != expected


@settings(max_examples=60, deadline=None)
@given(id_rows, st.integers(1, 5), st.integers(0, 7))
def test_exclude_self_agrees_with_the_twin(rows, k, own):
    ids = np.array(rows)
    own_ids = np.full(len(rows), own)
    result = exclude_self(ids, own_ids, k)
    assert np.array_equal(result, twin.exclude_self(ids, own_ids, k))
    assert own not in result
    assert result.dtype == np.int64


def test_exclude_self_refuses_what_does_not_fit():
    ids = np.zeros((2, 3), dtype=np.int64)
    with pytest.raises(ValueError, match=r"k = 4 does not fit ids of shape \(2, 3\)"):
        exclude_self(ids, np.zeros(2, dtype=np.int64), 4)
    with pytest.raises(ValueError, match="expected 2 own ids, one per row"):
        exclude_self(ids, np.zeros(3, dtype=np.int64), 2)


def test_overlap_by_hand():
    a = np.array([[1, 2, 3, 4], [1, 1, 1, 2], [1, -1, -1, -1], [-1, -1, -1, -1], [1, 2, 3, -1]])
    b = np.array([[4, 3, 9, 8], [1, 2, 5, 5], [1, 2, 3, 4], [-1, -1, -1, -1], [3, 2, 1, -1]])
    result = overlap(a, b)
    # Two of four; {1, 2} of {1, 2, 5}; one of four; nothing to compare; the same three.
    assert result[[0, 1, 2, 4]] == pytest.approx([0.5, 2 / 3, 0.25, 1.0])
    assert math.isnan(result[3])


def test_ten_in_fifty_by_hand():
    reference = np.array([[1, 2, 2, -1], [-1, -1, -1, -1]])
    found = np.array([[9, 8, 7, 6, 5, 2], [1, 2, 3, 4, 5, 6]])
    result = overlap_within(reference, found)
    assert result[0] == 0.5
    assert math.isnan(result[1])


@settings(max_examples=60, deadline=None)
@given(id_rows, st.randoms(use_true_random=False))
def test_overlaps_agree_with_their_twins(rows, random):
    a = np.array(rows)
    b = np.array([random.sample(row, len(row)) for row in rows[::-1]])
    np.testing.assert_allclose(overlap(a, b), twin.overlap(a, b))
    np.testing.assert_array_equal(overlap(a, b), overlap(b, a))
    np.testing.assert_allclose(overlap_within(a[:, :3], b), twin.overlap_within(a[:, :3], b))


def test_overlap_of_large_ids_and_no_rows():
    huge = np.array([[2**40, 2**40 + 1], [2**40 + 1, 5]])
    assert overlap(huge, huge[::-1]) == pytest.approx([0.5, 0.5])
    assert overlap(huge[:0], huge[:0]).shape == (0,)
    with pytest.raises(ValueError, match="2 rows of ids against 1 rows of reference"):
        overlap(huge, huge[:1])


def test_chance_is_what_random_neighbours_show():
    # 3 of the 10 others, whichever the list: 3 / 10; all of them from depth 10 on.
    assert chance_overlap(3, 11) == pytest.approx(0.3)
    assert chance_overlap_within(50, 11) == 1.0
    assert chance_overlap_within(5, 11) == 0.5
    assert math.isnan(chance_overlap(3, 1))
    rng = np.random.default_rng(0)
    a, b = (np.argsort(rng.random((4_000, 10)), axis=1)[:, :3] for _ in range(2))
    assert overlap(a, b).mean() == pytest.approx(0.3, abs=0.015)


LABELS = Labels(np.array([0, 0, 1, -1, 0]), ("a", "b"))


def test_label_agreement_by_hand():
    ids = np.array([[1, 2, 3], [0, 0, 2], [3, -1, -1], [0, 1, 2], [4, 0, 1]])
    own = np.array([0, 1, 2, 3, 4])
    result = label_agreement(ids, own, LABELS)
    # 0: 1 agrees, 2 does not, 3 has no label. 1: 0 once and 2. 4: itself is left out, 0 and 1 agree.
    assert result[[0, 1, 4]] == pytest.approx([0.5, 0.5, 1.0])
    # 2 has no labelled neighbour, and 3 no label.
    assert np.isnan(result[[2, 3]]).all()


def test_label_agreement_agrees_with_the_twin_and_with_chance():
    rng = np.random.default_rng(1)
    labels = Labels(rng.choice([-1, 0, 0, 0, 1, 2], 60), ("a", "b", "c"))
    own = np.repeat(np.arange(60), 50)
    ids = rng.integers(-1, 60, (3_000, 6))
    result = label_agreement(ids, own, labels)
    np.testing.assert_allclose(result, twin.label_agreement(ids, own, labels.codes))
    chance = chance_label_agreement(labels)
    assert chance == pytest.approx(twin.chance_label_agreement(labels.codes))
    assert np.nanmean(result) == pytest.approx(chance, abs=0.02)


def test_chance_label_agreement_edges():
    # Two of class a: each has the one other, of its own class.
    assert chance_label_agreement(Labels(np.array([0, 0, -1]), ("a",))) == 1.0
    assert chance_label_agreement(Labels(np.array([0, 1]), ("a", "b"))) == 0.0
    assert math.isnan(chance_label_agreement(Labels(np.array([0, -1]), ("a",))))


def test_label_agreement_refuses_ids_without_labels():
    with pytest.raises(ValueError, match="ids from 0 to 5 with labels for 5 items"):
        label_agreement(np.array([[5]]), np.array([0]), LABELS)
    with pytest.raises(ValueError, match="ids from -1 to 0 with labels for 5 items"):
        label_agreement(np.array([[0]]), np.array([-1]), LABELS)


def test_self_match_share():
    assert self_match_share(np.array([0, 5, 2, -1]), np.array([0, 1, 2, 3])) == 0.5
    assert math.isnan(self_match_share(np.array([]), np.array([])))
    with pytest.raises(ValueError, match=r"shape \(1,\) of matches"):
        self_match_share(np.array([1]), np.array([1, 2]))
