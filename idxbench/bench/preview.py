"""What a run would do, without doing it."""

from dataclasses import dataclass

from idxbench.bench.inputs import check_shapes, check_sizes, check_transforms, splits_queries
from idxbench.bench.plan import Plan, check_extras, make_plan
from idxbench.bench.runner import Request
from idxbench.config.schema import Config, FilesData, GaussianData
from idxbench.data.load import load
from idxbench.machine import cache_root, resolve_threads


@dataclass(frozen=True)
class Preview:
    """A plan, and the sizes that are known without loading or making anything.

    Parameters
    ----------
    config, plan
        What was asked, and what that comes to.
    n_items, n_queries, n_dims
        None where only the work itself would tell.
    threads
        Resolved.
    """

    config: Config
    plan: Plan
    n_items: int | None
    n_queries: int | None
    n_dims: int | None
    threads: int


def preview(request: Request) -> Preview:
    """Check everything cheap and expand the plan.

    Raises
    ------
    ConfigError, DataError
        As a run would, before any work.
    """
    config = request.config
    data = config.data
    n_items = n_queries = n_dims = None
    if isinstance(data, FilesData):
        loaded = load(data, cache_root())
        n_dims = int(loaded.dataset.items.shape[1])
        n_items, n_queries = check_shapes(config, request.config_name, loaded)
    elif isinstance(data, GaussianData):
        n_items, n_queries, n_dims = data.n_items, data.n_queries, data.n_dims
        check_sizes(config, request.config_name, n_items, n_queries)
        check_transforms(config, request.config_name, n_dims)
    if n_queries is not None and splits_queries(config):
        n_queries //= 2
    if n_queries is not None and config.measure.queries:
        n_queries = min(n_queries, config.measure.queries)
    plan = make_plan(config, request.only, has_queries=n_queries != 0)
    check_extras(plan, config, request.config_name)
    return Preview(config, plan, n_items, n_queries, n_dims, resolve_threads(config.threads))
