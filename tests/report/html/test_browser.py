"""The page in a browser: hover, toggles, keyboard, themes, paper; no error, no request, no script but ours."""

import csv
import io
from urllib.parse import urlsplit

import pytest

from idxbench.report.html.run_page import run_page, write_run_page
from idxbench.verdicts.decision import decide
from tests.report.html.browser import Visit, opened
from tests.report.html.examples import NASTY, make_run

RECALL = "#recall-qps"


@pytest.fixture(scope="module")
def browser():
    with opened() as one:
        yield one


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"), strategies=NASTY, depths=(10, 20))


@pytest.fixture(scope="module")
def file(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_run_page(run, decide(run), path)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    run = make_run(folder / "run", links=(8,))
    write_run_page(run, decide(run), folder / "r.html")
    return folder / "r.html"


@pytest.fixture
def visit(browser, file):
    visits = []

    def start(**given):
        visits.append(Visit(browser, file, **given))
        return visits[-1]

    yield start
    for one in visits:
        one.close()


def point(page, figure, series, at):
    """Where a point of a drawn line stands in the window."""
    page.locator(f"{figure} .plot").scroll_into_view_if_needed()
    return page.evaluate(
        """([figure, series, at]) => {
            const plot = document.querySelector(figure + " .plot");
            const chart = echarts.getInstanceByDom(plot);
            const line = chart.getOption().series
                .filter((one) => one.symbol && String(one.symbol).startsWith("path"))[series];
            const [x, y] = chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, line.data[at]);
            const box = plot.getBoundingClientRect();
            return [box.x + x, box.y + y];
        }""",
        [figure, series, at],
    )


def lines(page, figure):
    return page.evaluate(
        """(figure) => echarts.getInstanceByDom(document.querySelector(figure + " .plot")).getOption().series
            .filter((one) => one.symbol && String(one.symbol).startsWith("path")).length""",
        figure,
    )


def test_nothing_is_logged_or_asked_for_and_names_are_text(visit, file):
    one = visit()
    one.draw_all()
    assert one.logged == []
    assert one.asked == [file.as_uri()]
    assert one.page.evaluate("performance.getEntriesByType('resource').length") == 0
    said = one.page.inner_text("#decision")
    assert "<script>alert(1)</script>" in said
    assert one.page.locator("img").count() == 0
    assert one.page.locator("#retrieve th", has_text="{{ 7 * 7 }} {% raw %}").count() > 0


def test_the_page_may_not_fetch_and_runs_no_other_script(visit):
    """The browser itself keeps to it: what the test above finds is no accident."""
    one = visit()
    refused = one.page.evaluate("fetch('https://example.org/').then(() => 'fetched', (error) => String(error))")
    assert "TypeError" in refused
    one.page.evaluate(
        """() => { const script = document.createElement("script"); script.textContent = "window.ran = true";
                   document.body.append(script); }"""
    )
    assert one.page.evaluate("window.ran") is None
    assert any("Content Security Policy" in line for line in one.logged)
    assert [address for address in one.asked if urlsplit(address).scheme not in ("file", "blob")] == []


def test_hover_shows_the_parameters(visit):
    one = visit()
    one.page.mouse.move(*point(one.page, RECALL, 0, 1))
    one.page.wait_for_selector(f"{RECALL} .tip")
    tip = one.page.inner_text(f"{RECALL} .tip")
    for words in ("<script>alert(1)</script>", "M=8, ef_construction=100", "ef=40", "QPS", "p50", "40.0"):
        assert words in tip
    assert ".979 (.969 to .984)" in tip


def test_the_legend_toggles_a_series(visit):
    one = visit()
    one.page.locator(RECALL).scroll_into_view_if_needed()
    one.page.wait_for_selector(f"{RECALL} .plot svg")
    before = lines(one.page, RECALL)
    button = one.page.locator(f"{RECALL} .legend button").first
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert lines(one.page, RECALL) == before - 2  # of two indexes
    one.page.locator(f"{RECALL} .legend button", has_text="M=16").click()
    assert lines(one.page, RECALL) == (before - 2) / 2
    button.focus()
    one.page.keyboard.press("Space")
    assert button.get_attribute("aria-pressed") == "true"
    assert lines(one.page, RECALL) == before / 2


def test_depth_and_reference_can_be_chosen(visit):
    one = visit()
    one.page.locator(RECALL).scroll_into_view_if_needed()
    one.page.locator(RECALL).get_by_label("top", exact=True).select_option("20")
    one.page.locator(RECALL).get_by_label("against", exact=True).select_option("own")
    one.page.mouse.move(*point(one.page, RECALL, 2, 0))
    tip = one.page.locator(f"{RECALL} .tip")
    tip.wait_for()
    # Its own exact search: nothing of the metric loss, so as good as the first strategy.
    assert ".944" in tip.inner_text()
    assert "own" in tip.inner_text()


def test_arrow_keys_step_through_the_points(visit):
    one = visit()
    plot = one.page.locator(f"{RECALL} .plot")
    plot.scroll_into_view_if_needed()
    one.page.wait_for_selector(f"{RECALL} .plot svg")
    plot.focus()
    heard = []
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):
        one.page.keyboard.press(key)
        heard.append(one.page.inner_text(f"{RECALL} [aria-live]"))
    assert [("ef=10" in text, "M=8" in text) for text in heard] == [
        (True, True),
        (False, True),
        (False, False),
        (True, False),
    ]
    assert one.page.locator(f"{RECALL} .tip").is_visible()
    bars = one.page.locator("#losses .plot")
    bars.focus()
    one.page.keyboard.press("ArrowDown")
    one.page.keyboard.press("ArrowDown")
    assert "metric loss .000" in one.page.inner_text("#losses [aria-live]")
    one.page.keyboard.press("ArrowDown")
    said = one.page.inner_text("#losses [aria-live]")
    assert NASTY[1] in said
    assert "M=8" in said
    assert "metric loss .037" in said


def test_bars_are_as_long_as_the_records_say(visit, run):
    one = visit()
    one.page.locator("#costs").scroll_into_view_if_needed()
    one.page.wait_for_selector("#costs .plot svg")
    drawn = one.page.evaluate(
        """() => echarts.getInstanceByDom(document.querySelector("#costs .plot")).getOption().series
            .filter((one) => one.type === "bar" && one.data.length).map((one) => one.data)"""
    )
    measured = [[row.value for row in run.measurements if row.metric == name] for name in ("build_time", "index_bytes")]
    assert drawn[:2] == [pytest.approx(values, rel=1e-5) for values in measured]


def test_the_theme_is_toggled_by_keyboard(visit):
    one = visit()
    one.draw_all()

    def colours():
        return one.page.evaluate(
            """() => {
                const chart = echarts.getInstanceByDom(document.querySelector("#recall-qps .plot"));
                return [getComputedStyle(document.body).backgroundColor, chart.getOption().textStyle.color];
            }"""
        )

    light = colours()
    one.page.locator("#theme").focus()
    one.page.keyboard.press("Enter")
    dark = colours()
    assert light[0] == "rgb(255, 255, 255)"
    assert all(a != b for a, b in zip(light, dark, strict=True))
    assert colours() == dark
    one.page.keyboard.press("Enter")
    assert colours() == light
    other = visit(scheme="dark")
    assert other.page.evaluate("getComputedStyle(document.body).backgroundColor") == dark[0]


def test_the_csv_is_what_the_picture_is_drawn_from(visit, run):
    one = visit()
    with one.page.expect_download() as download:
        one.page.locator(f"{RECALL} a[download]").click()
    assert download.value.suggested_filename == "by-hand-recall-qps.csv"
    rows = list(csv.reader(io.StringIO(download.value.path().read_text(encoding="utf-8"))))
    picture = run_page(run, decide(run)).sections[0].pictures[0]
    assert rows[0] == [column.key for column in picture.columns]
    assert len(rows) == 1 + len(picture.rows)
    assert {row[0] for row in rows[1:]} == set(NASTY)


def test_a_long_table_is_filled_when_it_is_opened(browser, tmp_path):
    run = make_run(tmp_path / "run", efs=tuple(range(10, 400, 5)), depths=(10,), extras=False)
    write_run_page(run, decide(run), tmp_path / "r.html")
    one = Visit(browser, tmp_path / "r.html")
    try:
        rows = one.page.locator(f"{RECALL} details.data tbody tr")
        assert rows.count() == 0
        one.page.locator(f"{RECALL} details.data summary").click()
        rows.first.wait_for()
        assert rows.count() == len(run_page(run, decide(run)).sections[0].pictures[0].rows) == 624
        assert rows.first.locator("th").inner_text() == "raw"
        assert one.page.locator(f"{RECALL} details.data tbody tr:nth-child(1) td:nth-child(7)").inner_text() == ".944"
    finally:
        one.close()


def test_nothing_is_wider_than_a_phone(visit):
    one = visit(width=375)
    one.draw_all()
    assert one.page.evaluate("document.documentElement.scrollWidth") == 375
    assert one.logged == []


def test_paper_has_all_pictures_and_short_tables(visit):
    one = visit(scheme="dark")
    assert one.page.evaluate("document.querySelectorAll('.plot svg, .plot canvas').length") < 5
    one.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    state = one.page.evaluate(
        """() => [[...document.querySelectorAll(".plot")].every((one) => one.querySelector("svg, canvas")),
                  getComputedStyle(document.body).backgroundColor,
                  document.querySelector("#costs details.data").open]"""
    )
    assert state == [True, "rgb(255, 255, 255)", True]
    one.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert one.page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert not one.page.evaluate("document.querySelector('#costs details.data').open")


def test_without_scripts_the_tables_are_there(browser, file):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert "Scripts are off" in page.inner_text("main")
    page.locator("#costs details summary").click()
    assert "800" in page.inner_text("#costs table") or "0.80" in page.inner_text("#costs table")
    assert not page.locator("#theme").is_visible()
    context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 375)])
def test_axe_finds_nothing(browser, small, scheme, width):
    from axe_playwright_python.sync_playwright import Axe

    one = Visit(browser, small, scheme=scheme, width=width)
    one.draw_all()
    one.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = Axe().run(one.page, options={"runOnly": rules}).response
    assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found["violations"]] == []
    assert len(found["passes"]) > 40
    one.close()
