"""``idxbench diagnose``: read every vector once, draw samples, measure what rules are made of; no index is built."""

import time
from dataclasses import dataclass

from idxbench.bench.neighborhood import FEWEST_QUERIES, Neighborhood, Side, examine_samples
from idxbench.bench.patient import Patient
from idxbench.bench.progress import Progress, Silent
from idxbench.data.check import check_widths
from idxbench.errors import DataError, Problem
from idxbench.kernels.compile import compile_kernels
from idxbench.linalg.canonical import Canonical, canonical, gauge_imbalance
from idxbench.machine import resolve_threads
from idxbench.measures.shape import Shape, directions_holding
from idxbench.pool import single_threaded_blas


@dataclass(frozen=True)
class Examined:
    """What rules look at.

    Parameters
    ----------
    patient
        Who was examined.
    items, queries
        Figures of all rows.
    imbalance, score_rank, directions
        Of all rows: gauge imbalance in decades, directions in which scores vary, and how many of them hold 99 % of
        their squares. None without queries.
    balancing
        Maps into balanced coordinates; None without queries.
    near
        Measured on samples; None with too few items other than zero.
    seconds
        Without loading and compiling.
    threads
        Used.
    """

    patient: Patient
    items: Shape
    queries: Shape | None
    imbalance: float | None
    score_rank: int | None
    directions: int | None
    balancing: Canonical | None
    near: Neighborhood | None
    seconds: float
    threads: int


def examine(patient: Patient, *, threads: int | None = None, progress: Progress | None = None) -> Examined:
    """Measure.

    Raises
    ------
    DataError
        Vectors that are not finite or of different widths, or labels that are not one per item.
    """
    progress, used, settings = progress or Silent(), resolve_threads(threads), patient.settings
    where = patient.where
    if patient.queries is not None:
        check_widths(patient.items, patient.queries, where["items"], where["queries"])
    if patient.labels is not None and len(patient.labels.codes) != len(patient.items):
        found = f"{len(patient.labels.codes)} labels"
        raise DataError(Problem("labels", f"{len(patient.items)} labels, one per item", found))
    with progress.stage("compile kernels", 1) as advance:
        compile_kernels()
        advance(1)
    start = time.perf_counter()
    with progress.stage("read vectors", 2) as advance:
        items = Side.read(patient.items, where["items"], settings, used)
        advance(1)
        asked = None
        if patient.queries is not None:
            asked = Side.read(patient.queries, where["queries"], settings, used)
        advance(1)
    # One query holds one value in every direction: nothing is known of how queries spread.
    known = asked is not None and asked.shape.n_rows - asked.shape.zero_rows >= FEWEST_QUERIES
    balancing = canonical(items.triangle, asked.triangle, 0.5) if asked is not None and known else None
    # Threads of BLAS would wait for each other: 5 s in place of 4 at 1,000,000 x 64, more on a busy machine.
    with progress.stage("search samples", 1) as advance, single_threaded_blas():
        near = examine_samples(patient, items, asked, balancing, used)
        advance(1)
    return Examined(
        patient,
        items.shape,
        None if asked is None else asked.shape,
        gauge_imbalance(items.triangle, asked.triangle) if asked is not None and known else None,
        None if balancing is None else balancing.rank,
        None if balancing is None else directions_holding(balancing.values, 0.99),
        balancing,
        near,
        time.perf_counter() - start,
        used,
    )
