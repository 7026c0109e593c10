"""Every exact search against float64 by hand: nothing is lost, whatever the similarity, the scale and the threads."""

import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from idxbench.config.schema import ExactKind
from idxbench.errors import DataError
from idxbench.indexes import catalogue, numpy_exact
from idxbench.indexes.catalogue import (
    EXACT,
    EXTRAS,
    batch_threads,
    library_version,
    load_index,
    make_index,
    missing_extra,
)
from idxbench.indexes.faiss_flat import BLAS_QUERIES
from idxbench.indexes.native_threads import NativeThreads
from idxbench.indexes.numpy_exact import ITEM_BLOCK, QUERY_BLOCK
from tests.reference import search as twin

SIMILARITIES = ["dot", "cosine", "l2"]


def quiet(n: int) -> None:
    """Ignore progress."""


def built(kind, items, similarity="dot", threads=2):
    index = make_index(kind, {}, similarity)
    index.build(np.asarray(items, np.float32), seed=0, threads=threads, progress=quiet)
    index.set_search({})
    return index


def ask(index, queries, k, threads=2):
    return index.search(index.prepare(np.asarray(queries, np.float32)), k, threads=threads)


def assert_exact(found, items, queries, similarity, k, *, slack=2e-6):
    """Distinct ids, best first, each as good as the true one in its place up to rounding of float32."""
    scores = twin.scores(items, queries, similarity)
    assert found.ids.shape == (len(queries), k)
    assert found.ids.dtype == np.int64
    assert found.n_short == 0
    assert all(len(set(row)) == k for row in found.ids.tolist())
    assert found.ids.min() >= 0
    got = np.take_along_axis(scores, found.ids, axis=1)
    best = np.sort(scores, axis=1)[:, ::-1][:, :k]
    np.testing.assert_allclose(got, best, rtol=0, atol=slack * np.abs(scores).max())


def gaussian(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("k", [1, 7, 60])
@pytest.mark.parametrize("n_queries", [1, 3, 40])
def test_against_the_twin(kind, similarity, k, n_queries):
    """Norms spread over the items, which dot must follow and cosine must ignore; k up to all 60 items."""
    items = gaussian(60, 9) * np.exp(np.random.default_rng(1).normal(size=(60, 1))).astype("f4")
    queries = gaussian(n_queries, 9, seed=2)
    for threads in (1, 3):
        assert_exact(ask(built(kind, items, similarity), queries, k, threads), items, queries, similarity, k)


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_awkward_rows(kind, similarity):
    """Duplicates, zero rows among items and queries, small whole numbers that tie."""
    items = np.random.default_rng(0).integers(-1, 2, (80, 4)).astype("f4")
    items[[3, 50]] = 0
    queries = np.random.default_rng(1).integers(-2, 3, (30, 4)).astype("f4")
    queries[7] = 0
    index = built(kind, items, similarity)
    for k in (5, 80):
        assert_exact(ask(index, queries, k), items, queries, similarity, k)
    assert index.reachable().all()
    assert index.reachable().shape == (80,)


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e6, 1e15])
def test_scale_does_not_matter(kind, similarity, scale):
    items, queries = gaussian(60, 9) * np.float32(scale), gaussian(30, 9, seed=2) * np.float32(scale)
    found = ask(built(kind, items, similarity), queries, 10)
    # The twin squares distances in float64, where no scale is too large.
    assert_exact(found, items.astype(float), queries.astype(float), similarity, 10)


@pytest.mark.parametrize("kind", EXACT)
def test_one_item_and_one_dimension(kind):
    for similarity in SIMILARITIES:
        assert ask(built(kind, [[2.0]], similarity), [[1.0], [-1.0]], 1).ids.tolist() == [[0], [0]]


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_numpy_merges_its_blocks(similarity):
    """More items and queries than one block holds, and fewer than k in the last block."""
    items, queries = gaussian(ITEM_BLOCK + 3, 3), gaussian(QUERY_BLOCK + 1, 3, seed=2)
    dot = queries.astype(float) @ items.T
    norms = np.linalg.norm(items, axis=1)
    scores = {"dot": dot, "cosine": dot / norms, "l2": dot - norms**2 / 2}[similarity]
    best = np.argsort(-scores, axis=1)[:, :20]
    found = ask(built("numpy", items, similarity), queries, 20)
    assert np.mean([len(set(a) & set(b)) / 20 for a, b in zip(found.ids, best, strict=True)]) > 0.999
    last = {ITEM_BLOCK, ITEM_BLOCK + 1, ITEM_BLOCK + 2}
    assert set(best.ravel().tolist()) & last == set(found.ids.ravel().tolist()) & last != set()


def test_numpy_keeps_its_digits_far_from_the_origin():
    """Distances of 1 at coordinates of 1000: the plain expansion of the square loses them in float32."""
    items, queries = gaussian(200, 8) + np.float32(1000), gaussian(20, 8, seed=2) + np.float32(1000)
    assert_exact(ask(built("numpy", items, "l2"), queries, 10), items, queries, "l2", 10)


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_rows_are_refused_and_named(kind, bad):
    items = gaussian(30, 4)
    index = built(kind, items)
    items[7, 3] = bad
    for similarity in SIMILARITIES:
        with pytest.raises(DataError, match="row 7"):
            built(kind, items, similarity)
    with pytest.raises(DataError, match="row 7"):
        ask(index, items, 3)


@pytest.mark.parametrize("kind", EXACT)
def test_wrong_widths_are_refused(kind):
    index = built(kind, gaussian(30, 4))
    with pytest.raises(DataError, match="width 4, that of the items"):
        ask(index, gaussian(2, 5), 3)


@pytest.mark.parametrize("kind", EXACT)
def test_nothing_is_found_before_building(kind):
    index = make_index(kind, {}, "dot")
    with pytest.raises(RuntimeError, match="build the index before using it"):
        index.search(gaussian(2, 4), 1, threads=1)
    with pytest.raises(RuntimeError, match="build the index before using it"):
        index.size_bytes()


@pytest.mark.parametrize("kind", [kind for kind in EXACT if kind != "exact"])
def test_there_is_nothing_to_set(kind):
    with pytest.raises(ValueError, match="no parameters, not even"):
        built(kind, gaussian(5, 2)).set_search({"ef": 3})


@pytest.mark.parametrize(
    ("kind", "similarity", "per_item"),
    [
        ("numpy", "dot", 40),
        ("numpy", "l2", 44),
        ("faiss-flat", "cosine", 40),
        ("sklearn", "l2", 40),
        ("sklearn", "dot", 44),
        ("sklearn", "cosine", 40),
    ],
)
def test_sizes(kind, similarity, per_item):
    assert built(kind, gaussian(500, 10), similarity).size_bytes() == 500 * per_item


def test_the_size_of_our_own_search_holds_vectors_and_codes():
    assert 40 * 500 + 12 * 500 < built("exact", gaussian(500, 10)).size_bytes() < 100 * 500


def test_the_size_of_usearch_holds_vectors_and_few_links():
    assert 40 * 500 < built("usearch-exact", gaussian(500, 10)).size_bytes() < 90 * 500


def counts():
    import faiss

    return {(one["filepath"], one["user_api"]): one["num_threads"] for one in threadpool_info()}, (
        faiss.omp_get_max_threads(),
        faiss.cvar.distance_compute_blas_threshold,
    )


@pytest.mark.parametrize("kind", EXACT)
def test_threads_are_given_back(kind):
    index = built(kind, gaussian(50, 4), threads=3)
    before = counts()
    for threads in (1, 3):
        ask(index, gaussian(50, 4), 3, threads=threads)
        with pytest.raises(Exception):  # noqa: B017 - each library has its own words for a wrong width
            index.search(np.zeros((2, 9), np.float32), 1, threads=threads)
        assert counts() == before


def seen_by(monkeypatch, owner, name, look):
    """Note what ``look`` returns at each call of a library's function."""
    seen, real = [], getattr(owner, name)

    def watching(*arguments, **options):
        seen.append(look(options))
        return real(*arguments, **options)

    monkeypatch.setattr(owner, name, watching)
    return seen


def test_every_search_sets_its_threads(monkeypatch):
    """While the library works, its threads are those asked for; NumPy's BLAS has one in each thread of ours."""
    import faiss

    def of(native):
        return lambda _: {library.get_num_threads() for library in native._libraries}

    watched = {
        "faiss-flat": lambda index: (index._index, lambda _: {faiss.omp_get_max_threads()}, "search"),
        "sklearn": lambda index: (index._neighbors, of(index._openmp), "kneighbors"),
        "usearch-exact": lambda index: (index._index, lambda options: {options["threads"]}, "search"),
        "numpy": lambda index: (numpy_exact, of(index._blas), "_largest"),
    }
    for kind, where in watched.items():
        index = built(kind, gaussian(50, 4))
        owner, look, name = where(index)
        seen = seen_by(monkeypatch, owner, name, look)
        for threads in (1, 2, 3):
            ask(index, gaussian(30, 4), 3, threads=threads)
        assert seen == ([{1}] * 6 if kind == "numpy" else [{1}, {2}, {3}]), kind


def test_faiss_multiplies_matrices_for_many_queries_only(monkeypatch):
    import faiss

    index = built("faiss-flat", gaussian(50, 4))
    seen = seen_by(monkeypatch, index._index, "search", lambda _: faiss.cvar.distance_compute_blas_threshold)
    for n_queries in (1, BLAS_QUERIES - 1, BLAS_QUERIES):
        ask(index, gaussian(n_queries, 4), 3)
    # By its rule of today (queries x dims against it) and by its older one (queries against it).
    assert [threshold > 10**6 for threshold in seen] == [True, True, False]
    assert seen[-1] <= BLAS_QUERIES


@pytest.mark.parametrize("kind", EXTRAS)
def test_a_missing_extra_is_known_without_importing_anything(kind, monkeypatch):
    library, extra = EXTRAS[kind]
    assert missing_extra(kind) is None
    monkeypatch.setattr(catalogue, "find_spec", lambda name: None)
    assert missing_extra(kind) == (library, extra)
    assert missing_extra("numpy") is None
    assert missing_extra("hnswlib") is None


def test_threads_of_a_batch():
    assert batch_threads("hnswlib", 8, 2) == 1
    assert batch_threads("hnswlib", 9, 2) == 2
    assert batch_threads("numpy", 2, 2) == 2


def test_every_kind_of_the_config_can_be_made():
    assert set(EXACT) == set(get_args(ExactKind))
    with pytest.raises(ValueError, match="no index kind 'x'"):
        make_index("x", {}, "dot")


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("kind", EXACT)
def test_what_has_no_file_is_built_again_from_its_items(kind, similarity, tmp_path):
    items, queries = gaussian(300, 6), gaussian(20, 6, seed=1)
    np.save(tmp_path / "items.npy", items)
    index = built(kind, items, similarity)
    index.save(tmp_path / "saved")
    assert [path.name for path in tmp_path.iterdir()] == ["items.npy"]
    loaded = load_index(kind, {}, similarity, tmp_path / "saved", tmp_path / "items.npy", threads=2)
    np.testing.assert_array_equal(ask(loaded, queries, 7).ids, ask(index, queries, 7).ids)


@pytest.mark.parametrize("kind", EXACT)
def test_clients_that_ask_at_the_same_time_get_their_own_answers(kind):
    """Eight threads, one query each, again and again; and what a library keeps for the process is given back."""
    index = built(kind, gaussian(3000, 16), threads=1)
    prepared = index.prepare(gaussian(200, 16, seed=1))
    alone = np.concatenate([index.search(prepared[i : i + 1], 5, threads=1).ids for i in range(200)])
    before = counts()
    with ThreadPoolExecutor(8) as clients:
        answers = clients.map(lambda i: index.search(prepared[i % 200, None], 5, threads=1).ids, range(1000))
        np.testing.assert_array_equal(np.concatenate(list(answers)), np.tile(alone, (5, 1)))
    # scikit-learn holds BLAS to one thread by itself, in every call, and clients at the same time leave it there.
    assert kind == "sklearn" or counts() == before


def test_threads_of_blas_are_given_back_by_the_last_that_holds_them():
    native = NativeThreads("blas")
    before = [library.get_num_threads() for library in native._libraries]
    native.set(3)
    with native.limited(1):
        with native.limited(1):
            pass
        assert {library.get_num_threads() for library in native._libraries} == {1}
    assert {library.get_num_threads() for library in native._libraries} == {3}
    for library, count in zip(native._libraries, before, strict=True):
        library.set_num_threads(count)


def test_the_threshold_of_faiss_is_given_back_by_the_last_that_holds_it():
    import faiss

    index, before = make_index("faiss-flat", {}, "dot"), counts()
    with index._settings(1, 77):
        with index._settings(1, 77):
            pass
        assert faiss.cvar.distance_compute_blas_threshold == 77
    assert counts() == before


def test_every_kind_names_its_library_and_version():
    for kind in EXACT:
        make_index(kind, {}, "dot")  # which imports it
        library, version = library_version(kind)
        assert library in {"idxbench", "numpy", "faiss", "scikit-learn", "usearch"}
        assert version[0].isdigit(), kind


def test_a_library_that_no_package_names_says_its_version_itself(monkeypatch):
    monkeypatch.setattr(catalogue, "LIBRARIES", {"a": "a_module", "b": "no_module"})
    monkeypatch.setitem(sys.modules, "a_module", SimpleNamespace(__version__="4.5"))
    assert library_version("a") == ("a_module", "4.5")
    assert library_version("b") == ("no_module", "unknown")
