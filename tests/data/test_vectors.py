import struct
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench.data.vectors import VECTOR_SUFFIXES, ArrayInfo, describe, read_vectors, write_vectors
from idxbench.errors import DataError

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data in {DATA} is absent")
SMALL = np.array([[0, 1, 2], [3, 4, 100]])


@pytest.mark.parametrize("suffix", VECTOR_SUFFIXES)
def test_every_suffix_round_trips_and_is_described(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix.upper()}"
    write_vectors(path, SMALL.astype(np.float32))
    vectors = read_vectors(path)
    np.testing.assert_array_equal(vectors, SMALL)
    assert any(info.shape == (2, 3) and info.dtype == str(vectors.dtype) for info in describe(path))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_queries_have_their_own_default_key(tmp_path: Path) -> None:
    for suffix, key in ((".npz", "queries"), (".hdf5", "test")):
        write_vectors(tmp_path / f"q{suffix}", SMALL, role="queries")
        assert [info.key for info in describe(tmp_path / f"q{suffix}")] == [key]
        np.testing.assert_array_equal(read_vectors(tmp_path / f"q{suffix}", role="queries"), SMALL)
        with pytest.raises(DataError, match="or a single 2-D array"):
            read_vectors(tmp_path / f"q{suffix}")


def test_npz_arrays_by_role_key_or_being_the_only_one(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", items=SMALL, queries=SMALL + 1, labels=np.zeros(2))
    assert read_vectors(tmp_path / "x.npz").tolist() == SMALL.tolist()
    assert read_vectors(tmp_path / "x.npz", role="queries").tolist() == (SMALL + 1).tolist()
    assert read_vectors(tmp_path / "x.npz", "queries").tolist() == (SMALL + 1).tolist()
    np.savez(tmp_path / "y.npz", images=SMALL, labels=np.zeros(2))
    assert read_vectors(tmp_path / "y.npz", role="queries").tolist() == SMALL.tolist()
    np.savez(tmp_path / "z.npz", a=SMALL, b=SMALL)
    with pytest.raises(DataError, match=r"a \(2, 3\) int64, b \(2, 3\) int64"):
        read_vectors(tmp_path / "z.npz")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(3), r"a 2-D array.*\n.*1-D of shape \(3,\)\n.*reshape\(1, -1\)"),
        (np.zeros((2, 2, 2)), "3-D of shape"),
        (np.zeros((2, 2), bool), "integers or floats\n.*dtype bool"),
        (np.zeros((2, 2), complex), "dtype complex128"),
        (np.array([["a", "b"]]), "dtype <U1"),
        (np.zeros((2, 2), "M8[s]"), r"dtype datetime64\[s\]"),
        (np.zeros((0, 4), np.float32), "0 rows x 4 dimensions"),
        (np.zeros((4, 0), np.float32), "4 rows x 0 dimensions"),
    ],
)
def test_what_is_no_matrix_of_numbers_is_refused_both_ways(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "x.npy", array)
    np.savez(tmp_path / "x.npz", items=array)
    for name in ("x.npy", "x.npz"):
        with pytest.raises(DataError, match=message):
            read_vectors(tmp_path / name)
    with pytest.raises(DataError, match=message):
        write_vectors(tmp_path / "y.npy", array)
    assert not (tmp_path / "y.npy").exists()


def test_unknown_suffixes_and_needless_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.npy \.npz .*\n.*the suffix '\.txt'"):
        read_vectors(tmp_path / "x.txt")
    with pytest.raises(DataError, match="no suffix"):
        write_vectors(tmp_path / "x", SMALL)
    np.save(tmp_path / "x.npy", SMALL)
    with pytest.raises(DataError, match=r"one nameless array\n.*key 'items'"):
        read_vectors(tmp_path / "x.npy", "items")


def test_an_existing_file_is_kept_unless_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "x.fbin"
    write_vectors(path, SMALL)
    with pytest.raises(DataError, match=r"an existing file of 32 bytes[\s\S]*--force"):
        write_vectors(path, SMALL + 1)
    np.testing.assert_array_equal(read_vectors(path), SMALL)
    write_vectors(path, SMALL + 1, overwrite=True)
    np.testing.assert_array_equal(read_vectors(path), SMALL + 1)
    with pytest.raises(DataError, match="no folder"):
        write_vectors(tmp_path / "nowhere" / "x.npy", SMALL)
    (tmp_path / "f.npy").mkdir()
    with pytest.raises(DataError, match="a folder"):
        write_vectors(tmp_path / "f.npy", SMALL, overwrite=True)


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npy"
    write_vectors(path, SMALL)

    def half(target: Path, vectors: np.ndarray) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("idxbench.data.vectors.write_npy", half)
    with pytest.raises(DataError, match=r"No space left on device\n  fix: .*free some space"):
        write_vectors(path, SMALL + 1, overwrite=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.npy"]
    np.testing.assert_array_equal(np.load(path), SMALL)


@pytest.mark.parametrize(
    ("suffix", "value"),
    [
        (".u8bin", 256.0),
        (".u8bin", -1.0),
        (".u8bin", 0.5),
        (".u8bin", np.nan),
        (".bvecs", 300),
        (".i8bin", 128),
        (".ivecs", 2.0**31),
        (".f16bin", 1e6),
        (".dbin", np.int64(2**53 + 1)),
        (".dbin", np.uint64(2**64 - 1)),
        (".fbin", 1e300),
        (".hdf5", -1e300),
    ],
)
def test_values_that_do_not_fit_name_their_row(tmp_path: Path, suffix: str, value: object) -> None:
    vectors = np.ones((5, 2), np.asarray(value).dtype)
    vectors[3, 1] = vectors[4, 0] = value
    with pytest.raises(DataError, match=rf"x\{suffix}: row 3\n  expected: values that \w+ holds exactly"):
        write_vectors(tmp_path / f"x{suffix}", vectors)
    assert list(tmp_path.iterdir()) == []


def test_values_that_fit_are_converted_and_said_so(tmp_path: Path) -> None:
    notice = write_vectors(tmp_path / "x.u8bin", np.array([[0.0, 255.0]]))
    assert notice is not None
    assert notice.code == "converted"
    assert "float64 stored as uint8, every value exactly" in notice.text
    assert (tmp_path / "x.u8bin").read_bytes() == struct.pack("<IIBB", 1, 2, 0, 255)
    assert write_vectors(tmp_path / "x.npy", np.array([[0.1]])) is None
    assert write_vectors(tmp_path / "nan.f16bin", np.array([[np.nan, np.inf]])) is not None


def test_rounding_to_float32_is_counted(tmp_path: Path) -> None:
    notice = write_vectors(tmp_path / "x.fvecs", np.array([[0.5, 0.1], [2.0**24 + 1, np.inf]]))
    assert notice is not None
    assert notice.code == "rounded"
    # 16777217 is halfway between two float32, one unit in 2**24 from each; 0.1 is nearer to its own.
    assert "2 of 4 values rounded, by at most 6.0e-08 of their size" in notice.text


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(width=16, allow_nan=False), min_size=1, max_size=20))
def test_half_precision_values_survive_every_float_format(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    folder = tmp_path_factory.mktemp("vectors")
    vectors = np.array(values, np.float64)[:, None]
    for suffix in (".f16bin", ".fbin", ".dbin", ".fvecs"):
        write_vectors(folder / f"x{suffix}", vectors)
        np.testing.assert_array_equal(read_vectors(folder / f"x{suffix}"), vectors)


def test_a_memory_map_is_written_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idxbench.data.files.BLOCK_BYTES", 256)
    vectors = np.arange(3000, dtype=np.float32).reshape(300, 10)
    np.save(tmp_path / "x.npy", vectors)
    mapped = read_vectors(tmp_path / "x.npy")
    for suffix in (".npy", ".fbin", ".fvecs", ".dbin", ".hdf5"):
        write_vectors(tmp_path / f"y{suffix}", mapped)
        np.testing.assert_array_equal(read_vectors(tmp_path / f"y{suffix}"), vectors)


def test_describe_reads_headers_of_every_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", items=SMALL, labels=np.array(["a", "b"]))
    assert describe(tmp_path / "x.npz") == (
        ArrayInfo("items", (2, 3), "int64"),
        ArrayInfo("labels", (2,), "<U1"),
    )
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["train"], file["neighbors"] = SMALL, SMALL
    assert {info.key for info in describe(tmp_path / "x.h5")} == {"train", "neighbors"}
    with pytest.raises(DataError, match="nothing by that name"):
        describe(tmp_path / "nothing.npy")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pa = pytest.importorskip("pyarrow", reason="needs idxbench[parquet]")
    pq = pytest.importorskip("pyarrow.parquet", reason="needs idxbench[parquet]")
    for i in range(2):
        table = pa.table({"id": [2 * i, 2 * i + 1], "emb": [[1.0 * i, 2.0], [3.0, 4.0]]})
        pq.write_table(table, tmp_path / f"train-{i:02d}-of-02.parquet")
    pq.write_table(pa.table({"id": [0], "emb": [[9.0, 9.0]]}), tmp_path / "test.parquet")
    return tmp_path


def test_a_vectordbbench_folder_is_one_dataset(folder: Path) -> None:
    assert read_vectors(folder).tolist() == [[0, 2], [3, 4], [1, 2], [3, 4]]
    assert read_vectors(folder, role="queries").tolist() == [[9, 9]]
    assert describe(folder) == (
        ArrayInfo("train/emb", (4, 2), "float64"),
        ArrayInfo("test/emb", (1, 2), "float64"),
    )


@needs_data
def test_the_real_files() -> None:
    glove = read_vectors(DATA / "glove-100k/vectors.npy")
    assert isinstance(glove, np.memmap)
    assert (glove.shape, glove.dtype) == ((100_000, 50), np.float32)
    assert read_vectors(DATA / "mnist-10k/mnist_t10k.npz").shape == (10_000, 784)
    assert read_vectors(DATA / "debian-minilm/vectors.npy").shape == (12_000, 384)
    with pytest.raises(DataError, match=r"ml_latest_small.npz\[title\]\n.*\n.*1-D of shape \(9742,\)"):
        read_vectors(DATA / "ml-latest-small/ml_latest_small.npz", "title")


def test_half_precision_rounds_floats_and_says_by_how_much(tmp_path):
    notice = write_vectors(tmp_path / "h.f16bin", np.array([[0.1, 0.5]], np.float32))
    assert notice.code == "rounded"
    assert "1 of 2 values rounded" in notice.text
    assert read_vectors(tmp_path / "h.f16bin").tolist() == [[np.float16(0.1), 0.5]]
