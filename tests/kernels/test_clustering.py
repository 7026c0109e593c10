"""The k-means kernels where their tile, its blocks and its lanes end, and on what a row must never do."""

import os
import subprocess
import sys

import numpy as np
import pytest

from idxbench.kernels import clustering
from idxbench.kernels.lanes import GROUP, LANES, VECTOR
from tests.kernels.registry import KERNELS, Size


def _check(name, size, seed=0):
    entry = KERNELS[name]
    inputs = entry.make(size, np.random.default_rng(seed))
    for fast, slow in zip(entry.fast(*inputs), entry.slow(*inputs), strict=True):
        np.testing.assert_array_equal(fast, slow)


@pytest.mark.parametrize("n", [VECTOR - 1, VECTOR, VECTOR + 1, LANES - 1, LANES, LANES + 1, 2 * LANES])
@pytest.mark.parametrize("clusters", [1, GROUP - 1, GROUP, GROUP + 1, 2 * GROUP])
def test_edges_of_the_tile(n, clusters):
    _check("assign", Size(n, clusters, 3, 1), seed=n * clusters)


@pytest.mark.parametrize("d", [1, VECTOR - 1, VECTOR, VECTOR + 1, 2 * VECTOR - 1, 2 * VECTOR])
def test_rows_of_every_width_are_transposed(d):
    _check("assign", Size(LANES + VECTOR + 1, 5, d, 1), seed=d)


def test_rows_beyond_one_block():
    """More rows than are transposed at a time, the last few of them fewer than a vector."""
    d = 4 * LANES
    _check("assign", Size(clustering.CACHE_FLOATS // d + LANES + 3, 3, d, 1))


def test_rows_wider_than_a_block():
    d = clustering.CACHE_FLOATS // LANES + 1
    rows, centroids = np.random.default_rng(0).integers(-3, 4, (2, 40, d)).astype(np.float32)
    labels, best = KERNELS["assign"].fast(rows, centroids, np.zeros(40))
    scores = rows.astype(float) @ centroids.T.astype(float)
    np.testing.assert_array_equal(labels, scores.argmax(axis=1))
    np.testing.assert_array_equal(best, scores.max(axis=1))


def test_equal_centroids_tie_to_the_lowest():
    """Wherever the equal ones stand: in one tile, and in different ones."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((50, 7)).astype(np.float32)
    for first, second in [(0, 1), (0, 2), (1, 2), (3, GROUP - 1), (2, GROUP), (GROUP - 1, 2 * GROUP)]:
        centroids = np.zeros((2 * GROUP + 1, 7), np.float32)
        bias = np.full(len(centroids), -1e6)
        centroids[[first, second]] = rng.standard_normal(7)
        bias[[first, second]] = 0
        assert (KERNELS["assign"].fast(rows, centroids, bias)[0] == first).all()


def test_a_label_does_not_depend_on_the_neighbours_of_a_row():
    """Equal rows get equal scores to the last bit in whatever lane, tile and call: any split of the rows agrees."""
    rng = np.random.default_rng(1)
    rows, centroids = (rng.standard_normal((n, 37)).astype(np.float32) for n in (101, 29))
    labels, best = KERNELS["assign"].fast(rows, centroids, np.zeros(29))
    for start, stop in [(0, 1), (1, 40), (7, 101), (90, 95)]:
        part_labels, part_best = KERNELS["assign"].fast(rows[start:stop], centroids, np.zeros(29))
        np.testing.assert_array_equal(part_labels, labels[start:stop])
        np.testing.assert_array_equal(part_best, best[start:stop])


def test_lanes_without_a_centroid_never_win():
    """All scores are far below zero, which is what zeros in the padding score."""
    rows, centroids = np.full((3, 2), 10, np.float32), np.full((GROUP + 1, 2), -10, np.float32)
    labels, best = KERNELS["assign"].fast(rows, centroids, np.zeros(GROUP + 1))
    assert labels.tolist() == [0, 0, 0]
    assert best.tolist() == [-200, -200, -200]


def test_a_row_that_is_not_a_number_gets_the_first_label():
    """Not that of the row which had its place in the block before: a label is used as an index."""
    d = clustering.CACHE_FLOATS // LANES
    rows = np.full((2 * LANES, d), -1, np.float32)
    rows[LANES:] = np.nan
    labels, _ = KERNELS["assign"].fast(rows, np.array([[1], [-1]], np.float32).repeat(d, axis=1), np.zeros(2))
    assert labels.tolist() == [1] * LANES + [0] * LANES


def test_generic_tile_gives_the_same_answers():
    """The tile of CPUs without 512-bit registers, forced by Numba's own variables, in a process of its own."""
    code = (
        "import numpy as np\n"
        "from tests.kernels.registry import KERNELS, Size\n"
        "from idxbench.kernels.lanes import GROUP, LANES\n"
        "assert (GROUP, LANES) == (6, 16), (GROUP, LANES)\n"
        "inputs = KERNELS['assign'].make(Size(101, 29, 37, 1), np.random.default_rng(0))\n"
        "labels, best = KERNELS['assign'].fast(*inputs)\n"
        "print(labels.tolist(), best.tolist())\n"
    )
    forced = os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    printed = subprocess.run([sys.executable, "-c", code], env=forced, capture_output=True, text=True, check=False)
    assert printed.returncode == 0, printed.stderr
    inputs = KERNELS["assign"].make(Size(101, 29, 37, 1), np.random.default_rng(0))
    labels, best = KERNELS["assign"].slow(*inputs)
    assert printed.stdout.strip() == f"{labels.tolist()} {best.tolist()}"
