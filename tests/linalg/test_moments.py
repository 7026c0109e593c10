"""Second moments, covariances and means against exact sums, where float32 and offsets would lose digits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench import second_moment
from idxbench.errors import DataError
from idxbench.linalg.blocks import ROWS
from idxbench.linalg.moments import mean_row
from tests.reference import linalg as twin

TALL = 2 * ROWS + 77


def _error(found, expected):
    """Largest error in units of the spreads of the two axes; axes without any spread must be exactly zero."""
    spreads = np.sqrt(expected.diagonal())
    still = spreads == 0
    assert not found[still].any()
    assert not found[:, still].any()
    units = np.outer(spreads, spreads)[~still][:, ~still]
    return float((np.abs(found - expected)[~still][:, ~still] / units).max(initial=0.0))


def _tall(dtype, rng, d=6):
    if np.issubdtype(dtype, np.integer):
        return rng.integers(0 if dtype == np.uint8 else -100, 127, (TALL, d)).astype(dtype)
    return (rng.normal(size=(TALL, d)) @ rng.normal(size=(d, d)) + 0.5).astype(dtype)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(np.float32, 3e-7), (np.float16, 3e-7), (np.uint8, 1e-6), (np.int16, 1e-6), (np.int64, 1e-14), (float, 1e-14)],
)
def test_agrees_with_exact_sums(dtype, tolerance, center):
    x = _tall(np.dtype(dtype), np.random.default_rng(0))
    found = second_moment(x, center=center)
    assert found.dtype == np.float64
    assert _error(found, twin.second_moment(x, center)) < tolerance
    np.testing.assert_array_equal(found, found.T)


def test_by_hand():
    x = np.array([[1, 2], [3, 6]], np.float32)
    assert second_moment(x).tolist() == [[5, 10], [10, 20]]
    assert second_moment(x, center=True).tolist() == [[1, 2], [2, 4]]
    assert mean_row(x).tolist() == [2, 4]


def test_float32_blocks_beat_one_float32_product():
    """What the float64 sums are for: the whole product in float32 is off by hundreds of its units."""
    x = np.random.default_rng(0).random((160_000, 4), np.float32)
    exact = second_moment(x.astype(np.float64))
    plain = sum(np.multiply.outer(row, row) for row in x) / np.float32(len(x))
    assert _error(second_moment(x), exact) < 1e-7
    assert _error(plain, exact) > 1e-6


@pytest.mark.parametrize("center", [False, True])
@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 50),
    d=st.integers(1, 6),
    exponents=st.lists(st.integers(-30, 30), min_size=6, max_size=6),
    offset=st.sampled_from([0.0, 1.0, -1e3]),
    wide=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_any_scale_of_any_axis(center, n, d, exponents, offset, wide, seed):
    """Axes from 1e-30 to 1e30 side by side: squares leave float32 on both ends, and no axis pays for another."""
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(n, d)) + offset) * 10.0 ** np.array(exponents[:d])
    x = x if wide else x.astype(np.float32)
    # Float64 loses digits of the offset itself: in the twin as here.
    assert _error(second_moment(x, center=center), twin.second_moment(x, center)) < (1e-7 if wide else 1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["shuffled", "sorted"])
def test_an_offset_costs_the_covariance_no_digits(dtype, order):
    """Mean 1e3, spread 1e-2: X'X / n - m m' would keep none in float32, and a first block's mean few if sorted."""
    rng = np.random.default_rng(0)
    x = 1e3 + 1e-2 * rng.normal(size=(TALL, 3))
    x = np.sort(x, axis=0) if order == "sorted" else x
    x = x.astype(dtype)
    expected = twin.second_moment(x, center=True)
    assert _error(second_moment(x, center=True), expected) < (3e-6 if dtype == np.float32 else 1e-11)
    single = np.asarray(x, np.float32)
    naive = single.T @ single / np.float32(len(x)) - np.outer(single.mean(axis=0), single.mean(axis=0))
    assert _error(naive.astype(np.float64), expected) > 1e3


@pytest.mark.parametrize("value", [0.1, 1 / 3, -7e-9, 1e30, 3.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_axis_has_no_covariance_at_all(value, dtype):
    x = np.random.default_rng(0).normal(size=(TALL, 3)).astype(dtype)
    x[:, 1] = value
    found = second_moment(x, center=True)
    assert not found[1].any()
    assert not found[:, 1].any()
    assert found[0, 0] > 0.9


def test_a_dead_axis_stays_dead():
    x = np.random.default_rng(0).normal(size=(TALL, 3)).astype(np.float32)
    x[:, 2] = 0
    assert not second_moment(x)[2].any()


def test_few_values_keep_the_accuracy_that_is_promised():
    """Roundings of one product, repeated, don't cancel: the worst that was found for blocks in float32."""
    x = np.full((TALL, 3), [0.1, 1 / 3, 0.7]).astype(np.float32)
    x[::7] *= 3
    assert _error(second_moment(x), twin.second_moment(x)) < 1e-5
    assert _error(second_moment(x.astype(np.float64)), twin.second_moment(x)) < 1e-13


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("n", [1, 2, ROWS, ROWS + 1, TALL])
def test_threads_and_layouts_change_no_bit(n, center, tmp_path):
    x = np.random.default_rng(n).normal(size=(n, 5)).astype(np.float32)
    expected = second_moment(x, center=center, threads=1)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for same in (x, mapped):
        for threads in (None, 2, 5):
            np.testing.assert_array_equal(second_moment(same, center=center, threads=threads), expected)
    # BLAS may take another order of summation for another layout, in float32 within a block.
    for alike in (np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x.astype(">f4")):
        np.testing.assert_allclose(second_moment(alike, center=center), expected, rtol=5e-6, atol=1e-6)
    np.testing.assert_array_equal(mean_row(x, threads=1), mean_row(x, threads=5))


def test_one_row():
    x = np.array([[3.0, -4.0]], np.float32)
    assert second_moment(x).tolist() == [[9, -12], [-12, 16]]
    assert second_moment(x, center=True).tolist() == [[0, 0], [0, 0]]


def test_zeros_and_constants_are_no_mistake():
    assert second_moment(np.zeros((3, 2))).tolist() == [[0, 0], [0, 0]]
    assert second_moment(np.full((3, 2), 1e140), center=True).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mean_row_is_exact_to_the_last_digits(dtype):
    x = (1e3 + np.random.default_rng(0).normal(size=(TALL, 3))).astype(dtype)
    np.testing.assert_allclose(mean_row(x), twin.mean_row(x), rtol=1e-14)
    largest = np.finfo(np.float64).max
    assert mean_row(np.full((5, 1), largest))[0] == pytest.approx(largest)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones(3), "2-D array"),
        (np.ones((0, 3)), "at least 1 row"),
        (np.ones((3, 0)), "1 dimension"),
        (np.array([["a"]]), "integers or floats"),
        (np.full((3, 2), 1e160), r"between 1e-150 and 1e150 in size\n.*larger"),
        (np.array([[1e-160], [2e-160]]), r"between 1e-150 and 1e150 in size\n.*none that large"),
    ],
)
@pytest.mark.parametrize("center", [False, True])
def test_mistakes_are_named(x, message, center):
    x = x * np.arange(1, len(x) + 1)[:, None] if x.ndim == 2 and x.dtype == np.float64 else x
    with pytest.raises(DataError, match=message):
        second_moment(x, center=center)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("function", [second_moment, lambda x: second_moment(x, center=True), mean_row])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_that_are_no_numbers_are_named(function, bad, dtype):
    x = np.ones((TALL, 2), dtype)
    x[ROWS + 5, 1] = bad
    x[2 * ROWS + 1, 0] = bad
    with pytest.raises(DataError, match=f"NaN or infinity in row {ROWS + 5}\n"):
        function(x)
