"""Figures of one table of vectors, by hand and against NumPy in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench.data.check import check_vectors
from idxbench.linalg.factors import qr_factor
from idxbench.linalg.moments import mean_row
from idxbench.linalg.norms import norms
from idxbench.measures.shape import directions_holding, rank_of, shape_of, still_columns


def shape(vectors, near_zero=1e-4):
    triangle = qr_factor(vectors) / np.sqrt(len(vectors))
    return shape_of(check_vectors(vectors, "x"), triangle, mean_row(vectors), norms(vectors), near_zero)


def test_by_hand():
    found = shape(np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 0.0], [3.0, 4.0, 0.0], [0.0, 10.0, 0.0]], np.float32))
    assert (found.n_rows, found.n_dims, found.zero_rows, found.duplicate_rows) == (4, 3, 1, 1)
    assert found.norm_median == 5
    # Natural logarithms of 5, 5, 10: deviations of -ln 2 / 3 twice and 2 ln 2 / 3.
    assert found.norm_spread == pytest.approx(np.log(2) * np.sqrt(2) / 3)
    # Mean (1.5, 4.5, 0), mean square norm (25 + 25 + 100) / 4.
    assert found.common_share == pytest.approx((1.5**2 + 4.5**2) / 37.5)
    assert found.rank == 2
    assert found.dead_columns == (2,)
    assert found.constant_columns == ()


def test_a_bias_column_and_near_zero_rows():
    rows = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    rows[:7] *= 1e-6
    rows[:, 3] = 0
    assert shape(rows).near_zero_rows == 7
    rows[:, 3] = -0.3
    assert shape(rows).constant_columns == (3,)
    assert shape(rows).near_zero_rows == 0
    rows[0, 3] = -0.3003
    assert shape(rows).constant_columns == ()


def test_all_zero():
    found = shape(np.zeros((4, 3), np.float32))
    assert (found.zero_rows, found.rank, found.common_share, found.norm_median) == (4, 0, 0.0, 0.0)
    assert found.dead_columns == (0, 1, 2)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_rank_is_judged_by_directions_and_not_by_scale(scale):
    rng = np.random.default_rng(1)
    rows = (rng.normal(size=(500, 4)) @ rng.normal(size=(4, 128))).astype(np.float32) * np.float32(scale)
    assert rank_of(qr_factor(rows)) == 4
    full = rng.normal(size=(500, 6)) * [1, 1, 1e7, 1, 1e-7, 1]
    assert rank_of(qr_factor(full)) == 6


def test_directions_holding():
    values = np.array([3.0, 1.0, 2.0])  # squares 9, 4, 1 of 14
    assert [directions_holding(values, share) for share in (9 / 14, 0.65, 13 / 14, 0.99, 1.0)] == [1, 2, 2, 3, 3]
    assert directions_holding(np.zeros(2), 0.99) == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31 - 1), st.floats(-1e3, 1e3), st.floats(1e-2, 1e2))
def test_against_numpy(seed, offset, spread):
    rows = np.random.default_rng(seed).normal(offset, spread, size=(40, 3))
    found = shape(rows)
    size = np.linalg.norm(rows, axis=1)
    assert found.common_share == pytest.approx((rows.mean(0) ** 2).sum() / (rows**2).sum(1).mean(), rel=1e-9)
    assert found.norm_spread == pytest.approx(np.log(size).std(), rel=1e-9)
    assert (found.norm_low, found.norm_high) == pytest.approx(tuple(np.percentile(size, [5, 95])))
    assert still_columns(qr_factor(rows) / np.sqrt(40), rows.mean(0)) == ((), ())
