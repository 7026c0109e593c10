"""Strategies by name: how each transform is fitted, which similarity it defaults to, what it is called."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from idxbench.config.schema import Config, Similarity, Strategy
from idxbench.config.transforms import TransformSpec
from idxbench.data.rows import block_rows
from idxbench.errors import ConfigError, DataError, Problem
from idxbench.strategies.axes import fit_centered, fit_rescaled, fit_standardized
from idxbench.strategies.norms import fit_normalized, fit_raw
from idxbench.strategies.transforms import Blocks, Chain, Fit, FitContext, Rows, Transform

FITS: dict[str, Fit] = {
    "raw": fit_raw,
    "normalized": fit_normalized,
    "rescaled": fit_rescaled,
    "centered": fit_centered,
    "standardized": fit_standardized,
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

    A similarity that is not given is cosine where ``normalized`` takes part, else what the model was trained
    with. A name that is not given is the transforms'; where two would be alike the similarity is added, then
    the parameters.

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
    return "cosine" if any(spec.kind == "normalized" for spec in strategy.transform) else trained


def _with_similarity(strategy: Strategy, similarity: str) -> str:
    return f"{strategy.kinds} {similarity}"


def _with_parameters(strategy: Strategy, similarity: str) -> str:
    return f"{strategy.described} {similarity}"


def fit(specs: Sequence[TransformSpec], items: NDArray[Any], *, same_space: bool) -> Transform:
    """Fit transforms in order, each on the items as the ones before leave them.

    Parameters
    ----------
    specs
        One or more transforms.
    items
        (n, d); read block by block, once or twice per transform.
    same_space
        Whether queries live where items live.

    Raises
    ------
    DataError
        Parameters that do not fit the items.
    """
    steps: list[Transform] = []
    for spec in specs:
        context = FitContext(_blocks(items, tuple(steps)), len(items), items.shape[1], same_space)
        steps.append(FITS[spec.kind](spec, context))
    return steps[0] if len(steps) == 1 else Chain(tuple(steps))


def _blocks(items: NDArray[Any], steps: tuple[Transform, ...]) -> Blocks:
    def blocks() -> Iterator[Rows]:
        for rows in row_blocks(items):
            yield Chain(steps).items(rows)

    return blocks


def row_blocks(vectors: NDArray[Any]) -> Iterator[Rows]:
    """Yield the rows as float64 blocks."""
    step = block_rows(vectors.shape[1])
    for start in range(0, len(vectors), step):
        yield np.asarray(vectors[start : start + step], np.float64)


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
        (n, d) and (q, d), finite; ``queries`` may be None.
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
    fitted = fit(config.strategy[0].transform, items, same_space=same_space)
    mapped_items = _mapped(items, fitted.items, "items")
    mapped_queries = None if queries is None else _mapped(np.asarray(queries), fitted.queries, "queries")
    return mapped_items, mapped_queries


def _mapped(vectors: NDArray[Any], function: Any, name: str) -> NDArray[np.float32]:
    width = function(np.zeros((1, vectors.shape[1]))).shape[1]
    out = np.empty((len(vectors), width), np.float32)
    apply_into((cast("Rows", function(rows)) for rows in row_blocks(vectors)), out, name)
    return out
