"""Names, similarities, and what every transform keeps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench import transform
from idxbench.config.load import parse_config
from idxbench.errors import ConfigError, DataError
from idxbench.strategies.catalogue import resolve_strategies


def spaces(*strategies, trained="dot"):
    config = {"data": {"source": "digits", "trained_with": trained}, "strategy": list(strategies)}
    return resolve_strategies(parse_config(config))


def test_names_and_similarities_default():
    got = spaces({"transform": "raw"}, {"transform": "normalized"}, {"transform": ["centered", "normalized"]})
    assert [(s.name, s.similarity) for s in got] == [
        ("raw", "dot"),
        ("normalized", "cosine"),
        ("centered+normalized", "cosine"),
    ]


def test_similarity_follows_training():
    assert [s.similarity for s in spaces({"transform": "raw"}, trained="l2")] == ["l2"]
    assert [s.similarity for s in spaces({"transform": "raw"}, trained="unknown")] == ["dot"]


def test_alike_names_gain_the_similarity_then_the_parameters():
    assert [s.name for s in spaces({"transform": "raw"}, {"transform": "raw", "similarity": "l2"})] == [
        "raw dot",
        "raw l2",
    ]
    by_axis = [{"transform": {"kind": "rescaled", "axis": i, "factor": 1000.0}} for i in (0, 1)]
    assert [s.name for s in spaces(*by_axis)] == [
        "rescaled(axis=0, factor=1000) dot",
        "rescaled(axis=1, factor=1000) dot",
    ]


def test_strategies_that_are_the_same_are_refused():
    with pytest.raises(ConfigError, match=r"strategy\[1\]\n.*a strategy of its own"):
        spaces({"transform": "raw"}, {"transform": "raw"})
    with pytest.raises(ConfigError, match="like strategy"):
        spaces({"transform": "raw", "name": "a"}, {"transform": "normalized", "name": "a"})


vectors = st.tuples(st.integers(2, 20), st.integers(1, 8), st.integers(0, 2**16))


@settings(max_examples=60, deadline=None)
@given(vectors, st.floats(-3, 3), st.integers(0, 100))
def test_rescaled_keeps_every_dot_score(shape, log_factor, seed):
    n, d, draw = shape
    rng = np.random.default_rng(draw)
    items, queries = rng.normal(size=(n, d)), rng.normal(size=(5, d))
    factor = 10.0**log_factor
    for spec in (
        {"kind": "rescaled", "axis": d - 1, "factor": factor},
        {"kind": "rescaled", "sigma": 1.0, "seed": seed},
        {"kind": "rescaled", "scales": [factor] * d},
    ):
        b, q = transform(items, queries, spec)
        assert b.dtype == q.dtype == np.float32
        np.testing.assert_allclose(q.astype(float) @ b.T.astype(float), queries @ items.T, rtol=0, atol=2e-5)


def test_rescaled_by_hand():
    items, queries = transform([[1.0, 2.0]], [[3.0, 8.0]], {"kind": "rescaled", "axis": 1, "factor": 4.0})
    assert items.tolist() == [[1, 8]]
    assert queries.tolist() == [[3, 2]]


def test_rescaled_lognormal_repeats_with_its_seed_and_spreads_with_sigma():
    ones = np.ones((1, 2000))
    first, _ = transform(ones, None, {"kind": "rescaled", "sigma": 2.0, "seed": 3})
    again, _ = transform(ones, None, {"kind": "rescaled", "sigma": 2.0, "seed": 3})
    other, _ = transform(ones, None, {"kind": "rescaled", "sigma": 2.0, "seed": 4})
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert abs(np.log(first).std() - 2.0) < 0.1


def test_rescaled_scales_from_a_file(tmp_path):
    np.save(tmp_path / "s.npy", np.array([2.0, 0.5]))
    items, queries = transform([[1.0, 1.0]], [[1.0, 1.0]], {"kind": "rescaled", "scales": str(tmp_path / "s.npy")})
    assert items.tolist() == [[2, 0.5]]
    assert queries.tolist() == [[0.5, 2]]


def test_normalized_by_hand_with_a_zero_row():
    items, queries = transform([[3.0, 4.0], [0.0, 0.0]], [[0.0, 2.0]], "normalized")
    np.testing.assert_allclose(items, [[0.6, 0.8], [0, 0]], rtol=1e-7)
    assert queries.tolist() == [[0, 1]]


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e6, 1e30])
def test_normalized_at_any_scale(scale):
    items, _ = transform(np.array([[3.0, 4.0]]) * scale, None, "normalized")
    np.testing.assert_allclose(items, [[0.6, 0.8]], rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(vectors, st.sampled_from(["centered", "standardized"]))
def test_dual_queries_keep_each_ranking_by_dot(shape, kind):
    """The scores of a query all move by the same amount, so their differences stay."""
    n, d, draw = shape
    rng = np.random.default_rng(draw)
    items, queries = rng.normal(size=(n, d)) + 3, rng.normal(size=(5, d))
    b, q = transform(items, queries, {"kind": kind, "queries": "dual"})
    moved = q.astype(float) @ b.T.astype(float) - queries @ items.T
    np.testing.assert_allclose(np.ptp(moved, axis=1), 0, atol=1e-4)


def test_centered_same_keeps_distances():
    rng = np.random.default_rng(0)
    items, queries = rng.normal(size=(30, 4)), rng.normal(size=(6, 4))
    b, q = transform(items, queries, "centered", same_space=True)
    before = np.linalg.norm(queries[:, None] - items, axis=2)
    np.testing.assert_allclose(np.linalg.norm(q[:, None] - b, axis=2), before, rtol=1e-5)
    np.testing.assert_allclose(b.mean(axis=0), 0, atol=1e-6)


def test_standardized_moments_and_constant_axes():
    rng = np.random.default_rng(0)
    items = rng.normal(size=(500, 3)) * [1e-3, 50, 0] + [5, -7, 4]
    b, q = transform(items, items[:2], {"kind": "standardized", "queries": "same"})
    np.testing.assert_allclose(b.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(b.std(axis=0), [1, 1, 0], atol=1e-5)
    np.testing.assert_array_equal(q, b[:2])


def test_lists_are_applied_in_order():
    items = np.array([[1.0, 0.0], [3.0, 4.0]])
    first, _ = transform(items, None, ["centered", "normalized"])
    second, _ = transform(items, None, ["normalized", "centered"])
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(second.mean(axis=0), 0, atol=1e-7)
    assert not np.allclose(first, second)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"kind": "rescaled", "axis": 2, "factor": 3.0}, "0 to 1, an axis"),
        ({"kind": "rescaled", "scales": [1.0]}, "2 numbers, one per axis"),
        ({"kind": "rescaled", "scales": "nowhere.npy"}, r"nowhere\.npy"),
        ({"kind": "rescaled", "axis": 0, "factor": 1e39}, "row 0 overflows"),
    ],
)
def test_parameters_that_do_not_fit(spec, message):
    with pytest.raises(DataError, match=message):
        transform(np.ones((3, 2)), None, spec)


def test_unknown_transforms_are_refused():
    with pytest.raises(ConfigError, match="did you mean 'centered'"):
        transform(np.ones((3, 2)), None, "centred")
