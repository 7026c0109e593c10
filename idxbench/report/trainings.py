"""Two trainings side by side: the sentence, the table behind it, or all of it as JSON."""

import io
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from idxbench.data.joined import Joined
from idxbench.measures.trainings import Compared
from idxbench.records import Measurement, measurement_to_dict
from idxbench.report.style import make_table, share, significant
from idxbench.report.terminal import make_console
from idxbench.verdicts.trainings import TrainingsVerdict

SCHEMA = "idxbench-trainings/1"
_NONE = "–"


def trainings_json(compared: Compared, verdict: TrainingsVerdict) -> str:
    """Write everything as one JSON object; figures have the columns of ``measurements.csv``."""
    joined = {"items": compared.items, "queries": compared.queries}
    whole = {
        "schema": SCHEMA,
        "base": compared.base,
        "new": compared.new,
        "trained_with": compared.trained_with,
        "towers": compared.towers,
        "verdict": asdict(verdict),
        "joined": {name: None if one is None else _joined_dict(one) for name, one in joined.items()},
        "measurements": [measurement_to_dict(row) for row in compared.rows],
        "warnings": [asdict(notice) for notice in compared.notices],
    }
    return json.dumps(whole, indent=2, allow_nan=False)


def show_trainings(compared: Compared, verdict: TrainingsVerdict) -> None:
    """Print on standard output; to a file without the blanks that pad the lines of a table."""
    console = make_console()
    if console.is_terminal:
        print_trainings(compared, verdict, console)
        return
    text = io.StringIO()
    print_trainings(compared, verdict, Console(file=text, highlight=False, width=console.width))
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines()))


def print_trainings(compared: Compared, verdict: TrainingsVerdict, console: Console) -> None:
    """Print the sentence, what was joined, the table, and the warnings."""
    console.print(f"[bold]{escape(verdict.sentence[:1].upper() + verdict.sentence[1:])}.[/bold]")
    console.print()
    console.print(f"{escape(compared.base)} -> {escape(compared.new)}")
    for line in _head(compared):
        console.print(escape(line), style="dim")
    console.print()
    console.print(trainings_table(compared))
    if compared.notices:
        console.print()
        console.print("Warnings", style="bold")
        for number, notice in enumerate(compared.notices, start=1):
            console.print(escape(f" {number}. {notice.text}{'; ' if notice.advice else ''}{notice.advice}."))


def trainings_table(compared: Compared) -> Table:
    """Show every measure beside its interval, its floor and chance."""
    columns = [("measure", "left"), ("value", "right"), ("interval", "right"), ("floor", "right"), ("chance", "right")]
    table = make_table("New against base", columns, _caption(compared))
    for section in (_score_lines, _neighbor_lines, _cluster_lines, _shape_lines):
        for line in section(compared):
            table.add_row(*map(escape, line))
        table.add_section()
    return table


def _joined_dict(joined: Joined) -> dict[str, object]:
    return {
        "by": "id" if joined.by_id else "row",
        "base": joined.n_base,
        "new": joined.n_new,
        "joined": joined.n_joined,
        "lost": joined.n_lost,
        "added": joined.n_added,
        "first_lost": list(joined.lost),
        "first_added": list(joined.added),
    }


def _head(compared: Compared) -> Iterator[str]:
    towers = "two towers" if compared.towers == 2 else "one tower"
    known = compared.trained_with
    yield f"{'training unknown, dot assumed' if known == 'unknown' else f'trained with {known}'} ({towers})"
    base, new = compared.n_dims
    width = f"{base} dimensions" if base == new else f"{base} and {new} dimensions"
    yield f"{_joined_words('items', compared.items)}; {width}"
    if compared.queries is not None:
        yield _joined_words("queries", compared.queries)
    else:
        yield "no queries"


def _joined_words(what: str, joined: Joined) -> str:
    if not joined.by_id:
        return f"{joined.n_joined:,} {what}, joined by row number: row i of both is taken for the same"
    text = f"{joined.n_joined:,} {what} joined by id"
    for count, word, ids in ((joined.n_lost, "lost", joined.lost), (joined.n_added, "added", joined.added)):
        if count:
            more = ", ..." if count > len(ids) else ""
            text += f"; {count:,} {word} ({', '.join(ids)}{more})"
    return text


def _score_lines(compared: Compared) -> Iterator[list[str]]:
    trained = "dot" if compared.trained_with == "unknown" else compared.trained_with
    names = {
        "score_spearman": "scores, rank correlation (Spearman)",
        "score_pearson": "scores, correlation (Pearson)",
        "topk_overlap": "top {k} answers in common",
    }
    for metric, name in names.items():
        found = compared.of(metric, "raw", trained)
        if found is not None:
            chance = compared.value(metric, "raw", trained, "chance")
            yield _line(f"{name.format(k=found.k)}, by {trained}", found, math.nan, chance)
    change = compared.of("score_change", "raw", trained)
    if change is not None:
        # Not a share: kept scores change by 1e-7, and that they do not change by 1e-3 is the point.
        yield [f"scores, change over their spread, by {trained}", f"{change.value:.2g}", *[_NONE] * 3]


def _neighbor_lines(compared: Compared) -> Iterator[list[str]]:
    for found in _against_base(compared, "neighbor_overlap"):
        place = (found.strategy, found.similarity)
        floor, chance = (compared.value("neighbor_overlap", *place, name) for name in ("floor", "chance"))
        yield _line(f"neighbours@{found.k}, {_space(found)}", found, floor, chance)


def _cluster_lines(compared: Compared) -> Iterator[list[str]]:
    for found in _against_base(compared, "cluster_drift"):
        place = (found.strategy, found.similarity)
        floor, chance = (compared.value("ari", *place, name) for name in ("floor", "chance"))
        agreement = compared.of("ari", *place)
        if agreement is not None:
            yield _line(f"{found.k} clusters, {_space(found)}: ARI", agreement, floor, chance)
        drift = "not measurable" if math.isnan(found.value) else share(found.value)
        yield [f"{found.k} clusters, {_space(found)}: drift", drift, _NONE, _NONE, _NONE]


def _shape_lines(compared: Compared) -> Iterator[list[str]]:
    sides = [compared.of("gauge_imbalance", name, "", "") for name in ("base", "new")]
    if sides[0] is not None and sides[1] is not None:
        yield ["gauge imbalance of base, decades", share(sides[0].value), _NONE, _NONE, _NONE]
        yield ["gauge imbalance of new, decades", share(sides[1].value), _NONE, _NONE, _NONE]
    names = {"norm_spearman": "norms, rank correlation (Spearman)", "rotation_residual": "left after the best rotation"}
    for metric, name in names.items():
        found = compared.of(metric)
        if found is not None:
            yield _line(name, found, math.nan, compared.value(metric, reference="chance"))
    for metric, name in {"rotation_factor": "  its factor", "rotation_shift": "  its shift"}.items():
        found = compared.of(metric)
        if found is not None:
            yield [name, significant(found.value) if found.value >= 0.001 else share(found.value), *[_NONE] * 3]


def _against_base(compared: Compared, metric: str) -> list[Measurement]:
    return [row for row in compared.rows if row.metric == metric and row.reference == "base"]


def _space(row: Measurement) -> str:
    return "score_corr" if row.strategy == "score_corr" else f"{row.strategy} {row.similarity}"


def _line(name: str, found: Measurement, floor: float, chance: float) -> list[str]:
    interval = _NONE if math.isnan(found.low) else f"{share(found.low)} to {share(found.high)}"
    return [name, share(found.value), interval, share(floor), share(chance)]


def _caption(compared: Compared) -> str:
    text = "Interval: 95 %, over queries or items. Floor: what noise alone leaves; – where nothing is estimated. "
    if compared.of("neighbor_overlap", "score_corr", "cosine", "floor") is not None:
        text += (
            "Floor of score_corr: each training against itself, from two halves of its queries (so with half of "
            "them); the same queries in both trainings agree beyond it. "
        )
    if _against_base(compared, "cluster_drift"):
        text += "Floor of ARI: seeds of one training; drift: 0 as alike as two seeds, 1 unrelated. "
    if compared.of("gauge_imbalance", "base", "", "") is not None:
        text += "Gauge imbalance: 0 where items and queries have equal second moments. "
    text += (
        "Left after the best rotation: share of the squared length of new that no rotation, factor and shift of base "
        "explains. No floor holds what another seed of the same training moves: compare two trainings of one "
        "configuration to know it."
    )
    return text
