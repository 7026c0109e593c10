"""One night, two of three, a second run, a change point: what each needs, and what silences it."""

import math

import numpy as np
import pytest

from idxbench.verdicts.history.rules import ENOUGH, Spread, find_change

FLOOR = math.log(1.05)
# 20 quiet nights with a standard deviation of about .01.
QUIET = 0.01 * np.array(
    [0.3, -1.1, 0.8, -0.2, 1.3, -0.6, 0.1, -1.4, 0.5, 0.9, -0.8, -0.1, 1.1, -0.4, 0.2, -0.9, 0.6, -0.3, 1.0, -0.7]
)
NONE = np.empty(0)


def found(*recent, before=QUIET, rows=None, floor=FLOOR, reruns=NONE):
    levels = np.r_[before, recent]
    return find_change(levels, np.zeros(len(levels), np.int64) if rows is None else rows, floor, reruns)


def state(*recent, **given):
    one = found(*recent, **given)
    return one.state, one.basis


def test_quiet_nights_say_nothing():
    assert state(0.02, -0.01, 0.01) == (None, None)


def test_the_first_night_is_a_candidate():
    one = found(0.0, 0.0, 0.10)
    assert (one.state, one.basis) == ("candidate", "night")
    assert one.change == pytest.approx(0.10, abs=0.01)
    assert one.since == len(QUIET) + 2
    assert one.limit == pytest.approx(max(FLOOR, one.spread.width(0.001, len(QUIET))))


@pytest.mark.parametrize("recent", [(0.0, 0.1, 0.1), (0.1, 0.0, 0.1), (0.1, 0.1, 0.0)])
def test_two_nights_of_three_confirm(recent):
    assert state(*recent) == ("confirmed", "nights")


def test_the_first_of_the_nights_is_told():
    assert found(0.1, 0.0, 0.1).since == len(QUIET)


def test_a_second_run_of_the_night_confirms():
    assert state(0.0, 0.0, 0.1, reruns=np.array([0.11, 0.09])) == ("confirmed", "rerun")
    assert state(0.0, 0.0, 0.1, reruns=np.array([0.2, 0.0])) == ("candidate", "night")


def test_better_is_never_an_alarm():
    assert state(-0.3, -0.3, -0.3) == (None, None)
    one = found(*[-0.3] * 10)
    assert one.state is None
    assert one.change == pytest.approx(-0.3, abs=0.02)


def test_below_the_floor_is_never_an_alarm():
    """A change of 3 % that no one can doubt, where only 5 % matter."""
    quiet = 0.1 * QUIET
    assert state(*[0.03] * 12, before=quiet) == (None, None)
    assert state(*[0.03] * 12, before=quiet, floor=math.log(1.02)) == ("confirmed", "step")


def test_figures_that_repeat_to_the_last_digit():
    assert state(0.0, 0.0, 0.006, before=np.zeros(20), floor=0.005) == ("candidate", "night")
    assert state(0.0, 0.0, 0.004, before=np.zeros(20), floor=0.005) == (None, None)


def test_a_change_point_stays_until_it_is_undone():
    one = found(*[0.1] * 12)
    assert (one.state, one.basis, one.since) == ("confirmed", "step", len(QUIET))
    assert one.change == pytest.approx(0.1, abs=0.01)
    assert state(*[0.1] * 12, *QUIET[:12]) == (None, None)


def test_stairs_are_one_change():
    """Twice 4 %: neither is beyond the floor, both are."""
    one = found(*(0.1 * QUIET[:15] + 0.04), *(0.1 * QUIET[:15] + 0.08), before=0.1 * QUIET)
    assert one.change == pytest.approx(0.08, abs=0.01)
    assert (one.state, one.since) == ("confirmed", len(QUIET))


def test_an_accepted_change_starts_anew():
    levels = 3 * [0.1]
    rows = np.array([0] * len(QUIET) + [1] * 3)
    assert state(*levels, rows=rows) == (None, None)
    # Three nights later the new level is known, by the noise of the nights before it.
    rows = np.array([0] * len(QUIET) + [1] * 7)
    assert state(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.25, rows=rows) == ("candidate", "night")


def test_nights_that_do_not_count_are_left_out():
    nan = math.nan
    assert state(nan, 0.1, nan, nan, 0.1, nan) == ("confirmed", "nights")
    assert found(nan, nan).state is None
    assert found(before=np.full(5, nan)).segments.tolist() == [-1] * 5


@pytest.mark.parametrize("n", range(ENOUGH + 3))
def test_too_few_nights_say_nothing(n):
    assert state(5.0, 5.0, before=QUIET[:n][: max(0, n - 2)]) == (None, None)


def test_a_bad_night_in_the_past_hides_nothing():
    before = QUIET.copy()
    before[[3, 11]] = 0.4
    assert state(0.0, 0.0, 0.12, before=before) == ("candidate", "night")


def test_where_bad_nights_are_usual_two_are_not_enough():
    before = QUIET.copy()
    before[3] = 0.4
    assert state(0.0, 0.12, 0.12, before=before) == ("confirmed", "nights")
    before[11] = 0.4
    assert state(0.0, 0.12, 0.12, before=before) == ("candidate", "night")
    assert state(0.12, 0.12, 0.12, before=before) == ("confirmed", "nights")


def test_only_the_last_nights_count():
    assert found(*np.zeros(60), 0.1, before=10 * np.random.default_rng(0).normal(size=30)).state == "candidate"


def test_width_is_the_interval_of_a_prediction():
    # t with 19 degrees of freedom, 99.5 %: 2.8609; 20 nights behind the median.
    width = Spread(0.01, 20).width(0.005, 20)
    assert width == pytest.approx(2.8609 * 0.01 * math.sqrt(1 + math.pi / 40), rel=1e-4)
    assert math.isnan(Spread(0.01, ENOUGH - 1).width(0.005, 7))


@pytest.mark.parametrize("n", [11, 20, 50])
def test_the_spread_is_that_of_normal_noise(n):
    rng = np.random.default_rng(n)
    spreads = [find_change(rng.normal(size=n), np.zeros(n, np.int64), 9.0, NONE).spread.sd for _ in range(300)]
    # The larger of two estimates: a little above 1, the more so the fewer nights there are.
    assert 0.95 < np.mean(spreads) < 1.35
