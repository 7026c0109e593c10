"""Tables and sentences of the validation task, from records written by hand."""

import io
import math
from pathlib import Path

import pytest
from rich.console import Console

from idxbench.records import Measurement, Run
from idxbench.report.validation import validation_parts, verdict_line
from idxbench.verdicts.validation import judge


def row(strategy, metric, value, reference, *, k=0, low=math.nan, high=math.nan, n=100):
    return Measurement(
        "validate", strategy, "cosine" if strategy else "", "", "", "", k, metric, reference, value, low, high, n, ""
    )


def a_run(*strategies, metric="spearman", kind="pairs", k=0, chance=0.0, facts=None):
    """Strategies as (name, value, p): the first is the best, half arms of .05."""
    best, top, _ = strategies[0]
    rows = [row("", metric, chance, "chance", k=k)]
    if metric == "ndcg":
        rows.append(row("", "hit_rate", 0.02, "chance", k=k))
    for name, value, p in strategies:
        rows.append(row(name, metric, value, kind, k=k, low=value - 0.05, high=value + 0.05))
        if metric == "ndcg":
            rows.append(row(name, "hit_rate", 0.75, kind, k=k, low=0.7, high=0.8))
        if name != best:
            gap = value - top
            rows.append(row(name, f"{metric}_difference", gap, best, k=k, low=gap - 0.02, high=gap + 0.02))
            rows.append(row(name, f"{metric}_holm_p", p, best, k=k))
    return Run(Path(), {"validation": facts or {}}, tuple(rows))


def line(*strategies, **given):
    (one,) = judge(a_run(*strategies, **given))
    return verdict_line(one)


def printed(run):
    out = io.StringIO()
    console = Console(file=out, width=100, highlight=False, color_system=None)
    for part in validation_parts(run):
        console.print(part, "")
    return out.getvalue()


@pytest.mark.parametrize(
    ("strategies", "said"),
    [
        (
            [("b", 0.6, 1), ("a", 0.5, 0.01), ("c", 0.59, 0.2)],
            "Best: b by cosine (Spearman .600 .550 to .650); tied with it: c.",
        ),
        ([("b", 0.6, 1), ("a", 0.5, 0.049)], "Best: b by cosine (Spearman .600 .550 to .650); nothing ties with it."),
        ([("b", 0.6, 1), ("a", 0.58, 0.05)], "No similarity is better: all 2 tie by Spearman."),
        ([("b", 0.04, 1), ("a", -0.5, 0.01)], "No similarity is better: none can be told from chance by Spearman."),
        ([("b", 0.6, 1)], "Only b by cosine (Spearman .600 .550 to .650) was validated; it is above chance."),
    ],
)
def test_the_sentence(strategies, said):
    assert line(*strategies) == said


def test_ties_are_those_holm_does_not_tell_apart_even_where_an_interval_does():
    """The interval of one difference is not adjusted for the number of strategies; the verdict is."""
    (one,) = judge(a_run(("b", 0.6, 1), ("a", 0.5, 0.4), ("c", 0.2, 0.001)))
    assert one.stands[1].difference.high < 0
    assert one.ties == ("a",)


def test_every_figure_is_in_its_column():
    facts = {"n_seen": 1234, "cross_fitted": ["m"]}
    text = printed(a_run(("b", 0.6, 1), ("a", 0.5, 0.0001), metric="ndcg", kind="interactions", k=10, facts=facts))
    lines = [one.split() for one in text.splitlines()]
    assert ["b", "cosine", ".600", "±.050", ".750", "±.050", "best"] in lines
    assert [
        "a",
        "cosine",
        ".500",
        "±.050",
        ".750",
        "±.050",
        "-.100",
        "(-.120",
        "to",
        "-.080)",
        "<.001",
        "worse",
    ] in lines
    assert ["chance", ".000", ".020"] in lines
    flat = " ".join(text.split())
    assert "1,234 interactions given as seen were left out" in flat
    assert "held-out interactions, 100 queries" in flat
    assert "had not seen these pairs" not in flat


def test_maps_that_had_not_seen_the_pairs_are_named():
    flat = " ".join(printed(a_run(("m", 0.6, 1), facts={"cross_fitted": ["m"]})).split())
    assert (
        "Scored, fold by fold, by maps that had not seen these pairs (other pairs of their items they may have): m."
        in flat
    )


def test_nothing_validated_prints_nothing():
    assert printed(Run(Path(), {}, ())) == ""
