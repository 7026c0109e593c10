"""What all indexes do together, and what one does alone."""

import numpy as np
import pytest

from idxbench.verdicts.history.movement import ENOUGH, shared_movement
from tests.reference.history import shared_movement as twin

RNG = np.random.default_rng(0)


def rows(levels):
    return np.tile(np.arange(len(levels))[:, None], (1, levels.shape[1]))


def test_as_the_twin():
    levels = RNG.normal(size=(7, 12))
    others, _ = shared_movement(levels, rows(levels), np.arange(7))
    np.testing.assert_allclose(others, twin(levels), atol=1e-12)


def test_a_common_drift_is_split_off_exactly():
    drift = np.cumsum(RNG.normal(size=30))
    levels = np.arange(5.0)[:, None] + drift
    others, shared = shared_movement(levels, rows(levels), np.arange(5))
    np.testing.assert_allclose(np.diff(levels - others, axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(np.diff(shared), np.diff(drift), atol=1e-12)


@pytest.mark.parametrize("n", [ENOUGH, 9])
def test_one_index_of_a_few_moves_alone(n):
    levels = np.zeros((n, 20))
    levels[0, 12:] = 0.1
    others, shared = shared_movement(levels, rows(levels), np.arange(n))
    assert np.ptp((levels - others)[0]) == pytest.approx(0.1)
    assert np.abs(shared).max() == 0


def test_an_index_with_many_series_has_one_voice():
    """Eight metrics of one index and one of each of four others: the many don't decide."""
    levels = np.zeros((12, 20))
    levels[:8, 12:] = 0.1
    arms = np.array([0] * 8 + [1, 2, 3, 4])
    others, _ = shared_movement(levels, rows(levels), arms)
    assert np.abs(others).max() == 0


def test_too_few_indexes_say_nothing():
    levels = RNG.normal(size=(6, 10))
    others, shared = shared_movement(levels, rows(levels), np.array([0, 0, 1, 1, 2, 2]))
    assert (others == 0).all()
    assert np.isnan(shared).all()


def test_a_night_with_too_few_indexes_does_not_count():
    levels = RNG.normal(size=(5, 10))
    levels[:2, 4] = np.nan
    others, shared = shared_movement(levels, rows(levels), np.arange(5))
    assert np.isnan(others[:, 4]).all()
    assert np.isnan(shared[4])
    assert np.isfinite(np.delete(others, 4, axis=1)).all()


def test_a_stretch_that_starts_anew_is_no_movement():
    """Other data on night 10 for all: levels jump, and nothing moved together."""
    levels = 0.01 * RNG.normal(size=(6, 20))
    levels[:, 10:] += 3.0
    numbers = rows(levels) * 2
    numbers[:, 10:] += 1
    _, shared = shared_movement(levels, numbers, np.arange(6))
    assert np.abs(shared).max() < 0.1
