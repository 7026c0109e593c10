"""What every table of the config shares: strictness, and the small types its values are made of."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo


class Table(BaseModel):
    """A table of the config: no unknown keys, no silent conversions, immutable."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


def one_or_many(value: Any) -> Any:
    """Let a single value stand for a list of one; lists become tuples."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _distinct(values: tuple[int, ...]) -> tuple[int, ...]:
    """Ask for everything once."""
    return tuple(dict.fromkeys(values))


def _sequence(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _path(value: Any, info: ValidationInfo) -> Any:
    """Read a path relative to the folder of the config file."""
    if not isinstance(value, str | Path) or not str(value):
        return value
    base = (info.context or {}).get("base", Path())
    return base / Path(value).expanduser()


PositiveInt = Annotated[int, Field(gt=0)]
Depths = Annotated[
    tuple[PositiveInt, ...], BeforeValidator(one_or_many), Field(min_length=1), AfterValidator(_distinct)
]
Floats = Annotated[tuple[float, ...], BeforeValidator(_sequence), Field(min_length=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
FilePath = Annotated[Path, BeforeValidator(_path)]


class ArrayFile(Table):
    """An array inside a file: ``"items.npy"`` or ``{ path = "both.npz", key = "items" }``.

    ``key`` names an ``.npz`` array, an ``.hdf5`` dataset, a Parquet column or a column of a label table.
    """

    path: FilePath
    key: str | None = None


def _array_file(value: Any) -> Any:
    return {"path": value} if isinstance(value, str | Path) else value


ArrayRef = Annotated[ArrayFile, BeforeValidator(_array_file)]
