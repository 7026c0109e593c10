"""Neighbours written in every format: the bytes of the convention, and the same again from our own readers."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench.data import files
from idxbench.data.groundtruth import read_groundtruth
from idxbench.data.hdf5 import hdf5_attributes, read_ann_benchmarks
from idxbench.data.truth_files import check_range, plan_truth_file, to_distances, write_truth
from idxbench.data.vectors import read_vectors
from idxbench.errors import DataError

ITEMS = np.array([[1, 0], [0, 2], [3, 4], [-1, 0]], np.float32)
QUERIES = np.array([[1, 0], [0, 1], [-2, 0]], np.float32)
# By hand: dot products of each query with the four items are (1 0 3 -1), (0 2 4 0) and (-2 0 -6 2).
IDS = np.array([[2, 0], [2, 1], [3, 1]])
SCORES = {
    "dot": np.array([[3.0, 1], [4, 2], [2, 0]]),
    "cosine": np.array([[1.0 + 2e-16, 0.6], [1, 0.8], [1, 0]]),
    "covariance": np.array([[1.0, 0.6], [1, 0.8], [1, 0]]),
    "l2": np.array([[0.0, -4], [-1, -2], [-1, -8]]),
}
DISTANCES = {
    "dot": [[-3, -1], [-4, -2], [-2, 0]],
    "cosine": [[0, 0.4], [0, 0.2], [0, 1]],
    "covariance": [[0, 0.4], [0, 0.2], [0, 1]],
    "l2": [[0, 2], [1, 2**0.5], [1, 8**0.5]],
}
SQUARED = DISTANCES | {"l2": [[0, 4], [1, 2], [1, 8]]}
METRICS = list(SCORES)


def write(path: Path, metric: str = "dot", *, overwrite: bool = False, items=ITEMS, queries=QUERIES, ids=IDS):
    target = plan_truth_file(path, len(items), len(queries), 2, ids.shape[1], overwrite=overwrite)
    return write_truth(target, ids, SCORES[metric], metric, items, queries)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", ["x.ivecs", "x.ibin", "x.npy"])
def test_formats_of_ids_alone(tmp_path: Path, name: str, metric: str) -> None:
    write(tmp_path / name, metric)
    truth = read_groundtruth(tmp_path / name, n_queries=3)
    np.testing.assert_array_equal(truth.ids, IDS)
    assert truth.distances is None


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("name", "expected"), [("x.bin", SQUARED), ("x.gt2", SQUARED), ("x.npz", DISTANCES)])
def test_formats_with_distances(tmp_path: Path, name: str, expected: dict, metric: str) -> None:
    write(tmp_path / name, metric)
    truth = read_groundtruth(tmp_path / name, n_queries=3)
    np.testing.assert_array_equal(truth.ids, IDS)
    np.testing.assert_array_equal(truth.distances, np.array(expected[metric], np.float32))


@pytest.mark.parametrize(
    ("metric", "attribute", "means"),
    [
        ("dot", "ip", "dot"),
        ("cosine", "angular", "cosine"),
        ("l2", "euclidean", "l2"),
        ("covariance", "covariance", "unknown"),
    ],
)
def test_an_ann_benchmarks_data_set(tmp_path: Path, metric: str, attribute: str, means: str) -> None:
    path = tmp_path / "x.hdf5"
    assert write(path, metric) == ()
    with h5py.File(path) as file:
        assert {name: str(file[name].dtype) for name in file} == {
            "train": "float32", "test": "float32", "neighbors": "int32", "distances": "float32",
        }  # fmt: skip
    attributes = hdf5_attributes(path)
    assert (attributes.distance, attributes.dimension, attributes.point_type) == (attribute, 2, "float")
    assert attributes.kind == "dense"
    truth = read_groundtruth(path, n_queries=3)
    np.testing.assert_array_equal(truth.ids, IDS)
    np.testing.assert_array_equal(truth.distances, np.array(DISTANCES[metric], np.float32))
    dataset, similarity = read_ann_benchmarks(path)
    assert similarity == means
    np.testing.assert_array_equal(dataset.items, ITEMS)
    np.testing.assert_array_equal(dataset.queries, QUERIES)
    np.testing.assert_array_equal(dataset.neighbors, IDS)


def test_vectors_rounded_on_the_way_are_counted(tmp_path: Path) -> None:
    for name in ("x.h5", "folder"):
        notices = write(tmp_path / name, items=ITEMS.astype(float) + 0.1, queries=QUERIES.astype(np.int64))
        assert [notice.code for notice in notices] == ["rounded"]
        assert "train" in notices[0].text
        assert "of 8 values rounded" in notices[0].text


def test_a_folder_of_vectordbbench(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="needs idxbench[parquet]")
    folder = tmp_path / "new"
    write(folder)
    assert sorted(file.name for file in folder.iterdir()) == ["neighbors.parquet", "test.parquet", "train.parquet"]
    assert str(pq.read_schema(folder / "train.parquet").field("emb").type) == "list<element: float>"
    schema = pq.read_schema(folder / "neighbors.parquet")
    assert schema.names == ["id", "neighbors_id"]
    assert str(schema.field("neighbors_id").type) == "list<element: int64>"
    np.testing.assert_array_equal(read_groundtruth(folder).ids, IDS)
    np.testing.assert_array_equal(read_vectors(folder), ITEMS)
    np.testing.assert_array_equal(read_vectors(folder, role="queries"), QUERIES)
    with pytest.raises(DataError, match=r"neighbors.parquet\n.*not yet taken"):
        write(folder)
    write(folder, overwrite=True, ids=IDS[:, ::-1].copy())
    np.testing.assert_array_equal(read_groundtruth(folder / "neighbors.parquet").ids, IDS[:, ::-1])


def test_neighbors_beside_vectors_with_ids_of_their_own(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="needs idxbench[parquet]")
    pq = pytest.importorskip("pyarrow.parquet", reason="needs idxbench[parquet]")
    pq.write_table(pa.table({"id": [10, 30, 20, 40], "emb": ITEMS.tolist()}), tmp_path / "train.parquet")
    pq.write_table(pa.table({"id": [7, 5, 6], "emb": QUERIES.tolist()}), tmp_path / "test.parquet")
    for path in (tmp_path / "neighbors.parquet", tmp_path):
        write(path, overwrite=True)
        table = pq.read_table(tmp_path / "neighbors.parquet")
        assert table["id"].to_pylist() == [7, 5, 6]
        assert table["neighbors_id"].to_pylist() == [[20, 10], [20, 30], [40, 30]]
        np.testing.assert_array_equal(read_groundtruth(path).ids, IDS)
    with pytest.raises(DataError, match=r"train\n.*5 rows, one per item\n.*4 rows"):
        plan_truth_file(tmp_path / "n.parquet", 5, 3, 2, 2, overwrite=False)
    with pytest.raises(DataError, match=r"test\n.*2 rows, one per query\n.*3 rows"):
        plan_truth_file(tmp_path / "n.parquet", 4, 2, 2, 2, overwrite=False)


def test_neighbors_alone_are_rows(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="needs idxbench[parquet]")
    pq = pytest.importorskip("pyarrow.parquet", reason="needs idxbench[parquet]")
    write(tmp_path / "x.parquet")
    np.testing.assert_array_equal(read_groundtruth(tmp_path / "x.parquet", n_queries=3).ids, IDS)
    # Lists in another order are put back into it; ids that are no rows mean nothing without test.parquet.
    pq.write_table(pa.table({"id": [1, 0], "neighbors_id": [[5], [4]]}), tmp_path / "y.parquet")
    assert read_groundtruth(tmp_path / "y.parquet").ids.tolist() == [[4], [5]]
    pq.write_table(pa.table({"id": [1, 2], "neighbors_id": [[5], [4]]}), tmp_path / "z.parquet")
    with pytest.raises(DataError, match=r"each row from 0 to 1 once.*\n.*from 1 to 2"):
        read_groundtruth(tmp_path / "z.parquet")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.txt", r"\.ivecs .*\.gt<k>, or a folder\n.*'\.txt'"),
        ("taken.bin", "an existing file of 5 bytes"),
        ("nowhere/x.bin", "an existing folder"),
        ("nowhere/x", "an existing folder"),
        ("full", "a new folder.*\n.*a folder that holds other files"),
        ("file", "a new folder.*\n.*a file"),
        ("taken.bin/x.npy", "an existing folder"),
    ],
)
def test_what_can_not_be_written_is_known_before(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "taken.bin").write_bytes(b"12345")
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    with pytest.raises(DataError, match=message):
        plan_truth_file(tmp_path / name, 4, 3, 2, 2, overwrite=False)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "full", "notes.txt", "taken.bin"]


def test_ids_beyond_int32_need_another_format(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ids below 2147483648, as \.ibin holds int32\n.*2147483648 items\n.*parquet"):
        plan_truth_file(tmp_path / "x.ibin", 2**31, 3, 2, 2, overwrite=False)
    plan_truth_file(tmp_path / "x.ibin", 2**31 - 1, 3, 2, 2, overwrite=False)
    pytest.importorskip("pyarrow", reason="needs idxbench[parquet]")
    plan_truth_file(tmp_path / "x.parquet", 2**31, 3, 2, 2, overwrite=False)


def test_a_full_disk_is_known_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1000})()
    monkeypatch.setattr(files.shutil, "disk_usage", lambda path: usage)
    plan_truth_file(tmp_path / "x.ibin", 10**6, 100, 2, 2, overwrite=False)
    with pytest.raises(DataError, match=r"room for 1,600 bytes\n.*1,000 bytes free"):
        plan_truth_file(tmp_path / "x.bin", 10**6, 100, 2, 2, overwrite=False)
    with pytest.raises(DataError, match="room for 8,002,400 bytes"):
        plan_truth_file(tmp_path / "x.hdf5", 10**6, 100, 2, 2, overwrite=False)


@pytest.mark.parametrize("name", ["x.bin", "x.hdf5", "folder"])
def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    target = plan_truth_file(tmp_path / name, 4, 3, 2, 2, overwrite=False)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("idxbench.data.truth_files.write_id_lists", fail)
    monkeypatch.setattr("idxbench.data.truth_files.write_ann_benchmarks", fail)
    monkeypatch.setattr("idxbench.data.groundtruth._write", fail)
    with pytest.raises(DataError, match=r"No space left.*\n.*free some space"):
        write_truth(target, IDS, SCORES["dot"], "dot", ITEMS, QUERIES)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "metric", "items", "queries", "fits"),
    [
        ("x.bin", "dot", 1e20, 1e20, False),
        ("x.bin", "dot", 1e20, 1e18, True),
        ("x.bin", "l2", 1e20, 1.0, False),
        ("x.npz", "l2", 1e20, 1e20, True),
        ("x.bin", "cosine", 1e200, 1e200, True),
        ("x.ibin", "dot", 1e200, 1e200, True),
        ("x.hdf5", "cosine", 1.0, 1e39, False),
        ("folder", "dot", 1e39, 1.0, False),
    ],
)
def test_distances_beyond_float32_are_known_before(tmp_path, name, metric, items, queries, fits) -> None:
    target = plan_truth_file(tmp_path / name, 4, 3, 2, 2, overwrite=False)
    if fits:
        check_range(target, metric, items, queries)
    else:
        with pytest.raises(DataError, match=r"values up to 3.4e38.*\n.*\n.*ids only"):
            check_range(target, metric, items, queries)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-1e15, 1e15), min_size=1, max_size=8), st.sampled_from(METRICS), st.booleans())
def test_distances_ascend(values: list[float], metric: str, squared: bool) -> None:
    scores = -np.sort(-np.array([values]))
    if metric == "l2":
        scores = np.minimum(scores, 0.0)
    elif metric != "dot":
        scores = np.clip(scores, -1, 1)
    distances = to_distances(scores, metric, squared=squared)
    assert distances.dtype == np.float32
    assert np.isfinite(distances).all()
    assert (np.diff(distances) >= 0).all()
