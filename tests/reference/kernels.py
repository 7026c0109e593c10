"""Twins of the Numba kernels: plain loops in float64, one pair at a time."""

import numpy as np


def _dot(a, b):
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def scan(rows, bias, first_id, queries, k):
    """(ids, scores) of the k best rows of each query by ``row . query + bias``; ties to the lowest id."""
    scores = np.array([[_dot(q, r) + float(b) for r, b in zip(rows, bias, strict=True)] for q in queries])
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order + first_id, np.take_along_axis(scores, order, axis=1)


def assign(rows, centroids, bias):
    """The best centroid of each row by ``row . centroid + bias``; ties to the lowest."""
    scores = [[_dot(row, c) + float(b) for c, b in zip(centroids, bias, strict=True)] for row in rows]
    return np.array([int(np.argmax(one)) for one in scores])


def accumulate(rows, labels, n):
    sums, counts = np.zeros((n, rows.shape[1])), np.zeros(n, int)
    for row, label in zip(rows, labels, strict=True):
        sums[label] += row.astype(float)
        counts[label] += 1
    return sums, counts


def pair_scores(queries, rows, squared_distance):
    out = np.zeros(rows.shape[:2])
    for i, q in enumerate(queries):
        for j, r in enumerate(rows[i]):
            out[i, j] = -_dot(q - r, q - r) if squared_distance else _dot(q, r)
    return out
