"""Moments and norms as sums of exact products, one entry at a time: the twins of `idxbench.linalg`."""

import math

import numpy as np


def mean_row(x):
    """(d,): each axis added up without rounding."""
    return np.array([math.fsum(column) / len(x) for column in np.asarray(x, np.float64).T])


def second_moment(x, center=False):
    """(d, d): the average of products, of rows minus their mean where asked."""
    x = np.asarray(x, np.float64)
    if center:
        x = x - mean_row(x)
    d = x.shape[1]
    return np.array([[math.fsum(x[:, i] * x[:, j]) / len(x) for j in range(d)] for i in range(d)])


def norms(x):
    """(n,): by hypot, which no scale breaks."""
    return np.array([math.hypot(*row) for row in np.asarray(x, np.float64)])
