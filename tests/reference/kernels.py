"""Twins of the Numba kernels: plain loops in float64, one pair at a time."""

import numpy as np


def scan(rows, bias, first_id, queries, k):
    """(ids, scores) of the k best rows of each query by ``row . query + bias``; ties to the lowest id."""
    scores = np.array(
        [[float(np.dot(q.astype(float), r.astype(float))) + b for r, b in zip(rows, bias)] for q in queries]
    )
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order + first_id, np.take_along_axis(scores, order, axis=1)


def assign(rows, centroids, bias):
    """The best centroid of each row by ``row . centroid + bias``; ties to the lowest."""
    labels = []
    for row in rows:
        scores = [float(np.dot(row.astype(float), c.astype(float))) + b for c, b in zip(centroids, bias)]
        labels.append(int(np.argmax(scores)))
    return np.array(labels)


def accumulate(rows, labels, n):
    sums, counts = np.zeros((n, rows.shape[1])), np.zeros(n, int)
    for row, label in zip(rows, labels):
        sums[label] += row.astype(float)
        counts[label] += 1
    return sums, counts


def pair_scores(queries, rows, squared_distance):
    out = np.zeros(rows.shape[:2])
    for i, q in enumerate(queries):
        for j, r in enumerate(rows[i]):
            out[i, j] = (
                -sum((a - b) ** 2 for a, b in zip(q, r)) if squared_distance else sum(a * b for a, b in zip(q, r))
            )
    return out
