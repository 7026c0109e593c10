from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from idxbench.data.hdf5 import (
    hdf5_attributes,
    hdf5_headers,
    read_ann_benchmarks,
    read_hdf5,
    read_hdf5_array,
    require_hdf5_array,
    without_augmentation,
    write_hdf5,
)
from idxbench.errors import DataError

TRAIN = np.arange(20, dtype="<f4").reshape(5, 4)
TEST = np.arange(8, dtype="<f4").reshape(2, 4) + 0.5


def write(path: Path, attrs: dict[str, Any] | None = None, storage: Any = None, **arrays: np.ndarray) -> Path:
    with h5py.File(path, "w", userblock_size=512) as file:
        for key, value in (attrs or {}).items():
            file.attrs[key] = value
        for key, array in arrays.items():
            file.create_dataset(key, data=array, **(storage or {}))
    return path


@pytest.mark.parametrize(
    ("storage", "mapped"), [({}, True), ({"chunks": (2, 2)}, False), ({"compression": "gzip"}, False)]
)
def test_contiguous_datasets_are_mapped_and_others_read(tmp_path: Path, storage: dict[str, Any], mapped: bool) -> None:
    path = write(tmp_path / "x.hdf5", storage=storage, train=TRAIN, test=TEST)
    items, queries = read_hdf5(path), read_hdf5(path, role="queries")
    assert isinstance(items, np.memmap) is mapped
    np.testing.assert_array_equal(items, TRAIN)
    np.testing.assert_array_equal(queries, TEST)
    assert hdf5_headers(path) == {"test": ((2, 4), "float32"), "train": ((5, 4), "float32")}


def test_types_are_kept_big_endian_and_float64_too(tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", train=TRAIN.astype(">f8"), test=TEST.astype(np.float16))
    assert read_hdf5(path).dtype == np.dtype(">f8")
    np.testing.assert_array_equal(read_hdf5(path), TRAIN)
    assert read_hdf5(path, role="queries").dtype == np.float16


def test_keys(tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", embeddings=TRAIN, neighbors=np.zeros((2, 3), "<i4"))
    np.testing.assert_array_equal(read_hdf5(path), TRAIN)
    with h5py.File(path, "a") as file:
        file["group/more"] = TEST
    np.testing.assert_array_equal(read_hdf5(path, "group/more"), TEST)
    with pytest.raises(DataError, match=r"array named 'train', or a single[\s\S]*group/more \(2, 4\)"):
        read_hdf5(path)
    with pytest.raises(DataError, match=r"named 'items'[\s\S]*embeddings \(5, 4\) float32"):
        read_hdf5(path, "items")
    assert read_hdf5_array(path, "distances") is None
    with pytest.raises(DataError, match="named 'distances'"):
        require_hdf5_array(path, "distances")


@pytest.mark.parametrize(
    ("attrs", "message"),
    [
        ({"distance": "hamming"}, r"attribute distance[\s\S]*'hamming'[\s\S]*bits and sets"),
        ({"distance": b"jaccard"}, "'jaccard'"),
        ({"distance": "euclidean", "point_type": "bit"}, r"attribute point_type[\s\S]*'bit'"),
        ({"type": "sparse"}, r"attribute type[\s\S]*'sparse'"),
    ],
)
def test_bits_and_sets_are_refused(tmp_path: Path, attrs: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "x.hdf5", attrs, train=TRAIN, test=TEST)
    with pytest.raises(DataError, match=message):
        read_hdf5(path)


def test_attributes_may_be_absent_or_bytes(tmp_path: Path) -> None:
    assert hdf5_attributes(write(tmp_path / "a.hdf5", train=TRAIN)).distance is None
    found = hdf5_attributes(write(tmp_path / "b.hdf5", {"distance": b"angular", "dimension": 4}, train=TRAIN))
    assert (found.distance, found.dimension, found.point_type, found.kind) == ("angular", 4, None, None)


def test_a_file_cut_short_is_refused_with_its_size(tmp_path: Path) -> None:
    path = write(tmp_path / "x.hdf5", train=TRAIN)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=rf"{path.stat().st_size} bytes that do not open as one .*truncated"):
        read_hdf5(path)
    path.write_bytes(b"<html>no such file</html>")
    with pytest.raises(DataError, match=r"an HDF5 file\n.*25 bytes that do not open"):
        hdf5_headers(path)


@pytest.mark.parametrize(
    ("name", "attrs", "reason"),
    [
        ("lastfm-3-dot", {"distance": "angular", "dimension": 4}, "its name"),
        ("lastfm-3-dot", {}, "its name"),
        ("other-dot", {"dimension": 3}, "its attribute dimension"),
        ("other", {"dimension": 3, "distance": "ip"}, "its attribute dimension"),
        ("lastfm-4-dot", {"distance": "angular", "dimension": 4}, None),
        ("glove-3-angular", {"distance": "angular", "dimension": 4}, None),
        ("other", {"dimension": 3, "distance": "euclidean"}, None),
    ],
)
def test_the_augmented_column_is_found_by_name_or_attribute(
    tmp_path: Path, name: str, attrs: dict[str, Any], reason: str | None
) -> None:
    path = write(tmp_path / f"{name}.hdf5", attrs, train=TRAIN, test=TEST)
    vectors, notice = without_augmentation(path, read_hdf5(path))
    if reason is None:
        assert notice is None
        assert vectors.shape == (5, 4)
    else:
        np.testing.assert_array_equal(vectors, TRAIN[:, :3])
        assert notice is not None
        assert notice.code == "augmented-column"
        assert f"column 4 of 4 left out: by {reason}" in notice.text
        assert "compute it anew" in notice.advice


@pytest.mark.parametrize(
    ("distance", "similarity"),
    [("euclidean", "l2"), ("angular", "cosine"), ("ip", "dot"), ("normalized", "cosine"), ("odd", "unknown")],
)
def test_a_whole_dataset_knows_its_similarity(tmp_path: Path, distance: str, similarity: str) -> None:
    neighbors = np.array([[1, 0, -1], [4, 3, 2]], "<i4")
    path = write(tmp_path / "x.hdf5", {"distance": distance}, train=TRAIN, test=TEST, neighbors=neighbors)
    dataset, found = read_ann_benchmarks(path)
    assert (dataset.name, found) == ("x", similarity)
    assert dataset.neighbors is not None
    assert dataset.neighbors.dtype == np.int64
    np.testing.assert_array_equal(dataset.neighbors, neighbors)


def test_an_augmented_dataset_loses_column_and_truth(tmp_path: Path) -> None:
    neighbors = np.zeros((2, 3), "<i4")
    path = write(tmp_path / "lastfm-3-dot.hdf5", {"distance": "angular"}, train=TRAIN, test=TEST, neighbors=neighbors)
    dataset, similarity = read_ann_benchmarks(path)
    assert (dataset.items.shape, similarity, dataset.neighbors) == ((5, 3), "dot", None)
    assert dataset.queries is not None
    assert dataset.queries.shape == (2, 3)
    assert [notice.code for notice in dataset.notices] == ["augmented-column"]


def test_written_files_follow_the_convention(tmp_path: Path) -> None:
    write_hdf5(tmp_path / "x.hdf5", TRAIN.astype(np.float64), "train")
    with h5py.File(tmp_path / "x.hdf5") as file:
        assert dict(file.attrs) == {"type": "dense", "point_type": "float", "dimension": 4}
        assert file["train"].dtype == np.dtype("<f4")
        np.testing.assert_array_equal(file["train"][()], TRAIN)
