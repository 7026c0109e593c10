"""Recall by norm, by hand and beside a loop."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench.measures.strata import found_by_part, norm_parts


def test_parts_by_hand():
    assert norm_parts(np.array([5.0, 1.0, 3.0])).tolist() == [6, 0, 3]
    assert norm_parts(np.arange(20.0)).tolist() == [i // 2 for i in range(20)]
    assert norm_parts(np.zeros(10)).tolist() == list(range(10))  # equal norms: by id
    assert norm_parts(np.zeros(0)).tolist() == []


def test_counts_by_hand():
    parts = norm_parts(np.arange(10.0))
    truth = np.array([[9, 0], [9, 8]])
    found = np.array([[9, 8, -1], [0, 9, -1]])  # 8 was found by the wrong query, 0 too
    counts = found_by_part(found, truth, parts)
    assert counts.tolist() == [[1, 0, 0, 0, 0, 0, 0, 0, 1, 2], [0, 0, 0, 0, 0, 0, 0, 0, 0, 2]]


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 40), q=st.integers(1, 8))
def test_beside_a_loop(seed, n, q):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, n + 1))
    truth = np.array([rng.permutation(n)[:k] for _ in range(q)])
    found = np.array([rng.permutation(n)[:k] for _ in range(q)])
    found[rng.random(found.shape) < 0.2] = -1
    parts = norm_parts(rng.random(n))
    expected = np.zeros((2, 10), int)
    for row in range(q):
        for item in truth[row]:
            expected[0, parts[item]] += 1
            expected[1, parts[item]] += item in set(found[row].tolist()) - {-1}
    assert found_by_part(found, truth, parts).tolist() == expected.tolist()
