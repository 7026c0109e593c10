"""The validation task: a table per set, and the sentence it ends in."""

import math
from collections.abc import Iterator

from rich.markup import escape
from rich.table import Table

from idxbench.records import Measurement, Run
from idxbench.report.lookup import Figures
from idxbench.report.style import make_table, share, shared
from idxbench.verdicts.validation import LEVEL, Judgement, Stand, judge

_FIGURES = {"spearman": "Spearman", "ndcg": "nDCG", "purity": "purity"}
_SETS = {
    "pairs": "pairs of items",
    "relevant": "items relevant to queries",
    "interactions": "held-out interactions",
    "labels": "labels",
}
_ASKED = {"spearman": "pairs", "ndcg": "queries", "purity": "labelled items"}


def validation_parts(run: Run) -> Iterator[Table]:
    """Yield the table of each validation set and depth, and after it its sentence, to be printed in turn."""
    for one in judge(run):
        yield validation_table(run, one)
        # A grid, so that the second line of the sentence stands under its first.
        sentence = Table.grid(padding=(0, 1))
        sentence.add_column(width=3)
        sentence.add_column(overflow="fold")
        sentence.add_row("", f"[bold]{escape(verdict_line(one))}[/bold]")
        yield sentence


def verdict_line(one: Judgement) -> str:
    """Say what a validation set says: which similarity is best and what ties with it, or that none is."""
    best, name = one.best, _named(one)
    reached = f"{best.strategy} by {best.similarity} ({name} {share(best.value)} {_range(best)})"
    if one.outcome == "chance":
        return f"No similarity is better: none can be told from chance by {name}."
    if one.outcome == "alone":
        return f"Only {reached} was validated; it is above chance."
    if one.outcome == "all tie":
        return f"No similarity is better: all {len(one.stands)} tie by {name}."
    if not one.ties:
        return f"Best: {reached}; nothing ties with it."
    return f"Best: {reached}; tied with it: {', '.join(one.ties)}."


def validation_table(run: Run, one: Judgement) -> Table:
    """Show every strategy beside the best."""
    figures, facts = Figures(run, "validate"), run.info.get("validation", {})
    ranked, name = one.metric == "ndcg", _named(one)
    n = one.best.n
    asked = _ASKED[one.metric] if one.kind != "pairs" or not ranked else "items"
    columns = [
        ("strategy", "left"),
        ("by", "left"),
        (name, "right"),
        *([(f"hit@{one.k}", "right")] if ranked else []),
        ("minus best (95 %)", "right"),
        ("p", "right"),
        ("verdict", "left"),
    ]
    table = make_table(f"Validate: {_SETS[one.kind]}, {n:,} {asked}", columns, _caption(one, facts))
    outcomes = one.outcome
    for stand in one.stands:
        row = stand.figure
        cells = [row.strategy, row.similarity, shared(row)]
        if ranked:
            cells.append(shared(figures.of(row.strategy, "hit_rate", one.kind, k=one.k)))
        cells += [*_difference(stand), _verdict(stand, outcomes)]
        table.add_row(*map(escape, cells))
    table.add_section()
    chance = [share(None if one.chance is None else one.chance.value)]
    if ranked:
        hit = figures.of("", "hit_rate", "chance", k=one.k)
        chance.append(share(None if hit is None else hit.value))
    table.add_row("chance", "", *chance, "", "", "")
    return table


def _named(one: Judgement) -> str:
    return _FIGURES[one.metric] + (f"@{one.k}" if one.k else "")


def _range(row: Measurement) -> str:
    return "" if math.isnan(row.low) else f"{share(row.low)} to {share(row.high)}"


def _difference(stand: Stand) -> tuple[str, str]:
    if stand.difference is None:
        return "", ""
    p_value = "<.001" if stand.p_value < 0.001 else share(stand.p_value)
    between = _range(stand.difference)
    return share(stand.difference.value) + (f" ({between})" if between else ""), p_value


def _verdict(stand: Stand, outcome: str) -> str:
    if stand.difference is None:
        return "best" if outcome == "best" else ""
    return "tie" if stand.ties else "worse"


def _caption(one: Judgement, facts: dict[str, object]) -> str:
    reads = {
        "spearman": "Spearman: rank correlation of the strategy's similarity with the grades",
        "ndcg": "nDCG: the items to find, discounted by rank, of what a perfect list would have. Hit: share "
        f"of those who find at least one of them among the first {one.k}",
        "purity": f"Purity: neighbours among the nearest {one.k} with the item's label",
    }
    crossed = facts.get("cross_fitted")
    known = (
        " Scored, fold by fold, by maps that had not seen these pairs (other pairs of their items they may have): "
        + ", ".join(crossed)
        + "."
        if (isinstance(crossed, list) and one.kind == "pairs")
        else ""
    )
    seen = facts.get("n_seen")
    left = (
        f" {seen:,} interactions given as seen were left out of the answers."
        if (isinstance(seen, int) and one.kind not in ("pairs", "labels"))
        else ""
    )
    return (
        f"{reads[one.metric]}. Minus best: over the same {_ASKED[one.metric] if one.kind != 'pairs' else 'pairs'}, "
        "its 95 % interval alone. p: adjusted by Holm over all pairs of strategies, which also allows for having "
        f"looked for the best. Tie: p of {share(LEVEL, 2)} or more.{known}{left}"
    )
