"""The table ``[validation]``: what similarities are judged by."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from idxbench.config.base import ArrayRef, FilePath, Table

Links = Literal["relevant", "interactions"]


class Validation(Table):
    """What is known to be alike or wanted: one of ``pairs``, ``relevant``, ``interactions``, or the labels of the data.

    ``pairs`` are two items each, and perhaps how alike people find them; ``relevant`` and ``interactions`` are a query
    (or user) and an item each, ``seen`` those to leave out of the answers. Ids are row numbers, names of ``names``
    and ``query_names``, or the ids of a factorized ratings table. ``folds`` are what pairs are cut into where a
    strategy is fitted on pairs.
    """

    pairs: FilePath | None = None
    relevant: FilePath | None = None
    interactions: FilePath | None = None
    seen: FilePath | None = None
    names: ArrayRef | None = None
    query_names: ArrayRef | None = None
    folds: Annotated[int, Field(ge=2, le=100)] = 5

    @model_validator(mode="after")
    def _one_set(self) -> Self:
        given = [key for key in ("pairs", "relevant", "interactions") if getattr(self, key) is not None]
        if len(given) > 1:
            raise PydanticCustomError("sets", "one of pairs, relevant and interactions: a second set is a second run")
        if self.seen is not None and self.links is None:
            raise PydanticCustomError("seen", "seen beside relevant or interactions, whose answers it is taken from")
        return self

    @property
    def links(self) -> Links | None:
        """Which key holds queries with their items, if one does."""
        if self.relevant is not None:
            return "relevant"
        return "interactions" if self.interactions is not None else None
