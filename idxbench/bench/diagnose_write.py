"""``idxbench diagnose --write``: the vectors in balanced coordinates, and what was done to them, in one folder."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.diagnose_job import Examined
from idxbench.bench.neighborhood import some_rows
from idxbench.bench.patient import Patient
from idxbench.data.files import check_room, replacing_folder
from idxbench.data.fingerprint import fingerprint
from idxbench.data.rows import block_rows
from idxbench.errors import ConfigError, DataError, Problem
from idxbench.linalg.canonical import Canonical
from idxbench.measures.identifiability import scores_moved
from idxbench.version import __version__

FILES = ("items", "queries", "items_map", "queries_map", "items_inverse", "queries_inverse")
# Rows of either side whose scores are compared before and after.
CHECKED_QUERIES, CHECKED_ITEMS = 1_000, 20_000


@dataclass(frozen=True)
class Manifest:
    """What was written, and how to go back.

    Parameters
    ----------
    transform
        ``balanced``.
    rank, n_dims
        Columns written, and columns of the sources; with fewer, directions that no score depends on are left out.
    largest_score_change
        Of sampled pairs of the vectors as written, over the largest score of the query.
    pairs_checked
        How many pairs that were.
    forward, inverse
        What to multiply with what.
    files
        Names, by role.
    sources
        Name, shape, type and content hash of what was read.
    version
        Of idxbench.
    """

    transform: str
    rank: int
    n_dims: int
    largest_score_change: float
    pairs_checked: int
    forward: str
    inverse: str
    files: dict[str, str]
    sources: dict[str, dict[str, Any]]
    version: str


def check_writable(patient: Patient, folder: Path) -> None:
    """Refuse, before the work, what could not or should not be written.

    Raises
    ------
    ConfigError
        The folder holds something; there are no queries; or the model was not trained with a dot product, which is
        what balancing keeps.
    DataError
        The folder can't be made, or the disk has no room.
    """
    where = f"--write {folder}"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        found = "a folder with files in it" if folder.is_dir() else "a file"
        raise ConfigError(Problem(where, "a new or empty folder", found, "choose another; nothing is overwritten"))
    if not folder.resolve().parent.is_dir():
        raise ConfigError(Problem(where, "an existing folder to put it in", f"no {folder.parent}", "create it"))
    if patient.queries is None:
        fix = 'name --queries, or run the transform "item_white", which needs none'
        raise ConfigError(Problem(where, "queries: balancing is fitted on them", "items alone", fix))
    if patient.trained_with in ("cosine", "l2"):
        expected = "a model trained with a dot product: that is what balanced coordinates keep"
        found = f"one trained with {patient.trained_with}, whose answers they would change"
        raise ConfigError(Problem(where, expected, found, "serve its vectors as they are"))
    check_room(folder.resolve(), 4 * (len(patient.items) + len(patient.queries)) * patient.items.shape[1])


def write_balanced(examined: Examined, folder: Path) -> Manifest:
    """Write balanced vectors with their maps, whole or not at all.

    Raises
    ------
    DataError
        No score varies, vectors don't fit into float32, or the disk is full.
    """
    patient, maps = examined.patient, examined.balancing
    if patient.queries is None or maps is None or maps.rank == 0:
        raise DataError(Problem(f"--write {folder}", "scores that vary", "every score is 0", "look at the vectors"))
    # With M'Q = I each map is the other's inverse: exactly, where all directions are kept.
    matrices = {
        "items_map": maps.items,
        "queries_map": maps.queries,
        "items_inverse": maps.queries.T,
        "queries_inverse": maps.items.T,
    }
    with replacing_folder(folder) as temporary:
        _write_mapped(patient.items, maps.items, temporary / "items.npy", "items")
        _write_mapped(patient.queries, maps.queries, temporary / "queries.npy", "queries")
        for name, matrix in matrices.items():
            np.save(temporary / f"{name}.npy", np.ascontiguousarray(matrix))
        manifest = _manifest(patient, maps, temporary)
        text = json.dumps(asdict(manifest), indent=2, allow_nan=False) + "\n"
        (temporary / "manifest.json").write_text(text, encoding="utf-8")
    return manifest


def _write_mapped(vectors: NDArray[Any], matrix: NDArray[np.float64], path: Path, name: str) -> None:
    step = block_rows(vectors.shape[1])
    header = {"descr": "<f4", "fortran_order": False, "shape": (len(vectors), matrix.shape[1])}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(vectors), step):
            with np.errstate(over="ignore"):
                rows = (np.asarray(vectors[start : start + step], np.float64) @ matrix).astype("<f4")
            if not np.isfinite(rows).all():
                raise DataError(Problem(name, "balanced vectors that float32 can hold", "larger ones", "rescale them"))
            file.write(np.ascontiguousarray(rows).data)


def _manifest(patient: Patient, maps: Canonical, folder: Path) -> Manifest:
    rng = np.random.default_rng(patient.seed)
    queries = np.asarray(patient.queries)
    chosen = {
        "items": some_rows(len(patient.items), CHECKED_ITEMS, rng),
        "queries": some_rows(len(queries), CHECKED_QUERIES, rng),
    }
    new = {name: np.load(folder / f"{name}.npy", mmap_mode="r")[rows] for name, rows in chosen.items()}
    old = {"items": patient.items[chosen["items"]], "queries": queries[chosen["queries"]]}
    change = scores_moved(old["items"], old["queries"], new["items"], new["queries"])
    sources = {
        role: {
            "name": patient.where[role],
            "shape": list(vectors.shape),
            "dtype": str(vectors.dtype),
            "fingerprint": fingerprint(vectors),
        }
        for role, vectors in (("items", patient.items), ("queries", queries))
    }
    return Manifest(
        transform="balanced",
        rank=maps.rank,
        n_dims=patient.items.shape[1],
        largest_score_change=change,
        pairs_checked=len(chosen["items"]) * len(chosen["queries"]),
        forward="items = source items @ items_map; queries = source queries @ queries_map; new ones likewise",
        inverse="source items = items @ items_inverse; source queries = queries @ queries_inverse"
        + ("" if maps.rank == patient.items.shape[1] else ", up to directions that no score depends on"),
        files={name: f"{name}.npy" for name in FILES},
        sources=sources,
        version=__version__,
    )
