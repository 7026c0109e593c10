"""Verdicts from intervals and floors, worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from idxbench.measures.intervals import median_interval
from idxbench.measures.rounds.judging import detectable, fewest, floor_log, judge, sign_test


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.06, 0.20, "regressed"),
        (0.05, 0.20, "inconclusive"),  # the floor itself is not beyond it
        (0.04, 0.20, "inconclusive"),
        (-0.05, 0.05, "same"),
        (-0.06, 0.01, "inconclusive"),
        (-0.20, -0.06, "improved"),
        (-0.20, -0.05, "inconclusive"),
        (math.nan, math.nan, "inconclusive"),
    ],
)
def test_by_hand(low, high, verdict):
    assert judge(low, high, 0.05) == verdict


def test_without_a_floor_any_change_counts_but_for_rounding():
    assert judge(2e-9, 2e-9, 0.0) == "regressed"
    assert judge(-2e-9, -2e-9, 0.0) == "improved"
    assert judge(5e-10, 5e-10, 0.0) == "same"


ENDS = st.floats(-1, 1)


@given(ENDS, ENDS, st.floats(0, 0.5))
def test_swapping_the_sides_swaps_the_verdict(one, two, floor):
    low, high = sorted((one, two))
    swapped = {"regressed": "improved", "improved": "regressed"}
    verdict = judge(low, high, floor)
    assert judge(-high, -low, floor) == swapped.get(verdict, verdict)


@given(st.floats(-1, 1), st.floats(0, 0.5), st.floats(0, 0.5))
def test_what_is_detectable_is_detected(effect, below, floor):
    """A worsening larger than that, with an interval as wide, is called regressed."""
    seen = detectable(effect, effect - below, floor)
    larger = seen + 1e-6
    assert judge(larger - below, larger + below, floor) == "regressed"


def test_five_per_cent_are_a_factor():
    assert floor_log(0.05) == pytest.approx(math.log(1.05))


@pytest.mark.parametrize("level", [0.9, 0.95, 0.98, 0.99, 0.9967, 0.999])
def test_fewest_is_where_intervals_begin(level):
    n = fewest(level)
    assert not math.isnan(median_interval([float(i) for i in range(n)], level=level).low)
    assert math.isnan(median_interval([float(i) for i in range(n - 1)], level=level).low)


def test_sign_test():
    assert sign_test([1.0] * 6) == pytest.approx(2 / 64)
    assert sign_test([1.0, 2.0, -1.0, 0.0, 3.0]) == pytest.approx(binomtest(1, 4).pvalue)
    assert sign_test([0.0, 0.0]) == 1.0
    assert sign_test([]) == 1.0
