"""Calls shared by threads, in order, with little waiting, and a BLAS thread count that is always given back."""

import os
import threading
import time

import pytest
from threadpoolctl import threadpool_info

from idxbench.pool import Crew, in_order, single_threaded_blas


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_crew_returns_results_in_order(threads):
    def call(number):
        time.sleep(0.001 * (number % 3))
        return number

    assert Crew(threads).map(call, range(30)) == list(range(30))
    assert Crew(threads).map(call, []) == []


def test_a_crew_works_at_the_same_time_the_caller_among_them():
    together = threading.Barrier(3, timeout=20)

    def call(number):
        together.wait()  # passes only if three are in here at once
        return threading.get_ident()

    assert threading.get_ident() in Crew(3).map(call, range(3))


@pytest.mark.parametrize("threads", [1, 3])
def test_a_crew_raises_the_first_failure_and_begins_nothing_more(threads):
    begun = []

    def call(number):
        begun.append(number)
        if number == 2:
            time.sleep(0.02)
            raise ValueError("two")
        if number == 3:
            raise ValueError("three")

    with pytest.raises(ValueError, match="two"):
        Crew(threads).map(call, range(1000))
    assert len(begun) < 10


def test_crews_inside_crews_and_beside_each_other_end():
    def inner(number):
        return sum(Crew(4).map(lambda value: value * number, range(20)))

    assert Crew(4).map(inner, range(300)) == [190 * number for number in range(300)]


def test_an_interrupted_crew_stops_its_helpers():
    begun, helper_runs = [], threading.Event()

    def call(number):
        begun.append(number)
        if threading.current_thread() is threading.main_thread():
            helper_runs.wait(20)
            raise KeyboardInterrupt
        helper_runs.set()
        time.sleep(0.05)

    with pytest.raises(KeyboardInterrupt):
        Crew(2).map(call, range(1000))
    seen = len(begun)
    time.sleep(0.1)
    assert len(begun) == seen < 100


def test_a_forked_process_has_helpers_of_its_own():
    Crew(2).map(time.sleep, [0.01] * 4)  # so that there is one to lose
    child = os.fork()
    if child == 0:
        together = threading.Barrier(2, timeout=10)
        try:
            Crew(2).map(lambda _: together.wait(), range(2))
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_order_and_few_wait(threads):
    started, taken, waiting = [], [], []

    def call(number):
        started.append(number)
        return number

    for result in in_order(threads, call, range(50), ahead=4):
        taken.append(result)
        waiting.append(len(started) - len(taken))
    assert taken == list(range(50))
    assert max(waiting) <= 4


@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_failure_in_order_is_raised(threads):
    late = threading.Event()

    def call(number):
        if number == 2:
            late.wait(0.05)
            raise ValueError("two")
        if number == 3:
            raise ValueError("three")
        return number

    with pytest.raises(ValueError, match="two"):
        list(in_order(threads, call, range(6), ahead=4))


def _blas_threads():
    # NumPy's own: SciPy may have brought another one.
    return [library["num_threads"] for library in threadpool_info() if "numpy" in library["filepath"]]


def test_blas_is_held_until_the_last_holder_goes():
    """In the order first in, first out, each giving back what it found would leave one thread for ever."""
    before = _blas_threads()
    first, second = single_threaded_blas(), single_threaded_blas()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert set(_blas_threads()) <= {1}
    second.__exit__(None, None, None)
    assert _blas_threads() == before


def test_blas_is_given_back_after_a_failure():
    before = _blas_threads()
    with pytest.raises(RuntimeError, match="inside"), single_threaded_blas():
        raise RuntimeError("inside")
    assert _blas_threads() == before
