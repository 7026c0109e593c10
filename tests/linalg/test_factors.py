"""Triangular factors keep the digits that squaring loses; factors of weights survive the rounding of moments."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench import second_moment
from idxbench.errors import DataError
from idxbench.linalg.factors import psd_factor, qr_factor


def _with_condition(n, d, condition, rng):
    """Rows with known singular values, from 1 down to 1 / condition."""
    left = np.linalg.qr(rng.normal(size=(n, d)))[0]
    right = np.linalg.qr(rng.normal(size=(d, d)))[0]
    values = np.geomspace(1.0, 1.0 / condition, d)
    return (left * values) @ right.T, values


@pytest.mark.parametrize("n", [1, 3, 7, 1024, 1025, 20_000])
def test_is_the_triangle_of_a_plain_factorization(n):
    x = np.random.default_rng(n).normal(size=(n, 7))
    found = qr_factor(x)
    expected = np.linalg.qr(x, mode="r")
    expected *= np.where(expected.diagonal() < 0, -1.0, 1.0)[:, None]
    assert found.shape == (min(n, 7), 7)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-11)
    np.testing.assert_array_equal(found, np.triu(found))
    assert (found.diagonal() >= 0).all()


@settings(max_examples=50, deadline=None)
@given(
    n=st.integers(1, 40),
    d=st.integers(1, 8),
    rank=st.integers(0, 8),
    exponents=st.lists(st.integers(-100, 100), min_size=8, max_size=8),
    seed=st.integers(0, 2**16),
)
def test_each_column_keeps_its_digits_at_its_own_scale(n, d, rank, exponents, seed):
    """R'R = X'X, each entry to the last digits of its own two columns, of any rank."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, d)) * 10.0 ** np.array(exponents[:d])
    found = qr_factor(x)
    lengths = np.linalg.norm(x, axis=0)
    unit = np.where(lengths == 0, 1.0, lengths)
    moment = (x / unit).T @ (x / unit)
    np.testing.assert_allclose((found / unit).T @ (found / unit), moment, atol=1e-13)
    np.testing.assert_array_equal(found, np.triu(found))


@pytest.mark.parametrize("condition", [1e6, 1e10])
def test_the_condition_is_not_squared(condition):
    """The smallest singular value, 1e6 times below the largest, to 1e-9; cholesky(X'X) finds it to 1e-5."""
    x, values = _with_condition(5000, 12, condition, np.random.default_rng(0))
    found = np.linalg.svd(qr_factor(x), compute_uv=False)
    np.testing.assert_allclose(found, values, rtol=1e-15 * condition)
    squared = np.sqrt(np.abs(np.linalg.eigvalsh(x.T @ x)[::-1]))
    assert abs(squared[-1] / values[-1] - 1) > 100 * 1e-15 * condition


@pytest.mark.parametrize("scale", [1e-290, 1e-160, 1e160, 1e290])
def test_scales_whose_squares_leave_float64(scale):
    x = np.random.default_rng(0).normal(size=(3000, 4))
    np.testing.assert_allclose(qr_factor(x * scale) / scale, qr_factor(x), rtol=1e-11, atol=1e-12)


def test_shift_gives_the_factor_of_the_covariance():
    x = 1e3 + 1e-2 * np.random.default_rng(0).normal(size=(9000, 5))
    found = qr_factor(x, shift=x.mean(axis=0)) / np.sqrt(len(x))
    np.testing.assert_allclose(found.T @ found, np.cov(x, rowvar=False, bias=True), rtol=1e-9, atol=1e-12)


def test_duplicates_and_zero_rows_add_nothing_new():
    x = np.random.default_rng(0).normal(size=(2000, 5))
    double = np.concatenate([x, np.zeros_like(x), x])
    np.testing.assert_allclose(qr_factor(double), np.sqrt(2) * qr_factor(x), rtol=1e-11, atol=1e-12)
    assert qr_factor(np.zeros((5, 3))).tolist() == np.zeros((3, 3)).tolist()


def test_threads_and_types_change_nothing(tmp_path):
    x = np.random.default_rng(0).integers(-9, 9, (30_000, 3)).astype(np.int8)
    expected = qr_factor(x, threads=1)
    np.save(tmp_path / "x.npy", x)
    for same in (x, np.load(tmp_path / "x.npy", mmap_mode="r"), x.astype(np.float32), x.astype(np.float16)):
        for threads in (None, 2, 5):
            np.testing.assert_array_equal(qr_factor(same, threads=threads), expected)


@pytest.mark.parametrize(
    ("x", "shift", "message"),
    [
        (np.ones(3), None, "2-D array"),
        (np.ones((0, 3)), None, "at least 1 row"),
        (np.ones((2, 2), complex), None, "integers or floats"),
        (np.array([[0.0], [1.0], [np.nan]]), None, "NaN or infinity in row 2\n"),
        (np.ones((2, 3)), np.ones(2), r"shape \(3,\), the width of x"),
    ],
)
def test_mistakes_are_named(x, shift, message):
    with pytest.raises(DataError, match=message):
        qr_factor(x, shift=shift)


def test_the_row_named_is_counted_from_the_first():
    x = np.ones((20_000, 2), np.float32)
    x[12_345, 1] = np.inf
    with pytest.raises(DataError, match="row 12345\n"):
        qr_factor(x)


@settings(max_examples=50, deadline=None)
@given(d=st.integers(1, 9), rank=st.integers(0, 9), exponent=st.integers(-100, 100), seed=st.integers(0, 2**16))
def test_psd_factor_gives_the_weight_back(d, rank, exponent, seed):
    half = np.random.default_rng(seed).normal(size=(d, rank))
    weight = half @ half.T * 10.0**exponent
    found = psd_factor(weight)
    assert found.shape[0] == d
    assert 1 <= found.shape[1] <= max(1, min(rank, d))
    np.testing.assert_allclose(found @ found.T, weight, atol=1e-12 * np.abs(weight).max())


def test_a_singular_moment_in_float32_is_a_weight():
    """Rounded products of few distinct values leave eigenvalues of -1e-7 of the largest: noise, not a mistake."""
    rng = np.random.default_rng(0)
    x = np.tile(rng.random((1, 24)).astype(np.float32), (20_000, 1))
    x[::3] *= 3
    weight = second_moment(x)
    assert np.linalg.eigvalsh(weight)[0] < -1e-8 * weight.trace()
    found = psd_factor(weight)
    np.testing.assert_allclose(found @ found.T, weight, atol=1e-5 * weight.max())


def test_eigenvalues_no_larger_than_the_negative_noise_are_noise():
    found = psd_factor(np.diag([1.0, 1e-4, 1e-7, -1e-6]))
    np.testing.assert_allclose(found @ found.T, np.diag([1.0, 1e-4, 0, 0]), rtol=1e-14)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones((2, 3)), "square"),
        (np.diag([1.0, np.inf]), "finite"),
        (np.array([[1.0, 2.0], [0.0, 1.0]]), "symmetric"),
        (np.diag([1.0, -1e-4]), "eigenvalue -0.0001"),
    ],
)
def test_unfit_weights_are_named(weight, message):
    with pytest.raises(DataError, match=message):
        psd_factor(weight)
