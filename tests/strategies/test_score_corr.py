"""``score_corr`` is a correlation of scores, and no gauge moves it."""

import numpy as np
import pytest

from idxbench.strategies.score_corr import score_corr


def _cosines(rows):
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit @ unit.T


def _data(seed=0, n=60, q=4000, d=6):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(d, d))
    return rng.normal(size=(n, d)) @ mixing + 0.5, rng.normal(size=(q, d)) @ rng.normal(size=(d, d)), rng


def test_is_the_correlation_of_row_standardised_scores():
    """By definition: standardise each query's scores over the items, correlate the items' columns."""
    items, queries, _ = _data()
    found = score_corr(items, queries)
    scores = queries @ items.T
    standardised = (scores - scores.mean(axis=1, keepdims=True)) / scores.std(axis=1, keepdims=True)
    direct = np.corrcoef(standardised, rowvar=False)
    assert found.shrinkage < 0.01
    np.testing.assert_allclose(_cosines(found.items.astype(float)), direct, atol=0.02)


@pytest.mark.parametrize(
    "gauge", ["diagonal", "dense", "shift", "query norms", "ill-conditioned", "one axis x 3e6", "log-normal sigma 5"]
)
def test_no_gauge_moves_it(gauge):
    items, queries, rng = _data(n=200)
    before = _cosines(score_corr(items, queries).items.astype(float))
    d = items.shape[1]
    G = {
        "diagonal": np.diag(10.0 ** rng.uniform(-1, 1, d)),
        "dense": rng.normal(size=(d, d)),
        "one axis x 3e6": np.diag([3e6, *np.ones(d - 1)]),
        "log-normal sigma 5": np.diag(np.exp(5 * rng.normal(size=d))),
        "ill-conditioned": np.diag(10.0 ** np.linspace(-2, 2, d)) @ np.linalg.qr(rng.normal(size=(d, d)))[0],
    }.get(gauge, np.eye(d))
    shift = 5.0 if gauge == "shift" else 0.0
    weights = np.exp(rng.normal(size=(len(queries), 1))) if gauge == "query norms" else 1.0
    moved = score_corr(items @ np.linalg.inv(G) + shift, (queries @ G.T) * weights)
    np.testing.assert_allclose(_cosines(moved.items.astype(float)), before, atol=2e-5)


def test_few_queries_shrink_more_and_stay_gauge_safe():
    items, queries, rng = _data()
    few = score_corr(items, queries[:8])
    assert few.shrinkage > score_corr(items, queries).shrinkage
    G = rng.normal(size=(6, 6))
    moved = score_corr(items @ np.linalg.inv(G), queries[:8] @ G.T)
    np.testing.assert_allclose(moved.shrinkage, few.shrinkage, rtol=1e-6)
    np.testing.assert_allclose(_cosines(moved.items.astype(float)), _cosines(few.items.astype(float)), atol=2e-5)


def test_collapsed_items_keep_their_rank():
    rng = np.random.default_rng(1)
    items = rng.normal(size=(300, 4)) @ rng.normal(size=(4, 32))
    found = score_corr(items, rng.normal(size=(500, 32)))
    assert found.rank == 4
    assert np.isfinite(found.items).all()


def test_items_that_are_all_alike_have_no_direction():
    found = score_corr(np.ones((5, 3)), np.ones((9, 3)))
    assert found.rank == 0
    assert found.items.tolist() == [[0]] * 5


@pytest.mark.parametrize("queries", [np.zeros((5, 3)), np.ones((1, 3)), np.ones((5, 3))])
def test_queries_that_say_nothing_are_all_shrinkage(queries):
    items = np.random.default_rng(0).normal(size=(20, 3))
    found = score_corr(items, queries)
    assert np.isfinite(found.items).all()
    assert found.shrinkage == 1.0
