"""All pairs against float64 loops, where expanded distances, scales and weights would lose digits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench import ExactIndex, second_moment, similarity
from idxbench.errors import DataError
from idxbench.truth.similarity import TILE
from tests.reference import search as twin

METRICS = ["dot", "cosine", "l2", "covariance"]
KINDS = ["gaussian", "clustered", "far from the origin", "far and close", "with zeros", "tiny", "huge"]


def _weight(metric, d, rng):
    half = rng.normal(size=(d, d))
    return half @ half.T if metric == "covariance" else None


def _data(kind, n, d, rng):
    x = rng.normal(size=(n, d))
    if kind == "clustered":
        x = 100 * rng.normal(size=(3, d))[rng.integers(0, 3, n)] + 1e-4 * x
    if kind == "far from the origin":
        x += 1e4
    if kind == "far and close":
        x = 1e4 + 1e-3 * x
        x[0] = -1e4
    if kind == "with zeros":
        x[rng.integers(0, n, n // 4)] = 0
    return (x * {"tiny": 1e-15, "huge": 1e15}.get(kind, 1.0)).astype(np.float32)


def _agrees(found, a, b, metric, weight):
    expected = twin.scores(b, a, metric, weight)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    # Relative to each score under l2, where it is a sum of squares; else to what is added up.
    lengths = np.outer(np.linalg.norm(a.astype(float), axis=1), np.linalg.norm(b.astype(float), axis=1))
    scale = {"l2": np.abs(expected), "dot": np.maximum(lengths * 1e-7, np.abs(expected))}.get(metric, 1.0)
    assert (np.abs(found - expected) <= 1.3e-7 * scale).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("n", "m"), [(50, 30), (30, 50)])
def test_agrees_with_loops(metric, kind, n, m):
    rng = np.random.default_rng(1)
    both = _data(kind, n + m, 8, rng)
    a, b = both[:n], both[n:]
    weight = _weight(metric, 8, rng)
    _agrees(similarity(a, b, metric, weight=weight), a, b, metric, weight)


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 12),
    m=st.integers(1, 12),
    d=st.integers(1, 9),
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 999),
)
def test_any_shape(metric, n, m, d, kind, seed):
    rng = np.random.default_rng(seed)
    both = _data(kind, n + m, d, rng)
    a, b = both[:n], both[n:]
    weight = _weight(metric, d, rng)
    _agrees(similarity(a, b, metric, weight=weight), a, b, metric, weight)
    # The matrix is that of (b, a) turned over, but for a last digit.
    turned = similarity(b, a, metric, weight=weight).T
    np.testing.assert_allclose(
        similarity(a, b, metric, weight=weight), turned, rtol=2e-7, atol=1e-7 * np.abs(turned).max()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_equal_rows_are_exactly_no_distance_apart_and_none_is_negative(kind):
    rng = np.random.default_rng(2)
    a = _data(kind, TILE + 100, 24, rng)
    found = similarity(a, a, "l2")
    assert not found.diagonal().any()
    assert not np.signbit(found.diagonal()).any()
    assert (found <= 0).all()
    turned = similarity(a, a[::-1], "l2")[:, ::-1]
    assert not turned.diagonal().any()
    np.testing.assert_allclose(turned, found, rtol=2e-7)


def test_expanded_distances_alone_would_be_wrong():
    """The case that the differences are there for: |a|^2 - 2ab + |b|^2 in float64, centred, is positive or off."""
    rng = np.random.default_rng(3)
    a = _data("clustered", 200, 24, rng)
    centred = a.astype(float) - a.astype(float).mean(axis=0)
    squares = (centred**2).sum(axis=1)
    expanded = 2 * centred @ centred.T - squares[:, None] - squares
    assert (expanded.diagonal() != 0).any()
    expected = twin.scores(a, a, "l2")
    near = (expected > -1) & (expected < 0)
    assert np.abs(expanded / np.where(near, expected, 1) - 1)[near].max() > 1e-6
    _agrees(similarity(a, a, "l2"), a, a, "l2", None)


@pytest.mark.parametrize("metric", METRICS)
def test_threads_and_tiles_change_no_bit(metric):
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2 * TILE + 3, 5)), rng.normal(size=(TILE + 2, 5))
    weight = _weight(metric, 5, rng)
    expected = similarity(a, b, metric, weight=weight, threads=1)
    for threads in (None, 2, 5):
        np.testing.assert_array_equal(similarity(a, b, metric, weight=weight, threads=threads), expected)
    rows, columns = rng.integers(0, len(a), 40), rng.integers(0, len(b), 40)
    some = similarity(a[rows], b[columns], metric, weight=weight)
    np.testing.assert_allclose(expected[np.ix_(rows, columns)], some, rtol=2e-7, atol=1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_scores_are_those_of_exact_search(metric):
    rng = np.random.default_rng(5)
    items, queries = rng.normal(size=(300, 16)).astype("f4"), rng.normal(size=(40, 16)).astype("f4")
    weight = second_moment(queries) if metric == "covariance" else None
    ids, scores = ExactIndex(items, metric, weight=weight).search(queries, 10)
    table = similarity(queries, items, metric, weight=weight)
    np.testing.assert_allclose(np.take_along_axis(table, ids, axis=1), scores, rtol=3e-7, atol=1e-7)


def test_weight_of_the_queries_gives_the_cosine_of_score_columns():
    """Cosine under the queries' second moment is the cosine of two items' scores over the queries."""
    rng = np.random.default_rng(6)
    items, queries = rng.normal(size=(20, 6)), rng.normal(size=(500, 6)) @ rng.normal(size=(6, 6))
    columns = queries @ items.T
    unit = columns / np.linalg.norm(columns, axis=0)
    found = similarity(items, items, "covariance", weight=second_moment(queries))
    np.testing.assert_allclose(found, unit.T @ unit, atol=1e-7)


@pytest.mark.parametrize("metric", ["cosine", "covariance"])
def test_zero_rows_score_zero_and_scales_say_nothing(metric):
    rng = np.random.default_rng(7)
    a = rng.normal(size=(6, 4))
    weight = _weight(metric, 4, rng)
    scaled = a * 10.0 ** np.array([-300, -200, 0, 150, 200, 300])[:, None]
    scaled[2] = 0
    found = similarity(scaled, a, metric, weight=weight)
    assert not found[2].any()
    np.testing.assert_allclose(
        np.delete(found, 2, 0), np.delete(similarity(a, a, metric, weight=weight), 2, 0), atol=1e-7
    )


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("n", "m"), [(0, 3), (3, 0), (0, 0)])
def test_no_rows_give_an_empty_matrix(metric, n, m):
    weight = np.eye(2) if metric == "covariance" else None
    assert similarity(np.ones((n, 2)), np.ones((m, 2)), metric, weight=weight).shape == (n, m)


@pytest.mark.parametrize("metric", ["dot", "cosine", "l2"])
def test_other_types_and_orders(metric, tmp_path):
    rng = np.random.default_rng(8)
    whole = rng.integers(-99, 99, (40, 6))
    np.save(tmp_path / "a.npy", whole.astype(np.float32))
    expected = similarity(whole.astype(float), whole.astype(float), metric)
    for same in (whole, whole.astype(np.int8), whole.astype(np.float16), np.asfortranarray(whole, np.float32),
                 np.load(tmp_path / "a.npy", mmap_mode="r")):  # fmt: skip
        np.testing.assert_array_equal(similarity(same, whole, metric), expected)


def test_scores_beyond_float32_are_infinite():
    assert similarity(np.array([[1e30]]), np.array([[1e30], [-1e30]]), "dot").tolist() == [[np.inf, -np.inf]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"a": np.ones(3)}, r"a\n.*2-D array"),
        ({"b": np.ones((2, 0))}, r"b\n.*one row and column"),
        ({"a": np.array([["a", "b"]])}, "real numbers"),
        ({"b": np.ones((2, 3))}, r"b\n.*width 2, that of a\n.*width 3"),
        ({"a": np.array([[1.0, 2.0], [np.nan, 0]])}, r"a\n.*\n.*row 1\n"),
        ({"b": np.array([[np.inf, 2.0]])}, r"b\n.*\n.*row 0\n"),
        ({"a": np.array([[1e200, 0]])}, r"a\n.*norms up to"),
        ({"b": np.array([[1e200, 0]]), "metric": "l2"}, r"b\n.*norms up to"),
        ({"metric": "euclid"}, "dot or cosine or l2 or covariance"),
        ({"metric": "covariance"}, "pass weight="),
        ({"weight": np.eye(2)}, "leave it out"),
        ({"metric": "covariance", "weight": np.eye(3)}, "2 rows, the width"),
        ({"metric": "covariance", "weight": np.ones((2, 3))}, "square"),
        ({"metric": "covariance", "weight": np.diag([1.0, -1.0])}, "eigenvalue -1"),
    ],
)
def test_mistakes_are_named(arguments, message):
    call = {"a": np.ones((4, 2)), "b": np.ones((3, 2))} | arguments
    with pytest.raises(DataError, match=message):
        similarity(**call)


def test_the_row_named_is_counted_from_the_first():
    a = np.ones((2 * TILE, 2))
    a[TILE + 7, 0] = np.nan
    with pytest.raises(DataError, match=f"a\n.*\n.*row {TILE + 7}\n"):
        similarity(a, a[:3], "cosine")
    with pytest.raises(DataError, match=f"b\n.*\n.*row {TILE + 7}\n"):
        similarity(a[:3], a, "l2")
