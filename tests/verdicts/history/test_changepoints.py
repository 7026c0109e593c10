"""E-divisive against its slow twin, on cases worked out by hand, on noise and on steps."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from idxbench.verdicts.history.changepoints import LEVEL, PERMUTATIONS, SEGMENT, change_points, lasting, passing
from tests.reference.history import energy_change_points, energy_cut

VALUES = arrays(np.float64, st.integers(6, 30), elements=st.floats(-100, 100, width=32))


def test_worked_out_by_hand():
    # Three zeros, three ones: every distance across is 1, none inside. 3 * 3 / 6 * (2 - 0 - 0) = 3.
    values = np.array([[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]])
    assert lasting(values)[0, 3] == passing(values)[0, 3] == pytest.approx(3.0)
    # Back to zero for three nights more: 3 still, where the second side may end; 3 * 6 / 9 * (1 - 0 - 3 * 3 / 15) = .8.
    values = np.c_[values, np.zeros((1, 3))]
    assert passing(values)[0, 3] == pytest.approx(3.0)
    assert lasting(values)[0, 3] == pytest.approx(0.8)


@given(VALUES)
def test_the_best_cuts_are_those_of_the_twin(values):
    for statistics, ends in ((lasting, False), (passing, True)):
        found = statistics(values[None])[0]
        at, expected = energy_cut(values, SEGMENT, passing=ends)
        assert found.max() == pytest.approx(expected, rel=1e-9, abs=1e-9)
        # Cuts that are as good as each other may differ by rounding.
        assert found[at] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_what_passed_is_found():
    values = np.random.default_rng(2).normal(size=45)
    values[15:30] += 6.0
    assert change_points(values) == (15, 30)


@pytest.mark.parametrize("steps", [(), (20,), (12,)])
def test_clear_steps_are_those_of_the_twin(steps):
    values = np.random.default_rng(len(steps)).normal(size=45)
    for number, at in enumerate(steps):
        values[at:] += 6.0 * (-1) ** number
    assert list(change_points(values)) == energy_change_points(values, np.random.default_rng(5)) == list(steps)


def test_the_level_needs_every_permutation_to_be_worse():
    assert 1 / (1 + PERMUTATIONS) < LEVEL <= 2 / (1 + PERMUTATIONS)


@pytest.mark.parametrize("draw", ["standard_normal", "standard_cauchy", "standard_exponential"])
def test_noise_is_silent(draw):
    rng = np.random.default_rng(1)
    found = sum(bool(change_points(getattr(rng, draw)(50))) for _ in range(400))
    # .4 expected; 4 or more have a chance of .0008.
    assert found < 4


def test_the_level_is_kept_at_the_least_n():
    """Orders of 12 values can be told apart often enough; those of 8 can't, so 8 nights never have a change point."""
    assert change_points(np.r_[np.zeros(4), np.ones(4)] + np.arange(8) * 1e-3) == ()
    assert change_points(np.r_[np.zeros(7), np.ones(7)] + np.arange(14) * 1e-3) == (7,)


def test_a_step_of_three_sds_seven_nights_ago():
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(50):
        values = rng.normal(size=50)
        values[43:] += 3.0
        found += bool(change_points(values))
    assert found >= 40


def test_few_or_equal_values_have_none():
    assert change_points(np.zeros(50)) == ()
    assert change_points(np.array([])) == ()
    assert change_points(np.array([0.0, 0.0, 0.0, 9.0, 9.0])) == ()


@given(VALUES)
def test_segments_are_long_enough_and_repeat(values):
    found = change_points(values)
    assert found == change_points(values.copy())
    edges = [0, *found, len(values)]
    assert all(b - a >= SEGMENT for a, b in itertools.pairwise(edges)) or not found


def test_scale_and_shift_change_nothing():
    values = np.random.default_rng(3).normal(size=40)
    values[25:] += 5.0
    assert change_points(values) == change_points(0.01 * values + 7.0) == (25,)
