"""What a change of coordinates does to each similarity: the table of the theory, and what each transform keeps.

Items ``b G^-T`` and queries ``q G`` have the scores of ``b`` and ``q``. A similarity is determined by the model only
if its neighbours don't notice G.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench import transform
from idxbench.errors import DataError
from idxbench.linalg.canonical import canonical, gauge_imbalance
from idxbench.strategies.catalogue import fit
from idxbench.strategies.transforms import Mapped

N_ITEMS, N_QUERIES, N_DIMS = 300, 500, 12


def model(seed=0):
    """Items in loose groups away from the origin, queries of another shape: nothing is balanced or white."""
    rng = np.random.default_rng(seed)
    groups = rng.normal(size=(9, N_DIMS))
    items = groups[rng.integers(0, 9, N_ITEMS)] + 0.7 * rng.normal(size=(N_ITEMS, N_DIMS)) + 0.4
    items *= np.exp(0.3 * rng.normal(size=(N_ITEMS, 1)))
    queries = rng.normal(size=(N_QUERIES, N_DIMS)) @ (rng.normal(size=(N_DIMS, N_DIMS)) * 0.5 + np.eye(N_DIMS)) + 0.3
    return items, queries


def orthogonal(rng, n=N_DIMS):
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


def changed(kind, items, queries, condition=30.0, seed=1):
    """Return a model with the same scores (but for a constant per query under ``shift``)."""
    rng = np.random.default_rng(seed)
    scales = condition ** np.linspace(-0.5, 0.5, N_DIMS)
    rng.shuffle(scales)
    if kind == "rotation":
        turn = orthogonal(rng)
        return items @ turn, queries @ turn
    if kind == "diagonal":
        return items * scales, queries / scales
    if kind == "dense":
        left, right = orthogonal(rng), orthogonal(rng)
        return items @ ((left * scales) @ right), queries @ ((left / scales) @ right)
    if kind == "shift":
        return items + 2 * rng.normal(size=N_DIMS), queries
    return items * np.exp(0.7 * rng.normal(size=(len(items), 1))), queries


SPECS = {
    "cosine": "raw",
    "centred cosine": "centered",
    "standardized cosine": "standardized",
    "whitened cosine": "whitened",
    "covariance cosine": "covariance",
    "second moment cosine": {"kind": "covariance", "center": False},
    "balanced cosine": "balanced",
    "canonical 1/4 cosine": {"kind": "canonical", "t": 0.25},
    "item_white cosine": "item_white",
    "score_corr": "score_corr",
}
# Which changes leave the neighbours of each as they are.
INVARIANT = {
    "cosine": {"rotation", "norms"},
    "centred cosine": {"rotation", "shift"},
    "standardized cosine": {"diagonal", "shift"},
    "whitened cosine": {"rotation", "diagonal", "dense", "shift"},
    "covariance cosine": {"rotation", "diagonal", "dense", "norms"},
    "second moment cosine": {"rotation", "diagonal", "dense", "norms"},
    "balanced cosine": {"rotation", "diagonal", "dense"},
    "canonical 1/4 cosine": {"rotation", "diagonal", "dense"},
    "item_white cosine": {"rotation", "diagonal", "dense"},
    "score_corr": {"rotation", "diagonal", "dense", "shift"},
}
CHANGES = ("rotation", "diagonal", "dense", "shift", "norms")


def neighbors(items, queries, spec, k=10):
    specs = [spec] if isinstance(spec, str | dict) else spec
    mapped, _ = transform(items, queries, specs)
    unit = mapped / np.maximum(np.linalg.norm(mapped.astype(float), axis=1, keepdims=True), 1e-30)
    scores = unit.astype(float) @ unit.T.astype(float)
    np.fill_diagonal(scores, -np.inf)
    return np.argsort(-scores, axis=1)[:, :k]


def overlap(a, b):
    return float(np.mean([len(set(x) & set(y)) / len(x) for x, y in zip(a.tolist(), b.tolist(), strict=True)]))


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("name", SPECS)
def test_the_invariance_table(name, kind):
    items, queries = model()
    kept = overlap(neighbors(items, queries, SPECS[name]), neighbors(*changed(kind, items, queries), SPECS[name]))
    if kind in INVARIANT[name]:
        assert kept > 0.995, kept
    else:
        assert kept < 0.95, kept


@pytest.mark.parametrize("condition", [1e2, 1e4, 1e6])
@pytest.mark.parametrize("name", [name for name in SPECS if "diagonal" in INVARIANT[name]])
def test_axes_of_any_size_in_float32(name, condition):
    """Float32 keeps the digits of every axis however large it is, and so must everything after it."""
    items, queries = (side.astype("f4") for side in model())
    other = [side.astype("f4") for side in changed("diagonal", items, queries, condition)]
    assert overlap(neighbors(items, queries, SPECS[name]), neighbors(*other, SPECS[name])) > 0.995


@pytest.mark.parametrize("name", [name for name in SPECS if "dense" in INVARIANT[name]])
def test_dense_changes_as_far_as_the_digits_of_the_input_reach(name):
    """Through second moments little would be left at a condition of 1e6: their error grows with its square.

    Directions of a millionth of the largest count as rounding of float32 unless told otherwise.
    """
    items, queries = model()
    before = neighbors(items, queries, SPECS[name])
    spec = {"kind": SPECS[name]} if isinstance(SPECS[name], str) else SPECS[name]
    other = changed("dense", items, queries, 1e6)
    assert overlap(before, neighbors(*other, spec | {"tolerance": 1e-12})) > 0.995
    single = [side.astype("f4") for side in changed("dense", items, queries, 1e3)]
    assert overlap(before, neighbors(*single, SPECS[name])) > 0.98


KEPT = {
    "scores": ["raw", "rescaled", "item_white", "balanced", {"kind": "canonical", "t": 1.0}, "mixed",
               {"kind": "covariance", "queries": "dual"}],
    "ranking": ["centered", "standardized", "whitened", "score_corr", "shifted"],
    "neither": ["normalized", "drop_top", {"kind": "whitened", "rank": 6}],
}  # fmt: skip


@pytest.mark.parametrize(("kept", "spec"), [(kept, spec) for kept, specs in KEPT.items() for spec in specs])
def test_what_becomes_of_the_dot_products(kept, spec):
    items, queries = model()
    mapped, asked = transform(items, queries, spec)
    before, after = queries @ items.T, asked.astype(float) @ mapped.T.astype(float)
    scale = np.abs(before).max()
    change = np.abs(after - before)
    # A ranking is kept where every score of a query moved by the same amount.
    moved = np.ptp(after - before, axis=1)
    assert (change.max() < 1e-5 * scale) == (kept == "scores")
    assert (moved.max() < 1e-4 * scale) == (kept in ("scores", "ranking"))


def test_augmented_ranks_by_distance_as_dot_did():
    items, queries = model()
    mapped, asked = transform(items, queries, "augmented")
    distances = ((asked[:, None].astype(float) - mapped[None].astype(float)) ** 2).sum(axis=2)
    best = np.argsort(-(queries @ items.T), axis=1)[:, :10]
    assert overlap(np.argsort(distances, axis=1)[:, :10], best) > 0.999
    np.testing.assert_allclose(np.linalg.norm(mapped, axis=1), np.linalg.norm(items, axis=1).max(), rtol=1e-6)
    # By hand: norms 5 and 0 under the largest, 5.
    small, _ = transform(np.array([[3.0, 4.0], [0.0, 0.0]]), None, "augmented")
    np.testing.assert_allclose(small, [[3, 4, 0], [0, 0, 5]])


def test_moments_in_canonical_coordinates():
    items, queries = model()
    for t in (0.0, 0.3, 0.5, 1.0):
        mapped, asked = (side.astype(float) for side in transform(items, queries, {"kind": "canonical", "t": t}))
        first, second = mapped.T @ mapped / len(mapped), asked.T @ asked / len(asked)
        values = np.linalg.svd(queries @ items.T, compute_uv=False)[:N_DIMS] / np.sqrt(N_ITEMS * N_QUERIES)
        np.testing.assert_allclose(first, np.diag(values ** (2 * t)), atol=1e-5 * values[0] ** (2 * t))
        np.testing.assert_allclose(second, np.diag(values ** (2 - 2 * t)), atol=1e-5 * values[0] ** (2 - 2 * t))


def test_covariance_is_the_correlation_of_scores():
    """Centred, of the scores of two items over the queries; not centred, the cosine of their columns."""
    items, queries = model()
    scores = queries @ items.T
    columns = scores / np.linalg.norm(scores, axis=0)
    for center, expected in ((True, np.corrcoef(scores.T)), (False, columns.T @ columns)):
        mapped = fit(_specs({"kind": "covariance", "center": center}), items, queries, same_space=False).items(items)
        unit = mapped / np.linalg.norm(mapped, axis=1, keepdims=True)
        np.testing.assert_allclose(unit @ unit.T, expected, atol=1e-12)


def _specs(spec):
    from idxbench.config.load import parse_config

    return parse_config({"data": {"source": "digits"}, "strategy": [{"transform": spec}]}, "").strategy[0].transform


NEEDY = ["whitened", "covariance", "score_corr", "balanced", "item_white", {"kind": "canonical", "t": 0.0}]


@pytest.mark.parametrize("spec", [*NEEDY, {"kind": "canonical", "t": 1.0}])
@pytest.mark.parametrize("trouble", ["zero column", "constant column", "rank 4", "near-zero rows", "one item twice"])
def test_what_has_no_full_rank_is_cut_and_said(spec, trouble):
    items, queries = model()
    rank = N_DIMS
    if trouble == "zero column":
        items[:, 3] = queries[:, 3] = 0
        rank -= 1
    elif trouble == "constant column":
        items[:, 3], queries[:, 3] = 2.5, 1.5  # a column that only adds the same to every score
    elif trouble == "rank 4":
        items = items[:, :4] @ np.random.default_rng(0).normal(size=(4, N_DIMS))
        rank = 4
    elif trouble == "near-zero rows":
        items[:50] *= 1e-20
    else:
        items[1:] = items[0]
        rank = 1
    items, queries = items.astype("f4"), queries.astype("f4")
    fitted = fit(_specs(spec), items, queries, same_space=False)
    mapped = fitted.items(items.astype(float))
    assert np.isfinite(mapped).all()
    assert np.isfinite(fitted.queries(queries.astype(float))).all()
    kind = spec if isinstance(spec, str) else spec["kind"]
    if kind == "covariance":
        # Of the queries: only a column that they don't have, or that doesn't vary over them, is missing.
        rank = N_DIMS - (trouble in ("zero column", "constant column"))
    elif kind in ("whitened", "score_corr"):
        rank = {"constant column": N_DIMS - 1, "one item twice": 0}.get(trouble, rank)
    assert fitted.facts["rank"] == rank
    if kind in ("balanced", "canonical", "item_white"):
        scores = queries.astype(float) @ items.T.astype(float)
        after = fitted.queries(queries.astype(float)) @ mapped.T
        assert np.abs(after - scores).max() < 2e-5 * np.abs(scores).max()


def test_fitted_transforms_say_that_they_need_queries():
    items, _ = model()
    for spec in ("balanced", "score_corr", "covariance", {"kind": "canonical", "t": 0.2}):
        with pytest.raises(DataError, match="queries to fit it on"):
            transform(items, None, spec)
    assert transform(items, None, {"kind": "covariance", "of": "items"})[0].shape == (N_ITEMS, N_DIMS)
    with pytest.raises(DataError, match="at most 11"):
        transform(items, None, {"kind": "drop_top", "components": 12})


def test_projected_reads_its_matrices(tmp_path):
    items, queries = model()
    maps = np.random.default_rng(0).normal(size=(2, N_DIMS, 3))
    np.save(tmp_path / "m.npy", maps[0])
    np.save(tmp_path / "q.npy", maps[1])
    spec = {"kind": "projected", "items": str(tmp_path / "m.npy")}
    mapped, asked = transform(items, queries, spec)
    np.testing.assert_allclose(mapped, items @ maps[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(asked, queries @ maps[0], rtol=1e-5, atol=1e-6)
    _, asked = transform(items, queries, spec | {"queries": str(tmp_path / "q.npy")})
    np.testing.assert_allclose(asked, queries @ maps[1], rtol=1e-5, atol=1e-6)
    np.save(tmp_path / "bad.npy", maps[0][:5])
    with pytest.raises(DataError, match="12 rows"):
        transform(items, queries, {"kind": "projected", "items": str(tmp_path / "bad.npy")})
    with pytest.raises(DataError, match="a matrix"):
        transform(items, queries, {"kind": "projected", "items": str(tmp_path / "none.npy")})


def test_drop_top_takes_the_largest_component_away():
    rng = np.random.default_rng(0)
    items = rng.normal(size=(500, 3)) * [10, 1, 1] + 5
    mapped, _ = transform(items, None, {"kind": "drop_top", "queries": "same"})
    np.testing.assert_allclose(mapped.mean(axis=0), 0, atol=1e-5)
    assert np.linalg.matrix_rank(mapped, tol=1e-2) == 2
    np.testing.assert_allclose(np.linalg.svd(mapped, compute_uv=False)[:2] / np.sqrt(500), 1, atol=0.15)


def test_lists_are_fitted_on_what_is_before_them():
    items, queries = model()
    both, asked = transform(items, queries, [{"kind": "rescaled", "sigma": 2.0}, "balanced"])
    alone, _ = transform(items, queries, "balanced")
    np.testing.assert_allclose(np.abs(both), np.abs(alone), atol=1e-4)  # up to the signs of the axes
    np.testing.assert_allclose(asked @ both.T, queries @ items.T, atol=1e-4)


def test_imbalance_counts_decades():
    """By hand: white items and queries; then axes times 10^(-2, 0, 2), divided in the queries."""
    rng = np.random.default_rng(0)
    sides = [np.linalg.qr(rng.normal(size=(400, 3)))[0] * 20 for _ in range(2)]
    factors = [np.linalg.qr(side / 20, mode="r") for side in sides]
    assert gauge_imbalance(*factors) == pytest.approx(0, abs=1e-12)
    scales = np.array([1e-2, 1.0, 1e2])
    assert gauge_imbalance(factors[0] * scales, factors[1] / scales) == pytest.approx(np.std([-2, 0, 2]), rel=1e-9)
    # A collapsed model: axes that nothing lies along don't count.
    wide = [np.concatenate([factor, np.zeros((3, 5))], axis=1) for factor in factors]
    assert gauge_imbalance(*wide) == pytest.approx(0, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(n=st.integers(1, 30), m=st.integers(1, 30), d=st.integers(1, 8), t=st.floats(0, 1), seed=st.integers(0, 999))
def test_any_shape_keeps_its_scores(n, m, d, t, seed):
    rng = np.random.default_rng(seed)
    items, queries = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    factors = [np.linalg.qr(side / np.sqrt(len(side)), mode="r") for side in (items, queries)]
    found = canonical(*factors, t)
    assert found.rank <= min(n, m, d)
    np.testing.assert_allclose((queries @ found.queries) @ (items @ found.items).T, queries @ items.T, atol=1e-4)


def test_mapped_rows_are_read_in_blocks():
    rows = np.arange(12.0).reshape(6, 2)
    source = Mapped(rows, lambda block: block[:, :1] * 2)
    assert source.shape == (6, 1)
    assert list(itertools.chain.from_iterable(block[:, 0] for block in source.blocks())) == [0, 4, 8, 12, 16, 20]
