"""The transforms a strategy may ask for, and their parameters."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from idxbench.config.base import ArrayRef, FilePath, Floats, PositiveInt, Seed, Table

Side = Literal["auto", "dual", "same"]
# Singular values up to this share of the largest count as rounding.
Tolerance = Annotated[float, Field(ge=0, lt=1)]


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


class Whitened(Table):
    """Subtract the mean item and make every axis vary alike and none with another.

    ``rank`` keeps that many principal axes; otherwise those above ``tolerance`` (of the largest) are kept.
    ``center = false`` whitens the second moment. ``queries`` as in `Standardized`.
    """

    kind: Literal["whitened"] = "whitened"
    rank: PositiveInt | None = None
    tolerance: Tolerance = 1e-6
    center: bool = True
    queries: Side = "auto"


class Covariance(Table):
    """Weight items by the covariance of the queries: cosine becomes the correlation of two items' scores.

    ``center = false`` weights by their second moment: cosine of the columns of scores. ``of = "items"`` takes the
    items in place of the queries, ``auto`` does so where there are no queries and one tower. ``queries``: ``dual``
    keeps every dot score, ``same`` weights queries as items, ``auto`` as in `Centered`.
    """

    kind: Literal["covariance"] = "covariance"
    center: bool = True
    of: Literal["auto", "queries", "items"] = "auto"
    tolerance: Tolerance = 1e-6
    queries: Side = "auto"


class ScoreCorr(Table):
    """Items in coordinates whose cosine is the correlation of standardised scores; queries keep every ranking."""

    kind: Literal["score_corr"] = "score_corr"
    tolerance: Tolerance = 1e-6


class Canonical(Table):
    """Coordinates that depend on the scores alone: every dot score is kept.

    ``t`` from 0 (items white) over 1/2 (both second moments equal) to 1 (queries white).
    """

    kind: Literal["canonical"] = "canonical"
    t: Annotated[float, Field(ge=0, le=1)] = 0.5
    tolerance: Tolerance = 1e-6


class Balanced(Table):
    """`Canonical` at t = 1/2: items and queries get the same second moment, every dot score is kept."""

    kind: Literal["balanced"] = "balanced"
    tolerance: Tolerance = 1e-6

    @property
    def t(self) -> float:
        """Half of the spectrum for either side."""
        return 0.5


class ItemWhite(Table):
    """`Canonical` at t = 0 up to a rotation, from the items alone: they become white, every dot score is kept."""

    kind: Literal["item_white"] = "item_white"
    tolerance: Tolerance = 1e-6


class Augmented(Table):
    """Append to every item what is missing to the largest norm: nearest by l2 is then best by dot."""

    kind: Literal["augmented"] = "augmented"


class Projected(Table):
    """Multiply items by the matrix of an ``.npy`` file, (d, r), and queries by another, or by the same."""

    kind: Literal["projected"] = "projected"
    items: FilePath
    queries: FilePath | None = None


class DropTop(Table):
    """Subtract the mean item and take the largest principal components of the items away.

    ``queries``: ``same`` does so to queries, ``dual`` leaves them alone, ``auto`` as in `Centered`.
    """

    kind: Literal["drop_top"] = "drop_top"
    components: PositiveInt = 1
    center: bool = True
    queries: Side = "auto"


class Mixed(Table):
    """A random invertible change of coordinates, undone in the queries: every dot score is kept.

    Two random rotations with scales ``exp(sigma N(0, 1))`` between them.
    """

    kind: Literal["mixed"] = "mixed"
    sigma: Annotated[float, Field(gt=0, le=20)] = 1.0
    seed: Seed = 0


class Shifted(Table):
    """Add one random vector to all items, ``strength`` times their root mean squared norm long.

    Every query keeps its ranking by dot.
    """

    kind: Literal["shifted"] = "shifted"
    strength: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    seed: Seed = 0


class Learned(Table):
    """Weight the principal axes of the items so that pairs known to be alike are alike: a ridge regression.

    ``pairs`` holds two items a line and perhaps a grade; without grades random pairs stand for what is not alike. Ids
    are row numbers, or names of ``names``. ``rank`` keeps that many axes. ``regularization`` is relative, and large
    values leave the vectors as they are; of several, or under ``auto``, the best by cross-validation over ``folds`` is
    taken. ``queries`` as in `Standardized`.
    """

    kind: Literal["learned"] = "learned"
    pairs: FilePath
    names: ArrayRef | None = None
    rank: PositiveInt | None = None
    regularization: Literal["auto"] | tuple[float, ...] = "auto"
    folds: Annotated[int, Field(ge=2, le=100)] = 5
    queries: Side = "auto"
    seed: Seed = 0

    @field_validator("regularization", mode="before")
    @classmethod
    def _strengths(cls, value: Any) -> Any:
        if value == "auto":
            return value
        numbers = tuple(value) if isinstance(value, list | tuple) else (value,)
        if not numbers or not all(type(one) in (int, float) and 0 < one < float("inf") for one in numbers):
            raise PydanticCustomError("strengths", "auto, or one or more numbers above 0")
        return tuple(float(one) for one in numbers)


TransformSpec = (
    Raw
    | Normalized
    | Rescaled
    | Centered
    | Standardized
    | Whitened
    | Covariance
    | ScoreCorr
    | Canonical
    | Balanced
    | ItemWhite
    | Augmented
    | Projected
    | DropTop
    | Mixed
    | Shifted
    | Learned
)
TRANSFORMS: dict[str, type[TransformSpec]] = {
    "raw": Raw,
    "normalized": Normalized,
    "rescaled": Rescaled,
    "centered": Centered,
    "standardized": Standardized,
    "whitened": Whitened,
    "covariance": Covariance,
    "score_corr": ScoreCorr,
    "canonical": Canonical,
    "balanced": Balanced,
    "item_white": ItemWhite,
    "augmented": Augmented,
    "projected": Projected,
    "drop_top": DropTop,
    "mixed": Mixed,
    "shifted": Shifted,
    "learned": Learned,
}


# Transforms that leave vectors as wide as they were.
SAME_WIDTH = (Raw, Normalized, Rescaled, Centered, Standardized, DropTop, Mixed, Shifted)


def needs_queries(spec: TransformSpec) -> bool:
    """Tell whether a transform is fitted on queries where there are any."""
    return isinstance(spec, ScoreCorr | Canonical | Balanced) or (isinstance(spec, Covariance) and spec.of != "items")


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
    | Annotated[Standardized, Tag("standardized")]
    | Annotated[Whitened, Tag("whitened")]
    | Annotated[Covariance, Tag("covariance")]
    | Annotated[ScoreCorr, Tag("score_corr")]
    | Annotated[Canonical, Tag("canonical")]
    | Annotated[Balanced, Tag("balanced")]
    | Annotated[ItemWhite, Tag("item_white")]
    | Annotated[Augmented, Tag("augmented")]
    | Annotated[Projected, Tag("projected")]
    | Annotated[DropTop, Tag("drop_top")]
    | Annotated[Mixed, Tag("mixed")]
    | Annotated[Shifted, Tag("shifted")]
    | Annotated[Learned, Tag("learned")],
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
        if isinstance(value, dict):
            value = value["path"]
        return value.name if isinstance(value, Path) else f"{value:g}" if isinstance(value, float) else str(value)

    return f"{spec.kind}({', '.join(f'{key}={text(value)}' for key, value in given.items())})"
