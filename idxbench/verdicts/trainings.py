"""What two trainings did to each other, in one sentence: a rotation, a gauge, a moved model, or no way to tell.

Of two towers trained with a dot product only scores are determined, and of items what can be computed from scores:
``score_corr``. So scores of shared queries and ``score_corr`` neighbours say whether the model moved, and raw cosine
neighbours whether its coordinates did. All other models determine the similarity they were trained with.
"""

from dataclasses import dataclass
from typing import Literal

from idxbench.measures.clusters import MEASURABLE_FLOOR
from idxbench.measures.trainings import Compared
from idxbench.records import Measurement

Code = Literal[
    "nothing-moved",
    "only-rotation",
    "mostly-gauge",
    "model-moved",
    "floors-too-low",
    "no-queries",
    "too-few-rows",
]
Standing = Literal["exact", "kept", "moved", "noisy", "unclear", "unknown"]

# Neighbours and top answers are kept from this share of their floor on, rankings from this correlation on.
KEPT, KEPT_RANKING = 0.95, 0.99
# Scores that change by no more than this share of their spread, or rank correlations this close to 1, are rounding.
SAME_SCORES, SAME_RANKING = 1e-3, 1e-6
# Of vectors that are the same, or the same but for a rotation: squared residual, and distance of their centres.
SAME_SHAPE, SAME_CENTER = 1e-6, 1e-3
# A gauge is most of a drift where the invariant neighbours and the rankings kept this much, ...
MOSTLY, MOSTLY_RANKING = 0.8, 0.95
# ... and raw neighbours no more than this share of what the invariant ones did.
RAW_BEHIND = 0.7
# Where the invariant neighbours kept less than this of their floor, too little is left to tell coordinates apart.
LEFT = 0.5


@dataclass(frozen=True)
class TrainingsVerdict:
    """The sentence that follows from the figures.

    Parameters
    ----------
    code
        A stable short name.
    sentence
        In words, with the figures that decided.
    """

    code: Code
    sentence: str


def judge_trainings(compared: Compared) -> TrainingsVerdict:
    """Say what the figures add up to; the same record gives the same sentence."""
    scores, invariant = _scores(compared), _invariant(compared)
    kept_scores = scores in ("exact", "kept")
    same = _same_shape(compared)
    if same is not None:
        return _queries_moved(compared, same) if scores == "moved" else same
    # Where scores are kept to rounding, other neighbours by score_corr come from other queries, not another model.
    if scores == "moved" or (invariant == "moved" and scores != "exact"):
        return _moved(compared, invariant)
    if kept_scores or invariant == "kept":
        return _kept(compared, scores)
    if invariant == "unknown":
        return _without_queries(compared)
    if invariant == "noisy":
        few = "no score was compared" if scores == "unknown" else "too few scores were compared"
        return TrainingsVerdict(
            "floors-too-low",
            "cannot tell: floors too low: two halves of the queries of one training agree on "
            f"{_told(_floor(compared))} of its neighbours, which vouches for nothing, and {few}; "
            "give more queries, or the same ones in both",
        )
    return TrainingsVerdict("too-few-rows", f"cannot tell: too few rows: {_evidence(compared)}")


def _scores(compared: Compared) -> Standing:
    """Judge scores and rankings of shared queries."""
    ranking, top, change = (_score(compared, name) for name in ("score_spearman", "topk_overlap", "score_change"))
    if ranking is None or top is None or change is None:
        return "unknown"
    if change.value <= SAME_SCORES or (ranking.value >= 1 - SAME_RANKING and top.value >= KEPT):
        return "exact"
    if ranking.value < KEPT_RANKING or top.value < KEPT:
        return "moved"
    # Without an interval (a single query) no comparison holds.
    return "kept" if ranking.low >= MOSTLY_RANKING and top.low >= MOSTLY else "unclear"


def _invariant(compared: Compared) -> Standing:
    """Judge the neighbours that training determines, against their floor."""
    found = _neighbors(compared)
    if found is None:
        return "unknown"
    floor = _floor(compared)
    if not floor >= MEASURABLE_FLOOR:
        # The same queries on both sides are no noise between them: what agrees, agrees.
        return "kept" if found.value >= KEPT and found.low >= MOSTLY else "noisy"
    # An interval that reaches far below, or up to the floor, comes from too few items.
    if found.value >= KEPT * floor:
        if floor < MOSTLY:
            # Beside so low a floor anything looks kept.
            return "kept" if found.value >= KEPT and found.low >= MOSTLY else "noisy"
        return "kept" if found.low >= MOSTLY * floor else "unclear"
    return "moved" if found.high < floor else "unclear"


def _same_shape(compared: Compared) -> TrainingsVerdict | None:
    """Recognise vectors that are the same, or the same but for a rotation and a factor."""
    if compared.value("vector_change") <= SAME_SHAPE:
        return TrainingsVerdict("nothing-moved", f"nothing moved beyond its floor: {_equal(compared)}")
    residual, shift = compared.value("rotation_residual"), compared.value("rotation_shift")
    if not (residual <= SAME_SHAPE and shift <= SAME_CENTER):
        return None
    factor = compared.value("rotation_factor")
    scaled = f" and a factor of {factor:.4g}" if abs(factor - 1) > 1e-3 else ""
    fitted = compared.of("rotation_residual", "", "")
    over = f" over {fitted.n:,} rows" if fitted is not None else ""
    return TrainingsVerdict(
        "only-rotation",
        f"only a rotation{scaled} of the items: {residual:.1g} of their squared length is left unexplained{over} "
        f"(rows in random order: {_told(compared.value('rotation_residual', reference='chance'))}); "
        f"neighbours by cosine, dot and l2 are comparable{_shared_scores(compared)}",
    )


def _equal(compared: Compared) -> str:
    change = compared.value("vector_change") ** 0.5
    differ = f" (they differ by {change:.1g} of their length)" if change > 0 else ""
    return f"the item vectors are the same{differ}{_shared_scores(compared)}"


def _shared_scores(compared: Compared) -> str:
    if _scores(compared) in ("unknown", "unclear"):
        return "; no scores were compared"
    return f"; {_kept_scores(compared)}"


def _queries_moved(compared: Compared, same: TrainingsVerdict) -> TrainingsVerdict:
    how = "the same" if same.code == "nothing-moved" else "only rotated"
    return TrainingsVerdict(
        "model-moved",
        f"the model moved: its items are {how}, but scores of shared queries are not kept ({_score_words(compared)}): "
        "the queries are other vectors, or those of other users",
    )


def _kept(compared: Compared, scores: Standing) -> TrainingsVerdict:
    raw = compared.value("neighbor_overlap", "raw", "cosine")
    if compared.invariant == ("raw", _trained(compared)) or raw >= KEPT:
        return TrainingsVerdict("nothing-moved", f"nothing moved beyond its floor: {_evidence(compared)}")
    kept = _kept_scores(compared) if scores in ("exact", "kept") else "neighbours by score_corr are kept"
    shifted = compared.value("rotation_residual") <= SAME_SHAPE
    how = "one vector was added to all items, " if shifted else ""
    return TrainingsVerdict(
        "mostly-gauge",
        f"mostly gauge: {how}{kept}, raw cosine neighbours aren't comparable between these trainings: "
        f"{_evidence(compared, scores=False)}",
    )


def _moved(compared: Compared, invariant: Standing) -> TrainingsVerdict:
    raw = compared.value("neighbor_overlap", "raw", "cosine")
    found = _neighbors(compared)
    two_spaces = compared.invariant == ("score_corr", "cosine")
    if two_spaces and found is not None and invariant != "noisy":
        share = found.value / _floor(compared)
        ranking = _score(compared, "score_spearman")
        behind = raw <= RAW_BEHIND * found.value
        if share >= MOSTLY and behind and (ranking is None or ranking.value >= MOSTLY_RANKING):
            return TrainingsVerdict(
                "mostly-gauge",
                "mostly gauge: the model moved a little, raw cosine neighbours aren't comparable between these "
                f"trainings: {_evidence(compared)}",
            )
        how = ", and its coordinates besides" if behind and share >= LEFT else ""
        if invariant == "kept":
            how = " in its scores, its item neighbours not beyond their floor"
        return TrainingsVerdict("model-moved", f"the model moved{how}: {_evidence(compared)}")
    untold = "; its neighbours can't be told from noise" if invariant == "noisy" else ""
    return TrainingsVerdict("model-moved", f"the model moved: {_evidence(compared)}{untold}")


def _without_queries(compared: Compared) -> TrainingsVerdict:
    raw = compared.value("neighbor_overlap", "raw", "cosine")
    kept = "their scores may have moved" if raw >= KEPT else "cannot tell gauge from model"
    return TrainingsVerdict(
        "no-queries",
        f"without queries only raw neighbours can be compared; {kept}: {_raw_words(compared)}; give the queries of "
        "both trainings",
    )


def _evidence(compared: Compared, *, scores: bool = True) -> str:
    """Name the figures that a verdict rests on."""
    words = []
    if scores and _scores(compared) != "unknown":
        words.append(_score_words(compared))
    found, floor = _neighbors(compared), _floor(compared)
    strategy, similarity = compared.invariant or ("raw", "cosine")
    if found is not None and strategy == "score_corr":
        words.append(f"score_corr overlap@{compared.k} {_told(found.value)} (floor {_told(floor)})")
    elif found is not None and similarity != "cosine":
        words.append(f"{similarity} overlap@{compared.k} {_told(found.value)}")
    words.append(_raw_words(compared))
    drift = compared.of("cluster_drift", strategy, similarity)
    if drift is not None and drift.value == drift.value:
        words.append(f"drift of {drift.k} clusters {_told(drift.value)}")
    return ", ".join(words)


def _score_words(compared: Compared) -> str:
    ranking, top = _score(compared, "score_spearman"), _score(compared, "topk_overlap")
    if ranking is None or top is None:
        return "no scores"
    return f"rank correlation of scores {_told(ranking.value)}, top-{top.k} overlap {_told(top.value)}"


def _kept_scores(compared: Compared) -> str:
    change, ranking = _score(compared, "score_change"), _score(compared, "score_spearman")
    if change is None or ranking is None:
        return "no scores were compared"
    if change.value <= SAME_SCORES:
        return f"every score is kept (changed by {change.value:.1g} of its spread)"
    return f"rankings are kept ({_score_words(compared)})"


def _raw_words(compared: Compared) -> str:
    return f"raw cosine overlap@{compared.k} {_told(compared.value('neighbor_overlap', 'raw', 'cosine'))}"


def _trained(compared: Compared) -> str:
    return "dot" if compared.trained_with == "unknown" else compared.trained_with


def _score(compared: Compared, metric: str) -> Measurement | None:
    return compared.of(metric, "raw", _trained(compared))


def _neighbors(compared: Compared) -> Measurement | None:
    return None if compared.invariant is None else compared.of("neighbor_overlap", *compared.invariant)


def _floor(compared: Compared) -> float:
    """Return what noise leaves of the determined neighbours: 1 where nothing is estimated."""
    if compared.invariant is None or compared.invariant[0] == "raw":
        return 1.0
    return compared.value("neighbor_overlap", *compared.invariant, "floor")


def _told(value: float) -> str:
    """Write a share with three digits; what is below 1 does not round to it."""
    return f"{0.999 if 0.9995 <= value < 1 else value:.3f}".replace("-0.000", "0.000")
