"""Scores, rotations and norms of two trainings, by hand and against twins."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import pearsonr, spearmanr

from idxbench.errors import DataError
from idxbench.measures.trainings import norm_correlation, procrustes, score_drift, vector_change

small = hnp.arrays(np.float64, (3, 6), elements=st.integers(-4, 4).map(float))


def test_scores_by_hand():
    before = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [5.0, 5.0, 5.0]])
    after = np.array([[2.0, 4.0, 6.0], [3.0, 2.0, 1.0], [0.0, 0.0, 9.0], [1.0, 2.0, 3.0]])
    drift = score_drift(before, after)
    # (0, 0, 9) against (1, 2, 3): covariance 3, deviations sqrt(2/3) and sqrt(18); ranks (1.5, 1.5, 3) correlate alike.
    expected = [1.0, -1.0, math.sqrt(3) / 2]
    assert drift.pearson[:3] == pytest.approx(expected, abs=1e-7)
    assert drift.spearman[:3] == pytest.approx(expected, abs=1e-7)
    assert np.isnan([drift.pearson[3], drift.spearman[3], drift.change[3]]).all()
    # Changes (1, 2, 3): root mean square sqrt(14/3), over a deviation of sqrt(2/3).
    assert drift.change[0] == pytest.approx(math.sqrt(7))


def test_kept_scores_correlate_exactly():
    scores = np.random.default_rng(0).normal(size=(20, 50)).astype(np.float32)
    drift = score_drift(scores, scores * np.float32(1.7) + np.float32(3))
    assert (drift.pearson == 1).all()
    assert (score_drift(scores, scores).change == 0).all()


def test_scores_that_differ_by_rounding_have_no_ranking():
    flat = 7 + 1e-14 * np.arange(5.0)[None]
    drift = score_drift(flat, np.arange(5.0)[None])
    assert np.isnan([drift.pearson[0], drift.spearman[0]]).all()


def test_scores_of_other_shapes():
    with pytest.raises(ValueError, match=r"shapes \(1, 2\) and \(1, 3\)"):
        score_drift(np.zeros((1, 2)), np.zeros((1, 3)))


@settings(max_examples=60, deadline=None)
@given(small, small)
def test_scores_agree_with_scipy(before, after):
    drift = score_drift(before, after)
    for i in range(3):
        if np.ptp(before[i]) == 0 or np.ptp(after[i]) == 0:
            assert np.isnan(drift.pearson[i])
            continue
        assert drift.pearson[i] == pytest.approx(pearsonr(before[i], after[i])[0], abs=1e-6)
        assert drift.spearman[i] == pytest.approx(spearmanr(before[i], after[i])[0], abs=1e-6)
        assert drift.change[i] == pytest.approx(np.sqrt(np.mean((after[i] - before[i]) ** 2)) / before[i].std())


def cloud(n=200, d=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)) * [4, 3, 2, 1, 0.5][:d] + [1, 0, 0, 2, 0][:d]


def turned(d=5, seed=3):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


def test_a_rotation_leaves_nothing():
    found = procrustes(cloud(), 2.5 * cloud() @ turned())
    assert found.residual < 1e-25
    assert found.scale == pytest.approx(2.5)
    assert found.shift < 1e-12
    assert found.chance > 0.8
    assert found.n == 200


def test_equal_vectors_do_not_change():
    assert procrustes(cloud(), cloud()).scale == pytest.approx(1.0)
    assert vector_change(cloud(), cloud()) == 0.0


def test_a_change_counts_every_row(monkeypatch):
    """By hand: one row of a thousand, of norm 2 among norms 1, turned round; and a column that only one side has."""
    monkeypatch.setattr("idxbench.measures.trainings.block_rows", lambda _: 64)
    base = np.zeros((1000, 2))
    base[:, 0] = 1
    base[777] = [0, 2]
    new = base.copy()
    new[777] *= -1
    assert vector_change(base, new) == pytest.approx(16 / 1003)
    assert vector_change(base, base[:, :1]) == pytest.approx(4 / 999)
    assert math.isnan(vector_change(base, 0 * base))


def test_a_shift_is_told_from_a_rotation():
    base = cloud()
    new = base @ turned() + 10
    found = procrustes(base, new)
    assert found.residual < 1e-20
    assert found.shift == pytest.approx(np.linalg.norm([10] * 5) / np.sqrt((new**2).sum(axis=1).mean()))


def test_a_gauge_leaves_something():
    assert procrustes(cloud(), cloud() * [1, 1, 1, 5, 20]).residual > 0.2


def test_a_shuffle_leaves_as_much_as_chance():
    found = procrustes(cloud(), cloud()[np.random.default_rng(5).permutation(200)])
    assert found.residual == pytest.approx(found.chance, abs=0.05)


def test_widths_that_differ_are_padded():
    base = cloud(d=3)
    new = np.c_[base, np.zeros((200, 2))] @ turned()
    assert procrustes(base, new).residual < 1e-25
    assert procrustes(new, base).residual < 1e-25


def test_residual_by_hand():
    # A cross of four points; new has one axis twice as long. The best turn is none, the best factor
    # (1 + 2) / 2, and what is left ((1.5 - 1)^2 + (1.5 - 2)^2) / (1 + 4) = 1/10.
    base = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    found = procrustes(base, base * [1, 2])
    assert found.residual == pytest.approx(0.1)
    assert found.scale == pytest.approx(1.5)


def test_a_sample_of_many_rows_says_the_same():
    base = cloud(20_500)
    found = procrustes(base, base @ turned())
    assert found.n == 20_000
    assert found.residual < 1e-20


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_rotations_at_any_scale(scale):
    assert procrustes(cloud() * scale, cloud() @ turned() * scale).residual < 1e-20


@pytest.mark.parametrize(
    ("base", "new"), [(np.ones((5, 2)), cloud(5, 2)), (cloud(5, 2), np.zeros((5, 2))), (cloud(2, 2), cloud(2, 2))]
)
def test_nothing_to_fit(base, new):
    assert math.isnan(procrustes(base, new).residual)


def test_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="5 rows against 4"):
        procrustes(cloud(5), cloud(4))
    bad = cloud(5)
    bad[2, 0] = np.nan
    with pytest.raises(DataError, match="finite"):
        procrustes(bad, cloud(5))


def test_norms():
    base = np.diag([1.0, 2.0, 3.0])
    assert norm_correlation(base, base[::-1] * [[9], [4], [1]]) == pytest.approx(
        -0.0 + spearmanr([1, 2, 3], [27, 8, 1])[0]
    )
    assert norm_correlation(base, 7 * base) == 1.0
    assert math.isnan(norm_correlation(base, np.eye(3)))
    unit = np.random.default_rng(0).normal(size=(50, 8))
    unit = (unit / np.linalg.norm(unit, axis=1, keepdims=True)).astype(np.float32)
    assert math.isnan(norm_correlation(unit, np.random.default_rng(1).normal(size=(50, 8))))
