import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from idxbench.measures.recovery import auc, halves, over_seeds, pair_auc, sample_labelled, supervised_map


def slow_auc(items, codes, by):
    """Every pair of pairs, in plain loops of float64."""

    def score(a, b):
        if by == "dot":
            return float(a @ b)
        if by == "l2":
            return -float((a - b) @ (a - b))
        return float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))

    rows = [i for i in range(len(codes)) if codes[i] >= 0]
    pairs = [(score(items[i], items[j]), codes[i] == codes[j]) for n, i in enumerate(rows) for j in rows[n + 1 :]]
    won = [
        1.0 if high > low else 0.5 if high == low else 0.0 for high, same in pairs if same for low, other in pairs
        if not other
    ]  # fmt: skip
    return sum(won) / len(won)


def test_auc_by_hand():
    # 3 beats 1 and 2, 1 ties with 1 and loses to 2: (1 + 1 + .5 + 0) / 4.
    assert auc(np.array([3.0, 1.0]), np.array([1.0, 2.0])) == 0.625
    assert auc(np.array([2.0]), np.array([1.0])) == 1.0
    assert auc(np.array([1.0]), np.array([1.0])) == 0.5
    assert math.isnan(auc(np.array([]), np.array([1.0])))
    assert math.isnan(auc(np.array([1.0]), np.array([])))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30), st.lists(st.integers(-3, 3), min_size=1, max_size=30))
def test_auc_is_scikit_learns(same, other):
    expected = roc_auc_score([1] * len(same) + [0] * len(other), [*same, *other])
    assert auc(np.array(same, float), np.array(other, float)) == pytest.approx(expected, abs=1e-12)


def test_pairs_by_hand():
    # Cosines: 1 in (0, 1), 0 in the others of (0, 2) and (1, 2); item 3 has no label.
    items = np.array([[1.0, 0], [2, 0], [0, 1], [1, 0]])
    assert pair_auc(items, np.array([0, 0, 1, -1]), "cosine") == 1.0
    assert pair_auc(items, np.array([0, 1, 0, -1]), "cosine") == 0.25
    # By dot 2, 0, 0; by -l2 -1, -2, -5: (0, 2) of one class is above (1, 2) and below (0, 1).
    assert pair_auc(items, np.array([0, 1, 0, -1]), "l2") == 0.5
    assert math.isnan(pair_auc(items, np.array([0, 0, 0, -1]), "dot"))
    assert math.isnan(pair_auc(items, np.array([0, 1, 2, -1]), "dot"))
    assert math.isnan(pair_auc(items, np.full(4, -1), "dot"))


@pytest.mark.parametrize("by", ["dot", "cosine", "l2"])
def test_pairs_like_the_slow_twin(by):
    rng = np.random.default_rng(3)
    codes = rng.integers(-1, 3, size=25)
    items = rng.standard_normal((25, 4)) + codes[:, None]
    assert pair_auc(items, codes, by, threads=2) == pytest.approx(slow_auc(items, codes, by), abs=1e-12)


def test_chance_is_a_half():
    rng = np.random.default_rng(0)
    values = [pair_auc(rng.standard_normal((200, 8)), rng.integers(0, 4, 200), "cosine") for _ in range(10)]
    assert np.mean(values) == pytest.approx(0.5, abs=0.01)


def test_samples_hold_labelled_items_only():
    codes = np.array([0, -1, 1, 1, -1, 0])
    assert sample_labelled(codes, 0, 1).tolist() == [0, 2, 3, 5]
    assert sample_labelled(codes, 4, 1).tolist() == [0, 2, 3, 5]
    few = sample_labelled(codes, 2, 1)
    assert len(few) == 2
    assert set(few.tolist()) <= {0, 2, 3, 5}
    assert np.array_equal(few, sample_labelled(codes, 2, 1))


def test_students_interval_by_hand():
    # Mean .2, deviation .1, t(2) = 4.302653: .2 -+ 4.302653 x .1 / sqrt(3).
    found = over_seeds([0.1, 0.2, 0.3, math.nan], (-1.0, 1.0))
    assert (found.value, found.n) == (pytest.approx(0.2), 3)
    assert (found.low, found.high) == (pytest.approx(0.2 - 0.2484138), pytest.approx(0.2 + 0.2484138))
    assert over_seeds([0.1, 0.2, 0.3], (0.0, 1.0)).low == 0.0
    assert math.isnan(over_seeds([0.7], (0.0, 1.0)).low)
    assert over_seeds([math.nan], (0.0, 1.0)).n == 0


def test_the_interval_covers_at_its_level():
    rng = np.random.default_rng(1)
    found = [over_seeds(rng.normal(0.5, 0.05, 5).tolist(), (0.0, 1.0)) for _ in range(2000)]
    assert np.mean([one.low <= 0.5 <= one.high for one in found]) == pytest.approx(0.95, abs=0.015)


def test_halves_are_disjoint_and_hold_the_same_share_of_every_class():
    codes = np.repeat([0, 1, 2, -1], [40, 20, 3, 10])
    first, second = halves(codes, 5, 0)
    assert not set(first.tolist()) & set(second.tolist())
    for half in (first, second):
        assert np.bincount(codes[half]).tolist() == [20, 10]  # three items of class 2 are too few for two halves
    assert halves(codes, 15, 0) is None
    assert halves(np.full(50, -1), 2, 0) is None
    assert halves(np.zeros(50, np.int64), 2, 0) is None


def test_a_supervised_map_finds_nothing_in_noise():
    rng = np.random.default_rng(2)
    honest, boasting = [], []
    for seed in range(10):
        items, codes = rng.standard_normal((240, 40)), rng.integers(0, 3, 240)
        first, second = halves(codes, 40, seed)
        for rows, values in ((second, honest), (first, boasting)):
            values.append(pair_auc(supervised_map(items, codes, first, rows), codes[rows], "cosine"))
    assert np.mean(honest) == pytest.approx(0.5, abs=0.015)
    # Measured on the items it was fitted on, it boasts.
    assert np.mean(boasting) > 0.6


def test_a_supervised_map_does_not_depend_on_the_gauge_and_survives_dead_axes():
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 3, 300)
    items = rng.standard_normal((300, 6)) + 1.5 * np.eye(6)[codes]
    first, second = halves(codes, 7, 0)
    plain = pair_auc(supervised_map(items, codes, first, second), codes[second], "cosine")
    mixed = items @ rng.standard_normal((6, 6))
    assert pair_auc(supervised_map(mixed, codes, first, second), codes[second], "cosine") == pytest.approx(plain)
    dead = np.hstack([items, np.zeros((300, 1))])
    assert pair_auc(supervised_map(dead, codes, first, second), codes[second], "cosine") == pytest.approx(plain)
    assert plain > 0.65
    assert supervised_map(np.zeros((300, 2)), codes, first, second).shape == (len(second), 1)
