from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from idxbench.data import check
from idxbench.data.check import check_finite, check_matrix, check_vectors, check_widths
from idxbench.errors import DataError

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data in {DATA} is absent")
TYPES = ["<f2", "<f4", ">f4", "<f8", ">f8", "u1", "i1", "<i4", "<u8", "longdouble"]


def slow_duplicates(vectors: np.ndarray) -> list[tuple[int, int]]:
    """Compare every row with every earlier one."""
    pairs = []
    for row in range(len(vectors)):
        for earlier in range(row):
            if (vectors[row] == vectors[earlier]).all():
                pairs.append((row, earlier))
                break
    return pairs


def test_a_case_worked_out_by_hand() -> None:
    vectors = np.array([[3, 4], [0, 0], [-3, -4], [3, 4], [-0.0, 0], [5, 12], [3, 4]], np.float32)
    report = check_vectors(vectors, "x")
    assert (report.n_rows, report.n_dims, report.dtype) == (7, 2, "float32")
    assert (report.n_zero_rows, report.zero_rows) == (2, (1, 4))
    assert report.n_duplicate_rows == 3
    assert report.first_duplicates == ((3, 0), (4, 1), (6, 0))
    assert (report.min_norm, report.max_norm) == (0.0, 13.0)
    assert report.mean_norm == pytest.approx((5 * 4 + 13) / 7)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(TYPES).flatmap(
        lambda dtype: hnp.arrays(
            dtype, st.tuples(st.integers(1, 12), st.integers(1, 5)), elements=st.integers(0, 2), fill=st.nothing()
        )
    ),
    st.integers(1, 12),
    st.booleans(),
)
def test_every_type_against_the_slow_twin(vectors: np.ndarray, block_rows: int, turn: bool) -> None:
    report = check_vectors(np.asfortranarray(vectors) if turn else vectors, "x", block_rows=block_rows)
    pairs = slow_duplicates(vectors)
    assert report.n_duplicate_rows == len(pairs)
    assert report.first_duplicates == tuple(pairs[:5])
    zeros = [row for row in range(len(vectors)) if not vectors[row].any()]
    assert (report.n_zero_rows, report.zero_rows) == (len(zeros), tuple(zeros[:5]))
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    np.testing.assert_allclose([report.min_norm, report.max_norm], [norms.min(), norms.max()], rtol=1e-12)
    assert report.mean_norm == pytest.approx(norms.mean(), rel=1e-12)


@settings(deadline=None, max_examples=60)
@given(hnp.arrays("<f4", (6, 3), elements=st.floats(-(2.0**99), 2.0**99, width=32)), st.permutations(range(6)))
def test_each_row_repeated_is_found_once(vectors: np.ndarray, order: list[int]) -> None:
    twice = np.vstack([vectors, vectors[order]])
    report = check_vectors(twice, "x")
    assert report.n_duplicate_rows == len(twice) - len(np.unique(vectors + np.float32(0), axis=0))


@pytest.mark.parametrize("hashes", [[7, 7, 7, 7, 7, 7], [1, 1, 2, 1, 1, 2]])
def test_equal_hashes_of_unequal_rows_are_no_duplicates(monkeypatch: pytest.MonkeyPatch, hashes: list[int]) -> None:
    monkeypatch.setattr(check, "_hash_rows", lambda block, weights: np.array(hashes, np.uint64)[: len(block)])
    vectors = np.array([[1], [2], [3], [2], [1], [3]], np.float32)
    report = check_vectors(vectors, "x")
    assert report.n_duplicate_rows == 3
    assert report.first_duplicates == ((3, 1), (4, 0), (5, 2))


def test_rows_of_small_whole_numbers_hash_apart() -> None:
    # Their float64 bits end in 48 zeros or more, which leave a plain weighted sum 16 bits to differ in.
    vectors = np.stack(np.meshgrid(*[np.arange(10.0)] * 4), -1).reshape(-1, 4)
    weights = check._hash_weights(32)
    assert len(np.unique(check._hash_rows(vectors, weights))) == len(vectors)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", "longdouble"])
def test_bad_values_are_counted_and_their_rows_named(bad: float, dtype: str) -> None:
    vectors = np.ones((50, 3), dtype)
    vectors[[2, 9, 11, 30, 31, 40, 41], 1] = bad
    with pytest.raises(DataError, match=r"items\.npy\n.*\n.* in 7 of 50 rows, first in rows 2, 9, 11, 30, 31\n"):
        check_vectors(vectors, "items.npy", block_rows=8)


def test_values_beyond_float32_are_bad_and_those_below_are_zero() -> None:
    with pytest.raises(DataError, match="1 of 2 rows, first in rows 1"):
        check_vectors(np.array([[1.0, 2], [1e300, 0]]), "x")
    with pytest.raises(DataError, match="1 of 2 rows, first in rows 0"):
        check_vectors(np.array([[1e39, 2], [3e38, 0]]), "x")  # its square is finite in float64
    with pytest.raises(DataError, match="1 of 1 rows"):
        check_vectors(np.array([[np.longdouble("1e4000")]]), "x")
    report = check_vectors(np.array([[1e-200, 0], [3e38, 0], [0, 1e-100]]), "x")
    assert report.zero_rows == (0, 2)
    assert report.max_norm == 3e38
    tiny = check_vectors(np.full((1, 2), np.float32(1e-45)), "x")
    assert tiny.n_zero_rows == 0
    assert tiny.min_norm > 0


def test_whole_numbers_of_64_bits_are_fine() -> None:
    report = check_vectors(np.array([[2**63 - 1], [2**63 - 2]], np.int64), "x")
    assert report.n_duplicate_rows == 0  # the same in float64, but not the same
    assert report.max_norm == pytest.approx(2.0**63)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 3)), "x\n.*at least 1 row.*\n.*0 rows x 3 dimensions"),
        (np.zeros((3, 0)), "3 rows x 0 dimensions"),
        (np.zeros(3), "1-D of shape"),
        (np.zeros((1, 1), object), "dtype object"),
    ],
)
def test_what_is_no_matrix_is_refused(array: np.ndarray, message: str) -> None:
    for function in (check_vectors, check_matrix):
        with pytest.raises(DataError, match=message):
            function(array, "x")


def test_widths() -> None:
    check_widths(np.zeros((2, 3)), np.zeros((5, 3)), "a", "b")
    with pytest.raises(DataError, match=r"b\.npy\n  expected: 3 dimensions, as the items in a\.npy\n.*4 dimensions"):
        check_widths(np.zeros((2, 3)), np.zeros((2, 4)), "a.npy", "b.npy")


@needs_data
def test_real_vectors() -> None:
    glove = check_vectors(np.load(DATA / "glove-100k/vectors.npy", mmap_mode="r"), "glove")
    assert (glove.n_rows, glove.n_zero_rows, glove.n_duplicate_rows) == (100_000, 0, 0)
    fiori = check_vectors(np.load(DATA / "fiori-minilm/vectors.npy", mmap_mode="r"), "fiori")
    assert fiori.min_norm == pytest.approx(1, abs=1e-5)
    assert fiori.max_norm == pytest.approx(1, abs=1e-5)
    debian = np.load(DATA / "debian-minilm/vectors.npy", mmap_mode="r")
    found = check_vectors(debian, "debian")
    assert found.n_duplicate_rows == len(debian) - len(np.unique(debian, axis=0))


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f8", "u1", "<i8"])
def test_a_lighter_look_finds_lengths_and_zero_rows(dtype: str) -> None:
    vectors = np.asfortranarray(np.array([[3, 4], [0, 0], [5, 12], [0, 0]], dtype))
    seen: list[int] = []
    extent = check_finite(vectors, "x", seen.append)
    assert (extent.largest_norm, extent.n_zero_rows, extent.zero_rows) == (13.0, 2, (1, 3))
    assert sum(seen) == 4
    assert check_finite(vectors[[0]], "x").zero_rows == ()


def test_a_lighter_look_takes_what_float32_does_not_and_names_bad_rows() -> None:
    vectors = np.full((2_000_000, 1), 1e-200)
    vectors[7] = 1e300
    assert check_finite(vectors, "x").largest_norm == 1e300
    vectors[[5, 1_999_999]] = np.nan
    vectors[9] = -np.inf
    with pytest.raises(DataError, match=r"x\n.*finite numbers\n.*3 of 2000000 rows, first in rows 5, 9, 1999999"):
        check_finite(vectors, "x")
