"""Every trap of hnswlib, sprung on the wrapper."""

from importlib import metadata

import hnswlib
import numpy as np
import pytest

from idxbench import exact_topk
from idxbench.errors import DataError, ResultError
from idxbench.indexes.catalogue import effective_searches, library_version, load_index, make_index
from idxbench.indexes.hnsw import HnswIndex


def quiet(n: int) -> None:
    """Ignore progress."""


def built(items, similarity="dot", *, M=16, ef_construction=100, ef=200, seed=0, threads=1):
    index = HnswIndex(similarity, M=M, ef_construction=ef_construction)
    index.build(np.asarray(items, np.float32), seed=seed, threads=threads, progress=quiet)
    index.set_search({"ef": ef})
    return index


def recall(index, items, queries, similarity, k=10):
    truth, _ = exact_topk(items, queries, k, similarity, threads=2)
    found = index.search(index.prepare(np.asarray(queries, np.float32)), k, threads=2)
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(found.ids, truth, strict=True)])


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(2000, 16)).astype("f4"), rng.normal(size=(100, 16)).astype("f4")


@pytest.mark.parametrize("similarity", ["dot", "cosine", "l2"])
@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1.0, 1e6, 1e15])
def test_scale_does_not_matter(data, similarity, scale):
    """``1 - dot`` in float32 ties tiny products; cosine breaks at norms below 1e-22 and above 1e19."""
    items, queries = data
    index = built(items * np.float32(scale), similarity)
    assert recall(index, items * np.float32(scale), queries * np.float32(scale), similarity) > 0.97


def test_the_library_alone_loses_tiny_dots(data):
    """The reason for the rescaling above: without it the same data is lost."""
    items, queries = data[0] * np.float32(1e-5), data[1] * np.float32(1e-5)
    index = hnswlib.Index("ip", 16)
    index.init_index(len(items), M=16, ef_construction=100, random_seed=0)
    index.add_items(items, num_threads=1)
    index.set_ef(200)
    truth, _ = exact_topk(items, queries, 10)
    ids, _ = index.knn_query(queries, 10, num_threads=1)
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(ids, truth, strict=True)]) < 0.5


def test_query_norms_that_spread_do_not_matter(data):
    items, queries = data
    spread = queries * np.exp(8 * np.random.default_rng(1).normal(size=(len(queries), 1))).astype("f4")
    assert recall(built(items), items, spread, "dot") > 0.97


def test_zero_rows_under_cosine(data):
    items = data[0].copy()
    items[:50] = 0
    index = built(items, "cosine")
    found = index.search(index.prepare(np.zeros((2, 16), "f4")), 5, threads=1)
    assert (found.ids >= 0).all()
    assert recall(index, items, data[1], "cosine") > 0.97


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_rows_are_refused_and_named(data, bad):
    items = data[0].copy()
    items[7, 3] = bad
    with pytest.raises(DataError, match="row 7"):
        built(items)
    index = built(data[0])
    with pytest.raises(DataError, match="row 7"):
        index.prepare(items)


def test_wrong_widths_are_refused(data):
    index = built(data[0])
    with pytest.raises(DataError, match=r"width 16, that of the items"):
        index.prepare(np.ones((1, 15), "f4"))
    with pytest.raises(DataError, match=r"width 16, that of the items"):
        index.search(np.ones((1, 17), "f4"), 1, threads=1)


def test_short_results_are_padded_and_counted_per_query():
    """k above the corpus fails for the whole batch inside the library; here each row keeps what it has."""
    items = np.eye(4, dtype="f4")
    index = built(items, "l2", M=4)
    found = index.search(index.prepare(items[:3]), 6, threads=2)
    assert found.n_short == 3
    assert (found.ids[:, 4:] == -1).all()
    assert [sorted(row[:4]) for row in found.ids.tolist()] == [[0, 1, 2, 3]] * 3


def test_one_short_row_does_not_hurt_the_others(monkeypatch, data):
    """A library that fails whenever a poisoned query is in the batch: the other 99 answers come out whole."""
    items, queries = data
    index = built(items)
    real = index._index
    poisoned = index.prepare(queries)
    poisoned[37] = 0

    class Failing:
        def knn_query(self, rows, k, num_threads):
            if k > 4 and (rows == 0).all(axis=1).any():
                raise RuntimeError("Cannot return the results in a contiguous 2D array. Probably ef or M is too small")
            return real.knn_query(rows, k=k, num_threads=num_threads)

    monkeypatch.setattr(index, "_index", Failing())
    found = index.search(poisoned, 10, threads=1)
    whole, _ = real.knn_query(poisoned, k=10, num_threads=1)
    assert found.n_short == 1
    assert (found.ids[37, 4:] == -1).all()
    assert (found.ids[37, :4] >= 0).all()
    others = np.arange(100) != 37
    np.testing.assert_array_equal(found.ids[others], whole[others])


def test_other_failures_of_the_library_are_not_swallowed(monkeypatch, data):
    index = built(data[0])

    class Broken:
        def knn_query(self, rows, k, num_threads):
            raise RuntimeError("something else")

    monkeypatch.setattr(index, "_index", Broken())
    with pytest.raises(RuntimeError, match="something else"):
        index.search(np.ones((2, 16), "f4"), 3, threads=1)


def test_one_thread_and_one_seed_repeat_bit_for_bit(data):
    items, queries = data
    answers = [
        built(items, M=4, ef_construction=10, ef=10, seed=seed).search(queries, 10, threads=1).ids for seed in (5, 5, 6)
    ]
    np.testing.assert_array_equal(answers[0], answers[1])
    assert not np.array_equal(answers[0], answers[2])


def test_every_call_passes_its_threads(monkeypatch, data):
    seen = []
    real = hnswlib.Index

    class Watching:
        def __init__(self, **arguments):
            self._real = real(**arguments)

        def __getattr__(self, name):
            return getattr(self._real, name)

        def add_items(self, *arguments, num_threads):
            seen.append(num_threads)
            self._real.add_items(*arguments, num_threads=num_threads)

        def knn_query(self, *arguments, k, num_threads):
            seen.append(num_threads)
            return self._real.knn_query(*arguments, k=k, num_threads=num_threads)

    monkeypatch.setattr(hnswlib, "Index", Watching)
    index = built(data[0], threads=3)
    index.search(index.prepare(data[1]), 5, threads=2)
    assert seen == [3, 2]


def test_save_and_load_keep_what_the_library_forgets(tmp_path, data):
    items, queries = data
    index = built(items, "l2", ef=33)
    index.save(tmp_path / "index.bin")
    loaded = HnswIndex.load(tmp_path / "index.bin")
    assert (loaded.similarity, loaded._ef, loaded.M) == ("l2", 33, 16)
    again = loaded.search(loaded.prepare(queries), 10, threads=1)
    np.testing.assert_array_equal(again.ids, index.search(index.prepare(queries), 10, threads=1).ids)
    with pytest.raises(DataError, match="width 16"):
        loaded.prepare(np.ones((1, 3), "f4"))
    (tmp_path / "index.bin.json").unlink()
    with pytest.raises(ResultError, match="an index saved by idxbench"):
        HnswIndex.load(tmp_path / "index.bin")


def test_size_is_that_of_the_saved_file(tmp_path, data):
    index = built(data[0])
    index.save(tmp_path / "index.bin")
    assert index.size_bytes() == (tmp_path / "index.bin").stat().st_size


def test_reachable_items_are_what_searches_return():
    """Norms that spread leave a raw inner-product graph in pieces; the share must agree with real searches."""
    rng = np.random.default_rng(2)
    items = (rng.normal(size=(1500, 16)) * np.exp(rng.normal(size=(1500, 1)))).astype("f4")
    index = built(items, M=4, ef_construction=20, ef=1500)
    reachable = index.reachable()
    returned = set()
    for row in index.prepare(rng.normal(size=(300, 16)).astype("f4")):
        returned |= set(index.search(row[None], 1500, threads=1).ids[0].tolist())
    returned.discard(-1)
    assert 0.1 < reachable.mean() < 0.8
    assert reachable[sorted(returned)].all()
    # Never more than is reachable. Some less: these 300 queries do not end the upper levels on every node
    # that some query could.
    assert reachable.sum() <= 1.25 * len(returned)


def test_reachability_is_by_item_whatever_the_order_threads_added_them():
    """With two threads a node's number is not its row: what searches return must be reachable all the same."""
    rng = np.random.default_rng(2)
    items = (rng.normal(size=(5000, 16)) * np.exp(rng.normal(size=(5000, 1)))).astype("f4")
    index = built(items, M=4, ef_construction=20, ef=5000, threads=2)
    reachable = index.reachable()
    found = index.search(index.prepare(rng.normal(size=(20, 16)).astype("f4")), 500, threads=1).ids
    assert reachable.mean() < 0.8
    assert reachable[found[found >= 0]].all()


def test_a_whole_graph_reaches_everything(data):
    assert built(data[0], "cosine").reachable().all()


def test_an_island_is_unreachable():
    """A graph by hand: three nodes on level 0, the entry links to one, nobody links to the third."""
    index = built(np.array([[0.0], [1.0], [2.0]], "f4"), "l2", M=2)
    state = dict(index._index.__getstate__()[0])
    size, begin = state["size_data_per_element"], state["offset_level0"]
    level0 = np.array(state["data_level0"]).view(np.uint8).reshape(3, size)
    entry = state["enterpoint_node"]
    near, island = [node for node in range(3) if node != entry]
    for node, links in ((entry, [near]), (near, [entry]), (island, [entry])):
        level0[node, begin : begin + 2] = np.array([len(links)], np.uint16).view(np.uint8)
        level0[node, begin + 4 : begin + 8] = np.array(links, np.uint32).view(np.uint8)
    state |= {"data_level0": level0.ravel().view(np.int8), "element_levels": np.zeros(3, np.int32), "max_level": 0}

    class Drawn:
        def __getstate__(self):
            return (state,)

    index._index = Drawn()
    assert index.reachable().tolist() == [node != island for node in range(3)]


def test_ef_below_k_is_named_and_runs_once():
    sweep = tuple({"ef": ef} for ef in (10, 20, 100, 200))
    assert effective_searches("hnswlib", sweep, 100) == (({"ef": 100}, {"ef": 200}), (10, 20))
    assert effective_searches("hnswlib", sweep, 10) == (sweep, ())
    assert effective_searches("exact", ({},), 100) == (({},), ())


def test_exact_index_keeps_the_protocol(data):
    items, queries = data
    index = make_index("exact", {}, "l2")
    index.build(items, seed=0, threads=1, progress=quiet)
    index.set_search({})
    found = index.search(index.prepare(queries), 7, threads=2)
    np.testing.assert_array_equal(found.ids, exact_topk(items, queries, 7, "l2")[0])
    assert found.n_short == 0
    assert index.size_bytes() > items.nbytes
    assert index.reachable().all()


def test_unknown_kind_and_unbuilt_index():
    with pytest.raises(ValueError, match="no index kind 'x'"):
        make_index("x", {}, "dot")
    for index in (make_index("exact", {}, "dot"), make_index("hnswlib", {"M": 4, "ef_construction": 4}, "dot")):
        with pytest.raises(RuntimeError, match="build the index"):
            index.size_bytes()


@pytest.mark.parametrize("similarity", ["dot", "cosine", "l2"])
def test_a_loaded_index_answers_identically(tmp_path, similarity):
    """Items of mean norm 5e4, scaled to 1 in the graph: without the scale kept beside it, l2 would answer otherwise."""
    rng = np.random.default_rng(3)
    items = (1e4 * rng.normal(size=(800, 24)) * np.exp(rng.normal(size=(800, 1)))).astype("f4")
    queries = (1e4 * rng.normal(size=(50, 24))).astype("f4")
    index = built(items, similarity)
    index.save(tmp_path / "saved")
    build = {"M": 16, "ef_construction": 100}
    loaded = load_index("hnswlib", build, similarity, tmp_path / "saved", tmp_path / "no-items.npy", threads=1)
    assert (loaded.similarity, loaded.size_bytes()) == (similarity, index.size_bytes())
    np.testing.assert_array_equal(loaded.reachable(), index.reachable())
    np.testing.assert_array_equal(loaded.prepare(queries), index.prepare(queries))
    for ef in (10, 60):
        found = []
        for one in (index, loaded):
            one.set_search({"ef": ef})
            found.append(one.search(one.prepare(queries), 10, threads=1).ids)
        np.testing.assert_array_equal(*found)


def test_the_version_of_a_library_is_that_of_its_package():
    assert library_version("hnswlib") == ("hnswlib", metadata.version("hnswlib"))
    assert library_version("exact") == ("idxbench", metadata.version("idxbench"))
