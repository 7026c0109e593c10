"""The sentence, on records written by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from idxbench.data.joined import Joined
from idxbench.measures.trainings import Compared
from idxbench.records import Measurement
from idxbench.verdicts.trainings import judge_trainings

NAN = math.nan
ROWS = np.arange(1000)


def row(metric, value, *, place=("", ""), reference="base", half=0.005, k=0):
    return Measurement(
        "trainings", *place, "", "", "", k, metric, reference, value, value - half, value + half, 1000, ""
    )


def record(
    *, raw=0.3, invariant=None, floor=0.9, ranking=None, top=None, change=0.5, drift=NAN, half=0.005, residual=0.5,
    shift=0.1, moved=0.5, trained="dot", towers=2, trained_raw=None,
):  # fmt: skip
    """Return figures; None leaves out what there would be no figure for."""
    similarity = "dot" if trained == "unknown" else trained
    scores = ("raw", similarity)
    rows = [
        row("neighbor_overlap", raw, place=("raw", "cosine"), half=half, k=10),
        row("neighbor_overlap", 0.01, place=("raw", "cosine"), reference="chance"),
        row("vector_change", moved),
        row("rotation_residual", residual),
        row("rotation_residual", 0.99, reference="chance"),
        row("rotation_shift", shift),
        row("rotation_factor", 1.0),
    ]
    if ranking is not None:
        rows += [
            row("score_spearman", ranking, place=scores, half=half / 5),
            row("topk_overlap", top, place=scores, half=half, k=10),
            row("score_change", change, place=scores),
        ]
    place = None
    if invariant is not None:
        place = ("score_corr", "cosine")
        rows += [
            row("neighbor_overlap", invariant, place=place, half=half, k=10),
            row("neighbor_overlap", floor, place=place, reference="floor"),
            row("cluster_drift", drift, place=place, k=20),
        ]
    if towers == 1 or similarity != "dot":
        place = scores
        rows.insert(0, row("neighbor_overlap", raw if trained_raw is None else trained_raw, place=place, half=half))
    joined = Joined(ROWS, ROWS, 1000, 1000)
    queries = None if ranking is None else joined
    return Compared("a", "b", trained, towers, place, 10, 20, joined, queries, (8, 8), tuple(rows), ())


SAME = {"ranking": 1.0, "top": 1.0, "change": 1e-7}
ALIKE = {"ranking": 0.995, "top": 0.97}
OTHER = {"ranking": 0.5, "top": 0.3}


@pytest.mark.parametrize(
    ("figures", "code", "words"),
    [
        # The two of the design.
        ({"raw": 0.2, "invariant": 0.85, "floor": 0.9}, "mostly-gauge", "score_corr overlap@10 0.850 (floor 0.900)"),
        ({"raw": 0.2, "invariant": 0.2, "floor": 0.9}, "model-moved", "raw cosine overlap@10 0.200"),
        # Kept scores decide, whatever the floor is, and whatever other queries made of score_corr.
        ({"raw": 0.2, "invariant": 1.0, **SAME}, "mostly-gauge", "every score is kept (changed by 1e-07"),
        ({"raw": 0.2, "invariant": 0.1, "floor": 0.1, **SAME}, "mostly-gauge", "every score is kept"),
        ({"raw": 0.2, "invariant": 0.5, "floor": 0.9, **SAME}, "mostly-gauge", "every score is kept"),
        ({"raw": 0.2, **SAME}, "mostly-gauge", "every score is kept"),
        ({"raw": 0.2, "invariant": 0.9, **ALIKE}, "mostly-gauge", "rankings are kept (rank correlation of scores 0.99"),
        ({"raw": 0.99, "invariant": 0.97, **SAME}, "nothing-moved", "nothing moved beyond its floor"),
        ({"raw": 0.96, "invariant": 0.89, **ALIKE}, "nothing-moved", "top-10 overlap 0.970"),
        ({"raw": 0.2, "invariant": 0.2, **OTHER}, "model-moved", "rank correlation of scores 0.500"),
        ({"raw": 0.8, "invariant": 0.89, **OTHER}, "model-moved", "its item neighbours not beyond their floor"),
        ({"raw": 0.1, "invariant": 0.5, **OTHER}, "model-moved", "the model moved, and its coordinates besides"),
        ({"raw": 0.1, "invariant": 0.6}, "model-moved", "the model moved, and its coordinates besides"),
        ({"raw": 0.04, "invariant": 0.07, **OTHER}, "model-moved", "the model moved: "),
        ({"raw": 0.1, "invariant": 0.1, "floor": 0.2, **OTHER}, "model-moved", "can't be told from noise"),
        ({"raw": 0.3, "invariant": 0.86, "ranking": 0.98, "top": 0.8}, "mostly-gauge", "the model moved a little"),
        ({"raw": 0.3, "invariant": 0.86, "ranking": 0.90, "top": 0.8}, "model-moved", "not beyond"),
        ({"invariant": 0.2, "floor": 0.25}, "floors-too-low", "cannot tell: floors too low"),
        ({"invariant": 0.2, "floor": NAN}, "floors-too-low", "cannot tell: floors too low"),
        ({"invariant": 0.97, "floor": 0.25}, "mostly-gauge", "neighbours by score_corr are kept"),
        ({"raw": 0.3}, "no-queries", "only raw neighbours can be compared; cannot tell gauge from model"),
        ({"raw": 0.97}, "no-queries", "their scores may have moved"),
        ({"invariant": 0.85, "half": 0.2}, "too-few-rows", "cannot tell: too few rows"),
        ({"residual": 1e-12, "shift": 1e-9, "raw": 1.0}, "only-rotation", "only a rotation of the items: 1e-12"),
        ({"residual": 1e-12, "shift": 1e-9, **SAME}, "only-rotation", "every score is kept"),
        ({"residual": 1e-12, "shift": 1e-9, **OTHER}, "model-moved", "its items are only rotated, but"),
        ({"residual": 1e-12, "shift": 0.4, **SAME}, "mostly-gauge", "one vector was added to all items"),
        ({"moved": 0.0, "raw": 1.0}, "nothing-moved", "the item vectors are the same; no scores were compared"),
        ({"moved": 0.0, **OTHER}, "model-moved", "its items are the same, but"),
        ({"raw": 0.96, "towers": 1}, "nothing-moved", "raw cosine overlap@10 0.960"),
        ({"raw": 0.96, "towers": 1, "trained_raw": 0.4}, "model-moved", "dot overlap@10 0.400"),
        ({"raw": 0.2, "trained": "l2", "trained_raw": 0.99}, "nothing-moved", "l2 overlap@10 0.990"),
        ({"raw": 0.2, "trained": "cosine"}, "model-moved", "the model moved: raw cosine overlap@10 0.200"),
        ({"raw": 0.2, "invariant": 1.0, "trained": "unknown", **SAME}, "mostly-gauge", "every score is kept"),
    ],
)  # fmt: skip
def test_sentences(figures, code, words):
    verdict = judge_trainings(record(**figures))
    assert (verdict.code, words in verdict.sentence) == (code, True), verdict.sentence


@pytest.mark.parametrize(
    ("value", "half", "code"),
    [
        (0.856, 0.005, "nothing-moved"),
        (0.854, 0.005, "model-moved"),
        # As far from the floor, by so few items that it may be reached, or be left far below.
        (0.854, 0.05, "too-few-rows"),
        (0.860, 0.20, "too-few-rows"),
    ],
)
def test_kept_is_95_percent_of_the_floor_and_few_items_tell_nothing(value, half, code):
    assert judge_trainings(record(raw=0.96, invariant=value, floor=0.9, half=half)).code == code


def test_a_factor_is_named():
    compared = record(residual=0.0, shift=0.0)
    rows = [row("rotation_factor", 2.5) if one.metric == "rotation_factor" else one for one in compared.rows]
    compared = replace(compared, rows=tuple(rows))
    assert "only a rotation and a factor of 2.5 of the items" in judge_trainings(compared).sentence


def test_cluster_drift_is_told_where_it_was_measurable():
    assert "drift of 20 clusters 0.120" in judge_trainings(record(invariant=0.2, drift=0.12)).sentence
    assert "drift" not in judge_trainings(record(invariant=0.2)).sentence


def test_no_figure_rounds_to_perfect_nor_to_minus_nothing():
    said = judge_trainings(record(invariant=0.9, raw=-0.0001, ranking=0.99996, top=0.9996)).sentence
    assert "rank correlation of scores 0.999, top-10 overlap 0.999" in said
    assert "raw cosine overlap@10 0.000" in said
