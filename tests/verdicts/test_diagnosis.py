"""Every rule fires on what it is for, with its numbers, and keeps silent on what it is not for."""

import json
from dataclasses import replace

import numpy as np
import pytest

from idxbench.config.load import parse_config
from idxbench.data.dataset import Labels
from idxbench.measures.identifiability import Answers, GaugeProbe, LabelFigures
from idxbench.strategies.catalogue import resolve_strategies
from idxbench.verdicts.diagnosis import conclude, diagnosis_to_dict
from idxbench.verdicts.findings import columns_named, percent
from idxbench.verdicts.suggestions import strategies_toml
from tests.verdicts.examined import GOOD, NEAR, estimate, examined, without_queries

LABELS = Labels(np.zeros(1000, np.int64), ("a",))


def codes(e):
    return {one.code for one in conclude(e).findings}


def finding(e, code):
    found = conclude(e).finding(code)
    assert found is not None, (code, codes(e))
    return found


def test_health_is_silent():
    found = conclude(examined())
    assert {one.code for one in found.findings} == {"neighbors-hold", "gauge-balanced", "no-labels"}
    assert {one.severity for one in found.findings} == {"fine", "note"}


def probed(kept=0.3, moved=1e-7):
    return {"probe": GaugeProbe(moved, estimate(kept), estimate(0.99), 3)}


def test_not_identifiable():
    one = finding(examined(near=probed(), imbalance=0.3), "not-identifiable")
    assert one.severity == "warning"
    assert "kept 30%" in one.text
    assert one.numbers["cosine_neighbors_kept"] == 0.3
    assert one.limits == {"scores_moved": 1e-5, "neighbors_kept": 0.8}


def test_balanced_coordinates_may_come_from_regularisation():
    one = finding(examined(near=probed(), imbalance=0.01), "not-identifiable")
    assert one.severity == "note"
    assert "L2 regularisation of both towers" in one.text
    assert "unless both towers were regularised" in conclude(examined(near=probed())).headline


@pytest.mark.parametrize(("kept", "code"), [(0.79, "not-identifiable"), (0.8, "neighbors-hold")])
def test_the_threshold_of_the_probe(kept, code):
    assert code in codes(examined(near=probed(kept)))


def test_no_verdict_where_scores_moved():
    found = codes(examined(near=probed(0.1, 1e-5)))
    assert "probe-inexact" in found
    assert "not-identifiable" not in found


@pytest.mark.parametrize(
    ("imbalance", "code"),
    [(0.049, "gauge-balanced"), (0.05, "gauge-mild"), (0.199, "gauge-mild"), (0.2, "gauge-strong")],
)
def test_words_of_the_imbalance(imbalance, code):
    e = examined(imbalance=imbalance)
    assert {one for one in codes(e) if one.startswith("gauge-")} == {code}
    assert finding(e, code).numbers == {"gauge_imbalance": imbalance}


def test_thresholds_come_from_the_config():
    settings = parse_config({"data": {"source": "digits"}, "diagnose": {"imbalance_balanced": 0.3}}).diagnose
    assert "gauge-balanced" in codes(examined(imbalance=0.25, patient={"settings": settings}))


def test_without_queries_it_cannot_assess():
    e = without_queries()
    one = finding(e, "cannot-assess")
    assert "--towers 1" in one.advice
    assert conclude(e).headline.startswith("Cannot assess")
    assert not {"not-identifiable", "neighbors-hold", "determined"} & codes(e)
    assert not any(code.startswith("gauge-") for code in codes(e))
    assert "--towers" not in finding(without_queries(towers=2), "cannot-assess").advice


@pytest.mark.parametrize(
    ("trained", "towers", "words"),
    [("dot", 1, "rotations"), ("cosine", 2, "norms of its vectors mean nothing"), ("l2", 2, "origin is arbitrary")],
)
def test_fine_with_what_not_to_use(trained, towers, words):
    one = finding(without_queries(trained_with=trained, towers=towers), "determined")
    assert one.severity == "fine"
    assert words in one.text
    assert "don't" in one.advice
    assert conclude(without_queries(trained_with=trained, towers=towers)).headline.startswith("Fine")


@pytest.mark.parametrize(
    ("loss", "code", "severity"),
    [
        ("ranking", "common-shift", "warning"),
        ("unknown", "common-shift", "note"),
        ("pointwise", "common-vector", "note"),
    ],
)
def test_a_common_shift(loss, code, severity):
    e = examined(items={"common_share": 0.3}, patient={"loss": loss})
    assert finding(e, code).severity == severity
    assert finding(e, code).numbers["common_share"] == 0.3
    assert not {"common-shift", "common-vector"} & codes(examined(items={"common_share": 0.1}, patient={"loss": loss}))


def overlapping(**values):
    pairs = {"dc": ("dot", "cosine"), "dl": ("dot", "l2"), "cl": ("cosine", "l2")}
    return {"overlaps": dict(NEAR.overlaps) | {pairs[key]: estimate(value) for key, value in values.items()}}


def test_the_metric_and_not_the_index():
    one = finding(examined(near=overlapping(dc=0.12)), "metric-not-index")
    assert one.severity == "warning"
    assert "12%" in one.text
    assert one.numbers == {"overlap_dot_cosine": 0.12}
    # L2 on the vectors of a dot model is nobody's plan, and cosine is near.
    assert "metric-not-index" not in codes(examined(near=overlapping(dl=0.0)))
    assert "metric-matters" in codes(examined(near=overlapping(dc=0.12), patient={"trained_with": "unknown"}))
    one = finding(examined(near=overlapping(cl=0.5, dc=0.6), patient={"trained_with": "cosine"}), "metric-not-index")
    assert one.numbers == {"overlap_cosine_dot": 0.6, "overlap_cosine_l2": 0.5}


def test_the_gauge_hurts_the_index():
    hurt = {"answers": replace(GOOD, distinct=0.02), "balanced": replace(GOOD, distinct=0.5)}
    e = examined(near=hurt, imbalance=0.4)
    assert finding(e, "gauge-hurts-index").numbers == {
        "distinct_raw": 0.02,
        "distinct_balanced": 0.5,
        "gauge_imbalance": 0.4,
    }
    assert conclude(e).findings[0].code == "gauge-hurts-index"
    assert "balanced coordinates" in conclude(e).headline
    # Low on both sides: norms, not the gauge.
    low = {"answers": replace(GOOD, distinct=0.02), "balanced": replace(GOOD, distinct=0.03)}
    assert "gauge-hurts-index" not in codes(examined(near=low, imbalance=0.4))
    assert "gauge-hurts-index" not in codes(examined(near=hurt, imbalance=0.01))


@pytest.mark.parametrize(("answers", "severity"), [(0.3, "warning"), (0.0, "note")])
def test_unreachable_items_cost_what_queries_ask_for(answers, severity):
    e = examined(near={"answers": Answers(0.5, 0.9, 0.7, answers)})
    assert finding(e, "unreachable-risk").severity == severity
    assert "augmented" in strategies_toml(conclude(e).strategies)
    assert "unreachable-risk" not in codes(examined(near={"answers": Answers(0.5, 0.9, 0.6, answers)}))


def test_norms_and_self_dominance():
    assert finding(examined(near={"top_tenth": 0.8}), "norm-bias").numbers["top_tenth_share"] == 0.8
    e = examined(near={"answers": replace(GOOD, self_match=0.2)})
    assert finding(e, "self-dominance").numbers == {"self_match": 0.2}
    assert "norm-bias" not in codes(examined(near={"top_tenth": 0.8}, patient={"trained_with": "cosine"}))


def test_floors():
    assert finding(examined(near={"cluster_floor": 0.29}), "clusters-below-floor").limits == {"cluster_floor": 0.3}
    assert "clusters-below-floor" not in codes(examined(near={"cluster_floor": 0.3}))
    one = finding(examined(near={"split_half": estimate(0.4)}), "covariance-noisy")
    assert one.numbers == {"split_half_overlap": 0.4}


def test_rank():
    one = finding(examined(items={"rank": 6}, score_rank=6, directions=5), "rank-deficient")
    assert one.severity == "note"
    wide = {"n_dims": 128, "rank": 4}
    one = finding(examined(items=wide, score_rank=4, directions=3), "rank-deficient")
    assert one.severity == "warning"
    assert "4 of 128" in one.text
    # Full rank, but one direction holds everything.
    e = examined(items={"n_dims": 128, "rank": 128}, score_rank=128, directions=2)
    assert finding(e, "rank-deficient").severity == "warning"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"zero_rows": 3}, "zero-{}"),
        ({"near_zero_rows": 3}, "near-zero-{}"),
        ({"duplicate_rows": 50}, "duplicate-{}"),
        ({"norm_median": 1e-9}, "scale-{}"),
        ({"norm_median": 1e9}, "scale-{}"),
        ({"dead_columns": (1,)}, "dead-columns-{}"),
        ({"constant_columns": (7,)}, "bias-column-{}"),
    ],
)
@pytest.mark.parametrize("side", ["items", "queries"])
def test_input(change, code, side):
    assert code.format(side) in codes(examined(**{side: change}))


def test_a_handful_of_duplicates_is_no_finding():
    assert "duplicate-items" not in codes(examined(items={"duplicate_rows": 10}))


def test_too_few_items():
    e = examined(near=False, items={"n_rows": 5})
    assert finding(e, "too-few-items").severity == "problem"
    assert conclude(e).strategies == ()
    assert conclude(e).headline.startswith("Too little")


def labelled(agreement, gaps, chance=0.1):
    return {"labelled": LabelFigures({name: estimate(value) for name, value in agreement.items()}, gaps, chance)}


def test_labels_make_one_better():
    gaps = {("cosine", "dot"): estimate(-0.2, 0.05), ("cosine", "l2"): estimate(0.0, 0.05),
            ("dot", "l2"): estimate(0.2, 0.05)}  # fmt: skip
    e = examined(near=labelled({"cosine": 0.4, "dot": 0.6, "l2": 0.4}, gaps), patient={"labels": LABELS})
    one = finding(e, "labels-better")
    assert one.title == "By the labels, dot is better between items"
    assert "dot beats cosine by 0.200 (0.1500 to 0.2500), l2 by 0.200" in one.text
    assert one.numbers["chance"] == 0.1
    assert one.title in conclude(e).headline


def test_labels_that_tie_say_so():
    gaps = {("cosine", "dot"): estimate(0.01, 0.05)}
    e = examined(near=labelled({"cosine": 0.61, "dot": 0.6}, gaps), patient={"labels": LABELS})
    assert finding(e, "labels-tie").title == "By the labels, no similarity is better"
    gaps = {
        ("cosine", "dot"): estimate(0.01, 0.05),
        ("cosine", "l2"): estimate(0.3, 0.05),
        ("dot", "l2"): estimate(0.29),
    }
    e = examined(near=labelled({"cosine": 0.61, "dot": 0.6, "l2": 0.3}, gaps), patient={"labels": LABELS})
    assert finding(e, "labels-better").title == "By the labels, cosine and dot are better between items"


def test_labels_no_better_than_chance():
    gaps = {("cosine", "dot"): estimate(0.3, 0.05)}
    e = examined(near=labelled({"cosine": 0.4, "dot": 0.1}, gaps, chance=0.39), patient={"labels": LABELS})
    assert "labels-silent" in codes(e)
    assert "labels-better" not in codes(e)


SICK = [
    examined(near=probed() | overlapping(dc=0.1) | {"answers": Answers(0.0, 0.0, 0.9, 0.5), "top_tenth": 0.9,
             "cluster_floor": 0.1, "split_half": estimate(0.1)}, imbalance=0.5,
             items={"common_share": 0.5, "zero_rows": 2, "near_zero_rows": 2, "duplicate_rows": 90, "norm_median": 1e-9,
                    "constant_columns": (1,), "dead_columns": (2,), "rank": 3}, patient={"loss": "ranking"}),
    without_queries(),
    without_queries(trained_with="unknown"),
    without_queries(trained_with="unknown", towers=1),
    without_queries(trained_with="cosine", towers=1),
    without_queries(trained_with="l2", towers=1),
    without_queries(towers=1),
    examined(patient={"trained_with": "unknown"}, near=overlapping(dc=0.1)),
    examined(imbalance=0.1),
    examined(near=probed()),
    examined(near=probed(0.1, 1e-3)),
    examined(items={"common_share": 0.5}, patient={"loss": "unknown"}),
    examined(items={"common_share": 0.5}),
    examined(near=overlapping(cl=0.1), patient={"trained_with": "l2"}),
    examined(items={"n_dims": 128, "rank": 128}, score_rank=128, directions=2),
    examined(near={"answers": Answers(0.5, 0.9, 0.7, 0.0)}, queries={"constant_columns": (1,), "norm_median": 1e9}),
]  # fmt: skip


@pytest.mark.parametrize("e", SICK)
def test_without_labels_nothing_is_called_better(e):
    said = [conclude(e).headline]
    for one in conclude(e).findings:
        if one.code != "no-labels":
            said += [one.title, one.text, one.advice]
    said += [one.why for one in conclude(e).strategies]
    words = " ".join(said).lower().replace(",", " ").replace(".", " ").split()
    assert not {"better", "best", "superior", "worse", "winner", "improves"} & set(words)
    assert "no-labels" in codes(e)


@pytest.mark.parametrize("e", SICK)
def test_suggestions_are_a_config(e):
    import tomllib

    given = tomllib.loads(strategies_toml(conclude(e).strategies))
    spaces = resolve_strategies(parse_config({"data": {"source": "digits"}, **given}))
    assert len(spaces) == len(conclude(e).strategies) > 0


@pytest.mark.parametrize("e", SICK)
def test_json_is_json(e):
    found = conclude(e)
    read = json.loads(json.dumps(diagnosis_to_dict(found), allow_nan=False))
    assert [one["code"] for one in read["findings"]] == [one.code for one in found.findings]
    assert read["figures"]["samples"]["overlaps"]["dot-cosine"]["n"] == 100
    assert read["settings"]["neighbors_kept"] == 0.8
    order = ["problem", "warning", "note", "fine"]
    ranks = [order.index(one["severity"]) for one in read["findings"]]
    assert ranks == sorted(ranks)


def test_percentages_promise_nothing():
    assert [percent(x) for x in (0.0, 0.0001, 0.004, 0.5, 0.996, 0.99996, 1.0)] == [
        "0%", "under 0.1%", "0.4%", "50%", "99.6%", "99.9%", "100%",
    ]  # fmt: skip
    assert columns_named((3,)) == "column 3"
    assert columns_named(tuple(range(7))) == "columns 0, 1, 2, 3, 4 and 2 others"
