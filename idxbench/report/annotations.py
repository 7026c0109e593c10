"""A gate as workflow commands, which GitHub shows as annotations of a job."""

from collections.abc import Iterator

from idxbench.report.gate_words import alarm_lines, problem_words, status_line
from idxbench.verdicts.changes import Verdict
from idxbench.verdicts.gate.outcome import every_change
from idxbench.verdicts.gate.records import ADVISORY_CODES, PASS, Gate
from idxbench.verdicts.runs.wording import cell_words, change_words

# GitHub shows that many of a kind for a step and drops the rest without a word.
MOST = 10
KINDS = ("error", "warning", "notice")
_OF_VERDICT: dict[Verdict, str] = {
    "regressed": "error",
    "missing": "error",
    "suspicious": "error",
    "unstable": "warning",
    "inconclusive": "warning",
    "incomparable": "warning",
    "traded": "notice",
    "advisory": "notice",
    "improved": "notice",
}


def annotations(gate: Gate) -> list[str]:
    """Write a gate as workflow commands, worst first, as many of a kind as GitHub shows; the last counts the rest."""
    lines: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for kind, title, text in _all(gate):
        lines[kind].append(command(kind, title, text))
    return [line for kind in KINDS for line in _cut(kind, lines[kind])]


def command(kind: str, title: str, text: str) -> str:
    """Write one workflow command; nothing in a name can end it, or begin another."""
    return f"::{kind} title={_data(title).replace(':', '%3A').replace(',', '%2C')}::{_data(text)}"


def _data(text: str) -> str:
    """Escape text, and replace what no terminal can print."""
    text = "".join(one if one.isprintable() or one in "\r\n" else "\ufffd" for one in text)
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _all(gate: Gate) -> Iterator[tuple[str, str, str]]:
    code = gate.outcome.code
    kind = "notice" if code == PASS else "warning" if code in ADVISORY_CODES else "error"
    yield kind, "idxbench gate", status_line(gate)
    for problem in gate.problems:
        yield "error", "idxbench gate", problem_words(problem)
    for confirmed, text in alarm_lines(gate):
        yield "error" if confirmed else "warning", "history", text
    for change in every_change(gate.comparison) if gate.comparison is not None else ():
        if change.gated and change.verdict in _OF_VERDICT:
            title = f"{change.verdict}: {change.cell.measure}"
            yield _OF_VERDICT[change.verdict], title, f"{cell_words(change.cell)}: {change_words(change)}"


def _cut(kind: str, lines: list[str]) -> list[str]:
    if len(lines) <= MOST:
        return lines
    left = len(lines) - MOST + 1
    return [*lines[: MOST - 1], command(kind, "idxbench gate", f"{left:,} more of this kind: see summary.md")]
