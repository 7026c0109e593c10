"""A gate as JUnit XML, which every CI system shows: a test case per cell and metric, and one for the gate itself."""

import io
import re
from collections.abc import Iterable

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
from junitparser.junitparser import FinalResult

from idxbench.report.gate_words import problem_words, status_line
from idxbench.verdicts.changes import Change, Verdict
from idxbench.verdicts.gate.outcome import every_change
from idxbench.verdicts.gate.records import INCONCLUSIVE, NO_BASELINE, REGRESSED, Gate
from idxbench.verdicts.runs.wording import cell_words, change_words

# What XML 1.0 has no way to hold, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_KINDS: dict[Verdict, type[FinalResult]] = {
    "regressed": Failure,
    "missing": Failure,
    "suspicious": Failure,
    "unstable": Skipped,
    "inconclusive": Skipped,
    "incomparable": Skipped,
    "advisory": Skipped,
}


def junit_xml(gate: Gate) -> bytes:
    """Write a gate as JUnit XML, in UTF-8; characters that XML can't hold become U+FFFD."""
    suite = TestSuite(legal(f"idxbench gate {gate.new}"))
    for name, value in (
        ("status", gate.outcome.status),
        ("exit_code", str(gate.outcome.code)),
        ("base", gate.base),
        ("new", gate.new),
    ):
        suite.add_property(name, legal(value))
    cases = [_status_case(gate)]
    cases += [_failed_case(text) for text in gate.failures]
    if gate.comparison is not None:
        cases += [_change_case(change) for change in every_change(gate.comparison)]
    suite.add_testcases(cases)
    xml = JUnitXml("idxbench")
    xml.add_testsuite(suite)
    xml.update_statistics()
    text = io.BytesIO()
    xml.write(text)
    return text.getvalue()


def legal(text: str) -> str:
    """Replace what XML 1.0 can't hold."""
    return _ILLEGAL.sub("\ufffd", text)


def _status_case(gate: Gate) -> TestCase:
    """Make the case of the gate as a whole: the only one where nothing was compared."""
    case = TestCase("gate", "idxbench")
    code = gate.outcome.code
    if code:
        kind = Failure if code == REGRESSED else Skipped if code in (INCONCLUSIVE, NO_BASELINE) else Error
        case.result = _result(kind, status_line(gate), gate.outcome.status, _lines(gate))
    return case


def _lines(gate: Gate) -> Iterable[str]:
    yield from gate.outcome.reasons
    yield from map(problem_words, gate.problems)
    yield from gate.outcome.advice


def _failed_case(text: str) -> TestCase:
    """Make the case of something that could not be measured: an error, not a failure."""
    case = TestCase(legal(text), "idxbench.measurement")
    case.result = _result(Error, text, "failed", ())
    return case


def _change_case(change: Change) -> TestCase:
    where = cell_words(change.cell)
    case = TestCase(legal(f"{change.cell.measure} {where}"), legal(f"idxbench.{change.cell.task}"))
    kind = _KINDS.get(change.verdict)
    words = change_words(change).removeprefix(f"{change.verdict}: ")
    if change.verdict == "missing" and change.why.startswith("failed"):
        kind = Error
    if kind is not None:
        # A figure that decides nothing is shown and fails nothing.
        kind = kind if change.gated else Skipped
        case.result = _result(kind, f"{change.verdict}: {words}", change.verdict, ())
    else:
        case.system_out = legal(f"{change.verdict}: {words}")
    return case


def _result(kind: type[FinalResult], message: str, type_: str, lines: Iterable[str]) -> FinalResult:
    result = kind(legal(message), legal(type_))
    text = "\n".join(lines)
    if text:
        result.text = legal(text)
    return result
