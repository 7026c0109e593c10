"""What the kernel says about disturbances, from texts and marks written by hand; and that it says anything at all."""

import math
import os
import threading
import time
from pathlib import Path

import pytest

from idxbench.timing import readings
from idxbench.timing.readings import Mark, Reading, between, disturbed, mark

PRESSURE = """\
some avg10=1.53 avg60=0.25 avg300=0.51 total=4830569497
full avg10=0.00 avg60=0.00 avg300=0.00 total=17
"""
STAT = """\
cpu  2463790 16066 268839 1994922 2677 0 899 9166 0 0
cpu0 1193123 7564 131097 1040605 496 0 230 4624 0 0
cpu1 1270667 8502 137742 954316 2180 0 668 4542 0 0
intr 3 0
ctxt 91
"""


def test_pressure_is_the_microseconds_in_which_some_task_waited():
    assert readings._waited_s(PRESSURE) == 4830.569497
    for text in ("", "full avg10=0.00 avg60=0.00 avg300=0.00 total=17\n"):
        assert math.isnan(readings._waited_s(text))


def test_steal_is_the_eighth_figure_in_ticks_a_processor(monkeypatch):
    monkeypatch.setattr(readings, "TICKS_PER_S", 100)
    assert readings._stolen_s(STAT) == 91.66 / 2
    for text in ("", "cpu  1 2 3 4\ncpu0 1 2 3 4\n", "intr 3\n"):
        assert math.isnan(readings._stolen_s(text))


def test_work_of_others_is_all_work_but_ours(monkeypatch):
    monkeypatch.setattr(readings, "TICKS_PER_S", 100)
    assert readings._worked_s(STAT) == pytest.approx((2463790 + 16066 + 268839 + 899) / 100)
    assert math.isnan(readings._worked_s("intr 3\n"))
    assert between(Mark(1.0, 0.0, 0.0, 0, 5.0), Mark(3.0, 0.0, 0.0, 0, 6.0)).others == pytest.approx(0.5)
    assert between(Mark(1.0, 0.0, 0.0, 0, 5.0), Mark(3.0, 0.0, 0.0, 0, 4.99)).others == 0.0


def test_waiting_for_our_own_threads_is_no_disturbance():
    assert not disturbed(Reading(1.0, 0.5, 0.0, 0, 0.1))
    assert disturbed(Reading(1.0, 0.5, 0.0, 0, 0.2))
    assert not disturbed(Reading(1.0, 0.1, 0.0, 0, 2.0))  # on a large machine others have processors of their own


def test_a_reading_is_what_lies_between_two_marks():
    """Half a second in which some task waited for .1 s and each of the processors lost .02 s."""
    got = between(Mark(10.0, 4.0, 2.0, 7), Mark(10.5, 4.1, 2.02, 10))
    assert (got.wall_s, got.switches) == (0.5, 3)
    assert got.pressure == pytest.approx(0.2)
    assert got.steal == pytest.approx(0.04)


def test_what_the_kernel_does_not_say_is_nan():
    got = between(Mark(1.0, math.nan, math.nan, 0), Mark(2.0, math.nan, math.nan, 2))
    assert (got.wall_s, got.switches) == (1.0, 2)
    assert math.isnan(got.pressure)
    assert math.isnan(got.steal)
    assert math.isnan(got.others)
    assert math.isnan(between(Mark(1.0, 0.0, 0.0, 0), Mark(1.0, 0.0, 0.0, 0)).pressure)


def test_a_kernel_without_these_files_is_no_failure(monkeypatch, tmp_path):
    monkeypatch.setattr(readings, "_PRESSURE", tmp_path / "missing")
    monkeypatch.setattr(readings, "_STAT", tmp_path / "missing")
    got = between(mark(), mark())
    assert math.isnan(got.pressure)
    assert math.isnan(got.steal)
    assert got.wall_s > 0
    assert got.switches >= 0
    assert not disturbed(got)


@pytest.mark.parametrize(
    ("pressure", "steal", "wall_s", "bad"),
    [
        (0.0, 0.0, 1.0, False),
        (0.19, 0.0, 1.0, False),
        (0.21, 0.0, 1.0, True),
        (math.nan, math.nan, 1.0, False),
        (math.nan, 0.07, 1.0, True),
        (0.0, 0.054, 1.0, False),  # a tick of two processors is .005 of a second
        (0.0, 0.056, 1.0, True),
        (0.0, 0.05, 0.1, False),  # one tick in a tenth of a second
        (0.0, 0.09, 0.1, False),
        (0.0, 0.15, 0.1, True),  # three
        (0.0, 0.0, 0.0, False),
    ],
)
def test_disturbed_beyond_what_a_quiet_machine_shows_and_the_kernel_can_tell(monkeypatch, pressure, steal, wall_s, bad):
    monkeypatch.setattr(readings, "TICKS_PER_S", 100)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert disturbed(Reading(wall_s, pressure, steal, 10**6)) == bad


@pytest.mark.skipif(not Path("/proc/pressure/cpu").exists(), reason="pressure is told by Linux, where it is configured")
def test_threads_that_want_more_processors_than_there_are_are_seen():
    """More spinning processes than processors: some task waits, and the processes lose their processors."""
    import subprocess
    import sys

    spin = [sys.executable, "-c", "while True: pass"]
    rivals = [subprocess.Popen(spin) for _ in range((os.cpu_count() or 1) + 1)]
    try:
        start = mark()
        deadline = time.monotonic() + 60
        reading = between(start, mark())
        while time.monotonic() < deadline and not (reading.pressure > 0 and reading.switches > 0):
            sum(range(10_000))
            reading = between(start, mark())
    finally:
        for rival in rivals:
            rival.kill()
            rival.wait()
    assert 0 < reading.pressure <= 1.05
    assert reading.switches > 0
    assert 0 <= reading.steal <= 1.05


def test_marks_follow_each_other():
    first = mark()
    thread = threading.Thread(target=lambda: sum(range(1000)))
    thread.start()
    thread.join()
    second = mark()
    assert second.wall_s > first.wall_s
    assert second.switches >= first.switches
