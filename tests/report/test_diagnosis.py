"""A diagnosis on an injected console, from records written by hand."""

import io

import pytest
from rich.console import Console

from idxbench.measures.identifiability import Answers, GaugeProbe
from idxbench.report.diagnosis import print_diagnosis
from idxbench.verdicts.diagnosis import conclude
from tests.verdicts.examined import estimate, examined, without_queries


def printed(e, width=100):
    out = io.StringIO()
    print_diagnosis(conclude(e), Console(file=out, width=width, highlight=False, color_system=None))
    return out.getvalue()


def line_with(text, *words):
    (line,) = [line for line in text.splitlines() if all(word in line for word in words)]
    return line


def test_the_verdict_comes_first_and_numbers_stand_beside_their_thresholds():
    probe = GaugeProbe(2e-7, estimate(0.4), estimate(0.99), 3)
    e = examined(near={"probe": probe, "answers": Answers(0.001, 0.2, 0.7, 0.3)}, imbalance=0.3)
    text = printed(e)
    assert text.startswith("Rank items for queries by dot, in balanced coordinates")
    assert line_with(text, "gauge imbalance ").split()[2:5] == [".300", "<", ".05"]
    assert line_with(text, "cosine neighbours@10 kept").split()[3:7] == [".400", "±.010", ">=", ".80"]
    assert line_with(text, "distinct strongest").split()[3] == "1"
    assert line_with(text, "the same, balanced").split()[3:8] == ["900", "<", "2", "x", "that"]
    assert line_with(text, " 1. problem: The coordinates hurt an inner-product index.")
    assert text.index("Vectors") < text.index("Figures") < text.index("Findings") < text.index("Worth running")
    assert 'transform = "balanced"' in text


def test_what_was_sampled_is_said():
    text = " ".join(printed(examined(items={"n_rows": 5000})).split())
    assert "among 1,000 of 5,000 items, asked for by 500 of them and 200 of 300 queries" in text
    assert "fitted on all 300 queries" in text


@pytest.mark.parametrize("width", [80, 100, 160])
def test_no_line_is_wider_than_the_console(width):
    for e in (examined(near={"top_tenth": 0.9}), without_queries(), examined(near=False)):
        assert max(len(line.rstrip()) for line in printed(e, width).splitlines()) <= width


def test_items_alone_have_one_column_and_no_probe():
    text = printed(without_queries())
    assert "scores moved" not in text
    assert line_with(text, "rows   ", "1,000").split() == ["rows", "1,000"]


def test_markup_in_names_is_text():
    assert "[bold]x[/bold]: " in printed(examined(patient={"name": "[bold]x[/bold]"}))
