"""Exact neighbours as files: what every format holds, checked before the work and written whole after it.

=====================  ==================================  ========================================
suffix                 holds                               distances
=====================  ==================================  ========================================
``.ivecs .ibin .npy``  int32 ids                           none
``.bin .gt<k>``        int32 ids, float32 distances        ``-dot``, ``1 - cosine``, l2 **squared**
``.npz``               ``neighbors``, ``distances``        ``-dot``, ``1 - cosine``, l2
``.hdf5 .h5``          the same, and ``train``, ``test``   ``-dot``, ``1 - cosine``, l2
``.parquet``           ``id``, ``neighbors_id``            none
no suffix: a folder    that, ``train``, ``test``           none
=====================  ==================================  ========================================

Distances ascend in all of them. Each format means what its own tools write: ann-benchmarks and VIBE the
distance itself, big-ann-benchmarks (faiss) its square. ``.ibin`` is that of cuVS and usearch, which keep
distances elsewhere; the bytes of ``.ibin`` and ``.bin`` are otherwise those of one format, so a file may be renamed.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from idxbench.data.casts import check_castable
from idxbench.data.files import check_replaceable, check_room, replacing, replacing_folder
from idxbench.data.groundtruth import write_groundtruth
from idxbench.data.hdf5 import write_ann_benchmarks
from idxbench.data.parquet import has_parts, read_part_ids, require_pyarrow, write_id_lists, write_table
from idxbench.errors import DataError, Problem
from idxbench.records import Notice

Holds = Literal["ids", "distances", "squared", "dataset", "lists", "folder"]

_SUFFIXES: dict[str, Holds] = {
    ".ivecs": "ids",
    ".ibin": "ids",
    ".npy": "ids",
    ".bin": "squared",
    ".npz": "distances",
    ".hdf5": "dataset",
    ".h5": "dataset",
    ".parquet": "lists",
}
WITH_DISTANCES: tuple[Holds, ...] = ("distances", "squared", "dataset")
WITH_VECTORS: tuple[Holds, ...] = ("dataset", "folder")
_FLOAT32 = np.dtype("<f4")
# The attribute ``distance``: what ann-benchmarks and VIBE call it. No tool knows the last, as none should take it for
# the cosine of the vectors beside it.
_HDF5_DISTANCES = {"dot": "ip", "cosine": "angular", "l2": "euclidean", "covariance": "covariance"}


@dataclass(frozen=True)
class TruthFile:
    """A file or folder to be written, found fit before the work.

    Parameters
    ----------
    path
        Where to.
    holds
        What goes into it: a row of the table above.
    overwrite
        Whether a file already there may be replaced.
    item_ids, query_ids
        For ``.parquet`` beside ``train`` and ``test``: what those files call their rows.
    """

    path: Path
    holds: Holds
    overwrite: bool
    item_ids: NDArray[np.int64] | None = None
    query_ids: NDArray[np.int64] | None = None

    def contents(self, metric: str) -> str:
        """Say what the file holds, for people."""
        distances = {
            "dot": "negative dot products",
            "cosine": "1 - cosine",
            "covariance": "1 - cosine under the weight",
            "l2": "squared Euclidean distances" if self.holds == "squared" else "Euclidean distances",
        }[metric]
        return {
            "ids": "ids",
            "squared": f"ids and {distances}",
            "distances": f"neighbors (ids) and distances ({distances})",
            "dataset": f"train, test, neighbors (ids) and distances ({distances})",
            "lists": "id and neighbors_id",
            "folder": "train.parquet, test.parquet and neighbors.parquet",
        }[self.holds]


def plan_truth_file(path: Path, n_items: int, n_queries: int, n_dims: int, k: int, *, overwrite: bool) -> TruthFile:
    """Find out, before hours of work, whether its result can be written.

    Parameters
    ----------
    path
        A suffix from the table above says the format; a folder, or no suffix, means a VectorDBBench folder. A folder
        that holds ``train`` and ``test`` gets ``neighbors.parquet`` beside them.
    n_items, n_queries, n_dims, k
        What will be written.
    overwrite
        Whether a file already there may be replaced. A folder never is.

    Raises
    ------
    DataError
        The suffix is unknown, the name is taken, the folder is missing, full or not writable, the ids need more than
        32 bits, pyarrow is missing, or ``train`` and ``test`` beside a ``.parquet`` have other numbers of rows.
    """
    if path.is_dir() or not path.suffix:
        target = _plan_folder(path, overwrite)
    else:
        target = TruthFile(path, _holds(path), overwrite)
    if target.holds != "folder":
        check_replaceable(target.path, overwrite=overwrite)
    elif not path.parent.is_dir():
        raise DataError(Problem(str(path), "an existing folder", f"no folder {path.parent}", "create it"))
    if target.holds in ("lists", "folder"):
        require_pyarrow(path)
    elif n_items > np.iinfo(np.int32).max:
        fix = "choose .parquet, which holds 64-bit ids"
        raise DataError(Problem(str(path), f"ids below {2**31}, as {path.suffix} holds int32", f"{n_items} items", fix))
    if target.holds == "lists" and (has_parts(target.path.parent, "train") or has_parts(target.path.parent, "test")):
        folder = target.path.parent
        item_ids, query_ids = read_part_ids(folder, "train"), read_part_ids(folder, "test")
        for stem, ids, n in (("train", item_ids, n_items), ("test", query_ids, n_queries)):
            if len(ids) != n:
                what = "item" if stem == "train" else "query"
                fix = "ground truth lies beside the vectors it is for: choose another folder"
                raise DataError(Problem(f"{folder}: {stem}", f"{n} rows, one per {what}", f"{len(ids)} rows", fix))
        target = TruthFile(target.path, "lists", overwrite, item_ids, query_ids)
    vectors = 4 * n_dims * (n_items + n_queries) if target.holds == "dataset" else 0  # Parquet may shrink them
    check_room(target.path, vectors + n_queries * k * (8 if target.holds in WITH_DISTANCES else 4))
    return target


def _holds(path: Path) -> Holds:
    suffix = path.suffix.lower()
    if re.fullmatch(r"\.gt\d*", suffix):
        return "squared"
    if suffix not in _SUFFIXES:
        raise DataError(
            Problem(
                str(path),
                f"a file of neighbours: {' '.join(_SUFFIXES)} .gt<k>, or a folder",
                f"the suffix {path.suffix!r}",
                "choose one of those",
            )
        )
    return _SUFFIXES[suffix]


def _plan_folder(path: Path, overwrite: bool) -> TruthFile:
    if path.is_dir() and has_parts(path, "train") and has_parts(path, "test"):
        return TruthFile(path / "neighbors.parquet", "lists", overwrite)
    if path.is_symlink():
        path = path.resolve()  # a link can't be replaced by a folder, what it points to can
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        found = "a file" if path.is_file() else "a folder that holds other files"
        expected = "a new folder for a VectorDBBench dataset, or one that holds its train.parquet and test.parquet"
        raise DataError(Problem(str(path), expected, found, "choose another name, or one with a suffix for a file"))
    return TruthFile(path, "folder", overwrite)


def check_range(target: TruthFile, metric: str, largest_item: float, largest_query: float) -> None:
    """Make sure, before the work, that float32 can hold what vectors of norms up to these lead to.

    Raises
    ------
    DataError
        A distance, or a value of a vector that is written too, could be beyond 3.4e38.
    """
    bound = 0.0
    with np.errstate(over="ignore"):
        item, query = np.float64(largest_item), np.float64(largest_query)
        if target.holds in WITH_VECTORS:
            bound = max(item, query)
        if target.holds in WITH_DISTANCES and metric == "dot":
            bound = max(bound, item * query)
        if target.holds in WITH_DISTANCES and metric == "l2":
            bound = max(bound, (item + query) ** 2 if target.holds == "squared" else item + query)
    if bound > np.finfo(np.float32).max:
        raise DataError(
            Problem(
                str(target.path),
                "values up to 3.4e38, as it holds float32",
                f"items of norm {largest_item:.3g} and queries of norm {largest_query:.3g}",
                "choose a format of ids only (.ivecs, .ibin, .npy), or rescale the vectors",
            )
        )


def to_distances(scores: NDArray[np.float64], metric: str, *, squared: bool) -> NDArray[np.float32]:
    """Turn scores, which descend along a row, into distances, which ascend.

    Parameters
    ----------
    scores
        (q, k) dot products, cosines (also under a weight), or negative squared distances.
    metric
        Which of these: ``dot``, ``cosine``, ``covariance`` or ``l2``.
    squared
        Whether l2 is written as its square.
    """
    if metric == "dot":
        distances = -scores
    elif metric == "l2":
        distances = -scores if squared else np.sqrt(-scores)
    else:
        distances = np.maximum(1.0 - scores, 0.0)  # a cosine may round to more than 1
    return distances.astype(np.float32)


def write_truth(
    target: TruthFile,
    ids: NDArray[np.int64],
    scores: NDArray[np.float64],
    metric: str,
    items: NDArray[Any],
    queries: NDArray[Any],
) -> tuple[Notice, ...]:
    """Write neighbours to the file that was planned for them, whole or not at all.

    Parameters
    ----------
    target
        From `plan_truth_file`.
    ids, scores
        (q, k), best first.
    metric
        ``dot``, ``cosine``, ``l2`` or ``covariance``.
    items, queries
        Read block by block, for the formats that hold them.

    Returns
    -------
    Notices
        Vectors that were rounded to float32 on the way.

    Raises
    ------
    DataError
        The file can't be written, or float32 can't hold a vector.
    """
    if target.holds == "folder":
        with replacing_folder(target.path) as folder:
            notices = _castable(target.path, {"train.parquet": items, "test.parquet": queries})
            write_table(folder / "train.parquet", items, _FLOAT32)
            write_table(folder / "test.parquet", queries, _FLOAT32)
            write_id_lists(folder / "neighbors.parquet", np.arange(len(ids)), ids)
        return notices
    if target.holds == "lists":
        item_ids, query_ids = target.item_ids, target.query_ids
        with replacing(target.path, overwrite=target.overwrite) as temporary:
            rows = np.arange(len(ids)) if query_ids is None else query_ids
            write_id_lists(temporary, rows, ids if item_ids is None else item_ids[ids])
        return ()
    distances = None if target.holds == "ids" else to_distances(scores, metric, squared=target.holds == "squared")
    if target.holds != "dataset" or distances is None:
        write_groundtruth(target.path, ids, distances, overwrite=target.overwrite)
        return ()
    with replacing(target.path, overwrite=target.overwrite) as temporary:
        notices = _castable(target.path, {"train": items, "test": queries})
        narrow = ids.astype(np.int32)
        write_ann_benchmarks(temporary, items, queries, narrow, distances, _HDF5_DISTANCES[metric])
    return notices


def _castable(path: Path, arrays: dict[str, NDArray[Any]]) -> tuple[Notice, ...]:
    found = (check_castable(array, _FLOAT32, f"{path}: {name}") for name, array in arrays.items())
    advice = "the neighbours are those of the vectors before rounding"
    return tuple(Notice(one.code, one.text, advice) for one in found if one is not None and one.code == "rounded")
