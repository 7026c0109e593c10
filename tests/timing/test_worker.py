"""What the child does before anything is timed."""

import numpy as np
import pytest

from idxbench.timing import worker
from idxbench.timing.worker import PAGE, aligned


@pytest.mark.parametrize("shape", [(400, 64), (1, 3), (7, 1)])
def test_rows_begin_with_a_page(shape):
    rows = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    for before in range(5):
        held = bytearray(16 * before + 1)  # moves what is asked for next
        copy = aligned(rows)
        assert copy.ctypes.data % PAGE == 0
        assert (copy.dtype, copy.shape, copy.flags.c_contiguous) == (np.float32, shape, True)
        np.testing.assert_array_equal(copy, rows)
        assert not np.shares_memory(copy, rows)
        del held


def test_queries_that_are_timed_begin_with_a_page(saved, monkeypatch):
    held = []
    monkeypatch.setattr(worker, "TimedSearches", lambda index, searches, prepared, *_, **__: held.append(prepared))
    worker._load(saved)
    assert held[0].ctypes.data % PAGE == 0
