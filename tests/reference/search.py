"""Exact search in float64, one pair at a time in spirit: the twin of the fused search."""

import numpy as np


def scores(items, queries, metric, weight=None):
    """(q, n) float64 scores, higher is better."""
    items, queries = np.asarray(items, np.float64), np.asarray(queries, np.float64)
    if metric == "dot":
        return np.array([[float(np.sum(q * b)) for b in items] for q in queries])
    if metric == "l2":
        return np.array([[-float(np.sum((q - b) ** 2)) for b in items] for q in queries])
    matrix = np.eye(items.shape[1]) if weight is None else np.asarray(weight, np.float64)
    out = np.zeros((len(queries), len(items)))
    for i, q in enumerate(queries):
        for j, b in enumerate(items):
            length = np.sqrt(max(q @ matrix @ q, 0.0)) * np.sqrt(max(b @ matrix @ b, 0.0))
            out[i, j] = q @ matrix @ b / length if length > 0 else 0.0
    return out


def topk(items, queries, k, metric, weight=None):
    """Best first, ties to the lowest id: a stable full sort of every score."""
    table = scores(items, queries, metric, weight)
    ids = np.argsort(-table, axis=1, kind="stable")[:, :k]
    return ids, np.take_along_axis(table, ids, axis=1)
