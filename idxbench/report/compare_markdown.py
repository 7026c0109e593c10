"""Runs compared, as Markdown for a pull request or an issue."""

from collections.abc import Iterator, Sequence

from idxbench.report.compare_text import (
    MOST_DIFFERENCES,
    MOST_LINES,
    curve_words,
    difference_lines,
    figure_words,
    front_words,
    hidden_words,
    how_words,
    search_words,
    shown_changes,
    value_words,
)
from idxbench.report.style import share, thousands
from idxbench.verdicts.changes import Change, Comparison
from idxbench.verdicts.runs.wording import difference_words, status_line

LOUD = ("regressed", "missing", "suspicious")


def comparisons_markdown(comparisons: Sequence[Comparison], *, everything: bool = False) -> str:
    """Write comparisons of one base, one section each."""
    parts = ["\n".join(_lines(one, everything=everything)) for one in comparisons]
    return "\n\n".join(parts) + "\n"


def _lines(one: Comparison, *, everything: bool) -> Iterator[str]:
    yield f"### {_text(status_line(one))}"
    yield ""
    yield f"`{_code(one.base)}` → `{_code(one.new)}` ({how_words(one)})"
    if one.unstable:
        yield from ("", f"**Unstable:** {_text(one.unstable)}")
    yield from _around(one, everything=everything)
    yield from ("", *_changes(one, everything=everything))
    if one.matched:
        yield from ("", "#### Speed at equal recall", "", *_matched(one))
    if everything and one.fronts:
        yield from ("", "#### Best trades of recall for speed", "", *_fronts(one))
    if one.notices:
        yield ""
        yield from (f"- {_text(notice)}" for notice in one.notices)


def _around(one: Comparison, *, everything: bool) -> Iterator[str]:
    lines = list(difference_lines(one.differences))
    if lines:
        yield ""
        yield from (f"- {_text(line)}" for line in (lines if everything else lines[:MOST_DIFFERENCES]))
    if not everything and len(lines) > MOST_DIFFERENCES:
        yield f"- ... and {len(lines) - MOST_DIFFERENCES} more"


def _changes(one: Comparison, *, everything: bool) -> Iterator[str]:
    shown = list(shown_changes(one, everything=everything))
    kept = shown if everything else shown[:MOST_LINES]
    yield from _table(("verdict", "figure", "base", "new", "change"), "llrrl", [_row(change) for change in kept])
    hidden = hidden_words(one, everything=everything)
    if hidden:
        yield from ("", hidden)


def _row(change: Change) -> list[str]:
    told = change.why if change.verdict in ("missing", "incomparable") else difference_words(change)
    figures = (value_words(change, change.base), value_words(change, change.new))
    return [_verdict(change), figure_words(change.cell), *figures, told]


def _verdict(change: Change) -> str:
    return f"**{change.verdict}**" if change.verdict in LOUD else change.verdict


def _matched(one: Comparison) -> Iterator[str]:
    rows = [
        [
            _verdict(found.change),
            curve_words(found.change.cell),
            f"≥ {share(found.recall, 2)}",
            f"{search_words(found.base_search)} → {search_words(found.new_search)}",
            thousands(found.change.base),
            thousands(found.change.new),
            difference_words(found.change),
        ]
        for found in one.matched
    ]
    yield from _table(("verdict", "curve", "recall", "by", "base QPS", "new QPS", "change"), "llrlrrl", rows)


def _fronts(one: Comparison) -> Iterator[str]:
    rows = [[point.side, front_words(point), share(point.recall), thousands(point.qps)] for point in one.fronts]
    yield from _table(("side", "search", "recall", "QPS"), "llrr", rows)


def _table(heads: Sequence[str], sides: str, rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"| {' | '.join('---:' if side == 'r' else '---' for side in sides)} |"
    for row in rows:
        yield f"| {' | '.join(cell if cell.startswith('**') else _text(cell) for cell in row)} |"


def _text(text: str) -> str:
    """Keep names from being read as Markdown, and from ending a cell of a table."""
    for mark in "\\|`*_<>[]#":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())


def _code(text: str) -> str:
    return " ".join(text.replace("`", "'").split())
