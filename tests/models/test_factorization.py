import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array, csr_array, csr_matrix, random_array

from idxbench.errors import DataError
from idxbench.models import svd
from idxbench.models.factorization import GAUGES, factor_regularized, factorize, product_regularized
from idxbench.models.svd import truncated_svd


def matrix(n=40, p=12, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, p)) @ np.diag(np.linspace(3, 0.3, p)) + 0.2


def cosines(rows):
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit @ unit.T


def relative(gradient, *terms):
    """Size of a gradient beside the size of the terms that cancel in it."""
    return np.linalg.norm(gradient) / sum(np.linalg.norm(term) for term in terms)


# The losses of the paper, in A (p x k) and B (p x k), and their gradients written out by hand: with
# E = X - X A B', Eq. 5 has dL/dA = -2 X'E B + 2 lam A B'B and dL/dB = -2 E'X A + 2 lam B A'A; Eq. 6 has
# dL/dA = -2 X'E B + 2 lam X'X A and dL/dB = -2 E'X A + 2 lam B.
def loss_1(X, A, B, lam):
    return np.sum((X - X @ A @ B.T) ** 2) + lam * np.sum((A @ B.T) ** 2)


def gradients_1(X, A, B, lam):
    E = X - X @ A @ B.T
    terms_a = (-2 * X.T @ X @ B, 2 * X.T @ X @ A @ B.T @ B, 2 * lam * A @ B.T @ B)
    terms_b = (-2 * X.T @ X @ A, 2 * B @ A.T @ X.T @ X @ A, 2 * lam * B @ A.T @ A)
    a = -2 * X.T @ E @ B + 2 * lam * A @ B.T @ B
    b = -2 * E.T @ X @ A + 2 * lam * B @ A.T @ A
    return relative(a, *terms_a), relative(b, *terms_b)


def gradients_2(X, A, B, lam):
    E = X - X @ A @ B.T
    a = -2 * X.T @ E @ B + 2 * lam * X.T @ X @ A
    b = -2 * E.T @ X @ A + 2 * lam * B
    return relative(a, 2 * X.T @ X @ B, 2 * lam * X.T @ X @ A), relative(b, 2 * X.T @ X @ A, 2 * lam * B)


def encoder(X, users):
    """The A of X A = users; X has full column rank."""
    return np.linalg.lstsq(X, users, rcond=None)[0]


def gauges(k):
    rng = np.random.default_rng(7)
    return [*GAUGES, rng.uniform(0.2, 5, k), rng.standard_normal((k, k))]


@pytest.mark.parametrize("gauge", gauges(5), ids=str)
@pytest.mark.parametrize("lam", [0.0, 3.0, 200.0])
def test_gradients_of_objective_1_vanish(gauge, lam):
    X = matrix()
    model = product_regularized(X, 5, regularization=lam, gauge=gauge)
    assert max(gradients_1(X, encoder(X, model.users), model.items, lam)) < 1e-12


@pytest.mark.parametrize("lam", [0.0, 1.0, 8.0])
def test_gradients_of_objective_2_vanish(lam):
    X = matrix()
    model = factor_regularized(X, 5, regularization=lam)
    assert max(gradients_2(X, encoder(X, model.users), model.items, lam)) < 1e-12


def test_a_gradient_off_the_solution_does_not_vanish():
    X = matrix()
    model = product_regularized(X, 5, regularization=3.0)
    assert min(gradients_1(X, encoder(X, 1.01 * model.users), model.items, 3.0)) > 1e-4


def test_by_hand():
    # X = diag(3, 1), lam = 3: s = 3, 1; d = 1 / (1 + 1/3) = 3/4 and 1 / (1 + 3) = 1/4.
    X = np.diag([3.0, 1.0])
    model = factorize(X, 2, objective=1, regularization=3.0, gauge="I")
    np.testing.assert_allclose(model.items, np.diag(np.sqrt([0.75, 0.25])), atol=1e-15)
    np.testing.assert_allclose(model.users, np.diag([3 * np.sqrt(0.75), np.sqrt(0.25)]), atol=1e-15)
    # Objective 2 at lam = 2: sqrt(3 - 2) and nothing.
    model = factorize(X, 2, objective=2, regularization=2.0)
    np.testing.assert_allclose(model.items, np.diag([1.0, 0.0]), atol=1e-15)
    assert (model.n_zero_dims, model.rank, model.objective, model.regularization) == (1, 2, 2, 2.0)


@pytest.mark.parametrize("gauge", gauges(5), ids=str)
def test_no_gauge_moves_a_score_or_the_loss(gauge):
    X = matrix()
    plain = product_regularized(X, 5, regularization=3.0)
    other = product_regularized(X, 5, regularization=3.0, gauge=gauge)
    np.testing.assert_allclose(other.users @ other.items.T, plain.users @ plain.items.T, atol=1e-11)
    losses = [loss_1(X, encoder(X, model.users), model.items, 3.0) for model in (plain, other)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
    # And no loss is lower anywhere near.
    rng = np.random.default_rng(0)
    nearby = model_a, model_b = encoder(X, other.users), other.items
    for _ in range(20):
        A, B = (part + 0.01 * rng.standard_normal(part.shape) for part in nearby)
        assert loss_1(X, A, B, 3.0) > loss_1(X, model_a, model_b, 3.0)


def test_named_gauges_are_the_matrices_they_name():
    X, lam = matrix(), 3.0
    s = np.linalg.svd(X, compute_uv=False)[:5]
    d = 1 / (1 + lam / s**2)
    for name, D in {"d^(1/2)": d**0.5, "I": np.ones(5), "d^(-1/2)": d**-0.5, "s^(-1/2)": s**-0.5}.items():
        named = product_regularized(X, 5, regularization=lam, gauge=name)
        for given_gauge in (D, np.diag(D)):
            other = product_regularized(X, 5, regularization=lam, gauge=given_gauge)
            np.testing.assert_allclose(other.items, named.items, atol=1e-13)
            np.testing.assert_allclose(other.users, named.users, atol=1e-12)


def test_objective_2_has_equal_second_moments_and_zeroes_what_is_below_lambda():
    X = matrix()
    s = np.linalg.svd(X, compute_uv=False)
    lam = float((s[3] + s[4]) / 2)
    model = factor_regularized(X, 8, regularization=lam)
    np.testing.assert_allclose(model.items.T @ model.items, model.users.T @ model.users, atol=1e-12)
    np.testing.assert_allclose(np.diag(model.items.T @ model.items)[:4], s[:4] - lam, rtol=1e-12)
    assert model.n_zero_dims == 4
    assert model.items.shape == (12, 8)
    assert not model.items[:, 4:].any()
    assert not model.users[:, 4:].any()


def test_lambda_equal_to_a_singular_value_is_zero():
    model = factor_regularized(np.diag([4.0, 2.0, 1.0]), 3, regularization=2.0)
    assert model.n_zero_dims == 2


def test_s_to_the_minus_half_is_the_balanced_gauge():
    model = product_regularized(matrix(), 6, regularization=3.0, gauge="s^(-1/2)")
    moment = model.items.T @ model.items
    np.testing.assert_allclose(moment, model.users.T @ model.users, atol=1e-12)
    unbalanced = product_regularized(matrix(), 6, regularization=3.0, gauge="I")
    assert not np.allclose(unbalanced.items.T @ unbalanced.items, unbalanced.users.T @ unbalanced.users, rtol=0.1)


def test_full_rank_gauges_make_cosines_arbitrary():
    # The paper's two extremes, at k = p.
    X = matrix()
    identity = product_regularized(X, 12, regularization=3.0, gauge="d^(1/2)")
    np.testing.assert_allclose(cosines(identity.items), np.eye(12), atol=1e-12)
    # Users rank items by cosine as they do by dot: all items have length 1.
    np.testing.assert_allclose(np.linalg.norm(identity.items, axis=1), 1.0, atol=1e-12)
    scores = identity.users @ identity.items.T
    assert np.array_equal(
        np.argsort(scores), np.argsort(scores / np.linalg.norm(identity.users, axis=1, keepdims=True))
    )
    raw = product_regularized(X, 12, regularization=3.0, gauge="d^(-1/2)")
    np.testing.assert_allclose(cosines(raw.users), cosines(X), atol=1e-12)


def test_neither_extreme_holds_below_full_rank():
    X = matrix()
    identity = product_regularized(X, 5, regularization=3.0, gauge="d^(1/2)")
    assert np.abs(cosines(identity.items) - np.eye(12)).max() > 0.1
    raw = product_regularized(X, 5, regularization=3.0, gauge="d^(-1/2)")
    assert np.abs(cosines(raw.users) - cosines(X)).max() > 0.01


def test_sparse_and_dense_agree():
    X = random_array((60, 30), density=0.2, rng=np.random.default_rng(0), format="csr")
    dense = factorize(X.toarray(), 4, regularization=1.0)
    for sparse in (X, csr_matrix(X), coo_array(X), X.astype(np.float32).astype(np.float64)):
        other = factorize(sparse, 4, regularization=1.0)
        np.testing.assert_allclose(other.items, dense.items, atol=1e-6)


def test_arpack_agrees_with_lapack(monkeypatch):
    X = matrix(200, 80, seed=1)
    exact = truncated_svd(X, 6)
    monkeypatch.setattr(svd, "_DENSE_ENTRIES", 100)
    for given_matrix in (X, csr_array(X)):
        iterated = truncated_svd(given_matrix, 6)
        np.testing.assert_allclose(iterated[1], exact[1], rtol=1e-13)
        for mine, theirs in zip(iterated, exact, strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-10)
        for first, again in zip(iterated, truncated_svd(given_matrix, 6), strict=True):
            assert np.array_equal(first, again)


def test_most_of_the_rank_is_never_left_to_arpack(monkeypatch):
    X = matrix(20, 12)
    monkeypatch.setattr(svd, "_DENSE_ENTRIES", 1)
    np.testing.assert_array_equal(truncated_svd(csr_array(X), 12)[1], np.linalg.svd(X, full_matrices=False)[1])


def test_signs_do_not_depend_on_the_sign_of_the_data():
    X = matrix()
    U, s, V = truncated_svd(X, 12)
    assert (V[np.argmax(np.abs(V), axis=0), np.arange(12)] > 0).all()
    U2, _, V2 = truncated_svd(-X, 12)
    np.testing.assert_allclose(V2, V, atol=1e-10)
    np.testing.assert_allclose(U2, -U, atol=1e-10)
    np.testing.assert_allclose(U @ np.diag(s) @ V.T, X, atol=1e-12)


def test_an_even_split_of_signs_is_settled_by_the_first_entry():
    # Both entries of V have the same size, up to rounding that could point either way.
    noise = 1e-12 * np.random.default_rng(0).standard_normal((20, 3, 2))
    for one in noise:
        V = truncated_svd(np.array([[1.0, -1.0], [2.0, -2.0], [0.5, -0.5]]) + one, 1)[2]
        assert V[0, 0] > 0


@pytest.mark.parametrize("gauge", GAUGES)
def test_dimensions_past_the_numerical_rank_are_zero_on_both_sides(gauge):
    X = np.outer(np.arange(1.0, 7), [1.0, 2, 3, 4])
    for lam in (0.0, 2.0):
        model = product_regularized(X, 3, regularization=lam, gauge=gauge)
        assert model.n_zero_dims == 2
        assert not model.items[:, 1:].any()
        assert not model.users[:, 1:].any()
        assert np.isfinite(model.items).all()
    plain = product_regularized(X, 3, regularization=0.0, gauge=gauge)
    np.testing.assert_allclose(plain.users @ plain.items.T, X, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 8), st.integers(1, 8), st.floats(0, 50), st.integers(0, 1000))
def test_scores_shrink_with_lambda_and_never_grow(n, p, lam, seed):
    X = np.random.default_rng(seed).standard_normal((n, p))
    rank = min(n, p)
    s = np.linalg.svd(X, compute_uv=False)
    for model, kept in (
        (product_regularized(X, rank, regularization=lam), s**3 / (s**2 + lam)),
        (factor_regularized(X, rank, regularization=lam), np.maximum(s - lam, 0)),
    ):
        scores = np.linalg.svd(model.users @ model.items.T, compute_uv=False)[:rank]
        np.testing.assert_allclose(np.sort(scores), np.sort(kept), atol=1e-8)


@pytest.mark.parametrize("rank", [0, 13, -1])
def test_refuses_an_impossible_rank(rank):
    with pytest.raises(DataError, match=r"1 to 12, the smaller side of the 40 x 12 matrix"):
        factorize(matrix(), rank, regularization=1.0)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones(4), "two dimensions, neither empty"),
        (np.ones((0, 4)), "two dimensions, neither empty"),
        (np.array([[1.0, np.nan]]), "expected: finite numbers"),
        (csr_array(np.array([[1.0, np.inf]])), "expected: finite numbers"),
        (np.zeros((3, 3)), "an entry that is not zero"),
        (csr_array((3, 3)), "an entry that is not zero"),
    ],
)
def test_refuses_what_is_no_matrix(X, message):
    with pytest.raises(DataError, match=message):
        factorize(X, 1, regularization=1.0)


@pytest.mark.parametrize("lam", [-1.0, np.nan, np.inf])
@pytest.mark.parametrize("objective", [1, 2])
def test_refuses_a_regularization_that_is_none(lam, objective):
    with pytest.raises(DataError, match="a finite number, zero or more"):
        factorize(matrix(), 2, objective=objective, regularization=lam)


@pytest.mark.parametrize(
    ("gauge", "message"),
    [
        ("s^2", r"one of d\^\(1/2\), I, "),
        (np.ones(3), r"shape \(2,\) or \(2, 2\)"),
        (np.array([1.0, 0.0]), "non-zero scales"),
        (np.array([1.0, np.nan]), "finite numbers"),
        (np.ones((2, 2)), "a condition number below"),
    ],
)
def test_refuses_a_gauge_that_is_none(gauge, message):
    with pytest.raises(DataError, match=message):
        factorize(matrix(), 2, regularization=1.0, gauge=gauge)


def test_objective_2_takes_no_gauge():
    for gauge in ("s^(-1/2)", np.ones(2)):
        with pytest.raises(DataError, match="leaves only rotations free"):
            factorize(matrix(), 2, objective=2, regularization=1.0, gauge=gauge)


def test_refuses_an_unknown_objective():
    with pytest.raises(DataError, match="expected: 1 or 2"):
        factorize(matrix(), 2, objective=3, regularization=1.0)
