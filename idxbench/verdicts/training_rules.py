"""Rules about what training determined: identifiability, gauge, common shift, metric, labels."""

import math
from collections.abc import Iterator

from idxbench.bench.diagnose_job import Examined
from idxbench.measures.identifiability import LabelFigures
from idxbench.measures.intervals import Estimate
from idxbench.verdicts.findings import Finding, Severity, percent


def training_unknown(e: Examined) -> Finding | None:
    """Say that the training was assumed."""
    if e.patient.trained_with != "unknown":
        return None
    text = (
        "How the model was trained is not declared. It was taken for a dot product; what follows holds if it was one."
    )
    return Finding("trained-with-unknown", "note", "Training unknown", text, "declare it: --trained-with dot|cosine|l2")


def cannot_assess(e: Examined) -> Finding | None:
    """Refuse to guess at coordinates that only queries could tell about."""
    if not e.patient.dual or (e.near is None) or e.near.probe is not None:
        return None
    few = "no queries" if e.queries is None else f"{e.queries.n_rows - e.queries.zero_rows} usable queries"
    text = (
        "Two towers trained with a dot product leave their coordinates free: whether cosine neighbours, clusters and "
        f"an index of these items mean anything can't be told from the items alone ({few})."
    )
    advice = "name the queries: a few thousand rows will do"
    if e.patient.towers is None:
        advice += "; if one model makes items and queries, say towers = 1 (--towers 1)"
    numbers = {"queries": float(0 if e.queries is None else e.queries.n_rows - e.queries.zero_rows)}
    return Finding("cannot-assess", "warning", "Cannot assess item-item similarity", text, advice, numbers)


def determined(e: Examined) -> Finding | None:
    """Say what the training does determine, and what not to use, where nothing is free that matters."""
    if e.patient.dual:
        return None
    trained = e.patient.trained_with
    if trained == "cosine":
        text = "A model trained by cosine determines cosine, between items, too; the norms of its vectors mean nothing."
        advice = "normalize, or search by cosine; don't rank by dot or l2 on vectors with their norms"
    elif trained == "l2":
        text = "A model trained by l2 distance determines l2, between items, too; its origin is arbitrary."
        advice = "search by l2; don't rank by dot or cosine, which depend on where the origin lies"
    else:
        text = (
            "One model makes items and queries, so both share their coordinates and no rescaling is free: what is left "
            "free are rotations, which change neither dot nor cosine nor l2."
        )
        advice = "any of the three repeats itself; don't balance or whiten in search of a lost gauge: none is lost"
    return Finding("determined", "fine", "Item-item similarity is determined by the training", text, advice)


def not_identifiable(e: Examined) -> Finding | None:
    """Compare what a change of coordinates does to scores with what it does to cosine neighbours."""
    if e.near is None or e.near.probe is None:
        return None
    probe, limits = e.near.probe, e.patient.settings
    numbers = {
        "scores_moved": probe.scores_moved,
        "cosine_neighbors_kept": probe.cosine_kept.value,
        "score_corr_neighbors_kept": probe.score_corr_kept.value,
    }
    fired = {"scores_moved": limits.scores_moved, "neighbors_kept": limits.neighbors_kept}
    seen = (
        f"{probe.probes} random changes of coordinates moved scores by at most {probe.scores_moved:.0e} of the largest "
        f"of their query, and kept {percent(probe.cosine_kept.value)} of an item's {e.near.depth} neighbours by cosine "
        f"({percent(probe.score_corr_kept.value)} by score_corr)."
    )
    if probe.scores_moved >= limits.scores_moved:
        text = f"{seen} The scores themselves moved too much for a verdict: products of these vectors cancel."
        return Finding("probe-inexact", "note", "Scores lose digits", text, numbers=numbers, limits=fired)
    if probe.cosine_kept.value >= limits.neighbors_kept:
        text = f"{seen} Cosine neighbours hold here, although the training does not promise it."
        return Finding("neighbors-hold", "fine", "Cosine neighbours hold", text, numbers=numbers, limits=fired)
    text = f"{seen} The training fixed the scores and left these neighbours to chance: another run may give others."
    advice = (
        "compare and cluster items by score_corr, or by what labels choose; don't show cosine neighbours or k-means "
        "clusters of the vectors as facts about the items"
    )
    balanced = e.imbalance is not None and e.imbalance < limits.imbalance_balanced
    if balanced:
        text += (
            " One exception: with L2 regularisation of both towers the coordinates are determined up to rotations, and "
            "so is cosine. They are balanced, as that would make them."
        )
        advice = f"if both towers were regularised by L2, cosine may be used; if not: {advice}"
    title = "Item-item cosine is not identifiable"
    return Finding("not-identifiable", "note" if balanced else "warning", title, text, advice, numbers, fired)


def gauge(e: Examined) -> Finding | None:
    """Put the imbalance of the coordinates into words."""
    if e.imbalance is None or not e.patient.dual or e.score_rank == 0:
        return None
    limits = e.patient.settings
    numbers = {"gauge_imbalance": e.imbalance}
    fired = {"imbalance_balanced": limits.imbalance_balanced, "imbalance_mild": limits.imbalance_mild}
    seen = f"Gauge imbalance {e.imbalance:.3f} decades"
    if e.imbalance < limits.imbalance_balanced:
        text = f"{seen}: items and queries spread alike over the axes. Re-gauging would change nothing that matters."
        return Finding("gauge-balanced", "fine", "Coordinates are balanced", text, "", numbers, fired)
    if e.imbalance < limits.imbalance_mild:
        text = f"{seen}: some axes are larger in the items than in the queries, by little."
        return Finding("gauge-mild", "note", "Coordinates are mildly unbalanced", text, "", numbers, fired)
    text = (
        f"{seen}: some axes are far larger in the items than in the queries. No score shows it; norms, cosines, "
        "clusters and quantisation of the items follow those axes."
    )
    advice = "run 'balanced' beside 'raw'; 'idxbench diagnose --write DIR' writes the balanced vectors"
    return Finding("gauge-strong", "warning", "Coordinates are strongly unbalanced", text, advice, numbers, fired)


def common_shift(e: Examined) -> Finding | None:
    """Look at the vector all items share, which a ranking loss does not determine."""
    limit, share = e.patient.settings.common_share, e.items.common_share
    if share <= limit or e.near is None:
        return None
    kept = e.near.centered_kept.value
    numbers = {"common_share": share, "centered_neighbors_kept": kept}
    fired = {"common_share": limit}
    seen = f"{percent(share)} of the items' squared norm is one vector they all share"
    moved = f"taking it away keeps {percent(kept)} of the neighbours by cosine"
    if e.patient.dual and e.patient.loss == "ranking":
        text = f"{seen}. A ranking loss never sees it, so its size is arbitrary; {moved}."
        advice = "centre the items (centered, score_corr) before comparing them; rankings by dot stay as they are"
        return Finding("common-shift", "warning", "A common shift is undetermined", text, advice, numbers, fired)
    if e.patient.dual and e.patient.loss == "unknown":
        text = f"{seen}; {moved}. After a ranking loss (softmax, BPR) it is arbitrary, after a pointwise one it is not."
        advice = "say which it was: --loss pointwise|ranking"
        return Finding("common-shift", "note", "A common shift may be undetermined", text, advice, numbers, fired)
    text = f"{seen}, so all cosines are lifted alike; {moved}."
    advice = "if thresholds on cosines are in use, run 'centered' beside"
    return Finding("common-vector", "note", "Items share a direction", text, advice, numbers, fired)


def metric(e: Examined) -> Finding | None:
    """Compare exact answers by the trained similarity with those of the others."""
    if e.near is None:
        return None
    trained, limit, k = e.patient.trained_with, e.patient.settings.metric_overlap, e.near.depth
    own = "dot" if trained == "unknown" else trained
    others = {next(name for name in pair if name != own): one for pair, one in e.near.overlaps.items() if own in pair}
    if own == "dot":
        # L2 on vectors of free norms is nobody's plan.
        others.pop("l2")
    far = {name: one for name, one in others.items() if one.value < limit}
    if not far:
        return None
    asked = f"{e.near.n_queries:,} queries" if e.near.n_queries else f"{e.near.n_asking:,} of the items themselves"
    told = " and ".join(f"{name} {percent(one.value)} ({_range(one)})" for name, one in far.items())
    numbers = {f"overlap_{own}_{name}": one.value for name, one in far.items()}
    seen = f"Of the top {k} by {own}, exact search returns by {told}, asked by {asked}. No index wins the rest back."
    if trained == "unknown":
        text = f"{seen} Which of them is right depends on how the model was trained."
        return Finding("metric-matters", "warning", "The similarity decides", text, "find out, or let labels decide",
                       numbers, {"metric_overlap": limit})  # fmt: skip
    text = f"{seen} A low recall by {' or '.join(far)} would be the metric's doing, not the index's."
    advice = f"rank by {own} if what the model was trained to return is what you want to serve"
    severity: Severity = "warning" if own == "dot" else "note"
    title = f"{' and '.join(far).capitalize()} would answer another question"
    return Finding("metric-not-index", severity, title, text, advice, numbers, {"metric_overlap": limit})


def covariance_noisy(e: Examined) -> Finding | None:
    """Say when the queries are too few to know ``score_corr``."""
    if e.near is None or e.near.split_half is None or e.near.split_half.value >= e.patient.settings.split_half:
        return None
    half = e.near.split_half
    text = (
        f"score_corr neighbours estimated from two halves of {e.near.n_fit:,} queries share {percent(half.value)} "
        f"({_range(half)}): differences up to that size are noise."
    )
    advice = "bring more queries, or queries that differ more"
    numbers, fired = {"split_half_overlap": half.value}, {"split_half": e.patient.settings.split_half}
    return Finding("covariance-noisy", "warning", "Queries say too little about items", text, advice, numbers, fired)


def clusters(e: Examined) -> Finding | None:
    """Say when k-means does not even agree with itself."""
    if e.near is None or e.near.cluster_floor is None or math.isnan(e.near.cluster_floor):
        return None
    floor, limit = e.near.cluster_floor, e.patient.settings.cluster_floor
    if floor >= limit:
        return None
    text = (
        f"{e.near.n_clusters} clusters by {e.near.clustered_by}: two seeds of k-means on the same "
        f"{e.near.n_self:,} items agree with an ARI of {floor:.2f}."
    )
    advice = "a drift of such clusters can't be told from chance: take fewer, or none"
    return Finding("clusters-below-floor", "note", "Clusters are not measurable", text, advice,
                   {"ari_between_seeds": floor, "n_clusters": float(e.near.n_clusters)},
                   {"cluster_floor": limit})  # fmt: skip


def labels(e: Examined) -> Finding:
    """Let labels say which similarity is better, or that none is; without them call nothing so."""
    if e.near is None or e.near.labelled is None:
        if e.patient.labels is not None:
            text = "Too few items have a label to compare similarities by."
        else:
            text = (
                "Labels were not given. Everything here says what differs and what is determined, not what users want."
            )
        return Finding("no-labels", "note", "No labels: nothing is called better", text,
                       "one label per item (--labels) lets similarities be compared by them")  # fmt: skip
    found, k = e.near.labelled, e.near.depth
    ranked = sorted(found.agreement, key=lambda name: -found.agreement[name].value)
    first = ranked[0]
    numbers = {f"label_agreement_{name}": found.agreement[name].value for name in ranked} | {"chance": found.chance}
    told = ", ".join(f"{name} {percent(found.agreement[name].value)}" for name in ranked)
    n = found.agreement[first].n
    seen = f"Neighbours with the item's label, of {k}, over {n:,} items: {told}; by chance {percent(found.chance)}."
    beaten = {name: gap for name in ranked[1:] if (gap := _gap(found, first, name)).low > 0}
    tied = [name for name in ranked[1:] if name not in beaten]
    if not found.agreement[first].low > found.chance:
        return Finding("labels-silent", "note", "Labels say nothing", f"{seen} None is told from chance.", "", numbers)
    if not beaten:
        return Finding("labels-tie", "note", "By the labels, no similarity is better",
                       f"{seen} No difference can be told from chance.", "", numbers)  # fmt: skip
    gaps = ", ".join(f"{name} by {gap.value:.3f} ({_range(gap, 4)})" for name, gap in beaten.items())
    text = f"{seen} {first} beats {gaps}, over the same items."
    if tied:
        text += f" Between {first} and {' and '.join(tied)} no difference can be told from chance."
    title = f"By the labels, {' and '.join([first, *tied])} {'are' if tied else 'is'} better between items"
    return Finding("labels-better", "note", title, text, "of these coordinates, these labels and this depth", numbers)


def _gap(found: LabelFigures, one: str, other: str) -> Estimate:
    if (one, other) in found.differences:
        return found.differences[one, other]
    gap = found.differences[other, one]
    return Estimate(-gap.value, -gap.high, -gap.low, gap.n)


def _range(one: Estimate, digits: int = 2) -> str:
    return f"{one.low:.{digits}f} to {one.high:.{digits}f}"


def training_findings(e: Examined) -> Iterator[Finding]:
    """Apply every rule of this file but that of labels, which has the last word."""
    rules = (
        training_unknown,
        cannot_assess,
        determined,
        not_identifiable,
        gauge,
        common_shift,
        metric,
        covariance_noisy,
        clusters,
    )
    for rule in rules:
        finding = rule(e)
        if finding is not None:
            yield finding
