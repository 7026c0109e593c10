"""Curves of recall and speed, read by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idxbench.measures.curves import front, log_speed_at

RECALLS = [0.80, 0.90, 0.98]
SPEEDS = np.array([[400.0, 200.0, 50.0]])


def speed_at(recall, recalls=RECALLS, speeds=SPEEDS):
    return float(np.exp(log_speed_at(recalls, speeds, recall)[0]))


def test_by_hand():
    assert speed_at(0.90) == pytest.approx(200)
    # halfway in recall is halfway in log speed: the geometric mean
    assert speed_at(0.94) == pytest.approx(100)
    assert speed_at(0.85) == pytest.approx(math.sqrt(400 * 200))
    # below the curve the fastest point is good enough; above it nothing is
    assert speed_at(0.5) == pytest.approx(400)
    assert speed_at(0.98) == pytest.approx(50)
    assert math.isnan(speed_at(0.981))


def test_the_order_of_points_does_not_matter():
    assert speed_at(0.94, [0.98, 0.80, 0.90], SPEEDS[:, [2, 0, 1]]) == pytest.approx(100)


def test_a_point_that_nobody_would_choose_is_not_on_the_curve():
    # slower than the one that finds more
    assert speed_at(0.85, [0.80, 0.90], np.array([[100.0, 200.0]])) == pytest.approx(200)
    assert speed_at(0.95, [0.80, 0.95, 0.95], np.array([[400.0, 50.0, 60.0]])) == pytest.approx(60)


def test_every_round_has_a_curve_of_its_own():
    speeds = np.array([[400.0, 200.0, 50.0], [200.0, 100.0, 25.0], [math.nan, 200.0, 50.0], [400.0, 200.0, math.nan]])
    found = np.exp(log_speed_at(RECALLS, speeds, 0.94))
    assert found[:3] == pytest.approx([100, 50, 100])
    assert math.isnan(found[3])


def test_one_point():
    assert speed_at(0.9, [1.0], np.array([[10.0]])) == pytest.approx(10)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(1, 1e6)), min_size=1, max_size=8), st.floats(0, 1), st.floats(0, 1)
)
def test_more_recall_is_never_faster(points, one, two):
    recalls, speeds = [p[0] for p in points], np.array([[p[1] for p in points]])
    less, more = (log_speed_at(recalls, speeds, recall)[0] for recall in sorted((one, two)))
    assert math.isnan(more) or more <= less + 1e-9


def test_fronts_by_hand():
    #          best recall, slow   dominated          fastest            as good, slower
    assert front([0.98, 0.90, 0.80, 0.90], [50.0, 40.0, 400.0, 30.0]) == (2, 0)
    assert front([0.9, 0.9], [10.0, 10.0]) == (0,)
    assert front([], []) == ()


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(1, 1e6)), max_size=10))
def test_fronts_hold_what_nothing_beats(points):
    kept = front([p[0] for p in points], [p[1] for p in points])
    for i, (recall, speed) in enumerate(points):
        beaten = any((r >= recall and s >= speed) and (r, s) != (recall, speed) for r, s in points)
        if i in kept:
            assert not beaten
        else:
            assert beaten or points.index((recall, speed)) in kept
