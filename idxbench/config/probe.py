"""Probes of the gauge: how strong a change of coordinates that keeps every score is made, and of which kind."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from idxbench.config.base import Seed, Table, one_or_many
from idxbench.config.transforms import Mixed, Rescaled, Shifted, Transforms, TransformSpec, describe_transform

Kind = Literal["diagonal", "axis", "dense", "shift"]
Strengths = Annotated[
    tuple[Annotated[float, Field(gt=0, le=1e6)], ...], BeforeValidator(one_or_many), Field(min_length=1)
]


class Probe(Table):
    """A change of coordinates at several strengths, undone in the queries.

    ``diagonal``: axes times ``exp(strength N(0, 1))``; ``axis``: one axis times ``strength``; ``dense``: rotations
    with such scales between them; ``shift``: one vector added to all items, ``strength`` times their root mean squared
    norm long. ``seeds`` of the change and of the index builds, for ``axis`` of those alone. ``then`` are transforms
    after it, to see what they repair.
    """

    kind: Kind
    strength: Strengths
    axis: Annotated[int, Field(ge=0)] = 0
    seeds: Annotated[int, Field(ge=1, le=100)] = 3
    seed: Seed = 0
    then: Transforms | None = None

    @model_validator(mode="after")
    def _strong_enough(self) -> Self:
        if self.kind in ("diagonal", "dense") and max(self.strength) > 20:
            raise PydanticCustomError("range", "a strength of at most 20, the standard deviation of a logarithm")
        return self

    @property
    def label(self) -> str:
        """What tables call it: ``diagonal``, ``axis 3 then balanced``."""
        name = f"axis {self.axis}" if self.kind == "axis" else self.kind
        return f"{name} then {'+'.join(map(describe_transform, self.then))}" if self.then else name

    @property
    def keeps_scores(self) -> bool:
        """Whether the probe keeps every score; a shift keeps only the ranking of each query."""
        return self.kind != "shift"

    def transforms(self, strength: float, number: int) -> tuple[TransformSpec, ...]:
        """Return the transforms of one point: a strength, and the number of its seed."""
        seed = self.seed + number
        change: dict[Kind, TransformSpec] = {
            "diagonal": Rescaled(sigma=min(strength, 20.0), seed=seed),
            "axis": Rescaled(axis=self.axis, factor=strength),
            "dense": Mixed(sigma=min(strength, 20.0), seed=seed),
            "shift": Shifted(strength=strength, seed=seed),
        }
        return (change[self.kind], *(self.then or ()))
