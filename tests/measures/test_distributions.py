"""Distributions at a few levels: by hand, and beside the percentiles of the tables."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idxbench.measures.distributions import LEVELS, REACHED, latency_curve, share_reaching
from idxbench.measures.latency import percentiles


def at(curve, level, levels=LEVELS):
    return curve[levels.index(level)]


def test_the_curve_passes_through_the_percentiles_of_the_tables():
    samples = np.random.default_rng(0).lognormal(-10, 1, (5, 400))
    curve, rounds = latency_curve(samples), [percentiles(one) for one in samples]
    for name, level in (("p50_s", 0.5), ("p95_s", 0.95), ("p99_s", 0.99)):
        told = float(np.median([getattr(one, name) for one in rounds]))
        assert at(curve, level) == pytest.approx(told, rel=1e-12)


def test_by_hand():
    curve = latency_curve(np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0], [9.0, 9.0, 9.0]]))
    assert (at(curve, 0.0), at(curve, 0.5), at(curve, 1.0)) == (3.0, 4.0, 5.0)


def test_levels_that_queries_do_not_support_are_nan():
    curve = latency_curve(np.ones((2, 100)))
    assert at(curve, 0.99) == 1.0
    assert math.isnan(at(curve, 0.995))
    assert at(curve, 1.0) == 1.0
    assert np.isnan(latency_curve(np.empty((3, 0)))).all()
    assert latency_curve(np.ones(1000)).shape == (len(LEVELS),)


@given(st.lists(st.floats(1e-7, 1.0), min_size=1, max_size=300))
def test_a_curve_never_falls(samples):
    curve = latency_curve(np.array([samples]))
    known = curve[np.isfinite(curve)]
    assert (np.diff(known) >= -1e-15).all()
    assert known[0] == pytest.approx(min(samples))
    assert known[-1] == pytest.approx(max(samples))


def test_shares_by_hand():
    shares = share_reaching(np.array([0.0, 0.1, 0.9, 1.0, np.nan], dtype=np.float32))
    assert [at(shares, level, REACHED) for level in (0.0, 0.1, 0.2, 0.9, 0.95, 1.0)] == [
        0.75,
        0.75,
        0.5,
        0.5,
        0.25,
        0.25,
    ]


def test_without_queries_there_are_no_shares():
    assert np.isnan(share_reaching(np.array([]))).all()
    assert np.isnan(share_reaching(np.array([np.nan]))).all()


@given(st.lists(st.integers(0, 10), min_size=1, max_size=200))
def test_tenths_are_counted_as_such(found):
    """float32 has no .9: what was kept as one must be counted as one."""
    shares = share_reaching(np.array(found, dtype=np.float32) / np.float32(10))
    for level in (0.1, 0.3, 0.6, 0.7, 0.9, 1.0):
        assert at(shares, level, REACHED) == pytest.approx(sum(one >= round(10 * level) for one in found) / len(found))
    assert (np.diff(shares) <= 0).all()
