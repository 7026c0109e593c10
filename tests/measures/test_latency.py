import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench.measures.latency import percentiles
from tests.reference import measures as twin


def test_by_hand():
    # 1 to 101 ms: the median is the 51st, p95 lies at place 95 of 0..100, p99 at 99.
    result = percentiles(np.random.default_rng(0).permutation(np.arange(1, 102)) / 1e3)
    assert (result.p50_s, result.p95_s, result.p99_s) == pytest.approx((0.051, 0.096, 0.1))
    assert result.n == 101


@pytest.mark.parametrize(
    ("n", "has_95", "has_99"),
    [(1, False, False), (19, False, False), (20, True, False), (99, True, False), (100, True, True)],
)
def test_percentiles_need_their_samples(n, has_95, has_99):
    result = percentiles(np.linspace(1, 2, n))
    assert not math.isnan(result.p50_s)
    assert math.isnan(result.p95_s) is not has_95
    assert math.isnan(result.p99_s) is not has_99


def test_no_samples():
    result = percentiles(np.array([]))
    assert result.n == 0
    assert math.isnan(result.p50_s)


@pytest.mark.parametrize("bad", [-1e-9, np.nan, np.inf])
def test_broken_samples_are_refused(bad):
    with pytest.raises(ValueError, match="negative, infinite or NaN"):
        percentiles(np.array([0.1, bad]))


def test_shapes_are_refused():
    with pytest.raises(ValueError, match=r"expected one dimension of samples, not shape \(1, 2\)"):
        percentiles(np.ones((1, 2)))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 10), min_size=100, max_size=130))
def test_agrees_with_the_twin(samples):
    result = percentiles(np.array(samples))
    assert result.p50_s == pytest.approx(twin.percentile(samples, 0.5))
    assert result.p95_s == pytest.approx(twin.percentile(samples, 0.95))
    assert result.p99_s == pytest.approx(twin.percentile(samples, 0.99))
    assert result.p50_s <= result.p95_s <= result.p99_s <= max(samples)
