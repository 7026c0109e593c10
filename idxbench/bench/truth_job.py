"""``idxbench truth``: exact neighbours of files, to a file; everything that can go wrong is looked for first."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from numpy.typing import NDArray

from idxbench.bench.progress import Progress, Silent
from idxbench.data.check import Extent, check_finite, check_widths
from idxbench.data.hdf5 import without_augmentation
from idxbench.data.npy import read_npy
from idxbench.data.truth_files import TruthFile, check_range, plan_truth_file, write_truth
from idxbench.data.vectors import Role, read_vectors
from idxbench.errors import ConfigError, DataError, Problem
from idxbench.kernels.compile import compile_kernels
from idxbench.machine import resolve_threads
from idxbench.records import Notice
from idxbench.truth.exact import ExactIndex
from idxbench.truth.mapping import METRICS, Metric
from idxbench.truth.memory import search_bytes


@dataclass(frozen=True)
class TruthRequest:
    """What the command line asks for.

    Parameters
    ----------
    items, queries
        Files of any format of vectors; ``items_key`` and ``queries_key`` name an array where there are several.
    k
        Neighbours per query, at least 1.
    metric
        ``dot``, ``cosine``, ``l2`` or ``covariance``.
    out
        What to write: see `idxbench.data.truth_files`.
    weight
        An ``.npy`` of (d, d), for ``covariance`` and for nothing else.
    threads
        None and 0 mean every usable core.
    overwrite
        Whether ``out`` may exist.
    """

    items: Path
    queries: Path
    k: int
    metric: str
    out: Path
    weight: Path | None = None
    items_key: str | None = None
    queries_key: str | None = None
    threads: int | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class TruthJob:
    """A request found fit, with its vectors mapped into memory.

    Parameters
    ----------
    request
        As given.
    metric
        The metric, known to be one.
    items, queries
        (n, d) and (q, d) as in the files, read block by block.
    weight
        (d, d), or None.
    target
        The file to write.
    threads
        How many will search.
    notices
        What the reader must know about the files.
    """

    request: TruthRequest
    metric: Metric
    items: NDArray[Any]
    queries: NDArray[Any]
    weight: NDArray[Any] | None
    target: TruthFile
    threads: int
    notices: tuple[Notice, ...]

    def __str__(self) -> str:
        (n_items, n_dims), n_queries = self.items.shape, len(self.queries)
        dtype = str(self.items.dtype)
        held = search_bytes(n_items, n_dims, n_queries, self.request.k, self.metric, dtype, self.threads)
        size = self.items.nbytes
        return (
            f"{n_items:,} items x {n_dims} {dtype} ({size / 2**20:,.0f} MiB), {n_queries:,} queries: "
            f"at most {held / 2**20:,.0f} MiB of memory beside the files"
        )


@dataclass(frozen=True)
class TruthSummary:
    """What was computed and written.

    Parameters
    ----------
    job
        What was to be done.
    seconds
        Of preparing the items and searching, without checking, compiling and writing.
    engine, scored_per_query
        What proposed the pairs, and how many of each query were scored in float64.
    target_bytes
        Size of what was written.
    notices
        What the reader must know.
    """

    job: TruthJob
    seconds: float
    engine: str
    scored_per_query: float
    target_bytes: int
    notices: tuple[Notice, ...]

    def __str__(self) -> str:
        job = self.job
        (n_items, n_dims), n_queries = job.items.shape, len(job.queries)
        threads = "1 thread" if job.threads == 1 else f"{job.threads} threads"
        lines = [
            f"exact top {job.request.k} by {job.metric} of {n_queries:,} queries among {n_items:,} items x {n_dims}",
            f"{self.seconds:.3g} s on {threads}; {self.engine}, {self.scored_per_query:,.0f} pairs scored per query",
            f"{job.target.path}: {job.target.contents(job.metric)}, {self.target_bytes:,} bytes",
        ]
        for notice in self.notices:
            lines += [notice.text, *([f"  {notice.advice}"] if notice.advice else [])]
        return "\n".join(lines)


def prepare_truth(request: TruthRequest) -> TruthJob:
    """Check everything that is known before a value is read.

    Raises
    ------
    ConfigError, DataError
        The metric is unknown or its weight missing; a file is missing, broken, or does not fit the others; k is
        beyond the items; or the result could not be written.
    """
    metric = _metric(request)
    items, queries, notices = _read(request)
    check_widths(items, queries, str(request.items), str(request.queries))
    n_items, n_dims = items.shape
    if not 1 <= request.k <= n_items:
        raise ConfigError(Problem("-k", f"1 to {n_items}, the number of items in {request.items}", str(request.k)))
    weight = None if request.weight is None else read_npy(request.weight)
    if weight is not None and weight.shape != (n_dims, n_dims):
        fix = "the weight is that of the items' dimensions"
        raise DataError(Problem(str(request.weight), f"shape {(n_dims, n_dims)}", f"shape {weight.shape}", fix))
    _refuse_own_files(request)
    target = plan_truth_file(request.out, n_items, len(queries), n_dims, request.k, overwrite=request.overwrite)
    return TruthJob(request, metric, items, queries, weight, target, resolve_threads(request.threads), notices)


def compute_truth(job: TruthJob, progress: Progress | None = None) -> TruthSummary:
    """Search, and write what was found.

    Raises
    ------
    DataError
        Vectors hold NaN or infinity, or are beyond what the format holds; the weight is unfit; the file can't be
        written after all.
    """
    progress, request = progress or Silent(), job.request
    extents = {}
    for role, vectors, path in (("items", job.items, request.items), ("queries", job.queries, request.queries)):
        with progress.stage(f"check {role}", len(vectors)) as advance:
            extents[role] = check_finite(vectors, str(path), advance)
    check_range(job.target, job.metric, extents["items"].largest_norm, extents["queries"].largest_norm)
    with progress.stage("compile kernels", 1) as advance:
        compile_kernels()
        advance(1)
    start = time.perf_counter()
    with progress.stage(f"exact top {request.k}", len(job.queries)) as advance:
        index = ExactIndex(job.items, job.metric, weight=job.weight, threads=job.threads, keep=False)
        found = index.neighbors(job.queries, request.k, advance)
    seconds = time.perf_counter() - start
    with progress.stage("write", 1) as advance:
        rounded = write_truth(job.target, found.ids, found.scores, job.metric, job.items, job.queries)
        advance(1)
    notices = (*job.notices, *_zero_notices(job, extents["items"], extents["queries"]), *rounded)
    scored = found.n_scored / max(1, len(found.ids))
    return TruthSummary(job, seconds, found.engine, scored, _size(job.target.path), notices)


def _metric(request: TruthRequest) -> Metric:
    if request.metric not in METRICS:
        raise ConfigError(Problem("--metric", ", ".join(METRICS), repr(request.metric)))
    if (request.metric == "covariance") != (request.weight is not None):
        expected = "a (d, d) matrix with --metric covariance, and with no other"
        found = "no --weight" if request.weight is None else f"{request.weight} with --metric {request.metric}"
        raise ConfigError(Problem("--weight", expected, found))
    return cast("Metric", request.metric)


def _read(request: TruthRequest) -> tuple[NDArray[Any], NDArray[Any], tuple[Notice, ...]]:
    arrays: list[NDArray[Any]] = []
    problems: list[Problem] = []
    notices: list[Notice] = []
    roles: Sequence[tuple[Role, Path, str | None]] = (
        ("items", request.items, request.items_key),
        ("queries", request.queries, request.queries_key),
    )
    for role, path, key in roles:
        try:
            vectors = read_vectors(path, key, role=role)
            if path.suffix.lower() in (".hdf5", ".h5"):
                vectors, notice = without_augmentation(path, vectors)
                notices += [notice] if notice and role == "items" else []
            arrays.append(vectors)
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return arrays[0], arrays[1], tuple(notices)


def _refuse_own_files(request: TruthRequest) -> None:
    """Keep ``--force`` from replacing what is read."""
    for path in (request.items, request.queries, request.weight):
        if path is not None and path.is_file() and request.out.exists() and path.samefile(request.out):
            raise ConfigError(Problem("--out", "a file of its own", f"{request.out}, which is read", "choose another"))


def _zero_notices(job: TruthJob, items: Extent, queries: Extent) -> list[Notice]:
    """Say how many rows of zeros there are, where they have no direction to be compared by."""
    notices = []
    if queries.n_zero_rows and job.metric != "l2":
        rows = ", ".join(map(str, queries.zero_rows))
        text = (
            f"{queries.n_zero_rows} of {len(job.queries)} queries are zero vectors (row {rows}): by {job.metric} every "
            "item scores 0, and their neighbours are the first items"
        )
        notices.append(Notice("zero-queries", text, "leave them out of recall"))
    if items.n_zero_rows and job.metric in ("cosine", "covariance"):
        rows = ", ".join(map(str, items.zero_rows))
        text = f"{items.n_zero_rows} of {len(job.items)} items are zero vectors (row {rows}): their {job.metric} is 0"
        notices.append(Notice("zero-items", text))
    return notices


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.iterdir()) if path.is_dir() else path.stat().st_size
