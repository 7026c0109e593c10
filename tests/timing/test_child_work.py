"""A child does one thing at a time, builds or loads and measures, and nothing else comes between."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from idxbench.indexes.catalogue import make_index
from idxbench.timing import child
from idxbench.timing.child import ChildError
from idxbench.timing.worker import PROTOCOL
from tests.timing.children import KINDS, quiet, start


def test_a_child_builds_and_saves_and_ends(job):
    told = []
    with start(job) as process:
        built = process.build(told.append)
        assert process._process.wait(timeout=60) == 0
    assert sum(told) == 200
    assert built.build_s > 0
    assert built.index_bytes > 200 * 8 * 4
    assert built.index_bytes == Path(job.saved).stat().st_size
    assert built.reachable.all()
    assert built.batch_threads == 2
    assert built.library[0] == "hnswlib"
    assert built.library[1][0].isdigit()
    assert built.protocol == PROTOCOL


def test_another_child_loads_and_measures(saved):
    with start(replace(saved, rate=5000.0)) as process:
        process.load()
        for round_, searches in enumerate(((0, 1), (1, 0))):
            for search in searches:
                turn = process.turn(search, round_)
                assert turn.batch_s > 0
                assert turn.single_s.shape == (10,)
                assert (turn.single_s > 0).all()
                assert turn.threads_s > 0
                assert turn.threads_queries >= 10
                assert turn.response_s.shape == (100,)
                assert turn.reading.wall_s > turn.batch_s
        answers = process.answers()
    assert [one.ids.shape for one in answers] == [(10, 5)] * 2
    assert [one.n_short for one in answers] == [0, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_loaded_answers_as_what_was_built(job, kind):
    """Whatever the library saves; an exact search is built again from its items. No search need have had a turn."""
    searches = [{"ef": 10}, {"ef": 50}] if kind == "hnswlib" else [{}]
    job = replace(job, kind=kind, parameters=KINDS[kind], searches=searches)
    with start(job) as process:
        process.build(quiet)
    index = make_index(kind, KINDS[kind], "dot")
    index.build(np.load(job.items), seed=0, threads=1, progress=quiet)
    queries = index.prepare(np.load(job.queries))
    with start(replace(job, mode="load")) as process:
        process.load()
        process.turn(0, 0)
        answers = process.answers()
    for search, found in zip(searches, answers, strict=True):
        index.set_search(search)
        np.testing.assert_array_equal(found.ids, index.search(queries, 5, threads=2).ids)


def test_a_saved_index_is_loaded_without_its_items(saved):
    Path(saved.items).unlink()
    with start(saved) as process:
        process.load()
        assert process.turn(0, 0).batch_s > 0


def test_an_index_that_is_not_there_or_broken_is_the_reason(saved):
    Path(saved.saved).write_bytes(b"torn")
    with start(saved) as process, pytest.raises(ChildError, match="expected: an index saved by idxbench") as told:
        process.load()
    assert "\n" not in str(told.value)
    Path(saved.saved + ".json").unlink()
    with start(saved) as process, pytest.raises(ChildError, match="No such file"):
        process.load()


def test_more_queries_than_a_round_asks_alone(saved):
    np.save(saved.queries, np.random.default_rng(1).normal(size=(2500, 8)).astype(np.float32))
    with start(saved) as process:
        process.load()
        turn = process.turn(0, 2)
        assert turn.single_s.shape == (1000,)
        assert turn.threads_queries % 1000 == 0
        assert process.answers()[0].ids.shape == (2500, 5)


def test_small_batches_are_known_to_use_one_thread(job):
    with start(replace(job, search_threads=3)) as process:
        assert process.build(quiet).batch_threads == 1


def test_threads_are_told_their_number_and_not_to_spin_for_long(job, monkeypatch):
    """Unless the user has said how long: then that holds. The number of threads is ours to say."""
    environments = []
    monkeypatch.setattr(child.subprocess, "Popen", lambda *_, env, **options: environments.append(env))
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    start(job)
    monkeypatch.setenv("GOMP_SPINCOUNT", "5")
    start(job)
    assert [one["GOMP_SPINCOUNT"] for one in environments] == ["1000", "5"]
    assert [one["OMP_NUM_THREADS"] for one in environments] == ["2", "2"]


def test_a_kernel_that_is_compiled_while_timed_is_the_reason(saved, tmp_path, monkeypatch):
    """The 65th query in a row needs a kernel for numbers of another type; no warm-up asks more than 64."""
    np.save(saved.queries, np.random.default_rng(1).normal(size=(100, 8)).astype(np.float32))
    patch_workers(
        tmp_path,
        monkeypatch,
        "    import numpy as np\n"
        "    from idxbench.indexes.hnsw import HnswIndex\n"
        "    from idxbench.kernels import heaps\n"
        "    real, alone = HnswIndex.search, []\n"
        "    def search(self, rows, *a, **o):\n"
        "        alone[:] = [*alone, 1] if len(rows) == 1 else []\n"
        "        if len(alone) == 65:\n"
        "            heaps.sort_heaps(np.ones((1, 1)), np.ones((1, 1), np.int64))\n"
        "        return real(self, rows, *a, **o)\n"
        "    HnswIndex.search = search\n",
    )
    with start(replace(saved, search_threads=1)) as process:
        process.load()
        with pytest.raises(ChildError, match=r"^kernels were compiled \(1\) while the search {'ef': 10} was timed"):
            process.turn(0, 0)


def patch_workers(tmp_path, monkeypatch, code):
    """Have every worker run some code when it starts."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif any('worker' in a for a in getattr(sys, 'orig_argv', [])):\n" + code
    )
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    monkeypatch.setenv("PYTHONPATH", path)


def test_what_a_library_prints_or_reads_disturbs_nothing(saved, tmp_path, monkeypatch):
    """Code that writes to standard output, and even looks like us, and reads standard input, while it searches."""
    patch_workers(
        tmp_path,
        monkeypatch,
        "    from idxbench.indexes.hnsw import HnswIndex\n"
        "    real = HnswIndex.search\n"
        "    def search(self, *a, **o):\n"
        "        os.write(1, b'{\"ready\": 1}')\n"
        "        print('noise without an end', end='')\n"
        "        assert os.read(0, 10) == b''\n"
        "        return real(self, *a, **o)\n"
        "    HnswIndex.search = search\n",
    )
    with start(saved) as process:
        process.load()
        for search in (0, 1, 0, 1):
            process.turn(search, 0)
        assert all((answers.ids >= 0).all() for answers in process.answers())
    assert b"ready" in Path(saved.out, "stderr.txt").read_bytes()
