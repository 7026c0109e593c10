"""Each kernel against its twin, on integers (exact, full of ties) and at the edges of its tile."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench.kernels import topk
from tests.kernels.registry import KERNELS, Size


def test_every_kernel_has_a_twin():
    compiled = {name for name, value in vars(topk).items() if hasattr(value, "py_func") and not name.startswith("_")}
    assert compiled == set(KERNELS)


def _check(name: str, size: Size, seed: int) -> None:
    entry = KERNELS[name]
    inputs = entry.make(size, np.random.default_rng(seed))
    for fast, slow in zip(entry.fast(*inputs), entry.slow(*inputs), strict=True):
        np.testing.assert_array_equal(fast, slow)


@pytest.mark.parametrize("name", KERNELS)
@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 40),
    q=st.integers(1, 70),
    d=st.integers(1, 20),
    k=st.integers(1, 12),
    seed=st.integers(0, 2**16),
)
def test_agrees_with_twin(name, n, q, d, k, seed):
    _check(name, Size(n, q, d, k), seed)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("n", [topk.ROWS - 1, topk.ROWS, topk.ROWS + 1, 2 * topk.ROWS])
@pytest.mark.parametrize("q", [1, topk.LANES - 1, topk.LANES, topk.LANES + 1])
def test_edges_of_the_tile(name, n, q):
    _check(name, Size(n, q, 3, 2), seed=n * q)


def test_rows_beyond_one_cache_block():
    """More rows than one inner block: ids and ties must go on where the block before ended."""
    d = 64
    n = topk.CACHE_FLOATS // d + topk.ROWS + 1
    _check("scan", Size(n, 2, d, 5), seed=1)


def test_equal_scores_keep_the_lowest_ids_in_order():
    rows = np.ones((50, 4), np.float32)
    ids, scores = KERNELS["scan"].fast(rows, np.zeros(50, np.float32), np.ones((3, 4), np.float32), 7)
    assert ids.tolist() == [[5, 6, 7, 8, 9, 10, 11]] * 3
    assert (scores == 4).all()


def test_nan_is_never_kept():
    rows = np.array([[np.nan], [1.0], [2.0]], np.float32)
    ids, scores = KERNELS["scan"].fast(rows, np.zeros(3, np.float32), np.ones((1, 1), np.float32), 3)
    assert ids[0, :2].tolist() == [7, 6]
    assert scores[0, 2] == -np.inf


def test_generic_tile_gives_the_same_answers():
    """The tile of CPUs without 512-bit registers, forced by Numba's own variables, in a process of its own."""
    code = (
        "import numpy as np\n"
        "from idxbench.kernels import topk\n"
        "assert (topk.ROWS, topk.LANES) == (6, 16), (topk.ROWS, topk.LANES)\n"
        "from idxbench import exact_topk\n"
        "rng = np.random.default_rng(0)\n"
        "ids, scores = exact_topk(rng.normal(size=(300, 19)), rng.normal(size=(40, 19)), 7, 'l2', threads=2)\n"
        "print(ids.tolist())\n"
    )
    forced = os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    printed = subprocess.run([sys.executable, "-c", code], env=forced, capture_output=True, text=True, check=False)
    assert printed.returncode == 0, printed.stderr
    from idxbench import exact_topk

    rng = np.random.default_rng(0)
    ids, _ = exact_topk(rng.normal(size=(300, 19)), rng.normal(size=(40, 19)), 7, "l2", threads=2)
    assert printed.stdout.strip() == str(ids.tolist())


def test_nothing_is_compiled_after_the_warm_up(tmp_path):
    """A run's figures must not hold a compiler's time: searches of every kind meet compiled kernels only."""
    from idxbench import ExactIndex, kmeans
    from idxbench.kernels.compile import compile_kernels

    compile_kernels()
    before = {name: len(getattr(topk, name).signatures) for name in KERNELS}
    items = np.random.default_rng(0).normal(size=(300, 4)).astype("f4")
    np.save(tmp_path / "items.npy", items)
    for source in (items, np.load(tmp_path / "items.npy", mmap_mode="r")):
        for metric in ("dot", "cosine", "l2"):
            for keep in (True, False):
                for asked in (items[:1], items):
                    ExactIndex(source, metric, threads=2, keep=keep).search(asked, 3)
        ExactIndex(np.zeros_like(source), "dot").search(items[:9], 3)
        kmeans(source, 3, seed=0)
    assert {name: len(getattr(topk, name).signatures) for name in KERNELS} == before
