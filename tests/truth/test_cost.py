"""The choice of an engine: estimates against what they estimate, and the choices that shapes should lead to."""

import numpy as np
import pytest

from idxbench import ExactIndex
from idxbench.kernels.codes import MAX_DIMS
from idxbench.truth.coder import Coder, fit_axes
from idxbench.truth.cost import (
    Sample,
    Work,
    choose,
    inflation,
    kth_scores,
    passing_share,
    reachable_shares,
    rotations,
    tails,
)


def sample(items, queries):
    return Sample(items, np.zeros(len(items)), queries, np.ones(len(queries)))


def test_tails_of_exponential_scores():
    """Of a sample of 100,000 from exp(1): rank 64 stands at ln(100,000 / 64), the mean excess is 1."""
    scores = np.random.default_rng(0).exponential(size=(20, 100_000))
    starts, decays = tails(scores)
    assert starts.mean() == pytest.approx(np.log(100_000 / 64), abs=0.1)
    assert decays.mean() == pytest.approx(1, abs=0.1)
    # The score that one in ten million reaches, and back.
    assert kth_scores(scores, 1e-7).mean() == pytest.approx(np.log(1e7), rel=0.1)
    assert passing_share(scores, np.full(20, np.log(1e7))).mean() == pytest.approx(1e-7, rel=0.6)
    # Inside the sample nothing is extrapolated.
    assert kth_scores(scores, 0.5).mean() == pytest.approx(np.log(2), rel=0.02)
    assert passing_share(scores, np.full(20, np.log(2))).mean() == pytest.approx(0.5, rel=0.02)


def test_survivors_are_foreseen():
    rng = np.random.default_rng(1)
    for d, kind in ((32, "plain"), (128, "plain"), (128, "steep")):
        axes = np.arange(1, d + 1) ** -1.0 if kind == "steep" else np.ones(d)
        items, queries = (rng.normal(size=(n, d)) * axes for n in (50_000, 200))
        items /= np.linalg.norm(items, axis=1, keepdims=True)
        found = ExactIndex(items.astype("f4"), threads=2, engine="codes", keep=False).neighbors(queries, 10)
        foreseen = inflation(Coder(np.ones(d)), sample(items[::25], queries[::6]), 10 / 50_000)
        seen = found.n_scored / 200 / (10 * (1 + np.log(5000)))
        assert 0.4 < seen / foreseen < 2.5, (d, kind, seen, foreseen)


def test_a_cut_is_not_believed_because_of_the_queries_that_were_looked_at():
    """Embeddings whose axes are cut to a quarter keep a rest of half their norm: nearly everything passes."""
    rng = np.random.default_rng(0)
    items = rng.normal(size=(2000, 256)) * np.linspace(1, 0.35, 256)
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    moment = items.T @ items
    cut = Coder(np.ones(256), np.linalg.eigh(moment)[1][:, ::-1][:, :64].copy())
    assert inflation(cut, sample(items, items[:32]), 1e-4) > 500


def test_reach_by_hand():
    """Norms 1 to 4, a query of norm 1 that needs 3: half the items; one that needs 10: none but a floor."""
    items = np.diag([1.0, 2.0, 3.0, 4.0])
    queries = np.eye(4)[:2]
    codes, floats = reachable_shares(sample(items, queries), np.array([3.0, 10.0]))
    assert codes == pytest.approx(0.25)
    assert floats == pytest.approx(0.5, rel=0.05)


def test_many_queries_take_the_codes():
    ones = Coder(np.ones(128))
    assert choose(Work(1_000_000, 128, 10_000, 10), None, ones).engine == "codes"
    assert choose(Work(1_000_000, 128, 1, 10, encoded=ones), None, ones).engine == "codes"


def test_what_codes_are_no_use_for():
    ones = Coder(np.ones(8))
    # One reading of the floats is all that one query needs; encoding them is more.
    assert choose(Work(1_000_000, 8, 1, 10), None, ones).engine == "floats"
    assert choose(Work(1_000, MAX_DIMS + 1, 10_000, 10), None, Coder(np.ones(1))).engine == "floats"
    # Scores that all look alike to codes: a common offset a thousand times the differences.
    rng = np.random.default_rng(0)
    items, queries = (1000 + rng.normal(size=(n, 8)) for n in (2000, 40))
    alike = sample(items, queries)
    assert inflation(ones, alike, 1e-3) > 100
    assert choose(Work(2_000, 8, 10_000, 2), alike, ones).engine == "floats"


def test_rotation_is_proposed_where_few_directions_hold_the_data():
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(500, 64))
    assert rotations(flat) == []
    steep = flat * np.arange(1, 65) ** -1.5
    widths = [coder.n_dims for coder in rotations(steep)]
    assert widths == [8, 16, 32]
    for coder in rotations(steep):
        assert coder.basis is not None
        np.testing.assert_allclose(coder.basis.T @ coder.basis, np.eye(coder.n_dims), atol=1e-12)


def test_a_rotated_search_is_exact(monkeypatch):
    """Prefix bound: a search made to encode an eighth of the axes only still misses nothing."""
    from idxbench.truth import batch, cost

    rng = np.random.default_rng(0)
    axes = np.arange(1, 65) ** -1.0
    items, queries = ((rng.normal(size=(n, 64)) * axes).astype("f4") for n in (5000, 200))
    monkeypatch.setattr(batch, "fit_axes", lambda *rows: np.ones(64))

    def rotated(work, seen, axes):
        return cost.Choice("codes", rotations(items[::3].astype(float))[0], {})

    monkeypatch.setattr(batch, "choose", rotated)
    for metric in ("dot", "cosine", "l2"):
        plain = ExactIndex(items, metric, threads=2, engine="floats").neighbors(queries, 10)
        found = ExactIndex(items, metric, threads=2, keep=False).neighbors(queries, 10)
        assert found.engine == "codes"
        np.testing.assert_array_equal(found.ids, plain.ids)
        np.testing.assert_array_equal(found.scores, plain.scores)


def test_axes_are_balanced():
    items, queries = np.ones((4, 3)) * [1, 1024, 1], np.ones((4, 3)) * [1, 1 / 1024, 1]
    assert fit_axes(items, queries).tolist() == [1, 1 / 1024, 1]
    # The same spread on both sides is no imbalance, and a mild one is left alone.
    assert fit_axes(items, items).tolist() == [1, 1, 1]
    assert fit_axes(items / [1, 512, 1], np.ones((2, 3))).tolist() == [1, 1, 1]
    assert fit_axes(items, items[:0]).tolist() == [1, 1, 1]
    assert fit_axes(np.zeros((2, 2)), np.zeros((1, 2))).tolist() == [1, 1]
