"""Recall of found ids against the truth, and against labels."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.dataset import UNLABELED, Labels
from idxbench.measures.intervals import Estimate, mean_interval
from idxbench.measures.neighbors import contained_mask, distinct_mask

Floats = NDArray[np.float64]

# Of a query's score range. A float32 score is off by about 1e-7 of the larger terms it was summed
# from, so this credits what float rounding may swap, and no more.
TIE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class RecallSummary:
    """What a reader needs to know about the recall of many queries.

    Parameters
    ----------
    mean
        Mean over queries with its interval.
    p05
        The largest recall that at least 95 % of the queries reach (an observed value); NaN without queries.
    zero_share
        Share of queries with recall 0; NaN without queries.
    """

    mean: Estimate
    p05: float
    zero_share: float


def recall_per_query(
    found_ids: NDArray[Any],
    truth_ids: NDArray[Any],
    k: int,
    *,
    found_scores: NDArray[Any] | None = None,
    truth_scores: NDArray[Any] | None = None,
    query_scale: NDArray[Any] | None = None,
) -> Floats:
    """Share of each query's k true neighbours that were found: distinct ids, ties perhaps credited.

    ``recall = min(|F & T| + ties, |T|) / |T|`` with F the distinct ids among the first k found, T those
    among the first k of the truth, and ties the ids of F outside T whose score reaches
    ``t_k - tolerance``, t_k being the lowest score in T.

    Parameters
    ----------
    found_ids, truth_ids
        (q, at least k) ids, best first, padded with -1. A repeated id counts once, padding never.
    k
        Depth.
    found_scores, truth_scores
        (same shapes) exact float64 scores of those ids in the reference's own space, higher is better; what
        stands at padding is ignored. Both or neither: without them no tie is credited.
    query_scale
        (q,) the range, largest minus smallest, of each query's scores over all items. Without it the
        range over the scores that were handed in is used: never larger, so never more generous.

    Returns
    -------
    Floats
        (q,) in [0, 1]; NaN where the truth is empty. The denominator is the number of true
        neighbours there are, at most k, so that a data set smaller than k can reach 1.

    Raises
    ------
    ValueError
        k does not fit, shapes differ, or only one side has scores.

    Notes
    -----
    The tolerance is ``TIE_TOLERANCE`` times a *range* of the query's scores. A range does not move
    when all scores are shifted and scales when they are scaled, so neither changes who is credited. The
    alternatives fail one of the two: an absolute 1e-3 gives random answers a recall of .94 when dot
    products are small (``test_random_answers_stay_at_chance_on_tiny_scores``), and a multiple of the largest
    ``|score|`` grows with any common shift of the scores, as from a bias column, until it covers them all
    (``test_a_common_shift_of_scores_credits_nobody``). With k = 1 and no deeper truth the handed-in range
    may be 0: then only exactly equal scores tie. Pass a truth deeper than k, or ``query_scale``, for more.
    """
    _check_ids(found_ids, truth_ids, k)
    found, truth = found_ids[:, :k], truth_ids[:, :k]
    distinct = distinct_mask(found)
    is_true = contained_mask(found, truth)
    hits = np.sum(distinct & is_true, axis=1)
    in_truth = distinct_mask(truth)
    n_true = np.sum(in_truth, axis=1)
    if (found_scores is None) != (truth_scores is None):
        raise ValueError("scores of the found ids and of the truth come together or not at all")
    if found_scores is not None and truth_scores is not None:
        if found_scores.shape != found_ids.shape or truth_scores.shape != truth_ids.shape:
            raise ValueError("scores must have the shapes of their ids")
        scale = _handed_in_range((found_ids, found_scores), (truth_ids, truth_scores))
        if query_scale is not None:
            scale = np.asarray(query_scale, dtype=np.float64)
        kth = np.min(np.where(in_truth, truth_scores[:, :k], np.inf), axis=1, initial=np.inf)
        reached = found_scores[:, :k] >= (kth - TIE_TOLERANCE * scale)[:, None]
        hits = hits + np.sum(distinct & ~is_true & reached, axis=1)
    return _share(np.minimum(hits, n_true), n_true)


def recall_at_labels(found_ids: NDArray[Any], k: int, item_labels: Labels, query_labels: Labels) -> Floats:
    """Share of a query's first k answers that carry its label, of as many as could.

    Parameters
    ----------
    found_ids
        (q, at least k) item ids, padded with -1; a repeated id counts once.
    k
        Depth.
    item_labels, query_labels
        One class per item and per query. Classes are matched by name, so that the two may list
        them in different orders.

    Returns
    -------
    Floats
        (q,) same-label answers over ``min(k, items with that label)``, in [0, 1]. NaN for a query
        without a label or with one that no item has. Unlabeled items never match.

    Raises
    ------
    ValueError
        k does not fit, not one label per query, or an id without a label row.
    """
    _check_ids(found_ids, found_ids, k)
    if len(query_labels.codes) != len(found_ids):
        raise ValueError(f"{len(query_labels.codes)} query labels for {len(found_ids)} queries")
    found = found_ids[:, :k]
    if found.size and found.max() >= len(item_labels.codes):
        raise ValueError(f"an id of {found.max()} with labels for {len(item_labels.codes)} items")
    wanted = _translate(query_labels, item_labels)
    same = (item_labels.codes[found] == wanted[:, None]) & (wanted != UNLABELED)[:, None]
    hits = np.sum(distinct_mask(found) & same, axis=1)
    known = item_labels.codes[item_labels.codes != UNLABELED]
    sizes = np.bincount(known, minlength=len(item_labels.names) + 1)
    reachable = np.where(wanted == UNLABELED, 0, sizes[wanted])
    return _share(hits, np.minimum(reachable, k))


def summary(values: NDArray[Any], *, level: float = 0.95, resamples: int = 2000, seed: int = 0) -> RecallSummary:
    """Summarise recall over queries; see `RecallSummary` and `mean_interval`.

    Parameters
    ----------
    values
        (q,) in [0, 1]. NaN (no truth, no label) is left out.
    level, resamples, seed
        Of the interval.

    Returns
    -------
    RecallSummary
        All NaN, with n = 0, when no query is left.

    Raises
    ------
    ValueError
        A value is outside [0, 1].
    """
    mean = mean_interval(values, level=level, resamples=resamples, seed=seed)
    kept = np.asarray(values, dtype=np.float64)
    kept = kept[~np.isnan(kept)]
    if kept.size == 0:
        return RecallSummary(mean, math.nan, math.nan)
    # Exactly n // 20 values may lie below it. Counting in integers: np.quantile(.05, "inverted_cdf")
    # multiplies by .05 in floating point and is one rank off at some n.
    p05 = float(np.sort(kept)[(kept.size) // 20])
    return RecallSummary(mean, p05, float(np.mean(kept == 0)))


def random_recall(k: int, n_items: int) -> float:
    """Return the recall@k expected of k distinct items drawn at random: ``k / n_items``, at most 1.

    NaN without items.
    """
    return min(k / n_items, 1.0) if n_items > 0 else math.nan


def _handed_in_range(*sides: tuple[NDArray[Any], NDArray[Any]]) -> Floats:
    """Largest minus smallest finite score of each query at valid ids; 0 where there are none."""
    scores = np.concatenate([np.where(ids >= 0, scores, np.nan) for ids, scores in sides], axis=1)
    finite = np.isfinite(scores)
    top = np.max(np.where(finite, scores, -np.inf), axis=1, initial=-np.inf)
    bottom = np.min(np.where(finite, scores, np.inf), axis=1, initial=np.inf)
    return np.where(finite.any(axis=1), top, 0.0) - np.where(finite.any(axis=1), bottom, 0.0)


def _translate(query_labels: Labels, item_labels: Labels) -> NDArray[np.int64]:
    """Query codes in the item labels' numbering; a class the items do not know is unlabeled."""
    numbers = {name: code for code, name in enumerate(item_labels.names)}
    table = np.array([numbers.get(name, UNLABELED) for name in query_labels.names] + [UNLABELED])
    # UNLABELED is -1 and reads the entry that was appended last.
    return table[query_labels.codes].astype(np.int64)


def _share(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    share = np.full(part.shape, np.nan)
    np.divide(part, whole, out=share, where=whole > 0)
    return share


def _check_ids(found_ids: NDArray[Any], truth_ids: NDArray[Any], k: int) -> None:
    for name, ids in (("found", found_ids), ("true", truth_ids)):
        if ids.ndim != 2 or not 1 <= k <= ids.shape[1]:
            raise ValueError(f"k = {k} does not fit {name} ids of shape {ids.shape}")
    if len(found_ids) != len(truth_ids):
        raise ValueError(f"{len(found_ids)} rows of found ids against {len(truth_ids)} rows of truth")
