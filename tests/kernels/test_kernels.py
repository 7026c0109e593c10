"""Each kernel against its twin, on integers (exact, full of ties) and at the edges of its tile."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench.kernels import clustering, codes, encode, floats, heaps, waiting
from tests.kernels.registry import FIRST_ID, KERNELS, Size, exact_of, found_for

MODULES = (clustering, codes, encode, floats, heaps)


def _kernels():
    """The kernels of each module that are its own, not helpers that other kernels call."""
    for module in MODULES:
        for name, value in vars(module).items():
            if hasattr(value, "py_func") and value.__module__ == module.__name__ and not is_helper(value):
                yield name, value


def is_helper(function) -> bool:
    source = Path(function.py_func.__code__.co_filename).read_text().splitlines()
    return source[function.py_func.__code__.co_firstlineno - 1] == "@helper"


def test_every_kernel_has_a_twin():
    assert {name for name, _ in _kernels()} == set(KERNELS)


def _check(name: str, size: Size, seed: int) -> None:
    entry = KERNELS[name]
    inputs = entry.make(size, np.random.default_rng(seed))
    for fast, slow in zip(entry.fast(*inputs), entry.slow(*inputs), strict=True):
        np.testing.assert_allclose(fast, slow, rtol=entry.rtol)


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
@pytest.mark.parametrize("n", [floats.GROUP - 1, floats.GROUP, floats.GROUP + 1, floats.LANES, floats.LANES + 1])
@pytest.mark.parametrize("q", [1, floats.GROUP, floats.GROUP + 1, floats.LANES - 1, floats.LANES, floats.LANES + 1])
def test_edges_of_the_tile(name, n, q):
    _check(name, Size(n, q, 3, 2), seed=n * q)


@pytest.mark.parametrize("name", ["scan", "scan_codes"])
def test_rows_beyond_one_cache_block(name):
    """More rows than one pass over the queries: ids and ties must go on where the pass before ended."""
    d = 64
    n = max(floats.CACHE_FLOATS // d + floats.GROUP, codes.CHUNK_BYTES // d + codes.LANES) + 1
    _check(name, Size(n, 2, d, 5), seed=1)


@pytest.mark.parametrize("name", ["scan", "scan_codes", "scan_few"])
def test_equal_scores_keep_the_lowest_ids_in_order(name):
    rows, order = np.ones((50, 4), np.float32), np.random.default_rng(0).permutation(50).astype(np.int32)
    rows.flags.writeable = False
    ids, scores = KERNELS[name].fast(rows, np.ones((3, 4), np.float32), 7, False, order)
    assert ids.tolist() == [[5, 6, 7, 8, 9, 10, 11]] * 3
    assert (scores == 4).all()


@pytest.mark.parametrize("d", [2, 20])
@pytest.mark.parametrize("k", [waiting.SHALLOWEST - 1, waiting.SHALLOWEST, 40, 150, 500])
@pytest.mark.parametrize("by_distance", [False, True])
def test_deep_answers_whose_candidates_wait(d, k, by_distance):
    """Far more candidates than may wait; at two dimensions nearly all of them tie, and are scored after all."""
    rng = np.random.default_rng(k)
    for items in (rng.integers(-4, 5, (3000, d)), np.round(64 * rng.normal(size=(3000, d))) / 64):
        rows = items.astype(np.float32)
        rows.flags.writeable = False
        queries = rng.integers(-4, 5, (floats.LANES + 3, d)).astype(np.float32)
        for buffers in (False, True):
            order = rng.permutation(3000).astype(np.int32)
            inputs = rows, queries, k, by_distance, order, buffers
            for fast, slow in zip(KERNELS["scan"].fast(*inputs), KERNELS["scan"].slow(*inputs), strict=True):
                np.testing.assert_allclose(fast, slow, rtol=1e-12, atol=1e-12)


@settings(max_examples=300, deadline=None)
@given(
    scores=st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=2, max_size=200),
    k=st.integers(1, 199),
    known=st.booleans(),
)
def test_a_score_that_k_of_the_waiting_reach(scores, k, known):
    k = min(k, len(scores) - 1)
    noted = np.full((2, 208), np.float32(7.0))
    noted[1, : len(scores)] = scores
    low = np.float32(min(scores) if known else -np.inf)
    found = waiting.kth_score(noted, 1, len(scores), k, low)
    reached = sum(np.float32(score) >= found for score in scores)
    assert k <= reached
    # Hardly more, but those that tie to within what is left of the range when the halving ends.
    kth = float(np.sort(np.array(scores, np.float32))[-k])
    left = (max(scores) - min(scores)) * 2.0 ** (1 - waiting.HALVINGS) + abs(kth) * 1e-6
    assert reached <= max(k + k // 16, sum(score >= kth - left for score in scores))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e20, 1e-20])
def test_rows_that_float32_sums_badly_stop_the_quick_scan(bad):
    rows = np.array([[1.0], [bad], [2.0]], np.float32)
    rows.flags.writeable = False
    query = np.ones((1, 1))
    found = found_for(query, 3, False)
    exact = exact_of(rows, False)
    assert floats.scan_few(exact, FIRST_ID, query.astype(np.float32), np.ones(1), False, query, found)[1] == 1
    sums = np.zeros(3)
    encode.row_sums(rows, np.zeros(1), sums)
    assert np.isfinite(sums[1]) == np.isfinite(bad)


def test_codes_keep_their_bound_on_extreme_widths():
    """Sums of 255 x 127 over the widest vectors the codes take: nothing overflows 32 bits."""
    d, rng = codes.MAX_DIMS, np.random.default_rng(0)
    items = np.sign(rng.normal(size=(40, d))).astype(np.float32)
    items[:20] = items[0]
    items.flags.writeable = False
    queries = np.concatenate([items[:1], -items[:1], items[30:31]])
    for by_distance in (False, True):
        inputs = items, queries, 5, by_distance, np.arange(40, dtype=np.int32)
        for fast, slow in zip(KERNELS["scan_codes"].fast(*inputs), KERNELS["scan_codes"].slow(*inputs), strict=True):
            np.testing.assert_array_equal(fast, slow)


@pytest.mark.parametrize("by_distance", [False, True])
@pytest.mark.parametrize("value", [0.0, 1e-20])
@pytest.mark.parametrize("n_queries", [1, floats.GROUP + 1])
def test_nothing_but_zeros(by_distance, value, n_queries):
    """A panel without a scale, a query without one, and places in the group that hold no query."""
    items, order = np.full((1, 1), value, np.float32), np.zeros(1, np.int32)
    items.flags.writeable = False
    queries = np.zeros((n_queries, 1), np.float32)
    for name in ("scan", "scan_codes"):
        ids, scores = KERNELS[name].fast(items, queries, 1, by_distance, order)
        assert ids.tolist() == [[FIRST_ID]] * n_queries
        np.testing.assert_allclose(scores, 0, atol=1e-30)


GENERIC = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
# AVX2 and its 16-bit multiply-add, without anything newer.
AVX2 = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+avx,+fma,+sse4.2,+ssse3,+sse2,+popcnt,+bmi,+bmi2"}
# 512-bit registers without the product of bytes.
AVX512 = {
    "NUMBA_CPU_NAME": "skylake-avx512",
    "NUMBA_CPU_FEATURES": AVX2["NUMBA_CPU_FEATURES"] + ",+avx512f,+avx512bw,+avx512vl,+avx512dq,+avx512cd",
}
SEARCHES = """
import json
import numpy as np
from idxbench import ExactIndex
from idxbench.kernels import codes
rng = np.random.default_rng(0)
items, queries = rng.normal(size=(300, 19)).astype("f4"), rng.normal(size=(70, 19)).astype("f4")
answers = []
for metric in ("dot", "cosine", "l2"):
    for engine in ("codes", "floats"):
        index = ExactIndex(items, metric, threads=2, engine=engine)
        for asked in (queries, queries[:1]):
            found = index.neighbors(asked, 7)
            assert found.engine == engine
            answers.append([found.ids.tolist(), found.scores.round(12).tolist()])
print(json.dumps([codes.GROUP, codes.LANES, codes.BYTE_DOT, answers]))
"""


def _search_in_a_process(settings: dict[str, str]) -> list:
    printed = subprocess.run(
        [sys.executable, "-c", SEARCHES], env=os.environ | settings, capture_output=True, text=True, check=False
    )
    assert printed.returncode == 0, printed.stderr
    return json.loads(printed.stdout)


@pytest.mark.parametrize(("settings", "tile"), [(GENERIC, [6, 16, ""]), (AVX2, [6, 16, ""]), (AVX512, [12, 32, ""])])
def test_other_cpus_give_the_same_answers(settings, tile):
    """The tiles of lesser CPUs, forced by Numba's own variables, in processes of their own."""
    if platform.machine() != "x86_64":
        settings, tile = GENERIC, [6, 16, ""]
    elif settings is AVX512 and floats.LANES != 32:
        pytest.skip("this CPU has no 512-bit registers to run that code")
    *used, answers = _search_in_a_process(settings)
    assert used == tile
    assert answers == _search_in_a_process({})[-1]


def test_nothing_is_compiled_after_the_warm_up(tmp_path):
    """A run's figures must not hold a compiler's time: searches of every kind meet compiled kernels only."""
    from idxbench import ExactIndex, exact_topk, kmeans
    from idxbench.kernels.compile import compile_kernels

    # Other tests hand kernels what the program never does: a process of its own would be clean, and slow.
    compile_kernels()
    before = {name: len(kernel.signatures) for name, kernel in _kernels()}
    items = np.random.default_rng(0).normal(size=(300, 8)).astype("f4")
    items[:, 4:] = 0
    np.save(tmp_path / "items.npy", items)
    for source in (items, np.load(tmp_path / "items.npy", mmap_mode="r"), items.astype(float) + 1e-9):
        for metric in ("dot", "cosine", "l2", "covariance"):
            weight = np.eye(8) if metric == "covariance" else None
            for asked in (items[:1], items):
                exact_topk(source, asked, 3, metric, weight=weight, threads=2)
                exact_topk([source, source], asked, 3, metric, weight=weight, threads=2)
                for engine in ("codes", "floats"):
                    index = ExactIndex(source, metric, weight=weight, threads=2, engine=engine)
                    index.search(asked, 3)
                    index.score_ids(asked, np.zeros((len(asked), 2), np.int64))
        kmeans(source, 3, seed=0)
    assert {name: len(kernel.signatures) for name, kernel in _kernels()} == before
