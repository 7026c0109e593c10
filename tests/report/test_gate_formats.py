"""A gate as JUnit XML, Markdown and annotations: whatever a name holds, it neither breaks nor grows them."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml

from idxbench.errors import Problem
from idxbench.report.annotations import MOST, annotations, command
from idxbench.report.gate_summary import LIMIT, gate_summary, markdown
from idxbench.report.junit import junit_xml, legal
from idxbench.verdicts.changes import Difference
from idxbench.verdicts.gate.records import VERDICTS, Alarm, Gate, Outcome
from tests.report.test_gate import a_gate
from tests.verdicts.gate.made import cell, change

# Anything that a name, a path or a reason may hold: control characters, lone surrogates, emoji, markup.
TEXT = st.text(st.characters(), max_size=30)


def cases(gate):
    return {case.name: case for suite in JUnitXml.fromstring(junit_xml(gate)) for case in suite}


def test_junit_has_a_case_per_figure_and_one_for_the_gate():
    made = [change(verdict, where=cell(search=f'{{"ef":{i}}}')) for i, verdict in enumerate(VERDICTS)]
    read = cases(a_gate(*made))
    assert len(read) == len(VERDICTS) + 1
    kinds = {
        verdict: next((type(result).__name__ for result in case.result), "passed")
        for verdict, case in zip(VERDICTS, list(read.values())[1:], strict=True)
    }
    assert kinds == {
        "regressed": "Failure",
        "missing": "Failure",
        "suspicious": "Failure",
        "unstable": "Skipped",
        "inconclusive": "Skipped",
        "incomparable": "Skipped",
        "traded": "passed",
        "advisory": "Skipped",
        "improved": "passed",
        "same": "passed",
    }
    assert [type(result).__name__ for result in read["gate"].result] == ["Error"]


def test_junit_counts():
    suite = next(iter(JUnitXml.fromstring(junit_xml(a_gate(change("regressed"), change("same"), change("advisory"))))))
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (4, 2, 0, 1)
    assert {one.name: one.value for one in suite.properties()}["exit_code"] == "1"


@pytest.mark.parametrize(
    ("code", "kind"), [(0, None), (1, "Failure"), (2, "Error"), (3, "Skipped"), (4, "Error"), (5, "Skipped")]
)
def test_junit_of_a_gate_that_compared_nothing(code, kind):
    gate = Gate(Outcome(code, "error", ("why",)), "", "b", problems=(Problem("p", "a", "b"),))
    read = cases(gate)
    assert list(read) == ["gate"]
    assert [type(result).__name__ for result in read["gate"].result] == ([kind] if kind else [])


def test_what_failed_to_be_measured_is_an_error():
    gate = replace(a_gate(change("same")), failures=("raw hnswlib M=16 failed: killed",))
    read = cases(gate)
    assert [type(result).__name__ for result in read["raw hnswlib M=16 failed: killed"].result] == ["Error"]


def test_a_figure_that_is_missing_because_it_failed_is_an_error():
    read = cases(
        a_gate(change("missing", why="failed: killed by signal 9"), change("missing", where=cell("x"), why="gone"))
    )
    assert [(type(one.result[0]).__name__, one.result[0].message) for one in list(read.values())[1:]] == [
        ("Error", "missing: failed: killed by signal 9"),
        ("Failure", "missing: gone"),
    ]


def test_what_is_not_gated_fails_nothing():
    read = cases(a_gate(change("same"), change("missing", gated=False, where=cell("short_results"))))
    assert [type(one.result[0]).__name__ for one in read.values() if one.result] == ["Skipped"]


@given(TEXT, TEXT, TEXT)
def test_junit_reads_back_whatever_a_name_holds(name, why, path):
    gate = a_gate(change("regressed", where=cell(strategy=name), why=why))
    gate = replace(gate, new=path, alarms=(Alarm(cell(strategy=name), False, True, why),))
    read = cases(gate)
    assert len(read) == 2
    # Attributes keep no line breaks: XML turns them into blanks, the library escapes them.
    assert any(legal(name).strip() in found for found in read) or re.search(r"[\s\x85\u2028\u2029]", name)


def test_legal():
    assert legal("a\x00b\x1b[31m\ud800\ufffe\tc\U0001f600") == "a\ufffdb\ufffd[31m\ufffd\ufffd\tc\U0001f600"
    ET.fromstring(f"<a>{legal(chr(0x8B))}</a>")


def test_markdown_escapes():
    assert markdown("a|b`c`\n<b>*_[x](y)\x00") == r"a\|b\`c\` \<b>\*\_\[x\](y)" + "\ufffd"


@given(TEXT, TEXT)
def test_a_row_of_a_table_stays_a_row(name, why):
    clean, odd = (
        gate_summary(a_gate(change("regressed", where=cell(strategy=strategy), why=text)))
        for strategy, text in (("raw", "why"), (name, why))
    )
    assert odd.count("\n") == clean.count("\n")
    for line in odd.splitlines():
        if line.startswith("| regressed") or line.startswith("| **regressed"):
            assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 5


def test_a_hundred_thousand_changes_stay_within_the_limit():
    every = [change("regressed", where=cell(strategy=f"strategy é {i}")) for i in range(100_000)]
    gate = a_gate(*every, change("same"))
    text = gate_summary(gate)
    assert len(text.encode()) <= LIMIT
    said = re.search(r"^([\d,]+) more lines have no room here; verdict.json has them all.$", text, re.M)
    shown = text.count("| **regressed** |")
    # Every row is there or counted; the row that is no regression comes last, with the blank line after the table.
    assert shown + int(said[1].replace(",", "")) == 100_000 + 2
    # Worst first: what is cut off is the end.
    assert "strategy é 0" in text
    assert "same" not in text.splitlines()[-3]


@pytest.mark.parametrize("limit", [2048, 4096, 50_000])
def test_any_limit_holds(limit):
    assert len(gate_summary(a_gate(*[change("regressed")] * 500), limit).encode()) <= limit


def test_summary_says_what_differs_and_what_to_do():
    text = gate_summary(a_gate(change("inconclusive"), differences=(Difference("threads", "2", "4", True),)))
    assert "| threads (times can't be compared) | 2 | 4 |" in text
    assert text.startswith("## idxbench gate: inconclusive (exit 3)")
    assert "### What to do" in text


def test_commands_are_escaped():
    assert command("error", "a: b, 50%", "c: d, 50%\r\n::error::e") == (
        "::error title=a%3A b%2C 50%25::c: d, 50%25%0D%0A::error::e"
    )


@given(TEXT, TEXT)
def test_an_annotation_is_one_line_that_can_be_printed(name, why):
    lines = annotations(a_gate(change("regressed", where=cell(strategy=name), why=why)))
    for line in lines:
        assert re.match(r"::(error|warning|notice) title=[^:,]*::", line)
        assert len(line.splitlines()) == 1
        line.encode()


def test_annotations_by_kind_and_their_limit():
    quiet = [change(verdict, gated=False) for verdict in VERDICTS]
    lines = annotations(a_gate(*[change("regressed")] * 30, *[change("unstable")] * 3, change("same"), *quiet))
    kinds = [line.split(" ", 1)[0] for line in lines]
    assert kinds == ["::error"] * MOST + ["::warning"] * 3
    # 31 errors with the one of the gate itself: nine are shown, the tenth counts.
    assert lines[MOST - 1].endswith("::22 more of this kind: see summary.md")
    assert lines[0].startswith("::error title=idxbench gate::regressed (exit 1): 30 of 34 gated figures worse")


def test_exactly_as_many_as_fit_are_all_shown():
    lines = annotations(a_gate(*[change("regressed")] * (MOST - 1)))
    assert len(lines) == MOST
    assert not any("more of this kind" in line for line in lines)


@pytest.mark.parametrize(("code", "kind"), [(0, "notice"), (2, "error"), (3, "warning"), (4, "error"), (5, "warning")])
def test_the_gate_itself(code, kind):
    gate = Gate(Outcome(code, "error", ("why",)), "", "b")
    assert annotations(gate) == [f"::{kind} title=idxbench gate::error (exit {code}): why"]
