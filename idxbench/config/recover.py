"""The table ``[recover]``: how well each strategy finds clusters that are known, over seeds and models."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from idxbench.config.base import Table
from idxbench.errors import ConfigError, Problem

if TYPE_CHECKING:
    from idxbench.config.schema import Config

Gauge = Literal["d^(1/2)", "I", "d^(-1/2)", "s^(-1/2)"]
Weighting = Literal["none", "popularity"]
Name = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]+$")]


def _tables(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class RecoverModel(Table):
    """One model of the comparison: a name, and the keys of ``[data]`` that are other for it.

    A model that changes the objective starts from that objective's default regularization and from no gauge.
    """

    name: Name
    objective: Literal[1, 2] | None = None
    regularization: Annotated[float, Field(ge=0)] | None = None
    gauge: Gauge | None = None
    weighting: Weighting | None = None
    popularity_exponent: float | None = None
    standardize: bool | None = None

    def changes(self) -> dict[str, Any]:
        """Return what it changes, by key of ``[data]``."""
        given = self.model_dump(exclude={"name"}, exclude_none=True)
        return ({"regularization": None, "gauge": "I"} if "objective" in given else {}) | given


class Recover(Table):
    """The recover task: item-item similarities against the true clusters.

    ``seeds`` simulations are drawn, from ``data.seed`` on; labelled data, which can't be drawn anew, takes 1.
    AUC takes all pairs of items, or of ``sample`` items where there are more (0 for all). ``supervised`` adds a map
    fitted on one half of the labels and measured on the other. ``heatmaps`` draws cosines between items, of every
    model or of those named.
    """

    seeds: Annotated[int, Field(ge=1, le=100)] = 5
    sample: Annotated[int, Field(ge=0)] = 5_000
    supervised: bool = False
    heatmaps: bool | Annotated[tuple[Name, ...], BeforeValidator(_tables), Field(min_length=1)] = False
    model: Annotated[tuple[RecoverModel, ...], BeforeValidator(_tables), Field(min_length=1)] | None = None

    @property
    def models(self) -> tuple[RecoverModel, ...]:
        """The models; one without a name stands for ``[data]`` as it is."""
        return self.model or (RecoverModel.model_construct(name=""),)


def check_recover(config: "Config", source: str) -> None:
    """Compare the table ``[recover]``, where there is one, with the data and with what is installed.

    Raises
    ------
    ConfigError
        Everything that does not fit, before any work.
    """
    asked = config.recover
    if asked is None:
        return
    data: Any = config.data
    problems = []
    if data.source != "simulated" and asked.seeds != 1:
        problems.append(
            Problem(
                f"{source}: recover.seeds",
                "1: only the source 'simulated' can be drawn anew",
                f"{asked.seeds}, with the source {data.source!r}",
                "set recover.seeds = 1",
            )
        )
    made = data.source in ("simulated", "digits") or (data.source == "gaussian" and data.clusters > 1)
    if data.labels is None and not made:
        problems.append(
            Problem(
                f"{source}: recover",
                "labels, one class per item: what is to be recovered",
                "none",
                "name a file under data.labels, or leave [recover] out",
            )
        )
    if asked.model and data.source not in ("simulated", "factorized"):
        found = f"the source {data.source!r}"
        expected = "models of the source 'simulated' or 'factorized', which are fitted here"
        problems.append(Problem(f"{source}: recover.model", expected, found, "leave [[recover.model]] out"))
    elif asked.model:
        problems += _model_problems(asked, data, source)
    problems += _heatmap_problems(asked, source)
    if problems:
        raise ConfigError(problems)


def _model_problems(asked: Recover, data: Any, source: str) -> list[Problem]:
    problems = []
    names = [model.name for model in asked.models]
    for index, model in enumerate(asked.models):
        where = f"{source}: recover.model[{index}]"
        if model.name in names[:index]:
            problems.append(Problem(f"{where}.name", "a name of its own", f"another {model.name!r}"))
        settled = data.model_dump() | model.changes()
        if settled["objective"] == 2 and settled["gauge"] != "I":
            expected = "no gauge with objective 2, which leaves only rotations free"
            problems.append(Problem(f"{where}.gauge", expected, repr(settled["gauge"]), "leave it out"))
        if settled["standardize"] and settled["weighting"] != "none":
            expected = "standardize or weighting, not both: standardizing undoes any weight"
            problems.append(Problem(where, expected, "both", "leave one out"))
    return problems


def _heatmap_problems(asked: Recover, source: str) -> list[Problem]:
    problems = []
    where = f"{source}: recover.heatmaps"
    if asked.heatmaps is False:
        return []
    if find_spec("matplotlib") is None:
        fix = "pip install 'idxbench[figures]', or leave heatmaps out"
        problems.append(Problem(where, "matplotlib, which draws them", "matplotlib is not installed", fix))
    if isinstance(asked.heatmaps, tuple):
        names = [model.name for model in asked.models]
        known = "names of [[recover.model]]: " + ", ".join(filter(None, names)) if asked.model else "true or false"
        problems += [
            Problem(f"{where}[{index}]", known, repr(name))
            for index, name in enumerate(asked.heatmaps)
            if name not in names
        ]
    return problems
