"""Shifts between independent samples: the null distribution by counting orders, the interval by inverting the test."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from idxbench.measures.shift import null_distribution, rank_test, shift_interval


@pytest.mark.parametrize(("m", "n"), [(1, 1), (2, 3), (4, 4), (3, 6), (6, 6)])
def test_null_distribution_counts_every_order(m, n):
    counts = np.zeros(m * n + 1)
    for places in combinations(range(m + n), n):
        # the number of earlier places that belong to the first sample
        counts[sum(place - rank for rank, place in enumerate(places))] += 1
    assert null_distribution(m, n) == pytest.approx(counts / math.comb(m + n, n))


@pytest.mark.parametrize(
    ("m", "level", "c"),
    [
        (6, 0.99, 3),  # orders with U = 0, 1, 2: 1 + 1 + 2 = 4 of 924, .0043; with 3: 7, .0076 > .005
        (6, 0.95, 6),  # U <= 5: 19 of 924, .0206; U <= 6: 30, .0325 > .025
        (5, 0.99, 1),  # 1 of 252, .0040; U <= 1: 2, .0079 > .005
        (4, 0.99, 0),  # 1 of 70, .0143
        (4, 0.95, 1),  # 1 of 70, .0143
    ],
)
def test_intervals_by_hand(m, level, c):
    rng = np.random.default_rng(m)
    base, new = rng.normal(size=m), 1 + rng.normal(size=m)
    differences = np.sort((new[:, None] - base[None, :]).ravel())
    found = shift_interval(base, new, level=level)
    assert found.n == m
    assert found.value == pytest.approx(np.median(differences))
    if c == 0:
        assert math.isnan(found.low)
        assert math.isnan(found.high)
    else:
        assert (found.low, found.high) == pytest.approx((differences[c - 1], differences[-c]))


@pytest.mark.parametrize(("m", "n", "level"), [(6, 6, 0.99), (6, 9, 0.99), (7, 5, 0.95), (12, 8, 0.99)])
def test_the_interval_holds_what_the_test_does_not_reject(m, n, level):
    """Inverting scipy's exact test shift by shift gives the same ends."""
    rng = np.random.default_rng(m * n)
    base, new = rng.normal(size=m), 0.7 + rng.normal(size=n)
    found = shift_interval(base, new, level=level)

    def kept(shift):
        return mannwhitneyu(new - shift, base, method="exact").pvalue > 1 - level

    for end, inside in ((found.low, 1e-9), (found.high, -1e-9)):
        assert kept(end + inside)
        assert not kept(end - inside)


def test_coverage():
    """At least the level, for a skewed distribution and unequal sizes."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        found = shift_interval(rng.exponential(size=6), 2 + rng.exponential(size=8), level=0.95)
        held += found.low <= 2 <= found.high
    assert held >= 935


def test_what_is_no_observation():
    found = shift_interval(np.array([1.0, math.nan]), np.array([3.0]))
    assert (found.value, found.n) == (2.0, 1)
    assert math.isnan(found.low)
    assert shift_interval(np.array([]), np.array([1.0])).n == 0
    with pytest.raises(ValueError, match="a value is infinite"):
        shift_interval(np.array([math.inf]), np.array([1.0]))
    with pytest.raises(ValueError, match="between 0 and 1"):
        shift_interval(np.ones(3), np.ones(3), level=1.0)


def test_rank_test():
    one, two = np.arange(6.0), np.arange(6.0) + 10
    assert rank_test(one, two) == pytest.approx(2 / 924)
    assert rank_test(one, one + 0.5) > 0.5
    assert rank_test(np.ones(6), np.ones(6)) == 1.0
    assert rank_test(one, np.array([])) == 1.0


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-10, 10), min_size=5, max_size=9),
    st.lists(st.floats(-10, 10), min_size=5, max_size=9),
)
def test_swapping_the_samples_negates_the_shift(base, new):
    forth = shift_interval(np.array(base), np.array(new), level=0.95)
    back = shift_interval(np.array(new), np.array(base), level=0.95)
    assert (forth.value, forth.low, forth.high) == pytest.approx((-back.value, -back.high, -back.low))
