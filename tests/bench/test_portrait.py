"""Norms and spectrum of vectors whose answer is known."""

from types import SimpleNamespace

import numpy as np
import pytest

from idxbench.bench import portrait as room
from idxbench.bench.portrait import LEVELS, portrait


def of(items, queries=None):
    return portrait(SimpleNamespace(items=items, queries=queries), 0, 2)


def test_by_hand():
    items = np.array([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]], np.float32)
    told = of(items)
    assert set(told) == {"items"}
    assert told["items"]["norm_levels"] == list(LEVELS)
    assert told["items"]["norms"][0] == 0.0
    assert told["items"]["norms"][LEVELS.index(0.5)] == pytest.approx(3.0)
    assert told["items"]["norms"][-1] == pytest.approx(4.0)
    assert told["items"]["spectrum"] == pytest.approx([16 / 25, 9 / 25])


def test_zero_vectors_have_no_spectrum_and_queries_are_their_own():
    told = of(np.zeros((4, 3), np.float32), np.ones((2, 3), np.float32))
    assert told["items"]["spectrum"] == []
    assert told["queries"]["spectrum"] == pytest.approx([1.0, 0.0], abs=1e-12)


def test_a_sample_stands_for_many_rows_and_norms_are_of_all(monkeypatch):
    monkeypatch.setattr(room, "MOST_ROWS", 500)
    items = np.random.default_rng(0).normal(size=(5000, 3)).astype(np.float32) * [1, 2, 3]
    items = items.astype(np.float32)
    items[7] = 1000
    told = of(items)["items"]
    assert told["norms"][-1] == pytest.approx(1000 * 3**0.5)
    assert sum(told["spectrum"]) == pytest.approx(1.0)


def test_levels_ascend():
    assert list(LEVELS) == sorted(set(LEVELS))
    assert (LEVELS[0], LEVELS[-1]) == (0.0, 1.0)
