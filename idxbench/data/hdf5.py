"""HDF5 files laid out like those of ann-benchmarks and VIBE."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from idxbench.data.check import check_widths
from idxbench.data.dataset import Dataset
from idxbench.data.files import file_size, row_blocks
from idxbench.data.npy import Described, choose_key, missing_key
from idxbench.errors import DataError, Problem
from idxbench.records import Notice

# Sets and bit strings are compared by counting members, which no similarity of this program does.
_REFUSED_DISTANCES = ("hamming", "jaccard")
# Arrays with a meaning of their own, never taken for the only array of a file.
_OTHER_KEYS = ("neighbors", "distances", "avg_distances", "learn", "learn_neighbors")
_SIMILARITIES: dict[str, Literal["dot", "cosine", "l2"]] = {
    "euclidean": "l2",
    "angular": "cosine",
    "cosine": "cosine",
    "normalized": "cosine",
    "ip": "dot",
    "dot": "dot",
}
DEFAULT_KEYS: dict[str, str] = {"items": "train", "queries": "test"}


@dataclass(frozen=True)
class Hdf5Attributes:
    """What a file says about itself; each is None where it says nothing.

    Parameters
    ----------
    distance
        ``euclidean``, ``angular``, ``cosine``, ``ip``, ``dot``, ``normalized``, ``hamming``, ``jaccard`` ...
    dimension
        Dimensions of a vector.
    point_type
        ``float``, or another type that is not read here.
    kind
        The attribute ``type``: ``dense`` or ``sparse``.
    """

    distance: str | None
    dimension: int | None
    point_type: str | None
    kind: str | None


def _open(path: Path) -> Any:
    import h5py

    size = file_size(path)
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise DataError(
            Problem(
                str(path),
                "an HDF5 file",
                f"{size} bytes that do not open as one ({error})",
                "copy or download it again",
            )
        ) from None


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _attributes(file: Any) -> Hdf5Attributes:
    dimension = file.attrs.get("dimension")
    return Hdf5Attributes(
        distance=_text(file.attrs.get("distance")),
        dimension=None if dimension is None else int(dimension),
        point_type=_text(file.attrs.get("point_type")),
        kind=_text(file.attrs.get("type")),
    )


def _described(file: Any) -> Described:
    import h5py

    found: Described = {}

    def note(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset):
            found[name] = (tuple(node.shape or ()), str(node.dtype))

    file.visititems(note)
    return found


def hdf5_attributes(path: Path) -> Hdf5Attributes:
    """Return what the file says about itself."""
    with _open(path) as file:
        return _attributes(file)


def hdf5_headers(path: Path) -> Described:
    """Return name, shape and type of every dataset, in the file's own order, reading no values."""
    with _open(path) as file:
        return _described(file)


def _refuse_sets(path: Path, attributes: Hdf5Attributes) -> None:
    """Raise for files whose points are bits or sets, whatever the type of their arrays."""
    for name, value, refused in (
        ("distance", attributes.distance, attributes.distance in _REFUSED_DISTANCES),
        ("point_type", attributes.point_type, attributes.point_type not in (None, "float")),
        ("type", attributes.kind, attributes.kind not in (None, "dense")),
    ):
        if refused:
            raise DataError(
                Problem(
                    f"{path}: attribute {name}",
                    "dense vectors of floats, compared by euclidean, angular, cosine or dot",
                    repr(value),
                    "bits and sets are not supported: choose another dataset",
                )
            )


def read_hdf5(path: Path, key: str | None = None, *, role: Literal["items", "queries"] = "items") -> NDArray[Any]:
    """Read a dataset of vectors, mapped into memory where it lies in one uncompressed piece.

    Parameters
    ----------
    path
        The file.
    key
        The dataset. None takes ``train`` for items and ``test`` for queries, or the only 2-D dataset.
    role
        What None means.

    Returns
    -------
    (n, d) array or numpy.memmap
        As stored: the augmented column of `without_augmentation` is still there.

    Raises
    ------
    DataError
        The file is broken, the dataset is not in it, or its points are bits or sets.
    """
    with _open(path) as file:
        _refuse_sets(path, _attributes(file))
        described = _described(file)
        if key is None:
            others = [name for name in DEFAULT_KEYS.values() if name != DEFAULT_KEYS[role]]
            key = choose_key(str(path), described, DEFAULT_KEYS[role], (*_OTHER_KEYS, *others))
        return _read_dataset(path, file, key, described)


def read_hdf5_array(path: Path, key: str) -> NDArray[Any] | None:
    """Read any dataset by name, or None where the file has none of that name."""
    with _open(path) as file:
        described = _described(file)
        return _read_dataset(path, file, key, described) if key in described else None


def require_hdf5_array(path: Path, key: str) -> NDArray[Any]:
    """Read any dataset by name; a DataError lists the others where the file has none of that name."""
    with _open(path) as file:
        return _read_dataset(path, file, key, _described(file))


def _read_dataset(path: Path, file: Any, key: str, described: Described) -> NDArray[Any]:
    if key not in described:
        raise missing_key(str(path), key, described)
    dataset = file[key]
    try:
        offset = dataset.id.get_offset()  # None for chunked, compressed, external and virtual storage
        if offset is not None and dataset.dtype.kind in "iuf" and dataset.size:
            return np.memmap(path, dataset.dtype, "r", offset, dataset.shape)
        values: NDArray[Any] = np.asarray(dataset[()])
    except (OSError, ValueError) as error:
        raise DataError(
            Problem(f"{path}[{key}]", "values that can be read", str(error), "copy or download it again")
        ) from None
    return values


def without_augmentation(path: Path, vectors: NDArray[Any]) -> tuple[NDArray[Any], Notice | None]:
    """Leave out the column that some dot-product datasets append to turn dot products into angles.

    ``lastfm-64-dot`` holds 65 columns: 64 factors, and one that makes all items
    equally long. It goes when the file's name ends in ``-<d>-dot`` and the
    vectors have d + 1 columns, or when the name ends in ``-dot`` (or the
    attribute ``distance`` is dot or ip) and the attribute ``dimension`` is one less than the columns.

    Parameters
    ----------
    path
        The ``.hdf5`` file they came from.
    vectors
        (n, d) items or queries; not copied.

    Returns
    -------
    (n, d) or (n, d - 1) vectors, and a Notice or None
        The notice says what was left out; None with the vectors as they are.
    """
    width = vectors.shape[1]
    named = re.search(r"-(\d+)-dot$", path.stem)
    attributes = hdf5_attributes(path)
    is_dot = path.stem.endswith("-dot") or attributes.distance in ("dot", "ip")
    by_name = named is not None and width == int(named[1]) + 1
    by_attribute = is_dot and attributes.dimension == width - 1
    if not (by_name or by_attribute):
        return vectors, None
    reason = "its name" if by_name else "its attribute dimension"
    return vectors[:, :-1], Notice(
        "augmented-column",
        f"{path}: column {width} of {width} left out: by {reason} the vectors have {width - 1} dimensions, "
        "and the last column only makes all items equally long",
        "the ground truth in the file is that of the longer vectors: compute it anew",
    )


def write_hdf5(path: Path, vectors: NDArray[Any], key: str) -> None:
    """Write vectors as one float32 dataset, with the attributes of ann-benchmarks but for ``distance``.

    Parameters
    ----------
    path
        Where to; written in place.
    vectors
        (n, d) values that float32 can hold (`check_castable` tells), read block by block.
    key
        ``train`` or ``test``.
    """
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["type"] = "dense"
        file.attrs["point_type"] = "float"
        file.attrs["dimension"] = vectors.shape[1]
        _write_float32(file, key, vectors)


def _write_float32(file: Any, key: str, vectors: NDArray[Any]) -> None:
    dataset = file.create_dataset(key, shape=vectors.shape, dtype="<f4")
    for rows in row_blocks(len(vectors), vectors[:1].nbytes):
        dataset[rows] = np.asarray(vectors[rows], np.float32)


def write_hdf5_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as they are, in place."""
    import h5py

    with h5py.File(path, "w") as file:
        for key, array in arrays.items():
            file.create_dataset(key, data=array)


def write_ann_benchmarks(
    path: Path,
    items: NDArray[Any],
    queries: NDArray[Any],
    neighbors: NDArray[np.int32],
    distances: NDArray[np.float32],
    distance: str,
) -> None:
    """Write a whole dataset of ann-benchmarks, in place: ``train``, ``test``, ``neighbors``, ``distances``, attributes.

    Parameters
    ----------
    path
        Where to.
    items, queries
        (n, d) and (q, d) values that float32 can hold (`check_castable` tells), read block by block.
    neighbors, distances
        (q, k), nearest first.
    distance
        What the attribute of that name says: ``euclidean``, ``angular``, ``ip`` ...
    """
    write_hdf5(path, items, DEFAULT_KEYS["items"])
    import h5py

    with h5py.File(path, "r+") as file:
        file.attrs["distance"] = distance
        _write_float32(file, DEFAULT_KEYS["queries"], queries)
        file["neighbors"] = neighbors.astype("<i4", copy=False)
        file["distances"] = distances.astype("<f4", copy=False)


def read_ann_benchmarks(path: Path) -> tuple[Dataset, Literal["dot", "cosine", "l2", "unknown"]]:
    """Read items, queries and ground truth of an ann-benchmarks or VIBE file, and the similarity they are meant for.

    An augmented column is left out, with the ground truth that goes with it; a notice says so.

    Parameters
    ----------
    path
        The ``.hdf5`` file; its stem becomes the name of the dataset.

    Returns
    -------
    Dataset, and ``dot``, ``cosine``, ``l2`` or ``unknown``
        By the attribute ``distance``, but ``dot`` for augmented vectors, whatever it says.

    Raises
    ------
    DataError
        As for `read_hdf5`, or items and queries differ in width.
    """
    stored_items, stored_queries = read_hdf5(path), read_hdf5(path, role="queries")
    items, notice = without_augmentation(path, stored_items)
    queries, _ = without_augmentation(path, stored_queries)
    check_widths(items, queries, f"{path}[train]", f"{path}[test]")
    stored = read_hdf5_array(path, "neighbors")
    if notice is not None:
        return Dataset(path.stem, items, queries, notices=(notice,)), "dot"
    neighbors = None if stored is None else stored.astype(np.int64)
    return Dataset(path.stem, items, queries, neighbors=neighbors), _SIMILARITIES.get(
        hdf5_attributes(path).distance or "", "unknown"
    )
