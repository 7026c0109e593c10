import struct
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from idxbench.data.groundtruth import read_groundtruth, write_groundtruth
from idxbench.errors import DataError

IDS = np.array([[3, 1, 2], [0, 4, -1]])
SCORES = np.array([[0.5, 1.0, 1.5], [0.25, 2.0, np.inf]], np.float32)
HEADER = struct.pack("<II", 2, 3)
PLAIN = HEADER + struct.pack("<6i", 3, 1, 2, 0, 4, -1)
FULL = PLAIN + struct.pack("<6f", 0.5, 1, 1.5, 0.25, 2, float("inf"))


@pytest.mark.parametrize("name", ["x.ibin", "x.bin", "x.gt100", "GT-100M", "x.fbin"])
def test_both_binaries_are_told_by_size_and_not_by_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(PLAIN)
    truth = read_groundtruth(path)
    assert truth.ids.dtype == np.int64
    np.testing.assert_array_equal(truth.ids, IDS)
    assert truth.distances is None
    path.write_bytes(FULL)
    truth = read_groundtruth(path, n_queries=2)
    np.testing.assert_array_equal(truth.ids, IDS)
    assert truth.distances is not None
    assert truth.distances.dtype == np.float32
    np.testing.assert_array_equal(truth.distances, SCORES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"123", "header of 8 bytes.*\n.*3 bytes in all"),
        (struct.pack("<II", 0, 5), "a header of 0 x 5"),
        (
            FULL[:-1],
            r"32 bytes \(8 \+ 4 x 2 x 3, ids only\) or 56 bytes \(8 \+ 8 x 2 x 3, with distances\)\n.*55 bytes",
        ),
        (HEADER + struct.pack("<6i", 3, 1, 2, 0, -2, -1), r"row 1\n.*from 0 to .*\n.*-2, and 1 such ids"),
    ],
)
def test_binaries_that_do_not_fit_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.ibin").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_groundtruth(tmp_path / "x.ibin")


def test_the_other_formats(tmp_path: Path) -> None:
    (tmp_path / "x.ivecs").write_bytes(struct.pack("<4i", 3, 3, 1, 2) + struct.pack("<4i", 3, 0, 4, -1))
    np.save(tmp_path / "x.npy", IDS.astype(np.uint32))
    np.save(tmp_path / "x.npy", IDS)
    np.savez(tmp_path / "x.npz", neighbors=IDS, distances=SCORES)
    np.savez(tmp_path / "only.npz", truth=IDS)
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["neighbors"], file["distances"] = IDS.astype("<i8"), SCORES.astype("<f8")
    for name in ("x.ivecs", "x.npy", "x.npz", "only.npz", "x.hdf5"):
        np.testing.assert_array_equal(read_groundtruth(tmp_path / name).ids, IDS)
    for name in ("x.npz", "x.hdf5"):
        np.testing.assert_array_equal(read_groundtruth(tmp_path / name).distances, SCORES)
        assert read_groundtruth(tmp_path / name, key="neighbors").distances is None


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(3, int), r"a 2-D array of integer ids.*\n.*shape \(3,\) of int64"),
        (np.zeros((2, 3)), "of float64"),
        (np.zeros((0, 3), int), r"shape \(0, 3\)"),
        (np.full((1, 1), 2**64 - 1, np.uint64), "row 0"),
    ],
)
def test_arrays_that_are_no_ids_are_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(DataError, match=message):
        read_groundtruth(tmp_path / "x.npy")


def test_counts_keys_and_shapes_must_fit(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", IDS)
    with pytest.raises(DataError, match=r"5 rows, one per query\n.*2 rows"):
        read_groundtruth(tmp_path / "x.npy", n_queries=5)
    with pytest.raises(DataError, match="no key"):
        read_groundtruth(tmp_path / "x.npy", key="neighbors")
    np.savez(tmp_path / "x.npz", neighbors=IDS, distances=SCORES[:, :2])
    with pytest.raises(DataError, match=r"distances of shape \(2, 3\), as the ids\n.*\(2, 2\)"):
        read_groundtruth(tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz", a=IDS, b=IDS)
    with pytest.raises(DataError, match=r"named 'neighbors'\n.*a \(2, 3\) int64, b"):
        read_groundtruth(tmp_path / "y.npz")


def test_written_binaries_are_as_published(tmp_path: Path) -> None:
    assert write_groundtruth(tmp_path / "a.ibin", IDS) is None
    write_groundtruth(tmp_path / "b.gt100", IDS, SCORES)
    write_groundtruth(tmp_path / "c.bin", IDS, SCORES, layout="ids")
    assert (tmp_path / "a.ibin").read_bytes() == PLAIN
    assert (tmp_path / "b.gt100").read_bytes() == FULL
    assert (tmp_path / "c.bin").read_bytes() == PLAIN


def test_written_arrays_have_the_types_of_the_convention(tmp_path: Path) -> None:
    notice = write_groundtruth(tmp_path / "x.hdf5", IDS, SCORES.astype(np.float64))
    assert notice is not None
    assert notice.code == "converted"
    with h5py.File(tmp_path / "x.hdf5") as file:
        assert (file["neighbors"].dtype, file["distances"].dtype) == (np.dtype("<i4"), np.dtype("<f4"))
        np.testing.assert_array_equal(file["neighbors"][()], IDS)
        np.testing.assert_array_equal(file["distances"][()], SCORES)
    write_groundtruth(tmp_path / "x.npz", IDS, SCORES)
    with np.load(tmp_path / "x.npz") as archive:
        assert (archive["neighbors"].dtype, archive["distances"].dtype) == (np.int32, np.float32)
    write_groundtruth(tmp_path / "x.npy", IDS)
    assert np.load(tmp_path / "x.npy").dtype == np.int32
    write_groundtruth(tmp_path / "x.ivecs", IDS)
    assert (tmp_path / "x.ivecs").read_bytes() == struct.pack("<8i", 3, 3, 1, 2, 3, 0, 4, -1)


@pytest.mark.parametrize(
    ("name", "ids", "scores", "layout", "message"),
    [
        ("x.ibin", np.array([[0], [2**31]]), None, None, r"row 1\n.*from 0 to 2147483647.*\n.*2147483648"),
        ("x.ibin", np.array([[-2]]), None, None, "row 0"),
        ("x.ibin", np.zeros((2, 0), int), None, None, r"shape \(2, 0\)"),
        ("x.ibin", np.zeros((2, 1)), None, None, "of float64"),
        ("x.ibin", np.array([[1, 2]]), np.array([[1.0]]), None, r"scores of shape \(1, 2\)"),
        ("x.ibin", np.array([[1]]), np.array([[np.nan]]), None, "row 0\n.*\n.*NaN"),
        ("x.ibin", np.array([[1]]), np.array([[1e300]]), None, "scores: row 0"),
        ("x.ibin", np.array([[1]]), None, "ids+distances", "layout ids.distances.*\n.*ids only"),
        ("x.npy", np.array([[1]]), np.array([[1.0]]), None, r"\.npy has no place for scores"),
        ("x.hdf5", np.array([[1, 2]]), np.array([[1.0, 0.5]]), None, r"row 0\n.*ascend.*\n.*\n.*negate"),
        ("x.txt", np.array([[1]]), None, None, r"the suffix '\.txt'"),
    ],
)
def test_what_can_not_be_written_is_refused(
    tmp_path: Path, name: str, ids: np.ndarray, scores: np.ndarray | None, layout: None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        write_groundtruth(tmp_path / name, ids, scores, layout=layout)
    assert list(tmp_path.iterdir()) == []


@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(np.int64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.integers(-1, 2**31 - 1)),
    st.sampled_from([".ibin", ".ivecs", ".npy", ".npz", ".hdf5"]),
)
def test_ids_survive_every_format(tmp_path_factory: pytest.TempPathFactory, ids: np.ndarray, suffix: str) -> None:
    path = tmp_path_factory.mktemp("truth") / f"x{suffix}"
    write_groundtruth(path, ids)
    np.testing.assert_array_equal(read_groundtruth(path, n_queries=len(ids)).ids, ids)


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    write_groundtruth(tmp_path / "x.ibin", IDS)
    with pytest.raises(DataError, match="an existing file of 32 bytes"):
        write_groundtruth(tmp_path / "x.ibin", IDS[:1])
    write_groundtruth(tmp_path / "x.ibin", IDS[:1], overwrite=True)
    assert (tmp_path / "x.ibin").stat().st_size == 20


def folder(path: Path, train: list[int], test: list[int], lists: dict[int, list[int]]) -> Path:
    pa = pytest.importorskip("pyarrow", reason="needs idxbench[parquet]")
    pq = pytest.importorskip("pyarrow.parquet", reason="needs idxbench[parquet]")
    half = len(train) // 2
    for i, ids in enumerate((train[:half], train[half:])):
        table = pa.table({"id": ids, "emb": [[1.0, float(n)] for n in ids]})
        pq.write_table(table, path / f"shuffle_train-{i:02d}-of-02.parquet")
    pq.write_table(pa.table({"id": test, "emb": [[1.0, 2.0]] * len(test)}), path / "test.parquet")
    pq.write_table(pa.table({"id": list(lists), "neighbors_id": list(lists.values())}), path / "neighbors.parquet")
    return path


def test_vectordbbench_ids_become_rows(tmp_path: Path) -> None:
    # Items are numbered from 10 and shuffled; queries answered in another order than asked.
    path = folder(tmp_path, [13, 10, 12, 11], [7, 5], {5: [12, 13], 7: [10, -1]})
    for source in (path, path / "neighbors.parquet"):
        truth = read_groundtruth(source, n_queries=2)
        assert truth.ids.tolist() == [[1, -1], [2, 0]]
        assert truth.ids.dtype == np.int64


@pytest.mark.parametrize(
    ("train", "test", "lists", "message"),
    [
        ([1, 2], [0], {0: [1, 3]}, r"neighbors_id\]: row 0\n.*id of train.parquet\n.*3, and 1 unknown"),
        ([1, 1], [0], {0: [1]}, "an id of its own for every row\n.*id 1 more than once"),
        ([1, 2], [0, 1], {0: [1]}, "each of the 2 queries of test once\n.*1 rows for 1"),
        ([1, 2], [0, 1], {0: [1], 9: [1]}, r"\[id\]: row 1\n.*test.parquet\n.*9"),
        ([], [0], {0: [1]}, r"an integer column 'id'|at least 1 row"),
    ],
)
def test_vectordbbench_ids_that_do_not_fit_are_refused(
    tmp_path: Path, train: list[int], test: list[int], lists: dict[int, list[int]], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_groundtruth(folder(tmp_path, train, test, lists))
