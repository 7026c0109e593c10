"""A hand-made examination in which nothing is wrong, and ways to change it."""

from dataclasses import replace

import numpy as np

from idxbench.bench.diagnose_job import Examined
from idxbench.bench.neighborhood import Neighborhood
from idxbench.bench.patient import Patient
from idxbench.config.diagnose import Diagnose
from idxbench.measures.identifiability import Answers, GaugeProbe
from idxbench.measures.intervals import Estimate
from idxbench.measures.shape import Shape


def estimate(value, half=0.01, n=100):
    return Estimate(value, value - half, value + half, n)


SHAPE = Shape(1000, 8, "float32", 0, 0, 0, 0.9, 1.0, 1.1, 0.1, 0.01, 8, (), ())
GOOD = Answers(0.9, 0.9, 0.1, 0.0)
NEAR = Neighborhood(
    n_items=1000,
    n_self=1000,
    n_asking=500,
    n_queries=200,
    n_fit=300,
    depth=10,
    probe=GaugeProbe(1e-7, estimate(0.95), estimate(1.0, 0.0), 3),
    answers=GOOD,
    balanced=GOOD,
    overlaps={pair: estimate(0.9) for pair in [("dot", "cosine"), ("dot", "l2"), ("cosine", "l2")]},
    top_tenth=0.2,
    split_half=estimate(0.9),
    centered_kept=estimate(0.97),
    clustered_by="score_corr",
    cluster_floor=0.8,
    n_clusters=20,
    labelled=None,
)
PATIENT = Patient(
    "hand",
    np.ones((1000, 8), np.float32),
    np.ones((300, 8), np.float32),
    None,
    "dot",
    "pointwise",
    2,
    Diagnose(),
    0,
    {"items": "items", "queries": "queries"},
)


def examined(*, items=None, queries=None, near=None, patient=None, **whole):
    """Return the healthy examination with fields of its parts replaced; ``near=False`` for none."""
    usual = {"imbalance": 0.01, "score_rank": 8, "directions": 7, "balancing": None, "seconds": 1.0, "threads": 2}
    return Examined(
        patient=replace(PATIENT, **(patient or {})),
        items=replace(SHAPE, **(items or {})),
        queries=None if queries is False else replace(SHAPE, n_rows=300, **(queries or {})),
        near=None if near is False else replace(NEAR, **(near or {})),
        **(usual | whole),
    )


def without_queries(**patient):
    """Return an examination of items alone."""
    near = {"probe": None, "balanced": None, "split_half": None, "n_queries": 0, "n_fit": 0, "clustered_by": "cosine"}
    near["answers"] = replace(GOOD, unlinked_answers=float("nan"))
    alone = {"queries": None, "towers": None} | patient
    return examined(near=near, queries=False, patient=alone, imbalance=None, score_rank=None, directions=None)
