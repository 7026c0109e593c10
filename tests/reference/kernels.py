"""Twins of the Numba kernels: plain loops in float64, one pair at a time."""

import numpy as np


def _dot(a, b):
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def search(items, first_id, queries, k, by_distance):
    """(ids, scores) of the k best items of each query, ties to the lowest id."""
    scores = np.array([[-_dot(q - b, q - b) if by_distance else _dot(q, b) for b in items] for q in queries])
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order + first_id, np.take_along_axis(scores, order, axis=1)


def score_pairs(exact, queries, rows):
    out = np.full(rows.shape, -np.inf)
    for (i, j), row in np.ndenumerate(rows):
        if row < 0:
            continue
        item = exact.rows[row].astype(float)
        if len(exact.rest):
            item = item + exact.rest[row]
        out[i, j] = -_dot(queries[i] - item, queries[i] - item) if exact.squared_distance else _dot(queries[i], item)
        if len(exact.factors):
            out[i, j] *= exact.factors[row]
    return (out,)


def merge(k, *heaps):
    """(ids, scores) of the k best entries of heaps given as scores, ids, scores, ids, best first."""
    ids, scores = [], []
    for q in range(len(heaps[0])):
        entries = [
            (-s, i)
            for all_s, all_i in zip(heaps[::2], heaps[1::2], strict=True)
            for s, i in zip(all_s[q], all_i[q], strict=True)
        ]
        best = sorted(entries)[:k]
        ids.append([i for _, i in best])
        scores.append([-s for s, _ in best])
    return np.array(ids), np.array(scores)


def cut_buffers(scores, ids, counts, k, no_id):
    """(ids, scores, counts, worst score kept) of the k best of the first ``counts`` entries, best first."""
    width = scores.shape[1]
    all_ids, all_scores, kept, roots = [], [], [], []
    for q, count in enumerate(counts):
        best = sorted(zip(-scores[q, :count], ids[q, :count], strict=True))[:k]
        rest = width - len(best)
        all_ids.append([i for _, i in best] + [no_id] * rest)
        all_scores.append([-s for s, _ in best] + [-np.inf] * rest)
        kept.append(len(best))
        # A buffer with room was not cut: what stands at place 0 is whatever stood there.
        roots.append(scores[q, 0] if count == k else -best[-1][0] if len(best) == k else np.nan)
    return np.array(all_ids), np.array(all_scores), np.array(kept), np.array(roots)


def limits(found, roots):
    out = []
    for q, root in enumerate(roots):
        value = root * found.units[q, 0] + found.units[q, 1] - found.slack[q]
        out.append(np.inf if q % 3 == 2 else value)
    return (np.array(out),)


def row_sums(rows, center):
    return (np.array([_dot(row - center, row - center) for row in rows]),)


def _codes(values, top):
    scale = float(np.float32(top / 127 * 1.000001))
    scale = scale if scale > 1e-9 else 1.0
    return np.floor(values / scale + 0.5), scale


def encode_panels(items, center, axes, factors, lanes):
    """Codes plus 128 of the items in reverse, empty lanes 128; 1 / scale, error, size and rest of each panel."""
    n_items, n_dims = items.shape
    mapped = ((items.astype(float) - center) * axes * factors[:, None])[::-1]
    rests = (np.arange(n_items) + 0.5)[::-1]
    n_panels = -(-n_items // lanes)
    rows = np.full((n_panels * lanes, -(-n_dims // 4) * 4), 128)
    bounds = np.zeros((n_panels, 4))
    for p in range(n_panels):
        part = slice(p * lanes, min((p + 1) * lanes, n_items))
        codes, scale = _codes(mapped[part], np.abs(mapped[part]).max())
        rows[part, :n_dims] = codes + 128
        sizes = np.sqrt((mapped[part] ** 2).sum(axis=1))
        errors = np.sqrt(((mapped[part] - codes * scale) ** 2).sum(axis=1))
        bounds[p] = 1 / scale, errors.max() + 2.0**-22 * sizes.max(), sizes.max(), rests[part].max()
    return rows, bounds


def encode_rows(queries):
    """Codes of each query, filled up with 0; 1 / scale, error, size of what was encoded; 128 times their sum."""
    rows = np.zeros((len(queries), -(-queries.shape[1] // 4) * 4), int)
    bounds = np.zeros((len(queries), 3))
    for q, values in enumerate(queries.astype(float)):
        codes, scale = _codes(values, np.abs(values).max())
        rows[q, : len(values)] = codes
        error = np.sqrt(((values - codes * scale) ** 2).sum()) + 2.0**-22 * np.sqrt((values**2).sum())
        bounds[q] = 1 / scale, error, np.sqrt(((codes * scale) ** 2).sum())
    return rows, bounds, 128 * rows.sum(axis=1)


def assign(rows, centroids, bias):
    """The best centroid of each row by ``row . centroid + bias``, ties to the lowest; and that score."""
    scores = np.array([[_dot(row, c) + float(b) for c, b in zip(centroids, bias, strict=True)] for row in rows])
    return scores.argmax(axis=1), scores.max(axis=1)


def accumulate(rows, labels, n):
    sums, counts = np.zeros((n, rows.shape[1])), np.zeros(n, int)
    for row, label in zip(rows, labels, strict=True):
        sums[label] += row.astype(float)
        counts[label] += 1
    return sums, counts
