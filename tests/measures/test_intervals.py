import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from idxbench.measures.intervals import Estimate, mean_interval, median_interval
from tests.reference import measures as twin


def test_twenty_perfect_queries_do_not_promise_a_recall_of_one():
    # The chance that a 21st query fails is at most u with (1 - u)^20 = .025, so u = 1 - .025^(1/20) = .1684.
    result = mean_interval(np.ones(20))
    assert result.value == result.high == 1.0
    assert result.low == pytest.approx(1 - 0.1684, abs=1e-4)
    assert result.n == 20


def test_equal_values_inside_the_bounds_by_hand():
    # .25 everywhere, n = 10, u = 1 - .025^.1 = .3085: from .25 - .25 u to .25 + .75 u.
    result = mean_interval(np.full(10, 0.25))
    assert (result.low, result.high) == pytest.approx((0.25 - 0.25 * 0.30850, 0.25 + 0.75 * 0.30850), abs=1e-5)


def test_a_worse_query_never_raises_the_low_end():
    # The plain percentile bootstrap gives 1 for the first and .985 for the second: both promise too much, and a
    # correction of the first alone would rank the second above it.
    perfect = mean_interval(np.ones(20)).low
    flawed = mean_interval(np.array([1.0] * 19 + [0.9])).low
    assert flawed <= perfect + 0.005


def test_zeros_and_ones_give_clopper_pearson():
    from scipy.stats import beta

    values = np.array([1.0] * 45 + [0.0] * 5)
    result = mean_interval(values, resamples=40_000)
    # Clopper-Pearson: low is the 2.5 % quantile of Beta(45, 6), high the 97.5 % quantile of Beta(46, 5).
    assert result.low == pytest.approx(beta.ppf(0.025, 45, 6), abs=3e-3)
    assert result.high == pytest.approx(beta.ppf(0.975, 46, 5), abs=3e-3)


def test_agrees_with_the_twin():
    values = np.random.default_rng(3).random(15)
    result = mean_interval(values, resamples=20_000)
    assert result.low == pytest.approx(twin.bounded_low(values), abs=0.01)
    # Mirrored, the upper end is a lower end.
    assert 1 - result.high == pytest.approx(twin.bounded_low(1 - values), abs=0.01)


def test_many_queries_approach_the_plain_bootstrap():
    rng = np.random.default_rng(0)
    values = rng.integers(5, 11, 5_000) / 10
    result = mean_interval(values)
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert (result.low, result.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=1e-3)


@pytest.mark.parametrize("n", [30, 100])
def test_covers_rare_failures(n):
    # 3 % of queries fail completely: the plain percentile bootstrap covers 60 % of the time at n = 30.
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(300):
        result = mean_interval((rng.random(n) > 0.03).astype(float), resamples=500)
        covered += result.low <= 0.97 <= result.high
    assert covered / 300 >= 0.95


def test_noise_is_covered_at_the_level():
    rng = np.random.default_rng(6)
    covered = 0
    for _ in range(300):
        result = mean_interval(rng.binomial(10, 0.8, 40) / 10, resamples=500)
        covered += result.low <= 0.8 <= result.high
    assert covered / 300 >= 0.93


def test_blocks_do_not_matter(monkeypatch):
    values = np.random.default_rng(0).random(50)
    whole = mean_interval(values)
    monkeypatch.setattr("idxbench.measures.intervals._BLOCK_DRAWS", 170)
    split = mean_interval(values)
    # The draws are the same; a product over fewer rows may round its last digit another way.
    assert (split.low, split.high) == pytest.approx((whole.low, whole.high), rel=1e-14)


def test_nan_is_no_observation():
    values = np.array([0.5, 1.0, 0.25])
    assert mean_interval(np.append(values, np.nan)) == mean_interval(values)


def test_too_few_observations_give_no_interval():
    assert mean_interval(np.array([])).n == 0
    assert math.isnan(mean_interval(np.array([np.nan])).value)
    one = mean_interval(np.array([0.5]))
    assert (one.value, one.n) == (0.5, 1)
    assert math.isnan(one.low)
    assert math.isnan(one.high)


def test_without_bounds():
    values = np.random.default_rng(0).normal(-3, 2, 400)
    result = mean_interval(values, bounds=None)
    assert result.low == pytest.approx(values.mean() - 0.196, abs=0.02)
    assert result.low < result.value < result.high
    # Nothing bounds what an unseen value could be.
    assert math.isnan(mean_interval(np.ones(20), bounds=None).low)


def test_differences_have_their_own_bounds():
    result = mean_interval(np.zeros(20), bounds=(-1.0, 1.0))
    assert (result.low, result.high) == pytest.approx((-0.1684, 0.1684), abs=1e-4)


def test_refuses_what_it_cannot_mean():
    with pytest.raises(ValueError, match=r"lie outside the bounds \(0\.0, 1\.0\)"):
        mean_interval(np.array([0.5, 1.5]))
    with pytest.raises(ValueError, match="infinite"):
        mean_interval(np.array([0.5, np.inf]))
    with pytest.raises(ValueError, match="level must be between 0 and 1, not 95"):
        mean_interval(np.array([0.5, 1.0]), level=95)
    with pytest.raises(ValueError, match=r"not shape \(2, 2\)"):
        mean_interval(np.ones((2, 2)))
    with pytest.raises(ValueError, match="level must be between"):
        median_interval(np.ones(9), level=1.0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 10), min_size=2, max_size=40), st.integers(0, 39))
@example([6, 6, 6, 7, 10, 9], 17)
def test_interval_contains_the_mean_and_follows_its_queries(tenths, place):
    values = np.array(tenths) / 10
    result = mean_interval(values, resamples=4000)
    assert 0 <= result.low <= result.value <= result.high <= 1
    better = values.copy()
    better[place % len(values)] = 1.0
    # Up to what 4,000 draws leave to chance.
    assert mean_interval(better, resamples=4000).low >= result.low - 0.04


def test_median_of_six_rounds_by_hand():
    # n = 6: both tails beyond the extremes are 1/64 = .0156 <= .025, and (1 + 6) / 64 is not: smallest to largest.
    assert median_interval(np.array([5.0, 1, 4, 2, 6, 3])) == Estimate(3.5, 1.0, 6.0, 6)
    # n = 9: P(Bin < 2) = 10 / 512 = .0195, P(Bin < 3) = 46 / 512: second smallest to second largest.
    assert median_interval(np.arange(9.0)) == Estimate(4.0, 1.0, 7.0, 9)


def test_a_tail_exactly_at_the_level_is_allowed():
    # n = 6 at level 1 - 2 / 64: each tail is 1 / 64, which is all it may be.
    result = median_interval(np.arange(6.0), level=1 - 2 / 64)
    assert (result.low, result.high) == (0.0, 5.0)


@pytest.mark.parametrize(("n", "level"), [(1, 0.95), (5, 0.95), (7, 0.99)])
def test_too_few_rounds_support_no_statement(n, level):
    result = median_interval(np.arange(float(n)), level=level)
    assert result.n == n
    assert math.isnan(result.low)
    assert math.isnan(result.high)


def test_median_of_nothing():
    assert median_interval(np.array([np.nan])).n == 0


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_median_agrees_with_twin_and_scipy(level):
    from scipy.stats import quantile_test

    rng = np.random.default_rng(2)
    for n in [*range(1, 40), 200]:
        values = rng.exponential(size=n)
        result = median_interval(values, level=level)
        assert (result.low, result.high) == pytest.approx(twin.sign_interval(values, level), nan_ok=True)
        theirs = quantile_test(values, q=0, p=0.5).confidence_interval(level)
        assert (result.low, result.high) == pytest.approx((theirs.low, theirs.high), nan_ok=True)


def test_median_keeps_its_level_on_noise():
    rng = np.random.default_rng(4)
    results = [median_interval(rng.exponential(size=12)) for _ in range(1_000)]
    covered = np.mean([one.low <= math.log(2) <= one.high for one in results])
    assert 0.95 <= covered <= 0.995


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=30))
def test_median_lies_in_its_interval(values):
    result = median_interval(np.array(values))
    assert result.low <= result.value <= result.high
    assert {result.low, result.high} <= set(values)
