"""Calls in order with little waiting, and a BLAS thread count that is always given back."""

import threading

import pytest
from threadpoolctl import threadpool_info

from idxbench.pool import in_order, make_pool, single_threaded_blas


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_order_and_few_wait(threads):
    started, taken, waiting = [], [], []

    def call(number):
        started.append(number)
        return number

    with make_pool(threads) as pool:
        for result in in_order(pool, call, range(50), ahead=4):
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

    with make_pool(threads) as pool, pytest.raises(ValueError, match="two"):
        list(in_order(pool, call, range(6), ahead=4))


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
