import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from idxbench.errors import DataError
from idxbench.models import fitting, preparation
from idxbench.models.factorization import factorize
from idxbench.models.fitting import ModelChoice, fit_models
from idxbench.models.preparation import popularity, prepare
from idxbench.models.svd import truncated_svd

# Three, one and two users; the last item has none.
TAKEN = csr_array(np.array([[1.0, 0, 1, 0], [1, 1, 0, 0], [1, 0, 1, 0]]))


def interactions(n=60, p=20, seed=0):
    return csr_array((np.random.default_rng(seed).random((n, p)) < np.linspace(0.05, 0.9, p)).astype(float))


def test_nothing_asked_is_nothing_done():
    assert prepare(TAKEN) is TAKEN


def test_popularity_counts_entries_whatever_they_say():
    assert popularity(TAKEN).tolist() == [3, 1, 2, 0]
    assert popularity(csr_array(np.array([[-2.0, 5.0], [0.5, 0.0]]))).tolist() == [2, 1]


def test_weighting_by_hand():
    # Columns in the proportions 3^-1, 1 and 2^-1; then all entries together have their old norm, sqrt(6).
    weighted = prepare(TAKEN, weighting="popularity", popularity_exponent=-1.0).toarray()
    proportions = np.array([1 / 3, 1.0, 1 / 2, 0.0])
    size = np.sqrt(3 / 9 + 1 + 2 / 4)
    np.testing.assert_allclose(weighted, TAKEN.toarray() * proportions * np.sqrt(6) / size, rtol=1e-14)
    assert TAKEN.data.tolist() == [1.0] * 6


def test_the_papers_exponent_is_the_default():
    given_exponent = prepare(TAKEN, weighting="popularity", popularity_exponent=-0.75)
    np.testing.assert_array_equal(prepare(TAKEN, weighting="popularity").toarray(), given_exponent.toarray())


@settings(max_examples=30, deadline=None)
@given(st.floats(-3, 3), st.integers(0, 50))
def test_weighting_keeps_the_norm_and_scales_columns(exponent, seed):
    X = interactions(30, 8, seed)
    weighted = prepare(X, weighting="popularity", popularity_exponent=exponent)
    assert np.linalg.norm(weighted.data) == pytest.approx(np.linalg.norm(X.data), rel=1e-12)
    counts = popularity(X)
    column = weighted.toarray().max(axis=0)[counts > 0] / counts[counts > 0] ** exponent
    np.testing.assert_allclose(column, column[0], rtol=1e-10)


def test_standardized_columns_have_mean_0_and_deviation_1():
    X = interactions()
    dense = prepare(X, standardize=True)
    np.testing.assert_allclose(dense.mean(axis=0), 0.0, atol=1e-14)
    np.testing.assert_allclose(dense.std(axis=0), 1.0, rtol=1e-12)
    # Two of four users: (1 - 1/2) / (1/2) = 1 and -1.
    by_hand = prepare(csr_array(np.array([[1.0], [1], [0], [0]])), standardize=True)
    assert by_hand.ravel().tolist() == [1.0, 1.0, -1.0, -1.0]


def test_constant_columns_become_zero():
    dense = prepare(csr_array(np.array([[0.1, 0, 1], [0.1, 0, 0], [0.1, 0, 0]])), standardize=True)
    assert not dense[:, :2].any()
    assert dense[:, 2].std() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weighting": "ips"}, "none or popularity"),
        ({"weighting": "popularity", "standardize": True}, "standardize or weighting, not both"),
        ({"weighting": "popularity", "popularity_exponent": np.nan}, "a finite number"),
        ({"weighting": "popularity", "popularity_exponent": -1e6}, "weights within float64"),
    ],
)
def test_refuses(wrong, message):
    with pytest.raises(DataError, match=message):
        prepare(TAKEN, **wrong)


def test_a_dense_matrix_that_would_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(preparation, "MOST_DENSE_ENTRIES", 11)
    with pytest.raises(DataError, match="3 x 4: a standardized matrix has no zeros"):
        prepare(TAKEN, standardize=True)


def test_several_models_share_decompositions_and_equal_those_fitted_alone(monkeypatch):
    X = interactions()
    calls = []

    def counted(matrix, rank):
        calls.append(rank)
        return truncated_svd(matrix, rank)

    monkeypatch.setattr(fitting, "truncated_svd", counted)
    choices = [
        ModelChoice(1, 5, 2.0),
        ModelChoice(1, 5, 2.0, "d^(1/2)"),
        ModelChoice(2, 5, popularity_exponent=-2.0),
        ModelChoice(1, 5, weighting="popularity"),
        ModelChoice(2, 5, 1.0, weighting="popularity"),
        ModelChoice(1, 5, standardize=True),
        ModelChoice(1, 4),
    ]
    found = list(fit_models(X, choices, {1: 7.0, 2: 0.5}))
    assert calls == [5, 5, 5, 4]
    alone = [
        factorize(X, 5, regularization=2.0),
        factorize(X, 5, regularization=2.0, gauge="d^(1/2)"),
        factorize(X, 5, objective=2, regularization=0.5),
        factorize(prepare(X, weighting="popularity"), 5, regularization=7.0),
        factorize(prepare(X, weighting="popularity"), 5, objective=2, regularization=1.0),
        factorize(prepare(X, standardize=True), 5, regularization=7.0),
        factorize(X, 4, regularization=7.0),
    ]
    for mine, theirs in zip(found, alone, strict=True):
        np.testing.assert_array_equal(mine.items, theirs.items)
        np.testing.assert_array_equal(mine.users, theirs.users)
        assert mine.regularization == theirs.regularization


def test_a_decomposition_of_another_rank_is_refused():
    with pytest.raises(DataError, match="3, that of the decomposition"):
        factorize(truncated_svd(interactions(), 3), 4, regularization=1.0)
