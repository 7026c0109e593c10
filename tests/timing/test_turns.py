"""A turn survives the pipe between processes."""

import json
import math

import numpy as np
import pytest

from idxbench.timing.readings import Reading
from idxbench.timing.turns import Turn, from_message, to_message

TURN = Turn(
    batch_s=0.125,
    threads_s=0.5,
    threads_queries=300,
    single_s=np.array([1.5e-5, 2e-3, 0.25]),
    response_s=np.array([1e-5, 2.0]),
    late_s=0.75,
    reading=Reading(1.5, 0.25, 0.0, 12, 0.5),
    settled=False,
    overloaded=True,
)


def through_a_pipe(turn):
    return from_message(json.loads(json.dumps(to_message(turn))))


def test_everything_arrives():
    got = through_a_pipe(TURN)
    for name in ("batch_s", "threads_s", "threads_queries", "late_s", "reading", "settled", "overloaded"):
        assert getattr(got, name) == getattr(TURN, name), name
    for name in ("single_s", "response_s"):
        assert getattr(got, name).dtype == np.float64
        np.testing.assert_allclose(getattr(got, name), getattr(TURN, name), rtol=6e-8)


def test_what_was_not_measured_arrives_as_such():
    empty = Turn(0.1, math.nan, 0, np.zeros(0), np.zeros(0), 0.0, Reading(1.0, math.nan, math.nan, 0), True)
    got = through_a_pipe(empty)
    assert math.isnan(got.threads_s)
    assert math.isnan(got.reading.pressure)
    assert got.single_s.shape == got.response_s.shape == (0,)
    assert not got.overloaded


@pytest.mark.parametrize(
    "change", [{"single_s": "no base64!"}, {"single_s": "AAA="}, {"reading": {"wall_s": 1.0}}, {"unknown": 1}]
)
def test_what_is_no_turn_is_refused(change):
    with pytest.raises((TypeError, ValueError)):
        from_message(to_message(TURN) | change)
