"""The transforms a strategy may ask for, and their parameters."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from idxbench.config.base import FilePath, Floats, Seed, Table

Side = Literal["auto", "dual", "same"]


class Raw(Table):
    """Leave the vectors as they are."""

    kind: Literal["raw"] = "raw"


class Normalized(Table):
    """Divide every item and every query by its norm."""

    kind: Literal["normalized"] = "normalized"


class Rescaled(Table):
    """Multiply item axes by scales and divide the query axes by them: every dot score is kept.

    Give one of: ``axis`` and ``factor``; ``scales`` (a list, or an ``.npy`` file, one number per axis);
    ``sigma`` and ``seed`` (scales ``exp(sigma N(0, 1))``). Alone, ``rescaled`` means sigma = 1, seed = 0.
    """

    kind: Literal["rescaled"] = "rescaled"
    axis: Annotated[int, Field(ge=0)] | None = None
    factor: float | None = None
    scales: Floats | FilePath | None = None
    sigma: Annotated[float, Field(gt=0, le=20)] | None = None
    seed: Seed = 0

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.axis is None) != (self.factor is None):
            raise PydanticCustomError("pair", "axis and factor together")
        ways = [self.axis is not None, self.scales is not None, self.sigma is not None]
        if sum(ways) > 1:
            raise PydanticCustomError("ways", "one of axis and factor, scales, or sigma")
        if self.factor == 0 or (isinstance(self.scales, tuple) and 0 in self.scales):
            raise PydanticCustomError("zero", "scales other than 0, which queries could not be divided by")
        if not any(ways):
            object.__setattr__(self, "sigma", 1.0)
        return self


class Centered(Table):
    """Subtract the mean item from the items.

    ``queries``: ``dual`` leaves them alone (under dot every query keeps its ranking), ``same`` subtracts
    the same mean (queries live where items live), ``auto`` is ``dual`` for two towers trained with a dot
    product and ``same`` otherwise.
    """

    kind: Literal["centered"] = "centered"
    queries: Side = "auto"


class Standardized(Table):
    """Subtract the mean item and divide each axis by the items' standard deviation.

    ``queries``: ``dual`` multiplies them by it (under dot every query keeps its ranking), ``same`` treats
    them as the items, ``auto`` as in `Centered`. A constant axis is left undivided.
    """

    kind: Literal["standardized"] = "standardized"
    queries: Side = "auto"


TransformSpec = Raw | Normalized | Rescaled | Centered | Standardized
TRANSFORMS: dict[str, type[TransformSpec]] = {
    "raw": Raw,
    "normalized": Normalized,
    "rescaled": Rescaled,
    "centered": Centered,
    "standardized": Standardized,
}


def _spec(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


def _kind(value: Any) -> str | None:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return kind if isinstance(kind, str) and kind in TRANSFORMS else None


_Union = Annotated[
    Annotated[Raw, Tag("raw")]
    | Annotated[Normalized, Tag("normalized")]
    | Annotated[Rescaled, Tag("rescaled")]
    | Annotated[Centered, Tag("centered")]
    | Annotated[Standardized, Tag("standardized")],
    Discriminator(
        _kind,
        custom_error_type="kind",
        custom_error_message="a transform: " + ", ".join(TRANSFORMS),
    ),
]


def _specs(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


Transforms = Annotated[
    tuple[Annotated[_Union, BeforeValidator(_spec)], ...], BeforeValidator(_specs), Field(min_length=1)
]


def describe_transform(spec: TransformSpec) -> str:
    """Write a transform with the parameters that were given: ``rescaled(axis=0, factor=1000)``."""
    given = spec.model_dump(exclude_defaults=True)
    given.pop("kind", None)
    if not given:
        return spec.kind

    def text(value: Any) -> str:
        if isinstance(value, tuple):
            return f"{len(value)} values"
        return value.name if isinstance(value, Path) else f"{value:g}" if isinstance(value, float) else str(value)

    return f"{spec.kind}({', '.join(f'{key}={text(value)}' for key, value in given.items())})"
