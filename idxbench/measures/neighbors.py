"""How far two sets of neighbour lists agree, with each other and with labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from idxbench.data.dataset import UNLABELED, Labels

Ids = NDArray[np.int64]


def distinct_mask(ids: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark the first occurrence of every id in each row; padding (any negative id) is never marked.

    Parameters
    ----------
    ids
        (q, k) integer ids.

    Returns
    -------
    NDArray[np.bool_]
        (q, k).
    """
    order = np.argsort(ids, axis=1, kind="stable")
    ranked = np.take_along_axis(ids, order, axis=1)
    first = np.ones(ids.shape, dtype=np.bool_)
    first[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    mask = np.empty_like(first)
    # A stable sort keeps equal ids in the order of the row, so "first of its run" is "first in the row".
    np.put_along_axis(mask, order, first, axis=1)
    return mask & (ids >= 0)


def contained_mask(ids: NDArray[Any], reference: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark the ids that occur in the same row of the reference; padding is never marked.

    Parameters
    ----------
    ids
        (q, k) integer ids.
    reference
        (q, r) integer ids.

    Returns
    -------
    NDArray[np.bool_]
        (q, k).

    Raises
    ------
    ValueError
        The numbers of rows differ.
    """
    if len(ids) != len(reference):
        raise ValueError(f"{len(ids)} rows of ids against {len(reference)} rows of reference")
    if ids.size == 0 or reference.size == 0:
        return np.zeros(ids.shape, dtype=np.bool_)
    # One key per (row, id) turns row-wise membership into a single sorted search: O(qk log qk), where
    # comparing all pairs would take q k r steps and as many bytes.
    stride = int(max(ids.max(), reference.max())) + 1
    rows = np.arange(len(ids), dtype=np.int64)[:, None] * max(stride, 1)
    known = (rows + reference)[reference >= 0]
    return np.isin(rows + ids, known) & (ids >= 0)


def exclude_self(ids: NDArray[Any], self_ids: NDArray[Any], k: int) -> Ids:
    """Drop each row's own id, wherever it stands, and keep the k best of the others.

    By id and not by position: under inner product few items rank themselves first, and dropping the
    first column would drop a neighbour.

    Parameters
    ----------
    ids
        (q, at least k) best first, padded with -1; k + 1 columns are enough.
    self_ids
        (q,) the id each row belongs to.
    k
        Neighbours to keep.

    Returns
    -------
    Ids
        (q, k) int64 in the order of the input. A row in which self did not occur loses its last id;
        a row with fewer than k others is padded with -1.

    Raises
    ------
    ValueError
        Fewer than k columns, or not one own id per row.
    """
    _check_depth(ids, k)
    own = _as_column(self_ids, len(ids))
    kept = np.asarray(ids, dtype=np.int64)
    is_self = kept == own
    order = np.argsort(is_self, axis=1, kind="stable")[:, :k]
    return np.where(np.take_along_axis(is_self, order, axis=1), -1, np.take_along_axis(kept, order, axis=1))


def overlap(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Share of distinct neighbours that two lists have in common: ``|A & B| / max(|A|, |B|)``.

    Parameters
    ----------
    a, b
        (q, k) ids, padded with -1; the order in a row does not matter.

    Returns
    -------
    NDArray[np.float64]
        (q,) in [0, 1], symmetric; NaN where both lists are empty. The larger list is the denominator,
        so that a short list inside a long one is not called full agreement.

    Raises
    ------
    ValueError
        The numbers of rows differ.
    """
    common = np.sum(distinct_mask(a) & contained_mask(a, b), axis=1)
    return _ratio(common, np.maximum(distinct_mask(a).sum(axis=1), distinct_mask(b).sum(axis=1)))


def overlap_within(reference: NDArray[Any], found: NDArray[Any]) -> NDArray[np.float64]:
    """Share of the reference's distinct ids that occur anywhere in a deeper list (10-in-50).

    Parameters
    ----------
    reference
        (q, r) ids, padded with -1.
    found
        (q, depth) ids, padded with -1.

    Returns
    -------
    NDArray[np.float64]
        (q,) in [0, 1]; NaN where the reference is empty.

    Raises
    ------
    ValueError
        The numbers of rows differ.
    """
    distinct = distinct_mask(reference)
    common = np.sum(distinct & contained_mask(reference, found), axis=1)
    return _ratio(common, distinct.sum(axis=1))


def chance_overlap(k: int, n_items: int) -> float:
    """Return the overlap expected of two lists of k random other items: ``k / (n_items - 1)``, at most 1.

    NaN where there is no other item.
    """
    return min(k / (n_items - 1), 1.0) if n_items > 1 else float("nan")


def chance_overlap_within(depth: int, n_items: int) -> float:
    """Return the share of any list expected among ``depth`` random other items.

    The same as ``chance_overlap(depth, n_items)``: each id of the list is among them with
    probability ``depth / (n_items - 1)``, whatever the length of the list.
    """
    return chance_overlap(depth, n_items)


def label_agreement(ids: NDArray[Any], self_ids: NDArray[Any], labels: Labels) -> NDArray[np.float64]:
    """Share of each row's neighbours that carry its own label.

    Parameters
    ----------
    ids
        (q, k) item ids, padded with -1. Repeated ids count once, and self is left out by id.
    self_ids
        (q,) the item each row belongs to.
    labels
        One class per item.

    Returns
    -------
    NDArray[np.float64]
        (q,) same-label neighbours over labelled neighbours: an unlabeled neighbour counts
        neither for nor against. NaN where the row's own item, or every neighbour, is unlabeled.

    Raises
    ------
    ValueError
        Not one own id per row, an own id that is padding, or an id without a row in the labels.
    """
    own = _as_column(self_ids, len(ids))
    codes = labels.codes
    if ids.size:
        lowest, highest = own.min(), max(ids.max(), own.max())
        if lowest < 0 or highest >= len(codes):
            raise ValueError(f"ids from {min(lowest, 0)} to {highest} with labels for {len(codes)} items")
    # Padding reads some other item's code here and is masked away by distinct_mask.
    theirs = codes[ids]
    counted = distinct_mask(ids) & (ids != own) & (theirs != UNLABELED)
    mine = codes[own]
    share = _ratio(np.sum(counted & (theirs == mine), axis=1), counted.sum(axis=1))
    share[mine[:, 0] == UNLABELED] = np.nan
    return share


def chance_label_agreement(labels: Labels) -> float:
    """Return the label agreement expected of random neighbours.

    The mean over labelled items of the share of the other labelled items with the same label,
    ``sum_c n_c (n_c - 1) / (n (n - 1))``; NaN with fewer than two labelled items.
    """
    counts = np.bincount(labels.codes[labels.codes != UNLABELED])
    n = int(counts.sum())
    return float(np.sum(counts * (counts - 1)) / (n * (n - 1))) if n > 1 else float("nan")


def self_match_share(top1_ids: NDArray[Any], self_ids: NDArray[Any]) -> float:
    """Return the share of rows whose best match, self included, is the row's own item.

    Parameters
    ----------
    top1_ids
        (q,) best match of each row when self may be returned; -1 is no match.
    self_ids
        (q,) the item each row belongs to.

    Returns
    -------
    float
        In [0, 1]; NaN without rows. Low under inner product on norms that spread.

    Raises
    ------
    ValueError
        The shapes differ.
    """
    if top1_ids.shape != self_ids.shape:
        raise ValueError(f"shape {top1_ids.shape} of matches against {self_ids.shape} of own ids")
    return float(np.mean((top1_ids == self_ids) & (top1_ids >= 0))) if top1_ids.size else float("nan")


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    share = np.full(part.shape, np.nan)
    np.divide(part, whole, out=share, where=whole > 0)
    return share


def _as_column(self_ids: NDArray[Any], n_rows: int) -> NDArray[Any]:
    if self_ids.shape != (n_rows,):
        raise ValueError(f"expected {n_rows} own ids, one per row, not shape {self_ids.shape}")
    return self_ids[:, None]


def _check_depth(ids: NDArray[Any], k: int) -> None:
    if ids.ndim != 2 or not 1 <= k <= ids.shape[1]:
        raise ValueError(f"k = {k} does not fit ids of shape {ids.shape}")
