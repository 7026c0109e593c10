"""The file: escaped, closed to the network, valid, small, and written as a whole."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise

import html5lib
import pytest

from idxbench.errors import ResultError
from idxbench.report.html.page import (
    LIBRARY,
    STYLE,
    Page,
    Section,
    Statement,
    file_name,
    json_block,
    render,
    write_page,
)
from idxbench.report.html.run_page import run_page, write_run_page
from idxbench.verdicts.decision import decide
from tests.report.html.examples import NASTY, make_run

VENDOR = files("idxbench.report.html").joinpath("vendor", "echarts")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"), strategies=NASTY, depths=(10, 20))


@pytest.fixture(scope="module")
def text(run):
    return render(run_page(run, decide(run)))


@pytest.fixture(scope="module")
def tree(text):
    """The page as a browser reads it; the parser raises at the first thing that is not valid."""
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)


def own(text):
    """The page without the library's script."""
    library = files("idxbench.report.html").joinpath(*LIBRARY.split("/")).read_text(encoding="utf-8")
    assert text.count(library) == 1
    return text.replace(library, "")


def test_the_library_is_the_one_that_was_published():
    told = dict(line.split(": ", 1) for line in VENDOR.joinpath("VERSION.txt").read_text().splitlines())
    content = VENDOR.joinpath("echarts.min.js").read_bytes()
    assert hashlib.sha256(content).hexdigest() == told["sha256"]
    assert "Apache License" in VENDOR.joinpath("LICENSE").read_text()
    assert b"</script" not in content.lower()
    assert b"<!--" not in content


def test_no_address_stands_in_the_page(text):
    assert re.findall(r"https?:|//[a-z]+\.|@import|url\(|src=\"|srcset", own(text).replace(*_names())) == []


def _names():
    # A name with markup of its own, as text.
    return "&lt;img src=x", ""


def test_the_policy_knows_the_scripts_and_nothing_else(tree, text):
    (policy,) = [
        node.get("content") for node in tree.iter("meta") if node.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; ")
    known = set(re.findall(r"'sha256-([^']+)'", policy))
    scripts = [node.text for node in tree.iter("script") if node.get("type") is None]
    assert known == {base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts}
    assert len(scripts) == 2
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]


def test_names_are_text_wherever_they_stand(tree, text):
    said = "".join(tree.find("body").itertext())
    for name in NASTY:
        assert name in said
    assert list(tree.iter("img")) == []
    assert "<script>alert" not in text
    assert "49" not in "".join(tree.find(".//section[@id='decision']").itertext())  # no name is a template


def test_json_blocks_can_be_read_and_end_nothing(tree):
    blocks = [node.text for node in tree.iter("script") if node.get("type") == "application/json"]
    assert len(blocks) > 10
    assert [character for block in blocks for character in "<>&\u2028\u2029" if character in block] == []
    settings = json.loads(next(node.text for node in tree.iter("script") if node.get("id") == "settings"))
    assert settings["strategies"][: len(NASTY)] == list(NASTY)


@pytest.mark.parametrize("value", [*NASTY, "<!--", "\\u003c", "]]>"])
def test_json_comes_back_as_it_was(value):
    assert json.loads(json_block({"a": [value]})) == {"a": [value]}


def test_json_has_no_nan():
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_block([float("nan")])


def test_every_picture_has_title_reading_table_and_csv(tree):
    figures = list(tree.iter("figure"))
    assert len(figures) == 13
    for figure in figures:
        assert len(figure.find(".//h3").text) > 3
        assert len(figure.find("figcaption/p").text) > 20
        table = figure.find(".//table")
        assert table.find("caption").text
        assert {node.get("scope") for node in table.find("thead").iter("th")} == {"col"}
        csv = figure.find("pre").text
        assert csv.count("\n") >= 2
        n_columns = len(csv.split("\n")[0].split(","))
        assert len(list(table.find("thead").iter("th"))) == n_columns
        assert figure.find(".//a[@download]").get("download").endswith(".csv")


def test_headings_go_down_one_step_at_a_time_and_ids_are_unique(tree):
    levels = [int(node.tag[1]) for node in tree.iter() if re.fullmatch("h[1-6]", str(node.tag))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert max(b - a for a, b in pairwise(levels)) == 1
    ids = [node.get("id") for node in tree.iter() if node.get("id")]
    assert len(ids) == len(set(ids))
    targets = [node.get("href")[1:] for node in tree.iter("a") if node.get("href", "").startswith("#")]
    assert set(targets) <= set(ids)
    assert tree.get("lang") == "en" or tree.find(".").get("lang") == "en"


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return sum(weight * one for weight, one in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_words_and_of_lines_in_both_themes():
    style = files("idxbench.report.html").joinpath(*STYLE.split("/")).read_text()
    blocks = [dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", block)) for block in re.findall(r"\{[^{}]*\}", style)]
    themes = [block for block in blocks if "paper" in block]
    assert len(themes) == 3
    assert themes[1] == themes[2]  # asked for by the system, or by the button
    for theme in themes:
        for words in ("ink", "quiet", "link"):
            assert contrast(theme[words], theme["paper"]) >= 4.5
        for i in range(8):
            assert contrast(theme[f"series-{i}"], theme["paper"]) >= 3.0


def test_500_cells_fit(tmp_path):
    run = make_run(
        tmp_path,
        strategies=tuple(f"strategy {i}" for i in range(10)),
        links=(4, 8, 16, 32, 64),
        efs=tuple(range(10, 110, 10)),
        depths=(10, 100),
    )
    path = tmp_path / "report.html"
    write_run_page(run, decide(run), path)
    size = path.stat().st_size
    library = len(VENDOR.joinpath("echarts.min.js").read_bytes())
    assert size < 6e6
    assert size - library < 2e6


def a_page(**given):
    page = Page("t", "k", (), "Verdict", (Statement("yes"),), (), (), (Section("s", "S"),), ())
    return replace(page, **given)


def test_a_page_replaces_the_one_before_as_a_whole(tmp_path):
    path = tmp_path / "r.html"
    path.write_text("before")
    write_page(a_page(), path)
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [one.name for one in tmp_path.iterdir()] == ["r.html"]
    assert path.stat().st_mode & 0o044  # as readable as other files


def test_what_can_not_be_written_is_a_message(tmp_path):
    with pytest.raises(ResultError, match="in a folder that exists"):
        write_page(a_page(), tmp_path / "none" / "r.html")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ResultError, match="a file this user can write"):
        write_page(a_page(), tmp_path / "folder")
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]


def test_many_lines_are_folded():
    text = render(a_page(statements=(Statement("first", tuple(f"line {i}" for i in range(9))),)))
    assert "<summary>3 more</summary>" in text
    assert "line 8" in text


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a b/c", "a-b-c"), ("../../x", "x"), ("", "idxbench"), ("עברית", "idxbench"), ("ok-1.2", "ok-1.2")],
)
def test_file_names_are_tame(name, expected):
    assert file_name(name) == expected
