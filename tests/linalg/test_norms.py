"""Norms of rows at any scale."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench.errors import DataError
from idxbench.linalg.blocks import ROWS
from idxbench.linalg.norms import norms
from tests.reference import linalg as twin


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 30), d=st.integers(1, 9), spread=st.sampled_from([0, 5, 280]), seed=st.integers(0, 2**16))
def test_agrees_with_hypot(n, d, spread, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * 10.0 ** rng.integers(-spread, spread + 1, (n, 1))
    x[rng.integers(n)] = 0
    np.testing.assert_allclose(norms(x), twin.norms(x), rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8, np.uint8, np.int64])
def test_types_blocks_and_threads(dtype, tmp_path):
    x = np.random.default_rng(0).integers(0, 100, (2 * ROWS + 3, 3)).astype(dtype)
    np.save(tmp_path / "x.npy", x)
    found = norms(np.load(tmp_path / "x.npy", mmap_mode="r"), threads=3)
    np.testing.assert_array_equal(found, norms(x, threads=1))
    np.testing.assert_allclose(found, twin.norms(x), rtol=1e-15)


def test_mistakes_are_named():
    x = np.ones((ROWS + 9, 2))
    x[ROWS + 1] = np.nan
    with pytest.raises(DataError, match=f"items\n.*\n.*NaN or infinity in row {ROWS + 1}\n"):
        norms(x)
    with pytest.raises(DataError, match=r"items\n.*2-D array"):
        norms(np.ones(3))
