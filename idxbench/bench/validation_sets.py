"""What strategies are judged by, read and matched to the items and queries of a run, before any work."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.bench.inputs import Inputs
from idxbench.bench.ranked import Questions, group
from idxbench.bench.similar import neighbor_task
from idxbench.config.schema import Config, FactorizedData
from idxbench.config.transforms import Learned
from idxbench.config.validation import Links, Validation
from idxbench.data.dataset import UNLABELED, Dataset
from idxbench.data.load import hold_out, sample_queries
from idxbench.data.pairs import Names, Pairs, named_rows, pair_folds, read_links, read_names, read_pairs
from idxbench.errors import ConfigError, DataError, Problem
from idxbench.records import Notice
from idxbench.strategies.learned import learned_pairs

Ids = NDArray[np.int64]
# Fewer pairs, queries or items say nothing about which similarity is better.
FEWEST = 10


@dataclass(frozen=True)
class PairSet:
    """Pairs of items, and the fold of each.

    Parameters
    ----------
    pairs
        Rows of the items of the run.
    folds
        (n,) 0 to ``n_folds`` - 1. A learned strategy scores a fold by a map that has not seen it.
    n_folds
        1 where nothing is learned.
    """

    pairs: Pairs
    folds: Ids
    n_folds: int


@dataclass(frozen=True)
class QuestionSet:
    """Queries with the items they want, or items with those they are paired with.

    Parameters
    ----------
    kind
        ``pairs``, ``relevant`` or ``interactions``.
    questions
        Rows of the queries, of the items for ``pairs``.
    folds
        (q,) as of `PairSet`; all 0 for queries.
    """

    kind: str
    questions: Questions
    folds: Ids


@dataclass(frozen=True)
class Sets:
    """What a run is validated on; None for what it is not.

    Parameters
    ----------
    pairs
        Pairs of items, graded or not.
    questions
        What queries want; or what items are paired with, where the pairs have no grades.
    asking
        (m,) labelled items that are asked for neighbours.
    facts
        For ``run.json``: what was read, used and left out.
    notices
        What the reader must know.
    """

    pairs: PairSet | None
    questions: QuestionSet | None
    asking: Ids | None
    facts: dict[str, Any]
    notices: tuple[Notice, ...]


@dataclass(frozen=True)
class _Rows:
    """Where the rows of the files went: the row in the run, or -1 for one that is not asked or was held out."""

    items: Ids
    queries: Ids
    names: Names
    query_names: Names


def read_sets(config: Config, inputs: Inputs, config_name: str) -> Sets | None:
    """Read what ``[validation]`` names; None without that table.

    Raises
    ------
    ConfigError, DataError
        Nothing to validate on, files that are broken or don't fit, fewer than 10 pairs, queries or items left, or a
        learned strategy beside items held out.
    """
    learned = [spec for one in config.strategy for spec in one.transform if isinstance(spec, Learned)]
    if learned and config.data.holdout:
        raise ConfigError(
            Problem(
                f"{config_name}: data.holdout",
                "0 beside a learned transform, whose pairs name rows of the file",
                str(config.data.holdout),
                "leave holdout out, or give queries of their own",
            )
        )
    fitted_on = [learned_pairs(spec, len(inputs.items)) for spec in learned]
    validation = config.validation
    if validation is None:
        return None
    rows = _rows(config, inputs, validation)
    pairs, questions, facts = None, None, dict[str, Any]()
    if validation.pairs is not None:
        found, left_out = _pairs(validation, rows)
        n_folds = validation.folds if learned else 1
        folds = pair_folds(found, len(inputs.items), n_folds, config.seed)
        facts |= {"kind": "pairs", "graded": found.grades is not None, "n": len(found.left), "folds": n_folds}
        facts["left_out"] = left_out
        pairs = PairSet(found, folds, n_folds)
        if found.grades is None:
            questions = _paired(found, folds, len(inputs.items))
    elif validation.links is not None:
        questions, told = _wanted(config_name, validation, validation.links, rows, inputs)
        facts |= told
    asking = _asking(config, inputs, fitted_on)
    if pairs is None and questions is None and asking is None:
        raise ConfigError(
            Problem(
                f"{config_name}: validation",
                "pairs, relevant or interactions, or labels of the data",
                "nothing to validate on",
                'name a file: pairs = "pairs.tsv"',
            )
        )
    return Sets(pairs, questions, asking, facts, _notices(facts, inputs, asking, fitted_on))


def _rows(config: Config, inputs: Inputs, validation: Validation) -> _Rows:
    """Find where rows of the files went, by holding out and sampling their numbers as the rows were."""
    n_given = inputs.n_queries_given if inputs.queries is not None else 0
    n_items = len(inputs.items) + (n_given if config.data.holdout else 0)
    numbers = np.arange(n_items)[:, None]
    if config.data.holdout:
        split = hold_out(Dataset("", numbers), config.data.holdout, config.seed)
    else:
        split = Dataset("", numbers, np.arange(n_given)[:, None] if n_given else None)
    asked = np.zeros(0, np.int64)
    if inputs.queries is not None:
        _, asked = sample_queries(split, len(inputs.queries), config.seed)
    query_names, item_names = Names(None, n_given), Names(None, n_items)
    if isinstance(config.data, FactorizedData):
        from idxbench.data.sources.ratings import read_ratings

        ratings = read_ratings(config.data.ratings)
        item_names = named_rows([str(one) for one in ratings.item_ids])
        query_names = named_rows([str(one) for one in ratings.user_ids])
    if validation.names is not None:
        item_names = read_names(validation.names.path, n_items, key=validation.names.key)
    if validation.query_names is not None:
        if config.data.holdout:
            raise ConfigError(
                Problem(
                    "validation.query_names",
                    "none beside data.holdout: queries are items, and go by the names of items",
                    str(validation.query_names.path),
                )
            )
        query_names = read_names(validation.query_names.path, n_given, key=validation.query_names.key, what="queries")
    query_places = _places(asked, n_given)
    if config.data.holdout and split.queries is not None:
        # Items ask: they go by the rows of the file, and by the names of items.
        query_places, query_names = _places(split.queries[asked, 0], n_items), item_names
    return _Rows(_places(split.items[:, 0], n_items), query_places, item_names, query_names)


def _places(kept: NDArray[Any], n_rows: int) -> Ids:
    places = np.full(n_rows, -1, np.int64)
    places[kept] = np.arange(len(kept))
    return places


def _pairs(validation: Validation, rows: _Rows) -> tuple[Pairs, list[str]]:
    path = validation.pairs
    assert path is not None
    given = read_pairs(path, rows.names)
    left_out = [f"{len(given.left) + given.n_unknown} pairs: {given.lost}"] if given.lost else []
    placed = Pairs(rows.items[given.left], rows.items[given.right], given.grades, given.unknown, given.n_unknown)
    kept = (placed.left >= 0) & (placed.right >= 0)
    if not kept.all():
        left_out.append(f"{int((~kept).sum())} pairs have an item that was held out as a query")
    if given.grades is None:
        alone = placed.left == placed.right
        if (alone & kept).any():
            left_out.append(f"{int((alone & kept).sum())} pairs are of an item with itself")
        kept &= ~alone
    pairs = placed.take(kept)
    if len(pairs.left) < FEWEST:
        raise DataError(Problem(str(path), f"at least {FEWEST} pairs", "; ".join([f"{len(pairs.left)}", *left_out])))
    if pairs.grades is not None and np.ptp(pairs.grades) == 0:
        fix = "drop the column: pairs need no grades"
        raise DataError(Problem(str(path), "grades that differ", "one grade for all", fix))
    return pairs, left_out


def _paired(pairs: Pairs, folds: Ids, n_items: int) -> QuestionSet:
    """Let each item of a fold ask for its partners there; partners elsewhere, which a map has seen, are left out."""
    n_folds = int(folds.max()) + 1
    asking, wanted = np.concatenate([pairs.left, pairs.right]), np.concatenate([pairs.right, pairs.left])
    keys, place = np.unique(asking * n_folds + np.concatenate([folds, folds]), return_inverse=True)
    rows = keys // n_folds
    relevant = group(place, wanted, len(keys))
    known = group(asking, wanted, n_items)
    owners = np.repeat(np.arange(len(keys)), known.sizes[rows])
    partners = known.take(rows).ids
    # What is wanted in this fold is no exclusion; the item itself always is one.
    mine = np.isin(owners * n_items + partners, place * n_items + wanted)
    owners, partners = owners[~mine], partners[~mine]
    excluded = group(np.concatenate([owners, np.arange(len(keys))]), np.concatenate([partners, rows]), len(keys))
    return QuestionSet("pairs", Questions(rows, relevant, excluded), keys % n_folds)


def _wanted(
    config_name: str, validation: Validation, kind: Links, rows: _Rows, inputs: Inputs
) -> tuple[QuestionSet, dict[str, Any]]:
    path = validation.relevant or validation.interactions
    assert path is not None
    if inputs.queries is None:
        fix = "name data.queries; for items alone give validation.pairs"
        raise ConfigError(Problem(f"{config_name}: validation.{kind}", "queries that ask", "items alone", fix))
    given = read_links(path, rows.query_names, rows.names)
    left_out = [f"{len(given.left) + given.n_unknown} {kind}: {given.lost}"] if given.lost else []
    asked, wanted = rows.queries[given.left], rows.items[given.right]
    n_items = len(inputs.items)
    facts: dict[str, Any] = {"kind": kind}
    if (wanted < 0).any():
        left_out.append(f"{int((wanted < 0).sum())} name items that were held out as queries")
    kept = (asked >= 0) & (wanted >= 0)
    excluded = group(np.zeros(0), np.zeros(0), len(inputs.queries))
    if validation.seen is not None:
        seen = read_links(validation.seen, rows.query_names, rows.names)
        who, what = rows.queries[seen.left], rows.items[seen.right]
        there = (who >= 0) & (what >= 0)
        excluded = group(who[there], what[there], len(inputs.queries))
        again = kept & np.isin(asked * n_items + wanted, who[there] * n_items + what[there])
        facts["n_seen"] = len(excluded.ids)
        if again.any():
            left_out.append(f"{int(again.sum())} {kind} are among those seen")
        kept &= ~again
    relevant = group(asked[kept], wanted[kept], len(inputs.queries))
    asking = np.flatnonzero(relevant.sizes)
    if len(asking) < FEWEST:
        found = f"{len(asking)} of the {len(inputs.queries)} that are asked" + "".join(f"; {one}" for one in left_out)
        raise DataError(Problem(str(path), f"at least {FEWEST} queries with an item to find", found))
    if len(asking) < len(inputs.queries):
        left_out.append(f"{len(inputs.queries) - len(asking)} of {len(inputs.queries)} queries have nothing to find")
    questions = Questions(asking, relevant.take(asking), excluded.take(asking))
    facts |= {"n": len(relevant.ids), "folds": 1, "left_out": left_out}
    return QuestionSet(kind, questions, np.zeros(len(asking), np.int64)), facts


def _asking(config: Config, inputs: Inputs, fitted_on: list[Pairs]) -> Ids | None:
    """Return the labelled items that ask, none of them in pairs that a strategy is fitted on."""
    labels = inputs.dataset.labels
    if labels is None or len(inputs.items) < 2:
        return None
    asking = neighbor_task(len(inputs.items), config).asking
    asking = asking[labels.codes[asking] != UNLABELED]
    for pairs in fitted_on:
        asking = np.setdiff1d(asking, np.concatenate([pairs.left, pairs.right]))
    return asking if len(asking) >= FEWEST else None


def _notices(facts: dict[str, Any], inputs: Inputs, asking: Ids | None, fitted_on: list[Pairs]) -> tuple[Notice, ...]:
    notices = []
    if facts.get("left_out"):
        advice = "they count for no strategy"
        notices.append(Notice("validation-left-out", "validation: " + "; ".join(facts["left_out"]), advice))
    if asking is None and inputs.dataset.labels is not None:
        why = ", none of them in the pairs that a strategy is fitted on" if fitted_on else ""
        text = f"the labels were not validated on: fewer than {FEWEST} labelled items that ask{why}"
        notices.append(Notice("labels-not-validated", text))
    return tuple(notices)
