"""What Steck et al. (arXiv 2403.05440) say of their two objectives, each as a number that can fail."""

import numpy as np
import pytest

from idxbench.config.transforms import Covariance, Whitened
from idxbench.models.factorization import factor_regularized, product_regularized
from idxbench.strategies.catalogue import fit

RANK, LAM_1, LAM_2 = 4, 3.0, 1.5


def matrix(n=40, p=12, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, p)) @ np.diag(np.linspace(3, 0.3, p)) + 0.2


def cosines(rows):
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit @ unit.T


def weighted(model, **parameters):
    """Cosines of the items once ``covariance`` is fitted on the model's own users."""
    fitted = fit([Covariance(**parameters)], model.items, model.users, same_space=False)
    return cosines(fitted.items(model.items))


def models():
    """Both objectives, the first in gauges from mild to bad."""
    rng = np.random.default_rng(5)
    X = matrix()
    dense = rng.standard_normal((RANK, RANK))
    gauges = {"I": "I", "d^(1/2)": "d^(1/2)", "d^(-1/2)": "d^(-1/2)", "s^(-1/2)": "s^(-1/2)", "dense": dense}
    gauges["decades"] = np.array([1e-3, 1.0, 30.0, 1e3])
    made = {name: product_regularized(X, RANK, regularization=LAM_1, gauge=gauge) for name, gauge in gauges.items()}
    return made | {"objective 2": factor_regularized(X, RANK, regularization=LAM_2)}


@pytest.mark.parametrize("name", models())
def test_project_back_is_the_cosine_under_the_users_second_moment(name):
    model = models()[name]
    scores = model.users @ model.items.T
    np.testing.assert_allclose(weighted(model, center=False), cosines(scores.T), atol=1e-11)


@pytest.mark.parametrize("name", models())
def test_under_the_users_covariance_it_is_the_correlation_of_scores(name):
    model = models()[name]
    scores = model.users @ model.items.T
    np.testing.assert_allclose(weighted(model), np.corrcoef(scores.T), atol=1e-11)
    # And that is another thing than projecting back.
    assert np.abs(np.corrcoef(scores.T) - cosines(scores.T)).max() > 0.01


def test_raw_cosines_depend_on_the_gauge_and_these_do_not():
    plain, dense = models()["I"], models()["dense"]
    assert np.abs(cosines(plain.items) - cosines(dense.items)).max() > 0.3
    for center in (True, False):
        np.testing.assert_allclose(weighted(plain, center=center), weighted(dense, center=center), atol=1e-11)


def test_the_literal_cosine_of_weighted_items_is_neither_invariant_nor_the_same():
    plain, dense = models()["I"], models()["dense"]

    def literal(model):
        moment = model.users.T @ model.users / len(model.users)
        return cosines(model.items @ moment)

    assert np.abs(literal(plain) - weighted(plain, center=False)).max() > 0.05
    assert np.abs(literal(plain) - literal(dense)).max() > 0.05


def test_a_common_shift_keeps_rankings_and_moves_all_but_centred_similarities():
    model = models()["I"]
    shift = 2.0 * np.abs(model.items).mean() * np.array([1.0, -1.0, 0.5, 0.25])
    before, after = (model.users @ items.T for items in (model.items, model.items + shift))
    assert np.array_equal(np.argsort(before, axis=1), np.argsort(after, axis=1))

    def by(spec, items):
        fitted = fit([spec], items, model.users, same_space=False)
        return cosines(fitted.items(items))

    for center in (True, False):
        spec = Covariance(center=center)
        assert np.abs(by(spec, model.items) - by(spec, model.items + shift)).max() > 0.1
    np.testing.assert_allclose(by(Whitened(), model.items), by(Whitened(), model.items + shift), atol=1e-10)
    # Centred before, the weight by covariance does not see the shift either.
    centred = [items - items.mean(axis=0) for items in (model.items, model.items + shift)]
    np.testing.assert_allclose(by(Covariance(), centred[0]), by(Covariance(), centred[1]), atol=1e-10)


# Alternating least squares from a random start: the same minimum by another road, which knows no SVD.
def als_1(X, seed, sweeps=3000):
    """Minimise ``|X - X A B'|^2 + lam |A B'|^2``: each half step solves its normal equations in A or B."""
    gram = X.T @ X
    B = np.random.default_rng(seed).standard_normal((X.shape[1], RANK))
    for _ in range(sweeps):
        A = np.linalg.solve(gram + LAM_1 * np.eye(len(gram)), gram @ B) @ np.linalg.inv(B.T @ B)
        B = gram @ A @ np.linalg.inv(A.T @ gram @ A + LAM_1 * A.T @ A)
    return A, B


def als_2(X, seed, sweeps=3000):
    """Minimise ``|X - P B'|^2 + lam (|P|^2 + |B|^2)`` with ``P = X A``."""
    B = np.random.default_rng(seed).standard_normal((X.shape[1], RANK))
    for _ in range(sweeps):
        P = X @ B @ np.linalg.inv(B.T @ B + LAM_2 * np.eye(RANK))
        B = X.T @ P @ np.linalg.inv(P.T @ P + LAM_2 * np.eye(RANK))
    return np.linalg.lstsq(X, P, rcond=None)[0], B


def loss_1(X, A, B):
    return np.sum((X - X @ A @ B.T) ** 2) + LAM_1 * np.sum((A @ B.T) ** 2)


def loss_2(X, A, B):
    return np.sum((X - X @ A @ B.T) ** 2) + LAM_2 * (np.sum((X @ A) ** 2) + np.sum(B**2))


def encoder(X, users):
    return np.linalg.lstsq(X, users, rcond=None)[0]


@pytest.mark.parametrize(
    ("closed", "als", "loss", "lam"),
    [(product_regularized, als_1, loss_1, LAM_1), (factor_regularized, als_2, loss_2, LAM_2)],
)
def test_alternating_least_squares_finds_the_closed_form_from_two_random_starts(closed, als, loss, lam):
    X = matrix()
    model = closed(X, RANK, regularization=lam)
    expected = loss(X, encoder(X, model.users), model.items)
    found = [als(X, seed) for seed in (1, 2)]
    for A, B in found:
        assert loss(X, A, B) == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(X @ A @ B.T, model.users @ model.items.T, atol=1e-9)
    # Two starts of objective 1 end in two gauges, and item cosines differ; objective 2 leaves only rotations.
    one, other = (cosines(B) for _, B in found)
    if closed is product_regularized:
        assert np.abs(one - other).max() > 0.1
    else:
        np.testing.assert_allclose(one, other, atol=1e-9)
        np.testing.assert_allclose(one, cosines(model.items), atol=1e-9)
