from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from idxbench.data.casts import check_castable, to_float32
from idxbench.data.convert import convert_file
from idxbench.data.files import row_blocks
from idxbench.data.groundtruth import read_groundtruth, write_groundtruth
from idxbench.data.vectors import read_vectors, write_vectors
from idxbench.errors import DataError

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data in {DATA} is absent")


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 50), st.integers(0, 1 << 24), st.none() | st.integers(1, 60))
def test_blocks_cover_each_row_once(n_rows: int, row_bytes: int, limit: int | None) -> None:
    blocks = list(row_blocks(n_rows, row_bytes, limit))
    assert [row for block in blocks for row in range(block.start, block.stop)] == list(range(n_rows))
    assert all(block.start < block.stop for block in blocks)
    assert all((block.stop - block.start) * row_bytes <= 1 << 23 or block.stop - block.start == 1 for block in blocks)
    assert limit is None or all(block.stop - block.start <= limit for block in blocks)


def test_float32_rows_are_handed_back_as_they_are(tmp_path: Path) -> None:
    vectors = np.ones((3, 2), np.float32)
    assert to_float32(vectors) is vectors
    np.save(tmp_path / "x.npy", vectors)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert to_float32(mapped) is mapped


@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(
        st.sampled_from(["<f2", "<f4", ">f4", "<f8", "u1", "<i8"]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=8),
        elements=st.integers(0, 200),
    ),
    st.booleans(),
    st.integers(1, 9),
)
def test_float32_of_every_type_and_layout(array: np.ndarray, turn: bool, block_rows: int) -> None:
    converted = to_float32(np.asfortranarray(array) if turn else array, block_rows=block_rows)
    assert converted.dtype == np.float32
    assert converted.dtype.isnative
    assert converted.flags.c_contiguous
    np.testing.assert_array_equal(converted, array)


def test_float32_keeps_nan_and_refuses_overflow() -> None:
    kept = to_float32(np.array([[np.nan, np.inf, -0.0, 1e-300]]))
    np.testing.assert_array_equal(kept, np.array([[np.nan, np.inf, 0, 0]], np.float32))
    vectors = np.ones((5, 2))
    vectors[3, 1] = -1e39
    with pytest.raises(DataError, match=r"vectors: row 3\n.*\n.*-1e\+39 \(float64\)"):
        to_float32(vectors, block_rows=2)


@settings(deadline=None, max_examples=60)
@given(st.integers(-(2**63), 2**63 - 1))
def test_whole_numbers_fit_a_float_exactly_or_are_refused(value: int) -> None:
    vectors = np.array([[value]], np.int64)
    for dtype in (np.float64, np.float16):
        target = np.dtype(dtype)
        with np.errstate(over="ignore"):
            stored = np.int64(value).astype(dtype)
        fits = bool(np.isfinite(stored)) and int(stored) == value
        if fits:
            assert check_castable(vectors, target, "x") is not None
        else:
            with pytest.raises(DataError, match="row 0"):
                check_castable(vectors, target, "x")


@settings(deadline=None, max_examples=60)
@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-300, 300).map(float))
def test_floats_fit_a_byte_exactly_or_are_refused(value: float) -> None:
    if value == int(value) and 0 <= value <= 255:
        assert check_castable(np.array([[value]]), np.dtype("u1"), "x") is not None
    else:
        with pytest.raises(DataError, match="values that uint8 holds exactly"):
            check_castable(np.array([[value]]), np.dtype("u1"), "x")


def test_a_file_is_converted_and_summed_up(tmp_path: Path) -> None:
    vectors = np.array([[0.1, 2], [3, 4]])
    np.savez(tmp_path / "x.npz", items=vectors * 2, queries=vectors)
    summary = convert_file(tmp_path / "x.npz", tmp_path / "y.fbin", role="queries")
    assert (summary.shape, summary.source_dtype, summary.target_dtype) == ((2, 2), "float64", "float32")
    assert summary.target_bytes == (tmp_path / "y.fbin").stat().st_size == 24
    assert [notice.code for notice in summary.notices] == ["rounded"]
    np.testing.assert_array_equal(read_vectors(tmp_path / "y.fbin"), vectors.astype(np.float32))
    assert "y.fbin: 2 x 2 float64 as float32, 24 bytes\n" in str(summary)
    assert "1 of 4 values rounded" in str(summary)
    with pytest.raises(DataError, match="an existing file"):
        convert_file(tmp_path / "x.npz", tmp_path / "y.fbin")
    convert_file(tmp_path / "x.npz", tmp_path / "y.fbin", key="items", overwrite=True)
    np.testing.assert_array_equal(read_vectors(tmp_path / "y.fbin"), (vectors * 2).astype(np.float32))


@pytest.mark.parametrize("suffix", [".hdf5", ".npz", ".parquet"])
def test_the_type_written_is_that_of_the_vectors(tmp_path: Path, suffix: str) -> None:
    write_vectors(tmp_path / "x.fbin", np.ones((2, 3), np.float32))
    summary = convert_file(tmp_path / "x.fbin", tmp_path / f"y{suffix}", role="queries")
    assert (summary.source_dtype, summary.target_dtype, summary.notices) == ("float32", "float32", ())


def test_a_file_may_be_converted_onto_itself(tmp_path: Path) -> None:
    vectors = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    np.save(tmp_path / "x.npy", vectors)
    convert_file(tmp_path / "x.npy", tmp_path / "x.npy", overwrite=True)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), vectors)


def test_ground_truth_is_converted_with_its_distances(tmp_path: Path) -> None:
    ids, distances = np.array([[3, 1], [0, -1]]), np.array([[0.5, 1], [2, np.inf]], np.float32)
    write_groundtruth(tmp_path / "x.ibin", ids, distances)
    summary = convert_file(tmp_path / "x.ibin", tmp_path / "y.hdf5", groundtruth=True)
    truth = read_groundtruth(tmp_path / "y.hdf5")
    np.testing.assert_array_equal(truth.ids, ids)
    np.testing.assert_array_equal(truth.distances, distances)
    assert (summary.shape, summary.target_dtype) == ((2, 2), "int32")


@needs_data
def test_real_vectors_through_three_formats(tmp_path: Path) -> None:
    source = DATA / "fiori-minilm/vectors.npy"
    convert_file(source, tmp_path / "a.fvecs")
    convert_file(tmp_path / "a.fvecs", tmp_path / "b.hdf5")
    convert_file(tmp_path / "b.hdf5", tmp_path / "c.npy")
    assert (tmp_path / "c.npy").read_bytes() == source.read_bytes()
