"""Pages of comparisons and of histories."""

import csv
import io
from dataclasses import replace

import html5lib
import pytest

from idxbench.config.policy import Policy
from idxbench.records import Notice
from idxbench.report.html.compare_page import comparison_page, write_comparison_page
from idxbench.report.html.history_page import history_page, write_history_page
from idxbench.report.html.page import render
from idxbench.store.history import read_history
from idxbench.verdicts.history.view import view
from idxbench.verdicts.runs.compare import compare_runs
from tests.nights.simulate import plant, simulate
from tests.nights.written import write_history
from tests.report.html.browser import Visit, opened
from tests.verdicts.runs.examples import Arm, make_run

TWO = (Arm("raw"), Arm("axis <b>0</b> | 1000", slower=1.2))


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Two strategies that took turns."""
    run = make_run(tmp_path_factory.mktemp("night") / "night", arms=TWO)
    return compare_runs([run], [run], base_selector="raw", policy=Policy())


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    """Two runs against one base: one finds less, in one a build failed."""
    folder = tmp_path_factory.mktemp("nights")
    base = make_run(folder / "base", arms=TWO)
    versions = {"environment": {"versions": {"hnswlib": "0.9.0"}, "threads": 1}}
    less = make_run(folder / "less", arms=(replace(TWO[0], recall_shift=-0.02), TWO[1]), info=versions)
    failed = make_run(folder / "failed", arms=(TWO[0], replace(TWO[1], fails="out of [memory]")))
    return [compare_runs([base], [other], policy=Policy()) for other in (less, failed)]


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    folder = tmp_path_factory.mktemp("history")
    simulated = plant(simulate("gaussian", series=4, nights=30, seed=1), 1.3, at=20, which=[0])
    write_history(folder, simulated)
    return view(read_history(folder, "box"))


def records(picture):
    return list(csv.DictReader(io.StringIO(picture.csv)))


def parsed(text):
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)


def test_a_comparison_says_its_verdict_first(night):
    page = comparison_page([night], level=0.99)
    assert page.statements[0].first.startswith("Regressed: 7 of 16 gated figures")
    assert "took turns" in page.lead[0]
    assert parsed(render(page)).find(".//h2").text == "Verdict"


def test_every_change_is_drawn_with_interval_and_floor(night):
    pictures = {one.key: one for one in comparison_page([night], level=0.99).sections[0].pictures}
    rows = records(pictures["changes-1-ratios"])
    speeds = [one for one in rows if "qps_batch" in one["figure"]]
    for one in speeds:
        assert one["verdict"] == "regressed"
        assert float(one["low"]) < float(one["worse_factor"]) < float(one["high"])
        assert float(one["worse_factor"]) == pytest.approx(1.2, rel=0.05)
        assert float(one["floor_low"]) == pytest.approx(1 / float(one["floor_high"]), rel=1e-4)
    assert "99 % interval" in pictures["changes-1-ratios"].reading
    both = records(pictures["changes-1-recall-qps"])
    assert {one["side"] for one in both} == {"base", "new"}
    assert any(one["on_front"] == "yes" for one in both)


def test_several_stand_below_each_other_with_what_differs(nights):
    page = comparison_page(nights, level=0.99)
    assert [section.key for section in page.sections] == ["changes-1", "changes-2"]
    facts = dict(page.facts)
    assert "0.8.0 → 0.9.0" in " ".join(facts.values())
    assert any("times can't be compared" in value for value in facts.values())
    text = render(page)
    parsed(text)
    assert "out of [memory]" in text
    assert "axis &lt;b&gt;0&lt;/b&gt; | 1000" in text


def test_a_history_marks_segments_and_references(history):
    page = history_page(history, [Notice("a", "one line was torn", "add it again")])
    assert "alarm" in page.statements[0].first
    assert page.warnings == ("one line was torn; add it again.",)
    times = next(one for one in page.sections[0].pictures if one.key == "nights-1-time")
    rows = records(times)
    figures = list(dict.fromkeys(one["figure"] for one in rows))
    worst = [one for one in rows if one["figure"] == figures[0]]
    (begins,) = [one for one in worst if one["change_point"] == "yes"]
    assert begins["night"].startswith("2026-09-09")  # the twentieth night after the 20th of August
    assert {"last 10", "best"} <= {one["role"] for one in worst}
    assert sum(one["role"] == "night" for one in worst) == 30
    assert times.drawing["controls"][0]["first"] == figures[0]


@pytest.mark.parametrize("kind", ["comparison", "history"])
def test_the_browser_draws_them_without_a_word(kind, night, history, tmp_path):
    path = tmp_path / "page.html"
    if kind == "comparison":
        write_comparison_page([night], path, level=0.99)
    else:
        write_history_page(history, path)
    with opened() as browser:
        one = Visit(browser, path)
        one.draw_all()
        assert one.logged == []
        assert one.asked == [path.as_uri()]
        if kind == "history":
            one.page.locator(".plot").first.focus()
            one.page.keyboard.press("ArrowRight")
            assert "2026-" in one.page.inner_text("[aria-live] >> nth=0")
        one.close()
