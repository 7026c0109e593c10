"""What a diagnosis measures on samples: neighbours, answers, clusters, probes; every search is exact."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.patient import Patient
from idxbench.config.diagnose import Diagnose
from idxbench.data.check import check_vectors
from idxbench.data.dataset import UNLABELED
from idxbench.linalg.canonical import Canonical
from idxbench.linalg.factors import qr_factor
from idxbench.linalg.moments import mean_row
from idxbench.linalg.norms import norms
from idxbench.measures.identifiability import (
    Answers,
    GaugeProbe,
    LabelFigures,
    answers,
    cluster_floor,
    gauge_probe,
    label_figures,
    metric_overlaps,
    neighbors_of,
    split_half,
    top_tenth_share,
)
from idxbench.measures.intervals import Estimate, mean_interval
from idxbench.measures.neighbors import chance_label_agreement, overlap
from idxbench.measures.shape import Shape, shape_of
from idxbench.strategies.score_corr import score_corr

DEPTH = 10
# Fewer items have no neighbours to speak of.
FEWEST_ITEMS = 20
# Of the queries, score_corr needs some to vary.
FEWEST_QUERIES = 4
# Numbers of a sample: 128 MiB in float64. 100,000 rows fit up to 167 dimensions; factors cost n d^2.
MOST_NUMBERS = 1 << 24


@dataclass(frozen=True)
class Neighborhood:
    """What was measured on samples. None where it could not be (no queries), or says nothing for this training.

    Parameters
    ----------
    n_items, n_self, n_asking, n_queries, n_fit
        Sizes of the samples: items searched, items that answered each other, items and queries that asked, queries
        that ``score_corr`` was fitted on.
    depth
        Neighbours per list.
    probe
        Of coordinates; two towers trained with dot only.
    answers, balanced
        Items as each other's answers, as given and in balanced coordinates.
    overlaps
        Of the exact answers of each pair of similarities.
    top_tenth
        Share of dot's answers taken by the tenth of items with the largest norms.
    split_half
        Of ``score_corr`` neighbours.
    centered_kept
        Share of cosine neighbours that stay when the mean item is subtracted.
    clustered_by, cluster_floor, n_clusters
        The similarity clustered by, ARI between seeds, and the number of clusters.
    labelled
        Agreement with labels; None without labels.
    """

    n_items: int
    n_self: int
    n_asking: int
    n_queries: int
    n_fit: int
    depth: int
    probe: GaugeProbe | None
    answers: Answers
    balanced: Answers | None
    overlaps: Mapping[tuple[str, str], Estimate]
    top_tenth: float
    split_half: Estimate | None
    centered_kept: Estimate
    clustered_by: str
    cluster_floor: float | None
    n_clusters: int
    labelled: LabelFigures | None


@dataclass(frozen=True)
class Side:
    """One side, read whole."""

    vectors: NDArray[Any]
    triangle: NDArray[np.float64]
    norms: NDArray[np.float64]
    shape: Shape

    @classmethod
    def read(cls, vectors: NDArray[Any], where: str, settings: Diagnose, threads: int) -> "Side":
        """Look at every value; refuse NaN, infinity and what float32 can't hold."""
        report = check_vectors(vectors, where)
        triangle = qr_factor(vectors, threads=threads) / np.sqrt(len(vectors))
        mean, sizes = mean_row(vectors, threads=threads), norms(vectors, threads=threads)
        shape = shape_of(report, triangle, mean, sizes, settings.near_zero)
        return cls(vectors, triangle, sizes, shape)

    def draw(self, limit: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw rows other than zero, in their order: fewer where they are wide; a limit of 0 takes all."""
        limit = min(limit, MOST_NUMBERS // self.vectors.shape[1])
        rows = np.flatnonzero(self.norms > np.finfo(np.float32).smallest_subnormal / 2)
        return np.sort(rng.choice(rows, limit, replace=False)) if 0 < limit < len(rows) else rows

    def scale(self) -> float:
        """Return the power of two that brings the typical norm near 1: it changes no digit, and no ranking."""
        return 2.0 ** -round(float(np.log2(self.shape.norm_median))) if self.shape.norm_median > 0 else 1.0

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return rows in units of `scale`."""
        return np.asarray(self.vectors[rows], np.float64) * self.scale()


def examine_samples(
    patient: Patient, items: Side, asked: Side | None, balancing: Canonical | None, threads: int
) -> Neighborhood | None:
    """Draw samples and search them.

    Parameters
    ----------
    patient
        What is known about both sides.
    items, asked
        The sides, read; None for no queries.
    balancing
        Maps into balanced coordinates; None without queries.

    Returns
    -------
    None with fewer than `FEWEST_ITEMS` items other than zero.
    """
    settings, rng = patient.settings, np.random.default_rng(patient.seed)
    rows = items.draw(settings.items, rng)
    if len(rows) < FEWEST_ITEMS:
        return None
    pool = items.take(rows)
    k = min(DEPTH, len(pool) - 1)
    asking = some_rows(len(pool), settings.asking, rng)
    among = some_rows(len(pool), settings.self_items, rng)
    queries = fit = asking_queries = None
    if asked is not None:
        queries = asked.take(asked.draw(settings.queries, rng))
        fit = asked.take(asked.draw(settings.fit_queries, rng))
        if len(queries) == 0 or len(fit) < FEWEST_QUERIES:
            queries = fit = None
        else:
            # In the units of the items, which l2 distances to them need.
            asking_queries = queries * (items.scale() / asked.scale())
    cosine = neighbors_of(pool, asking, k, "cosine", threads)
    centered = neighbors_of(pool - pool.mean(axis=0), asking, k, "cosine", threads)
    overlaps, by_dot = metric_overlaps(pool, asking_queries, asking, k, seed=patient.seed, threads=threads)
    probe = half = None
    reference: NDArray[Any] = pool
    similarity = "l2" if patient.trained_with == "l2" else "cosine"
    # Scores that are all 0 leave nothing to probe.
    if patient.dual and queries is not None and fit is not None and balancing is not None and balancing.rank:
        reference, similarity = score_corr(pool, fit, threads=threads).items, "score_corr"
        probe = gauge_probe(
            *(pool, queries, fit, reference, asking, k),
            axes=balancing if balancing.rank < pool.shape[1] else None,
            sigma=settings.sigma,
            probes=settings.probes,
            seed=patient.seed,
            threads=threads,
        )
        half = split_half(pool, fit, asking, k, seed=patient.seed, threads=threads)
    floor, n_clusters = _floor(patient, reference[among], threads)
    return Neighborhood(
        n_items=len(pool),
        n_self=len(among),
        n_asking=len(asking),
        n_queries=0 if queries is None else len(queries),
        n_fit=0 if fit is None else len(fit),
        depth=k,
        probe=probe,
        answers=answers(pool[among], queries, min(k, len(among) - 1), threads=threads),
        balanced=_balanced(pool[among], queries, balancing, k, threads),
        overlaps=overlaps,
        top_tenth=top_tenth_share(by_dot, np.sqrt(np.einsum("ij,ij->i", pool, pool))),
        split_half=half,
        centered_kept=_overlap(cosine, centered, patient.seed),
        clustered_by=similarity,
        cluster_floor=floor,
        n_clusters=n_clusters,
        labelled=_labelled(patient, rows, pool, reference if similarity == "score_corr" else None, k, rng, threads),
    )


def some_rows(n: int, limit: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return at most ``limit`` of n rows, drawn at random, in their order."""
    return np.sort(rng.choice(n, limit, replace=False)) if limit < n else np.arange(n)


def _overlap(one: NDArray[np.int64], other: NDArray[np.int64], seed: int) -> Estimate:
    return mean_interval(overlap(one, other), seed=seed)


def _balanced(
    items: NDArray[np.float64],
    queries: NDArray[np.float64] | None,
    maps: Canonical | None,
    k: int,
    threads: int,
) -> Answers | None:
    """Return the answers in balanced coordinates, as they would be served."""
    if queries is None or maps is None or maps.rank == 0:
        return None
    # The maps are of vectors as given; the scales of the samples only multiply all of them.
    served = (items @ maps.items).astype(np.float32), (queries @ maps.queries).astype(np.float32)
    return answers(*served, min(k, len(items) - 1), threads=threads)


def _floor(patient: Patient, rows: NDArray[Any], threads: int) -> tuple[float | None, int]:
    settings = patient.settings
    n_clusters = min(settings.clusters, len(rows) // 5)
    if n_clusters < 2:
        return None, n_clusters
    spherical = patient.trained_with != "l2"
    seeds, seed = settings.cluster_seeds, patient.seed
    return cluster_floor(rows, n_clusters, seeds, spherical=spherical, seed=seed, threads=threads), n_clusters


def _labelled(
    patient: Patient,
    rows: NDArray[np.int64],
    pool: NDArray[np.float64],
    score_corr_rows: NDArray[Any] | None,
    k: int,
    rng: np.random.Generator,
    threads: int,
) -> LabelFigures | None:
    """Compare similarities on items that have a label, drawn for that."""
    if patient.labels is None:
        return None
    labels = patient.labels.take(rows)
    known = np.flatnonzero(labels.codes != UNLABELED)
    if len(known) < 2:
        return None
    asking = known[some_rows(len(known), patient.settings.asking, rng)]
    found = {one: neighbors_of(pool, asking, k, one, threads) for one in ("cosine", "dot", "l2")}
    if score_corr_rows is not None:
        found["score_corr"] = neighbors_of(score_corr_rows, asking, k, "cosine", threads)
    return label_figures(found, asking, labels, chance_label_agreement(labels), seed=patient.seed)
