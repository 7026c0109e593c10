"""The schema of the config: every table, key, default and range."""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from idxbench.config.base import ArrayRef, Depths, FilePath, Seed, Table
from idxbench.config.diagnose import Diagnose
from idxbench.config.policy import Policy
from idxbench.config.probe import Probe
from idxbench.config.recover import Gauge, Recover, Weighting
from idxbench.config.transforms import Normalized, Raw, Rescaled, Transforms, describe_transform
from idxbench.config.validation import Validation

Similarity = Literal["dot", "cosine", "l2"]
Trained = Literal["dot", "cosine", "l2", "unknown"]
Task = Literal["retrieve", "similar", "cluster"]
TASKS: tuple[Task, ...] = ("retrieve", "similar", "cluster")


def _tables(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class DataTable(Table):
    """What is known about any data: how it was trained, and which queries are asked.

    ``trained_with = "unknown"`` is graded like ``dot``, and the run says so. ``towers`` defaults to 2 where
    queries come with the items and to 1 where they are held out of them. ``holdout`` takes that many items
    out (chosen by the run's seed) and asks them as queries.
    """

    trained_with: Trained = "unknown"
    towers: Literal[1, 2] | None = None
    labels: ArrayRef | None = None
    query_labels: ArrayRef | None = None
    holdout: Annotated[int, Field(ge=0)] = 0


class FilesData(DataTable):
    """Vectors from the user's own files."""

    source: Literal["files"] = "files"
    items: ArrayRef
    queries: ArrayRef | None = None
    neighbors: ArrayRef | None = None

    @model_validator(mode="after")
    def _queries_once(self) -> Self:
        if self.queries is not None and self.holdout:
            raise PydanticCustomError("queries", "queries from a file or holdout, not both")
        if self.neighbors is not None and self.queries is None:
            raise PydanticCustomError("neighbors", "queries beside neighbors, which are theirs")
        return self


class DigitsData(DataTable):
    """Scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, with their classes."""

    source: Literal["digits"]
    trained_with: Trained = "l2"
    holdout: Annotated[int, Field(ge=0, lt=1797)] = 200


class GaussianData(DataTable):
    """Gaussian vectors with a chosen spectrum, spread of norms and clusters."""

    source: Literal["gaussian"]
    trained_with: Trained = "dot"
    n_items: Annotated[int, Field(gt=0)] = 20_000
    n_queries: Annotated[int, Field(ge=0)] = 1_000
    n_dims: Annotated[int, Field(gt=0)] = 64
    spectrum_decay: Annotated[float, Field(ge=0, le=10)] = 0.0
    norm_spread: Annotated[float, Field(ge=0, le=5)] = 0.0
    clusters: Annotated[int, Field(ge=0)] = 0
    cluster_spread: Annotated[float, Field(gt=0, le=100)] = 0.5
    seed: Seed = 0


class FactorizedTable(DataTable):
    """A matrix of users and items, prepared and factorized in closed form.

    ``weighting = "popularity"`` multiplies each item's column by its number of users to the power of
    ``popularity_exponent``; ``standardize`` gives each column mean 0 and variance 1, zeros included.
    """

    objective: Literal[1, 2] = 1
    rank: Annotated[int, Field(gt=0)] = 50
    regularization: Annotated[float, Field(ge=0)] | None = None
    gauge: Gauge = "I"
    weighting: Weighting = "none"
    popularity_exponent: float = -0.75
    standardize: bool = False

    @model_validator(mode="after")
    def _one_remedy(self) -> Self:
        if self.standardize and self.weighting != "none":
            raise PydanticCustomError("remedies", "standardize or weighting, not both: standardizing undoes any weight")
        return self


class SimulatedData(FactorizedTable):
    """The paper's simulated users and clustered items, factorized in closed form."""

    source: Literal["simulated"]
    trained_with: Trained = "dot"
    n_users: Annotated[int, Field(gt=1)] = 20_000
    n_items: Annotated[int, Field(gt=1)] = 1_000
    n_clusters: Annotated[int, Field(gt=0)] = 5
    beta_range: Annotated[tuple[float, float], BeforeValidator(_tables)] = (0.25, 1.5)
    dirichlet_alpha: Annotated[float, Field(gt=0)] = 1.0
    count_exponent: Annotated[float, Field(ge=0)] = 0.5
    cluster_shares: Annotated[tuple[Annotated[float, Field(ge=0)], ...], BeforeValidator(_tables)] | None = None
    normalize_popularity: bool = False
    max_count: Annotated[int, Field(gt=0)] | None = None
    seed: Seed = 0


class FactorizedData(FactorizedTable):
    """Item and user embeddings learned in closed form from a table of ratings."""

    source: Literal["factorized"]
    trained_with: Trained = "dot"
    ratings: FilePath
    center: Literal["none", "global"] = "none"


class AnnBenchmarksData(DataTable):
    """A data set of ann-benchmarks, downloaded by name and cached; its distance says how it is graded."""

    source: Literal["ann-benchmarks"]
    name: Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9._-]+$")]
    base_url: Annotated[str, Field(pattern=r"^https?://")] = "http://ann-benchmarks.com"
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")] | None = None
    cache_dir: FilePath | None = None


AnyData = FilesData | DigitsData | GaussianData | SimulatedData | FactorizedData | AnnBenchmarksData
SOURCES: dict[str, type[AnyData]] = {
    "files": FilesData,
    "digits": DigitsData,
    "gaussian": GaussianData,
    "simulated": SimulatedData,
    "factorized": FactorizedData,
    "ann-benchmarks": AnnBenchmarksData,
}


def _source(value: Any) -> str | None:
    if isinstance(value, Table):
        value = {"source": getattr(value, "source", None)}
    if not isinstance(value, dict):
        return "files"
    source = value.get("source", "files")
    return source if isinstance(source, str) and source in SOURCES else None


Data = Annotated[
    Annotated[FilesData, Tag("files")]
    | Annotated[DigitsData, Tag("digits")]
    | Annotated[GaussianData, Tag("gaussian")]
    | Annotated[SimulatedData, Tag("simulated")]
    | Annotated[FactorizedData, Tag("factorized")]
    | Annotated[AnnBenchmarksData, Tag("ann-benchmarks")],
    Discriminator(_source, custom_error_type="source", custom_error_message="a source: " + ", ".join(SOURCES)),
]


class Strategy(Table):
    """A transform (or several, in order) and the similarity its vectors are compared with."""

    transform: Transforms
    similarity: Similarity | None = None
    name: Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]+$")] | None = None

    @property
    def kinds(self) -> str:
        """The transforms by name, joined: ``centered+normalized``."""
        return "+".join(spec.kind for spec in self.transform)

    @property
    def described(self) -> str:
        """The transforms with the parameters that were given."""
        return "+".join(describe_transform(spec) for spec in self.transform)


class HnswlibIndex(Table):
    """hnswlib: lists are swept, each (M, ef_construction) is built once and searched at every ef."""

    kind: Literal["hnswlib"]
    environment: str | None = None
    M: Annotated[Depths, Field(json_schema_extra={"minimum": 2})] = (16,)
    ef_construction: Depths = (200,)
    ef: Depths = (10, 20, 40, 80, 160, 320)

    @field_validator("M")
    @classmethod
    def _two_links(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        # With M = 1 the level multiplier 1 / ln(M) is infinite.
        if min(value) < 2 or max(value) > 10_000:
            raise PydanticCustomError("range", "2 to 10000 links")
        return value


ExactKind = Literal["exact", "numpy", "faiss-flat", "sklearn", "usearch-exact"]


class ExactIndex(Table):
    """Exact search as an index, our own or another library's: what every other index must beat in time."""

    kind: ExactKind
    environment: str | None = None


AnyIndex = HnswlibIndex | ExactIndex
INDEXES: dict[str, type[AnyIndex]] = {"hnswlib": HnswlibIndex} | dict.fromkeys(get_args(ExactKind), ExactIndex)


def _index_kind(value: Any) -> str | None:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    if not isinstance(kind, str) or kind not in INDEXES:
        return None
    return "exact" if INDEXES[kind] is ExactIndex else kind


Index = Annotated[
    Annotated[HnswlibIndex, Tag("hnswlib")] | Annotated[ExactIndex, Tag("exact")],
    Discriminator(_index_kind, custom_error_type="kind", custom_error_message="a kind: " + ", ".join(INDEXES)),
]


class Similar(Table):
    """The item-item task: ``sample`` items (0 for all) ask for their neighbours among all items."""

    sample: Annotated[int, Field(ge=0)] = 5_000


def _at_least_two(counts: tuple[int, ...]) -> tuple[int, ...]:
    if min(counts) < 2:
        raise PydanticCustomError("range", "at least 2 clusters")
    return counts


class Clusters(Table):
    """The cluster task: k-means at each count, from several seeds that all strategies share."""

    counts: Annotated[Depths, AfterValidator(_at_least_two)] = (5, 20)
    seeds: Annotated[int, Field(ge=2, le=100)] = 5
    iterations: Annotated[int, Field(ge=1, le=10_000)] = 50


class Environment(Table):
    """Another Python, with idxbench and the libraries to be compared, that an index is built and timed in."""

    python: FilePath


def _none_or_some(rate: float) -> float:
    """Refuse a rate at which the hundred requests of a turn, which a 99th percentile needs, would take an age."""
    if 0 < rate < 20:
        raise PydanticCustomError("range", "0, or at least 20 queries per second: a turn asks a hundred")
    return rate


class Measure(Table):
    """How much is measured.

    ``queries`` bounds the evaluated queries (0 for all; a sample by seed above it). ``build_mode``:
    ``repeatable`` builds with one thread and a fixed seed, ``fast`` with all threads. Where ``[gate]`` names two sides
    of the run, ``rounds`` are doubled up to ``doublings`` times while they are inconclusive. ``budget``: seconds that
    rounds may take in all, 0 for any; the round under way is finished. ``control``: a second copy of the first index
    takes turns with the others and says how far a thing differs from itself. ``rate``: queries per second that also
    arrive at a fixed rate, whether or not earlier ones are answered; 0 leaves that out.
    """

    queries: Annotated[int, Field(ge=0)] = 10_000
    rounds: Annotated[int, Field(ge=1, le=1000)] = 10
    doublings: Annotated[int, Field(ge=0, le=6)] = 2
    budget: Annotated[float, Field(ge=0)] = 0.0
    control: bool = True
    rate: Annotated[float, Field(ge=0), AfterValidator(_none_or_some)] = 0.0
    builds: Annotated[int, Field(ge=1, le=100)] = 1
    build_mode: Literal["repeatable", "fast"] = "repeatable"


class Config(Table):
    """A whole config. Every key has a default but ``data.items``."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] = "run"
    k: Depths = (10,)
    seed: Seed = 0
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    recover: Recover | None = None
    tasks: Annotated[tuple[Task, ...], BeforeValidator(_tables)] = TASKS
    target_recall: Annotated[float, Field(gt=0, lt=1)] = 0.95
    cache: bool = True
    data: Data
    strategy: Annotated[tuple[Strategy, ...], BeforeValidator(_tables), Field(min_length=1)] = (
        Strategy(transform=(Raw(),)),
        Strategy(transform=(Normalized(),)),
        Strategy(transform=(Rescaled(),)),
    )
    index: Annotated[tuple[Index, ...], BeforeValidator(_tables), Field(min_length=1)] = (HnswlibIndex(kind="hnswlib"),)
    similar: Similar = Similar()
    clusters: Clusters = Clusters()
    measure: Measure = Measure()
    environment: dict[str, Environment] = Field(default_factory=dict)
    gate: Policy = Policy()
    diagnose: Diagnose = Diagnose()
    probe: Annotated[tuple[Probe, ...], BeforeValidator(_tables)] = ()
    validation: Validation | None = None

    @field_validator("tasks")
    @classmethod
    def _something_to_do(cls, value: tuple[Task, ...], info: ValidationInfo) -> tuple[Task, ...]:
        if not value and info.data.get("recover") is None:
            raise PydanticCustomError("too_short", "at least one value")
        return value

    @model_validator(mode="after")
    def _known_environments(self) -> Self:
        for index in self.index:
            if index.environment is not None and index.environment not in self.environment:
                raise PydanticCustomError("environment", f"a table [environment.{index.environment}] with its python")
        return self

    @property
    def trained_similarity(self) -> Similarity:
        """The similarity of the task reference: what the model was trained with, dot where unknown."""
        return "dot" if self.data.trained_with == "unknown" else self.data.trained_with
