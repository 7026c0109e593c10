"""Rules about the vectors themselves and what an inner-product index makes of them: input, rank, norms, graph."""

import math
from collections.abc import Iterator

from idxbench.bench.diagnose_job import Examined
from idxbench.bench.neighborhood import FEWEST_ITEMS
from idxbench.measures.shape import Shape
from idxbench.verdicts.findings import Finding, Severity, columns_named, percent


def gauge_hurts(e: Examined) -> Finding | None:
    """Compare whom items answer with, as given and in balanced coordinates."""
    if e.near is None or e.near.balanced is None or e.imbalance is None or not e.patient.dual:
        return None
    limits, raw, balanced = e.patient.settings, e.near.answers.distinct, e.near.balanced.distinct
    if e.imbalance < limits.imbalance_balanced or raw >= limits.distinct_ratio * balanced:
        return None
    n = e.near.n_self
    text = (
        f"Asked for their strongest match among themselves by dot, {n:,} items name {round(raw * n):,} of them; in "
        f"balanced coordinates, with the same scores, {round(balanced * n):,}. An inner-product graph of the items as "
        "they are links the few that everyone names, and finds little else from there."
    )
    advice = (
        "index the balanced vectors, which keep every score: the strategy 'balanced' by dot, or those that "
        "'idxbench diagnose --write DIR' writes"
    )
    return Finding(
        "gauge-hurts-index",
        "problem",
        "The coordinates hurt an inner-product index",
        text,
        advice,
        {"distinct_raw": raw, "distinct_balanced": balanced, "gauge_imbalance": e.imbalance},
        {"distinct_ratio": limits.distinct_ratio, "imbalance_balanced": limits.imbalance_balanced},
    )


def unreachable(e: Examined) -> Finding | None:
    """Look for items that no other item leads to."""
    limits = e.patient.settings
    if e.near is None or e.patient.trained_with in ("cosine", "l2"):
        return None
    found = e.near.answers
    if found.unlinked_items <= limits.unlinked_items:
        return None
    costly = found.unlinked_answers > limits.unlinked_answers
    text = (
        f"{percent(found.unlinked_items)} of {e.near.n_self:,} items are among no other item's {e.near.depth} nearest "
        "by dot, so an inner-product graph may hold no path to them at any ef."
    )
    if not math.isnan(found.unlinked_answers):
        text += f" Of the queries' true answers {percent(found.unlinked_answers)} are such items."
    advice = "see the ceiling in 'idxbench run'; 'augmented' by l2 may link them, at a price in recall at small ef"
    if not costly:
        advice = f"may cost nothing; {advice}"
    numbers = {"unlinked_items": found.unlinked_items}
    if not math.isnan(found.unlinked_answers):
        numbers["unlinked_answers"] = found.unlinked_answers
    fired = {"unlinked_items": limits.unlinked_items, "unlinked_answers": limits.unlinked_answers}
    title = "Items at risk of being unreachable"
    return Finding("unreachable-risk", "warning" if costly else "note", title, text, advice, numbers, fired)


def norm_bias(e: Examined) -> Finding | None:
    """Say when a tenth of the items takes most places."""
    limit = e.patient.settings.top_tenth
    if e.near is None or e.patient.trained_with in ("cosine", "l2") or e.near.top_tenth <= limit:
        return None
    text = (
        f"The tenth of the items with the largest norms takes {percent(e.near.top_tenth)} of the top {e.near.depth} by "
        f"dot (10% by chance); norms spread by a factor of {math.exp(e.items.norm_spread):.2f} either way."
    )
    advice = "often popularity, and meant; look at coverage before you blame the index"
    numbers = {"top_tenth_share": e.near.top_tenth, "norm_spread": e.items.norm_spread}
    return Finding("norm-bias", "note", "Large norms take most places", text, advice, numbers, {"top_tenth": limit})


def self_dominance(e: Examined) -> Finding | None:
    """Say when items are not their own strongest match."""
    limit = e.patient.settings.self_match
    if e.near is None or e.patient.trained_with in ("cosine", "l2") or e.near.answers.self_match >= limit:
        return None
    text = (
        f"By dot, {percent(e.near.answers.self_match)} of the items are their own strongest match: lists of similar "
        "items by dot show large norms rather than likeness."
    )
    advice = "leave an item out of its own list by id, not by position; compare items by another similarity"
    numbers = {"self_match": e.near.answers.self_match}
    return Finding(
        "self-dominance", "note", "Dot is no likeness of items", text, advice, numbers, {"self_match": limit}
    )


def rank_deficient(e: Examined) -> Finding | None:
    """Count the directions that are left."""
    width, rank = e.items.n_dims, e.items.rank
    scored = rank if e.score_rank is None else min(rank, e.score_rank)
    holding = e.directions
    limit = e.patient.settings.collapsed
    shares = [max(one, 1) / width for one in (scored, holding) if one is not None]
    collapsed = e.items.n_rows >= width and min(shares) < limit
    if scored >= min(width, e.items.n_rows) and not collapsed:
        return None
    told = f"Items span {rank} of {width} dimensions"
    if e.queries is not None and e.score_rank is not None:
        told += f", queries {e.queries.rank}, and scores vary in {e.score_rank}"
        told += f"; {holding} hold 99% of them" if holding else ""
    numbers = {"rank_items": float(rank), "n_dims": float(width)}
    if e.score_rank is not None and holding is not None:
        numbers |= {"rank_scores": float(e.score_rank), "directions_99": float(holding)}
    advice = "nothing breaks: what follows uses the directions there are; fewer dimensions would serve the same scores"
    if collapsed:
        advice = f"look into the training (collapse, too strong regularisation); {advice}"
    title = "The model has collapsed to few directions" if collapsed else "Not all dimensions are used"
    severity: Severity = "warning" if collapsed else "note"
    return Finding("rank-deficient", severity, title, f"{told}.", advice, numbers, {"collapsed": limit})


def too_few(e: Examined) -> Finding | None:
    """Say that nothing could be searched."""
    if e.near is not None:
        return None
    left = e.items.n_rows - e.items.zero_rows
    text = f"{left} items other than zero: neighbours need {FEWEST_ITEMS}."
    numbers = {"items_left": float(left)}
    return Finding("too-few-items", "problem", "Too little to diagnose", text, "bring more items", numbers)


def side_findings(e: Examined, name: str, side: Shape) -> Iterator[Finding]:
    """Look at zeros, duplicates, scale and columns of one side."""
    limits, n = e.patient.settings, side.n_rows
    if side.zero_rows:
        yield Finding(
            f"zero-{name}", "warning", f"Zero {name}",
            f"{side.zero_rows:,} of {n:,} {name} ({percent(side.zero_rows / n)}) are zero vectors. They have no "
            "direction, score 0 with everything, and were left out of the samples.",
            "find out why the model gave them nothing; leave placeholders out of the index",
            {"zero_rows": float(side.zero_rows)},
        )  # fmt: skip
    if side.near_zero_rows:
        yield Finding(
            f"near-zero-{name}", "note", f"Near-zero {name}",
            f"{side.near_zero_rows:,} of {n:,} {name} are shorter than {limits.near_zero:g} of the median norm. Cosine "
            "gives them neighbours like any others, though their direction may be left from initialisation.",
            "untrained rows? leave them out, or rank by dot, which puts them in the middle",
            {"near_zero_rows": float(side.near_zero_rows)}, {"near_zero": limits.near_zero},
        )  # fmt: skip
    if side.duplicate_rows > limits.duplicates * n:
        yield Finding(
            f"duplicate-{name}", "note", f"Repeated {name}",
            f"{side.duplicate_rows:,} of {n:,} {name} ({percent(side.duplicate_rows / n)}) repeat an earlier row: they "
            "tie in every ranking, and their order says nothing.",
            "deduplicate if they are one thing twice; otherwise the data knew nothing to tell them apart by",
            {"duplicate_rows": float(side.duplicate_rows)}, {"duplicates": limits.duplicates},
        )  # fmt: skip
    if side.norm_median and not limits.tiny_norm <= side.norm_median <= limits.huge_norm:
        yield Finding(
            f"scale-{name}", "warning", f"Extreme scale of {name}",
            f"The median norm of the {name} is {side.norm_median:.1e}. Tolerances, epsilons in normalisation and "
            "16-bit storage all misread such numbers.",
            "multiply all of them by one constant: no ranking changes",
            {"norm_median": side.norm_median}, {"tiny_norm": limits.tiny_norm, "huge_norm": limits.huge_norm},
        )  # fmt: skip
    if side.dead_columns:
        yield Finding(
            f"dead-columns-{name}", "note", f"Dead columns of {name}",
            f"{_held(name, side.dead_columns)} 0 throughout.",
            "they cost memory and nothing else: drop them on both sides",
            {"dead_columns": float(len(side.dead_columns))},
        )  # fmt: skip
    # One row holds one value in every column.
    if side.constant_columns and n > 1:
        yield _bias(name, side)


def _held(name: str, columns: tuple[int, ...]) -> str:
    return f"{columns_named(columns).capitalize()} of the {name} hold{'' if len(columns) > 1 else 's'}"


def _bias(name: str, side: Shape) -> Finding:
    text = f"{_held(name, side.constant_columns)} one value in every row"
    if name == "queries":
        text += ": what stands there in the items is a bias (popularity). Dot adds it, as trained; cosine "
        text += "takes it for taste"
        advice = "rank by dot; leave that column out when items are compared with items"
    else:
        text += ": it adds the same to every item of a query. Rankings by dot ignore it; cosine and l2 don't"
        advice = "leave it out on both sides before cosine or l2; rankings by dot stay"
    numbers = {"constant_columns": float(len(side.constant_columns))}
    return Finding(f"bias-column-{name}", "warning", f"A bias column in the {name}", f"{text}.", advice, numbers)


def vector_findings(e: Examined) -> Iterator[Finding]:
    """Apply every rule of this file."""
    for rule in (too_few, gauge_hurts, unreachable, rank_deficient, norm_bias, self_dominance):
        finding = rule(e)
        if finding is not None:
            yield finding
    yield from side_findings(e, "items", e.items)
    if e.queries is not None:
        yield from side_findings(e, "queries", e.queries)
