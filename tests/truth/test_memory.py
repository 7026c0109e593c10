"""Stated memory against what fresh processes use."""

import json
import subprocess
import sys

import numpy as np
import pytest

from idxbench.truth.memory import index_bytes, search_bytes

MEASURE = """
import json, resource, sys
import numpy as np
from idxbench import ExactIndex, exact_topk
from idxbench.kernels.compile import compile_kernels

path, n_queries, k, metric, how = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
items = np.load(path, mmap_mode="r")
queries = np.random.default_rng(1).standard_normal((n_queries, items.shape[1]), np.float32)
exact_topk(np.asarray(items[:200]), queries[:70], 3, metric, threads=2)
compile_kernels()


def held():
    # Anonymous memory only: pages of the map come and go with the system's cache.
    return int(next(line for line in open("/proc/self/status") if line.startswith("RssAnon")).split()[1]) * 1024


import threading, time
peak, stop = [held()], []
before = peak[0]


def watch():
    while not stop:
        peak[0] = max(peak[0], held())
        time.sleep(0.002)


thread = threading.Thread(target=watch)
thread.start()
if how == "index":
    index = ExactIndex(items, metric, threads=2)
    peak[0] = held()
else:
    source = items if how == "array" else (np.array(items[a : a + 10_000]) for a in range(0, len(items), 10_000))
    exact_topk(source, queries, k, metric, threads=2)
stop.append(1)
thread.join()
print(json.dumps(peak[0] - before))
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("memory") / "items.npy"
    np.save(file, np.random.default_rng(0).standard_normal((400_000, 96), np.float32))
    return file


def used(path, n_queries, k, metric, how):
    call = [sys.executable, "-c", MEASURE, str(path), str(n_queries), str(k), metric, how]
    return json.loads(subprocess.run(call, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize(
    ("n_queries", "k", "metric", "how"),
    [(3, 10, "dot", "array"), (500, 100, "l2", "array"), (500, 10, "cosine", "array"), (500, 10, "dot", "stream")],
)
def test_a_search_stays_within_what_was_stated(path, n_queries, k, metric, how):
    stated = search_bytes(400_000, 96, n_queries, k, metric, threads=2, stream=how == "stream")
    # Stated without the array or map itself, which a copy of all items would double.
    assert stated < 400_000 * 96 * 4 * 2
    assert used(path, n_queries, k, metric, how) < stated + (1 << 24)


def test_an_index_holds_what_was_stated(path):
    stated = index_bytes(400_000, 96, "l2")
    assert 0.5 * stated < used(path, 1, 1, "l2", "index") < 1.3 * stated + (1 << 24)


def test_a_file_larger_than_its_blocks_needs_no_more(path):
    """Twice the items, the same blocks: stated memory stops growing."""
    once, twice = (search_bytes(n, 96, 500, 10, threads=2) for n in (10_000_000, 20_000_000))
    assert once == twice
    assert search_bytes(53_687_091, 100, 1000, 10, threads=2) < 1 << 30
