"""A gate as Markdown, for the summary of a job or a chat: worst first, and cut off where it grows too long."""

import re
from collections.abc import Iterable, Iterator

from idxbench.report.gate_words import alarm_lines, policy_line, problem_words, sides_line, status_line
from idxbench.verdicts.changes import Change
from idxbench.verdicts.gate.outcome import every_change
from idxbench.verdicts.gate.records import Gate
from idxbench.verdicts.runs.wording import cell_words, change_words

# GitHub takes 1 MiB a step; a few words of others have room beside ours.
LIMIT = 900 * 1024
# What a line that says how much was left out may take.
_ROOM = 200
# What begins markup within a line, in GitHub's dialect: emphasis, code, links, tags, entities, tables, mathematics.
_MARK = re.compile(r"([\\`*_\[\]<#|~&$])")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def gate_summary(gate: Gate, limit: int = LIMIT) -> str:
    """Write a gate as Markdown.

    Parameters
    ----------
    gate
        What to write.
    limit
        Most bytes in UTF-8. Lines that have no room are left out from the end, and their number is said.
    """
    size, kept, rows = _ROOM, [], list(_lines(gate))
    for number, line in enumerate(rows):
        size += len(line.encode()) + 1
        if size > limit:
            kept.append(f"\n{len(rows) - number:,} more lines have no room here; verdict.json has them all.")
            break
        kept.append(line)
    return "\n".join(kept) + "\n"


def markdown(text: str) -> str:
    """Write text so that Markdown shows it as it is, in a table, too: one line, no markup."""
    plain = _CONTROL.sub("\ufffd", " ".join(text.split()))
    return _MARK.sub(r"\\\1", plain)


def _lines(gate: Gate) -> Iterator[str]:
    yield f"## idxbench gate: {markdown(status_line(gate))}"
    yield ""
    yield markdown(sides_line(gate))
    yield ""
    if gate.policy is not None:
        yield markdown(policy_line(gate))
        yield ""
    yield from _bullets("Why", gate.outcome.reasons)
    yield from _bullets("What to do", gate.outcome.advice)
    yield from _bullets("Mistakes", map(problem_words, gate.problems))
    yield from _bullets(
        "History", (("confirmed: " if confirmed else "candidate: ") + text for confirmed, text in alarm_lines(gate))
    )
    if gate.comparison is None:
        return
    yield from _bullets("Notices", gate.comparison.notices)
    if gate.comparison.differences:
        yield from ("### What differs around them", "", "| what | base | new |", "|---|---|---|")
        for one in gate.comparison.differences:
            note = " (times can't be compared)" if one.breaks_times else ""
            yield f"| {markdown(one.what + note)} | {markdown(one.base)} | {markdown(one.new)} |"
        yield ""
    yield from _table("Gated", (one for one in every_change(gate.comparison) if one.gated))
    yield from _table("Not gated", (one for one in every_change(gate.comparison) if not one.gated))


def _bullets(title: str, texts: Iterable[str]) -> Iterator[str]:
    lines = [f"- {markdown(text)}" for text in texts]
    if lines:
        yield from (f"### {title}", "", *lines, "")


def _table(title: str, changes: Iterable[Change]) -> Iterator[str]:
    rows = [_row(one) for one in changes]
    if rows:
        yield from (f"### {title}", "", "| verdict | metric | of | change |", "|---|---|---|---|", *rows, "")


def _row(one: Change) -> str:
    verdict = f"**{one.verdict}**" if one.gated and one.verdict == "regressed" else one.verdict
    texts = (one.cell.measure, cell_words(one.cell), change_words(one))
    return f"| {verdict} | {' | '.join(map(markdown, texts))} |"
