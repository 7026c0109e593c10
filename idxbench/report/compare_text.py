"""Words that the table and the Markdown of a comparison share: names, figures in their units, what is left out."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from idxbench.report.style import megabytes, microseconds, share, significant, thousands
from idxbench.verdicts.changes import Cell, Change, Comparison, Difference, FrontPoint
from idxbench.verdicts.runs.wording import cell_words, measure_words

# Lines that fit a screen and a half; the rest is counted.
MOST_LINES = 40
MOST_DIFFERENCES = 12


class Names:
    """Names of figures, without the index and the build where all have the same: the title says them."""

    def __init__(self, cells: Iterable[Cell]) -> None:
        searched = [cell for cell in cells if cell.index]
        kinds, builds = ({getattr(cell, name) for cell in searched} for name in ("index", "build"))
        self._kind, self._build = len(kinds) == 1, len(kinds) == 1 and len(builds) == 1
        alone = Cell("retrieve", "", "", "".join(kinds), "".join(builds) if self._build else "", "", 0, "", "")
        self.title = f": {cell_words(alone)}" if self._kind else ""

    def figure(self, cell: Cell) -> str:
        """Name a figure: ``raw ef 40 @10 recall``."""
        return figure_words(self.short(cell))

    def curve(self, cell: Cell) -> str:
        """Name a curve: ``raw @10``."""
        return curve_words(self.short(cell))

    def short(self, cell: Cell) -> Cell:
        """Drop what the title says."""
        if not cell.index:
            return cell
        return replace(cell, index="" if self._kind else cell.index, build="" if self._build else cell.build)


def shown_changes(comparison: Comparison, *, everything: bool = False) -> Iterator[Change]:
    """Yield what is worth a line: what is gated, and what else changed beyond chance."""
    for change in comparison.changes:
        if everything or change.gated or "beyond chance" in change.why:
            yield change


def figure_words(cell: Cell) -> str:
    """Name a figure: ``raw hnswlib M16 c200 ef 40 @10 recall``."""
    return f"{cell_words(cell)} {measure_words(cell)}".removeprefix("run ")


def curve_words(cell: Cell) -> str:
    """Name a curve, with its depth."""
    return f"{cell_words(cell)} @{cell.k}".removeprefix("run ")


def front_words(point: FrontPoint) -> str:
    """Name a search of a front."""
    cell = Cell("retrieve", point.strategy, "", point.index, point.build, point.search, point.k, "recall", "task")
    return cell_words(cell)


def search_words(search: str) -> str:
    """Name a search alone: ``ef 40``; – where there is none."""
    cell = Cell("retrieve", "", "", "", "", search, 0, "", "")
    return cell_words(cell) if search else "–"


def value_words(change: Change, value: float) -> str:
    """Write a figure in the unit that is read best: ``41.2k`` per second, ``7.13 µs``, ``2.76 MB``, ``.953``."""
    if change.unit == "s":
        large = max(abs(change.base), 0.0) >= 0.01
        words = significant(value) if large else microseconds(value)
        return words if words == "–" else f"{words} {'s' if large else 'µs'}"
    if change.unit == "1/s":
        return thousands(value)
    if change.unit == "bytes":
        words = megabytes(value)
        return words if words == "–" else f"{words} MB"
    return share(value) if change.kind == "difference" else significant(value)


def difference_lines(differences: Iterable[Difference]) -> Iterator[str]:
    """Yield a line for everything that differs around the sides."""
    for one in differences:
        yield f"{one.what}: {one.base} -> {one.new}" + (" (times can't be compared)" if one.breaks_times else "")


def reasons(comparison: Comparison, *, everything: bool = False) -> list[str]:
    """Return why verdicts are what they are, and of how many figures that is said."""
    shown = [one for one in shown_changes(comparison, everything=everything) if one.why]
    counted = Counter((one.verdict, one.why) for one in shown).most_common()
    return [f"{verdict}: {why} ({n} figure{'s' if n != 1 else ''})" for (verdict, why), n in counted]


def how_words(comparison: Comparison) -> str:
    """Say how the sides were measured: in the same rounds, or as so many runs."""
    if comparison.paired:
        return "two sides of one run: they took turns in its rounds, and every round is a pair"
    if comparison.base.partition("::")[0] == comparison.new.partition("::")[0]:  # unpaired, for want of rounds
        return "two sides of one run, which kept no rounds that could be paired"
    base, new = (f"{n} run{'s' if n != 1 else ''}" for n in (comparison.base_runs, comparison.new_runs))
    where = "" if comparison.machine else "; on different machines: times are shown and decide nothing"
    same = "" if comparison.differences or not comparison.machine else "; nothing around them differs"
    return f"{base} against {new}{where}{same}"


def hidden_words(comparison: Comparison, *, everything: bool = False) -> str:
    """Say what a table leaves out; empty where it shows all."""
    if everything:
        return ""
    shown = sum(1 for _ in shown_changes(comparison))
    parts = [f"{shown - MOST_LINES} that are less bad"] if shown > MOST_LINES else []
    hidden = len(comparison.changes) - shown
    parts += [f"{hidden} not gated and not changed beyond chance"] if hidden else []
    return f"Not shown: {'; '.join(parts)}." if parts else ""
