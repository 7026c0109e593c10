"""Strategies by name: how each transform is fitted, which similarity it defaults to, what it is called."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from idxbench.config.schema import Config, Similarity, Strategy
from idxbench.config.transforms import TransformSpec
from idxbench.errors import ConfigError, DataError, Problem
from idxbench.strategies.augmented import fit_augmented
from idxbench.strategies.axes import fit_centered, fit_rescaled, fit_standardized
from idxbench.strategies.covariance import fit_covariance
from idxbench.strategies.gauges import fit_canonical, fit_mixed, fit_shifted
from idxbench.strategies.learned import fit_learned
from idxbench.strategies.norms import fit_normalized, fit_raw
from idxbench.strategies.projected import fit_drop_top, fit_projected
from idxbench.strategies.score_corr import fit_score_corr
from idxbench.strategies.transforms import Chain, Fit, FitContext, Mapped, Rows, Transform
from idxbench.strategies.white import fit_item_white, fit_whitened

FITS: dict[str, Fit] = {
    "raw": fit_raw,
    "normalized": fit_normalized,
    "rescaled": fit_rescaled,
    "centered": fit_centered,
    "standardized": fit_standardized,
    "whitened": fit_whitened,
    "covariance": fit_covariance,
    "score_corr": fit_score_corr,
    "canonical": fit_canonical,
    "balanced": fit_canonical,
    "item_white": fit_item_white,
    "augmented": fit_augmented,
    "projected": fit_projected,
    "drop_top": fit_drop_top,
    "mixed": fit_mixed,
    "shifted": fit_shifted,
    "learned": fit_learned,
}
# What vectors are made for, where that is not what the model was trained with.
MADE_FOR: dict[str, Similarity] = {
    "normalized": "cosine",
    "whitened": "cosine",
    "covariance": "cosine",
    "score_corr": "cosine",
    "learned": "cosine",
    "augmented": "l2",
}


@dataclass(frozen=True)
class Space:
    """A strategy with everything settled: its name in tables, its transforms, its similarity."""

    name: str
    transforms: tuple[TransformSpec, ...]
    similarity: Similarity
    described: str


def resolve_strategies(config: Config) -> tuple[Space, ...]:
    """Settle similarities and names.

    A similarity that is not given is that of the last transform made for one (`MADE_FOR`), else what the model
    was trained with. A name that is not given is the transforms'; where two would be alike the similarity is added,
    then the parameters.

    Raises
    ------
    ConfigError
        Two strategies are the same, or share a given name.
    """
    similarities = [_similarity(strategy, config.trained_similarity) for strategy in config.strategy]
    names = [strategy.name or strategy.kinds for strategy in config.strategy]
    for pick in (_with_similarity, _with_parameters):
        counts = Counter(names)
        names = [
            name if counts[name] == 1 or strategy.name else pick(strategy, similarity)
            for name, strategy, similarity in zip(names, config.strategy, similarities, strict=True)
        ]
    repeated = [index for index, name in enumerate(names) if name in names[:index]]
    if repeated:
        raise ConfigError(
            [
                Problem(
                    f"strategy[{index}]",
                    "a strategy of its own",
                    f"another {names[index]!r}, like strategy[{names.index(names[index])}]",
                    "remove it, or give it a name of its own",
                )
                for index in repeated
            ]
        )
    return tuple(
        Space(name, strategy.transform, similarity, strategy.described)
        for name, strategy, similarity in zip(names, config.strategy, similarities, strict=True)
    )


def _similarity(strategy: Strategy, trained: Similarity) -> Similarity:
    if strategy.similarity is not None:
        return strategy.similarity
    made_for = [MADE_FOR[spec.kind] for spec in strategy.transform if spec.kind in MADE_FOR]
    return made_for[-1] if made_for else trained


def _with_similarity(strategy: Strategy, similarity: str) -> str:
    return f"{strategy.kinds} {similarity}"


def _with_parameters(strategy: Strategy, similarity: str) -> str:
    return f"{strategy.described} {similarity}"


def fit(
    specs: Sequence[TransformSpec],
    items: NDArray[Any],
    queries: NDArray[Any] | None = None,
    *,
    same_space: bool,
    threads: int | None = None,
) -> Transform:
    """Fit transforms in order, each on the vectors as the ones before leave them.

    Parameters
    ----------
    specs
        One or more transforms.
    items
        (n, d); read block by block, once or twice per transform.
    queries
        (q, d) to fit on, not those that answers will be graded on; None for none.
    same_space
        Whether queries live where items live.
    threads
        Of the passes over the data; None or 0 for every usable core. No result depends on it.

    Raises
    ------
    DataError
        Parameters that do not fit the vectors, or queries that are missing.
    """
    steps: list[Transform] = []
    for spec in specs:
        before = Chain(tuple(steps))
        asked = None if queries is None or not len(queries) else Mapped(queries, before.queries)
        context = FitContext(Mapped(items, before.items), asked, same_space, threads)
        steps.append(FITS[spec.kind](spec, context))
    return steps[0] if len(steps) == 1 else Chain(tuple(steps))


def row_blocks(vectors: NDArray[Any]) -> Iterator[Rows]:
    """Yield the rows as float64 blocks."""
    return Mapped(vectors).blocks()


def apply_into(blocks: Iterable[Rows], out: NDArray[np.float32], name: str) -> None:
    """Write mapped blocks into a float32 array of the same length.

    Raises
    ------
    DataError
        A mapped row is not finite in float32.
    """
    start = 0
    for rows in blocks:
        with np.errstate(over="ignore"):
            out[start : start + len(rows)] = rows
        if not np.isfinite(out[start : start + len(rows)]).all():
            row = start + int(np.flatnonzero(~np.isfinite(out[start : start + len(rows)]).all(axis=1))[0])
            raise DataError(
                Problem(name, "vectors that fit into float32", f"row {row} overflows", "use smaller factors")
            )
        start += len(rows)


def transform(
    items: NDArray[Any],
    queries: NDArray[Any] | None,
    spec: str | dict[str, Any] | Sequence[str | dict[str, Any]],
    *,
    same_space: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Transform items and queries as a ``[[strategy]]`` of the config would.

    Parameters
    ----------
    items, queries
        (n, d) and (q, d), finite; ``queries`` may be None. Transforms that need queries are fitted on these.
    spec
        As the key ``transform``: ``"normalized"``, ``{"kind": "rescaled", "axis": 0, "factor": 1000.0}``, or
        a list of these applied in order.
    same_space
        Whether queries live where items live; decides what ``centered`` and ``standardized`` do to them.

    Returns
    -------
    Both as new C-order float32 arrays; None for queries that were None.

    Raises
    ------
    ConfigError
        An unknown transform or parameter.
    DataError
        Parameters that do not fit the items, or results that do not fit into float32.
    """
    from idxbench.config.load import parse_config

    try:
        config = parse_config({"data": {"source": "digits"}, "strategy": [{"transform": spec}]}, "")
    except ConfigError as error:
        raise ConfigError(
            [replace(one, where=one.where.removeprefix(": strategy[0].")) for one in error.problems]
        ) from None
    items = np.asarray(items)
    asked = None if queries is None else np.asarray(queries)
    fitted = fit(config.strategy[0].transform, items, asked, same_space=same_space)
    mapped_items = _mapped(items, fitted.items, "items")
    mapped_queries = None if asked is None else _mapped(asked, fitted.queries, "queries")
    return mapped_items, mapped_queries


def _mapped(vectors: NDArray[Any], function: Any, name: str) -> NDArray[np.float32]:
    width = function(np.zeros((1, vectors.shape[1]))).shape[1]
    out = np.empty((len(vectors), width), np.float32)
    apply_into((cast("Rows", function(rows)) for rows in row_blocks(vectors)), out, name)
    return out
