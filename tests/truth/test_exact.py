"""Exact search against a full float64 sort, on the data that breaks shortcuts."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench import ExactIndex, exact_topk
from idxbench.errors import DataError
from tests.reference import search as twin

METRICS = ["dot", "cosine", "l2", "covariance"]


def _weight(d: int, rng: np.random.Generator) -> np.ndarray:
    factor = rng.normal(size=(d, max(1, d - 1)))
    return factor @ factor.T


def _data(kind: str, n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    x = rng.normal(size=(n, d))
    if kind == "clustered":
        x = rng.normal(size=(5, d))[rng.integers(0, 5, n)] * 10 + 1e-3 * x
    if kind == "decaying":
        x *= np.arange(1, d + 1) ** -1.5
    if kind == "heavy":
        x *= np.exp(2 * rng.normal(size=(n, 1)))
    if kind == "duplicated":
        x = x[rng.integers(0, max(1, n // 10), n)]
    if kind == "with zeros":
        x[rng.integers(0, n, n // 4)] = 0
    if kind == "far from the origin":
        x = 1e4 + x
    scale = {"tiny": 1e-12, "huge": 1e12, "1e-6": 1e-6, "1e+6": 1e6}.get(kind, 1.0)
    return (x * scale).astype(np.float32)


KINDS = ["gaussian", "clustered", "decaying", "heavy", "duplicated", "with zeros", "far from the origin",
         "tiny", "huge", "1e-6", "1e+6"]  # fmt: skip


def _agrees(items, queries, k, metric, weight, ids, scores):
    """The same ids as the twin, but where the twin's own scores tie within float64 rounding."""
    table = twin.scores(items, queries, metric, weight)
    _, best = twin.topk(items, queries, k, metric, weight)
    got = np.take_along_axis(table, ids, axis=1)
    scale = np.abs(table).max(axis=1, keepdims=True) + 1e-300
    # Near the null space of a weight the twin itself is ill-conditioned.
    np.testing.assert_array_less(np.abs(got - best) / scale, 1e-9 if metric == "covariance" else 1e-12)
    assert all(len(set(row)) == k for row in ids.tolist())
    np.testing.assert_allclose(scores, best.astype(np.float32), rtol=3e-7, atol=3e-7 * float(scale.max()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", METRICS)
def test_agrees_with_a_float64_sort(metric, kind):
    rng = np.random.default_rng(7)
    items, queries = _data(kind, 400, 12, rng), _data(kind, 37, 12, rng)
    weight = _weight(12, rng) if metric == "covariance" else None
    ids, scores = exact_topk(items, queries, 9, metric, weight=weight, threads=2)
    assert ids.dtype == np.int64
    assert scores.dtype == np.float32
    _agrees(items, queries, 9, metric, weight, ids, scores)


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 60),
    d=st.integers(1, 17),
    q=st.integers(1, 40),
    part=st.floats(0, 1),
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**16),
)
def test_any_shape_and_k_up_to_n(metric, n, d, q, part, kind, seed):
    rng = np.random.default_rng(seed)
    items, queries = _data(kind, n, d, rng), _data(kind, q, d, rng)
    k = max(1, round(part * n))
    weight = _weight(d, rng) if metric == "covariance" else None
    ids, scores = exact_topk(items, queries, k, metric, weight=weight, threads=2)
    _agrees(items, queries, k, metric, weight, ids, scores)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", ["gaussian", "duplicated", "with zeros", "huge", "1e-6"])
@pytest.mark.parametrize("keep", [True, False])
def test_answers_that_hold_most_of_the_items(metric, kind, keep, monkeypatch):
    """They are sorted out of a table of all scores, block by block; a zero query keeps the order of the ids."""
    monkeypatch.setattr("idxbench.truth.exact.BLOCK_BYTES", 4 * 5 * 77)
    monkeypatch.setattr("idxbench.truth.whole.PAIRS", 500)
    rng = np.random.default_rng(3)
    items, queries = _data(kind, 301, 5, rng), _data(kind, 11, 5, rng)
    queries[4] = 0
    weight = _weight(5, rng) if metric == "covariance" else None
    for k in (151, 301):
        found = ExactIndex(items, metric, weight=weight, threads=2, keep=keep).neighbors(queries, k)
        assert found.engine == "all"
        _agrees(items, queries, k, metric, weight, found.ids, found.scores.astype(np.float32))
        if metric in ("dot", "cosine"):
            assert found.ids[4].tolist() == list(range(k))
        other = ExactIndex(items, metric, weight=weight, threads=1, engine="codes").neighbors(queries, k)
        np.testing.assert_array_equal(found.ids, other.ids)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("bad", [0, 5, 11])
def test_a_row_that_is_left_to_the_tiles_is_not_the_only_one(metric, bad):
    """A few queries are searched row by row until a norm leaves the range that does: no item comes twice."""
    rng = np.random.default_rng(3)
    items, queries = rng.normal(size=(12, 3)).astype("f4"), rng.normal(size=(2, 3)).astype("f4")
    items[bad] *= 1e-14
    weight = _weight(3, rng) if metric == "covariance" else None
    for k in (3, 12):
        ids, scores = exact_topk(items, queries, k, metric, weight=weight, threads=2)
        _agrees(items, queries, k, metric, weight, ids, scores)


@pytest.mark.parametrize("metric", METRICS)
def test_ties_go_to_the_lowest_id(metric):
    """Equal rows tie exactly whatever the tile and block they fall in; integer rows leave no rounding."""
    rng = np.random.default_rng(3)
    items = rng.integers(-1, 2, (500, 3)).astype(np.float32)
    queries = rng.integers(-2, 3, (33, 3)).astype(np.float32)
    weight = np.diag([1.0, 2.0, 3.0]) if metric == "covariance" else None
    ids, _ = exact_topk(items, queries, 40, metric, weight=weight, threads=2)
    expected, _scores = twin.topk(items, queries, 40, metric, weight)
    if metric in ("dot", "l2"):
        np.testing.assert_array_equal(ids, expected)
    # Rows that are equal, not merely as good, stand in the order of their ids under every metric.
    for row in ids:
        for a, b in itertools.pairwise(row):
            assert a < b or not np.array_equal(items[a], items[b])


@pytest.mark.parametrize("metric", METRICS)
def test_all_rows_identical(metric):
    items = np.full((3000, 5), 2.5, np.float32)
    weight = np.eye(5) if metric == "covariance" else None
    ids, _ = exact_topk(items, items[:4], 6, metric, weight=weight, threads=2)
    assert ids.tolist() == [[0, 1, 2, 3, 4, 5]] * 4


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n_queries", [1, 3, 100])
def test_threads_and_kept_copies_change_nothing(metric, n_queries):
    rng = np.random.default_rng(11)
    items, queries = rng.normal(size=(5000, 24)).astype("f4"), rng.normal(size=(n_queries, 24)).astype("f4")
    weight = _weight(24, rng) if metric == "covariance" else None
    results = [
        ExactIndex(items, metric, weight=weight, threads=threads, keep=keep).search(queries, 12)
        for threads in (1, 2, 5)
        for keep in (True, False)
    ]
    for ids, scores in results[1:]:
        np.testing.assert_array_equal(ids, results[0][0])
        np.testing.assert_array_equal(scores, results[0][1])


@pytest.mark.parametrize("engine", ["codes", "floats"])
def test_tight_clusters_far_apart_are_told_apart(engine):
    """Neighbours within 1e-4 of each other, 100 from the rest: neither float32 products nor codes can tell."""
    rng = np.random.default_rng(5)
    centers = 100 * rng.normal(size=(20, 16))
    items = (centers[rng.integers(0, 20, 4000)] + 1e-4 * rng.normal(size=(4000, 16))).astype(np.float32)
    found = ExactIndex(items, "l2", threads=2, engine=engine).neighbors(items[:50], 10)
    # A whole cluster of some 200 passes for every query, the rest is left out.
    assert 50 * 100 < found.n_scored < 50 * 1000
    expected, _ = twin.topk(items, items[:50], 10, "l2")
    np.testing.assert_array_equal(found.ids, expected)


@pytest.mark.parametrize("engine", ["codes", "floats"])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_engine_on_every_kind_of_data(metric, kind, engine):
    rng = np.random.default_rng(13)
    items, queries = _data(kind, 700, 20, rng), _data(kind, 150, 20, rng)
    weight = _weight(20, rng) if metric == "covariance" else None
    for asked in (queries, queries[:3]):
        found = ExactIndex(items, metric, weight=weight, threads=2, engine=engine).neighbors(asked, 11)
        assert found.engine == engine
        _agrees(items, asked, 11, metric, weight, found.ids, found.scores.astype(np.float32))


@pytest.mark.parametrize("engine", ["codes", "floats"])
@pytest.mark.parametrize("metric", METRICS)
def test_the_choice_of_engine_changes_no_digit(metric, engine):
    rng = np.random.default_rng(2)
    items, queries = rng.normal(size=(3000, 30)).astype("f4"), rng.normal(size=(200, 30)).astype("f4")
    weight = _weight(30, rng) if metric == "covariance" else None
    one = ExactIndex(items, metric, weight=weight, threads=2, engine=engine).neighbors(queries, 20)
    other = ExactIndex(items, metric, weight=weight, threads=1, keep=False).neighbors(queries, 20)
    np.testing.assert_array_equal(one.ids, other.ids)
    np.testing.assert_array_equal(one.scores, other.scores)


@pytest.mark.parametrize("engine", ["codes", "floats"])
def test_few_pairs_are_scored_in_float64(engine):
    """Of 20,000 items, those on the way to the best 10: 10 (1 + ln 2000) = 86 in a random order, and near ones.

    Float32 scores show most of those on the way to be no answer.
    """
    rng = np.random.default_rng(5)
    items, queries = rng.normal(size=(20_000, 32)).astype("f4"), rng.normal(size=(200, 32)).astype("f4")
    scored = {
        metric: ExactIndex(items, metric, threads=2, engine=engine).neighbors(queries, 10).n_scored / 200
        for metric in ("dot", "cosine", "l2")
    }
    # Dot looks at large norms first, where a heap fills with better scores.
    low, high = (10, 30) if engine == "floats" else (40, 250)
    assert all(low <= value < high for value in scored.values()), scored


@pytest.mark.parametrize("engine", ["codes", "floats"])
def test_data_far_from_the_origin_is_centred(engine):
    rng = np.random.default_rng(5)
    items, queries = rng.normal(size=(5000, 16)) + 1e3, rng.normal(size=(50, 16)) + 1e3
    assert ExactIndex(items, "l2", threads=2, engine=engine).neighbors(queries, 10).n_scored < 50 * 200


def test_an_axis_that_dwarfs_the_others_costs_no_codes():
    """One item axis x 1000, the query axis divided: every score is as before, and so is the work."""
    rng = np.random.default_rng(5)
    items, queries = rng.normal(size=(20_000, 32)).astype("f4"), rng.normal(size=(200, 32)).astype("f4")
    plain = ExactIndex(items, threads=2, engine="codes").neighbors(queries, 10)
    items[:, 0] *= 1024
    queries[:, 0] /= 1024
    for keep in (True, False):
        found = ExactIndex(items, threads=2, engine="codes", keep=keep).neighbors(queries, 10)
        np.testing.assert_array_equal(found.ids, plain.ids)
        assert found.n_scored < 2.5 * plain.n_scored


def test_spread_norms_are_read_from_the_largest_down():
    rng = np.random.default_rng(5)
    items = rng.normal(size=(20_000, 16)) * np.exp(rng.normal(size=(20_000, 1)))
    items, queries = items.astype("f4"), rng.normal(size=(300, 16)).astype("f4")
    for engine in ("codes", "floats"):
        found = ExactIndex(items, threads=2, engine=engine).neighbors(queries, 10)
        assert found.n_scored < 300 * 60  # 86 in a random order
        scores = queries.astype(float) @ items.T.astype(float)
        np.testing.assert_array_equal(found.ids, np.argsort(-scores, axis=1)[:, :10])


@pytest.mark.parametrize("metric", METRICS)
def test_a_collapsed_model_is_encoded_in_few_dimensions(metric):
    rng = np.random.default_rng(5)
    basis = rng.normal(size=(4, 64))
    items, queries = (rng.normal(size=(n, 4)) @ basis for n in (1000, 70))
    items, queries = items.astype("f4"), (queries + 0.1 * rng.normal(size=(70, 64))).astype("f4")
    weight = _weight(64, rng) if metric == "covariance" else None
    index = ExactIndex(items, metric, weight=weight, threads=2, engine="codes")
    assert index._prepared is not None
    assert index._prepared.coder.n_dims <= 8
    found = index.neighbors(queries, 10)
    _agrees(items, queries, 10, metric, weight, found.ids, found.scores.astype(np.float32))


def test_more_dimensions_than_codes_can_sum(monkeypatch):
    from idxbench.kernels import codes

    rng = np.random.default_rng(0)
    items = rng.normal(size=(40, codes.MAX_DIMS + 1)).astype("f4")
    found = ExactIndex(items, threads=1).neighbors(items[:2], 3)
    assert found.engine == "floats"
    assert found.ids[:, 0].tolist() == [0, 1]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n_queries", [2, 30, 300])
def test_blocks_of_any_size_are_one_set_of_items(metric, n_queries):
    rng = np.random.default_rng(4)
    items, queries = rng.normal(size=(2500, 12)).astype("f4"), rng.normal(size=(n_queries, 12)).astype("f4")
    items[1500:] *= 1e-3
    weight = _weight(12, rng) if metric == "covariance" else None
    whole = exact_topk(items, queries, 9, metric, weight=weight, threads=2)
    cuts = [0, 1, 700, 700, 1999, 2500]
    blocks = (items[a:b] for a, b in itertools.pairwise(cuts))
    streamed = exact_topk(blocks, queries, 9, metric, weight=weight, threads=2)
    np.testing.assert_array_equal(streamed[0], whole[0])
    np.testing.assert_array_equal(streamed[1], whole[1])


def test_mistakes_in_streams_are_named():
    with pytest.raises(DataError, match=r"from 3 on\n.*width 2, as before\n.*width 4"):
        exact_topk(iter([np.ones((3, 2)), np.ones((3, 4))]), np.ones((1, 2)), 1)
    with pytest.raises(DataError, match="1 to 6, the number of items"):
        exact_topk(iter([np.ones((3, 2)), np.ones((3, 2))]), np.ones((1, 2)), 7)
    with pytest.raises(DataError, match="at least one row"):
        exact_topk(iter([]), np.ones((1, 2)), 1)
    with pytest.raises(DataError, match="NaN or infinity in row 4"):
        exact_topk(iter([np.ones((3, 2)), np.array([[1.0, 1], [np.nan, 1]])]), np.ones((1, 2)), 1)


@pytest.mark.parametrize(
    "items",
    [
        np.asfortranarray(np.random.default_rng(0).normal(size=(80, 6))),
        np.random.default_rng(0).normal(size=(80, 6)).astype(np.float16),
        np.random.default_rng(0).integers(0, 256, (80, 6)).astype(np.uint8),
        np.random.default_rng(0).integers(-99, 99, (80, 6)),
        np.random.default_rng(0).normal(size=(80, 12)).astype("f4")[:, ::2],
    ],
    ids=["float64 Fortran", "float16", "uint8", "int64", "strided"],
)
@pytest.mark.parametrize("metric", ["dot", "cosine", "l2"])
def test_other_types_and_orders(items, metric):
    ids, scores = exact_topk(items, items[:9], 5, metric, threads=2)
    _agrees(items, items[:9], 5, metric, None, ids, scores)


def test_memory_map_is_read_as_it_lies(tmp_path):
    items = np.random.default_rng(0).normal(size=(1000, 8)).astype("f4")
    np.save(tmp_path / "items.npy", items)
    mapped = np.load(tmp_path / "items.npy", mmap_mode="r")
    np.testing.assert_array_equal(exact_topk(mapped, items[:5], 3)[0], exact_topk(items, items[:5], 3)[0])


def test_zero_rows_score_zero_under_cosine():
    items = np.array([[0, 0], [1, 0], [-1, 0]], np.float32)
    ids, scores = exact_topk(items, np.array([[2.0, 0], [0, 0]]), 3, "cosine")
    assert ids.tolist() == [[1, 0, 2], [0, 1, 2]]
    assert scores.tolist() == [[1, 0, -1], [0, 0, 0]]


def test_no_queries_give_empty_arrays():
    ids, scores = exact_topk(np.ones((3, 2)), np.ones((0, 2)), 2)
    assert ids.shape == scores.shape == (0, 2)


def test_score_ids_pads_with_minus_infinity():
    items = np.array([[1.0], [2.0]])
    scores = ExactIndex(items, "dot").score_ids(np.array([[3.0]]), np.array([[1, -1]]))
    assert scores.tolist() == [[6.0, -np.inf]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"items": np.ones(3)}, r"items\n.*2-D array"),
        ({"items": np.ones((0, 2))}, r"items\n.*at least one row"),
        ({"items": np.array([["a"]])}, "real numbers"),
        ({"items": np.array([[1.0, np.nan], [np.inf, 0]])}, r"NaN or infinity in row 0, 1"),
        ({"queries": np.array([[1.0, np.nan]])}, r"queries\n.*\n.*row 0"),
        ({"queries": np.ones((1, 3))}, "width 2, that of the items"),
        ({"k": 0}, "1 to 4, the number of items"),
        ({"k": 5}, "1 to 4, the number of items"),
        ({"metric": "euclid"}, "dot or cosine or l2 or covariance"),
        ({"metric": "covariance"}, "pass weight="),
        ({"weight": np.eye(2)}, "leave it out"),
        ({"metric": "covariance", "weight": np.eye(3)}, "2 rows, the width of the items"),
        ({"metric": "covariance", "weight": np.ones((2, 3))}, "square"),
        ({"metric": "covariance", "weight": np.array([[1, 2], [0, 1]])}, "symmetric"),
        ({"metric": "covariance", "weight": np.diag([1.0, -1.0])}, "eigenvalue -1"),
        ({"metric": "covariance", "weight": np.diag([1.0, np.nan])}, "finite"),
    ],
)
def test_mistakes_are_named(arguments, message):
    call = {"items": np.arange(8.0).reshape(4, 2), "queries": np.ones((1, 2)), "k": 2} | arguments
    with pytest.raises(DataError, match=message):
        exact_topk(**call)


def test_thread_counts_outside_are_left_alone():
    from threadpoolctl import threadpool_info

    def blas():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = blas()
    exact_topk(np.ones((10, 2)), np.ones((1, 2)), 1, "covariance", weight=np.eye(2), threads=1)
    assert blas() == before


def test_one_index_serves_many_threads_of_another_program():
    from concurrent.futures import ThreadPoolExecutor

    rng = np.random.default_rng(0)
    items, queries = rng.normal(size=(4000, 16)).astype("f4"), rng.normal(size=(300, 16)).astype("f4")
    items[:, 0] *= 1024  # so that the first search has codes to make again
    queries[:, 0] /= 1024
    expected = ExactIndex(items, threads=1, engine="floats").neighbors(queries, 5).ids
    index = ExactIndex(items, threads=2)
    with ThreadPoolExecutor(6) as pool:
        parts = [slice(start, start + 50) for start in range(0, 300, 50)] * 4
        found = list(pool.map(lambda part: index.neighbors(queries[part], 5).ids, parts))
    for part, ids in zip(parts, found, strict=True):
        np.testing.assert_array_equal(ids, expected[part])


@pytest.mark.parametrize("metric", ["dot", "l2"])
@pytest.mark.parametrize("n_queries", [3, 20, 300])
def test_deep_answers_are_kept_in_buffers(metric, n_queries):
    """Above the depth of heaps, with ties, a zero query, and fewer items in a part than k."""
    from idxbench.truth.search import DEEPEST_HEAP

    rng = np.random.default_rng(9)
    items = rng.integers(-2, 3, (2000, 6)).astype("f4")
    queries = rng.integers(-2, 3, (n_queries, 6)).astype("f4")
    queries[0] = 0
    for k in (DEEPEST_HEAP, DEEPEST_HEAP + 1, 700, 2000):
        scores = queries @ items.T
        if metric == "l2":
            scores = 2 * scores - (items**2).sum(axis=1)
        expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        for engine in ("auto", "codes", "floats"):
            for keep in (True, False):
                found = ExactIndex(items, metric, threads=3, engine=engine, keep=keep).neighbors(queries, k)
                np.testing.assert_array_equal(found.ids, expected)
