"""The table ``[diagnose]`` of the config: how much `idxbench diagnose` samples, and when its rules fire."""

from typing import Annotated, Literal

from pydantic import Field

from idxbench.config.base import PositiveInt, Table

Loss = Literal["pointwise", "ranking", "unknown"]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class Diagnose(Table):
    """Samples and thresholds.

    ``loss``: a ranking loss (softmax, BPR, triplets of dot products) leaves a vector common to all items free, a
    pointwise one does not. Counts, zeros, norms, moments and ranks are taken over all rows. Neighbours are searched
    among ``items`` of them (0: all), asked for by ``asking`` items and ``queries`` queries; items as each other's
    answers among ``self_items``. Covariances are fitted on ``fit_queries``. ``in_runs``: whether `idxbench run`
    diagnoses its vectors, too, which takes some passes over all of them.
    """

    loss: Loss = "unknown"
    in_runs: bool = True
    items: Annotated[int, Field(ge=0)] = 100_000
    self_items: PositiveInt = 20_000
    asking: PositiveInt = 2_000
    queries: PositiveInt = 2_000
    fit_queries: PositiveInt = 50_000
    # The probe: random changes of coordinates, axes times exp(sigma N(0, 1)).
    probes: Annotated[int, Field(ge=1, le=100)] = 3
    sigma: Annotated[float, Field(gt=0, le=5)] = 1.0
    clusters: Annotated[int, Field(ge=2)] = 20
    cluster_seeds: Annotated[int, Field(ge=2, le=100)] = 3
    # Not identifiable: scores move by less, and fewer neighbours stay.
    scores_moved: Positive = 1e-5
    neighbors_kept: Share = 0.8
    # Gauge imbalance in decades: below the first balanced, below the second mild.
    imbalance_balanced: Positive = 0.05
    imbalance_mild: Positive = 0.2
    common_share: Share = 0.1
    metric_overlap: Share = 0.8
    # The gauge hurts an inner-product graph: items answer so few items (as a share of what they do when balanced).
    distinct_ratio: Share = 0.5
    unlinked_items: Share = 0.6
    unlinked_answers: Share = 0.1
    top_tenth: Share = 0.5
    self_match: Share = 0.5
    cluster_floor: Share = 0.3
    split_half: Share = 0.7
    # Directions that carry 99 % of the scores, over the width: below it a model counts as collapsed.
    collapsed: Share = 0.1
    near_zero: Share = 1e-4
    duplicates: Share = 0.01
    tiny_norm: Positive = 1e-6
    huge_norm: Positive = 1e6
