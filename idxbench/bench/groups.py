"""Which indexes are alive, and so timed, together: as many as fit into half of the memory that is free."""

from collections.abc import Sequence

from idxbench.bench.builds import Built
from idxbench.bench.plan import Build
from idxbench.records import Notice, plain_parameters

# Python and the libraries of one child process: 60 MB with hnswlib, up to 250 MB with scikit-learn.
PROCESS_BYTES = 250 << 20


def expected_bytes(build: Build, n_items: int, n_dims: int) -> int:
    """Return about how much memory a built index and its process hold.

    The vectors count twice: some indexes hold a second form of them, others reserve room to grow.
    """
    links = n_items * (8 * int(build.parameters.get("M", 0)) + 64)
    return 2 * 4 * n_items * n_dims + links + PROCESS_BYTES


def size_of(built: Built) -> int:
    """Return `expected_bytes` of an index of a plan."""
    n_items, n_dims = built.strategy.embedded.items.shape
    return expected_bytes(built.build, int(n_items), int(n_dims))


def in_groups(sizes: Sequence[int], free_bytes: int, *, copies: int = 1) -> list[list[int]]:
    """Part indexes, in their order, into groups that fit into half of the free memory.

    The other half is for the parent. An index that does not fit by itself gets a group of its own: whether it fits
    after all, only trying tells.

    Parameters
    ----------
    sizes
        Expected bytes of each.
    free_bytes
        What is free.
    copies
        How often the first of each group is held: 2 where a control rides along.

    Returns
    -------
    Positions, group by group.
    """
    groups: list[list[int]] = []
    held = 0
    for position, size in enumerate(sizes):
        if not groups or held + size > free_bytes / 2:
            groups.append([])
            held = (copies - 1) * size
        groups[-1].append(position)
        held += size
    return groups


def groups_notice(groups: Sequence[Sequence[Build]], free_bytes: int) -> Notice:
    """Say which indexes could not be timed together."""
    parts = "; ".join(" and ".join(_name(build) for build in group) for group in groups)
    return Notice(
        "timed-in-groups",
        f"{free_bytes / 1e9:.1f} GB of memory are free, too little to hold all indexes at once, so "
        f"they took turns in {len(groups)} groups, one group after the other: {parts}",
        "speeds compare best within a group; fewer indexes at a time (--only) or more memory make one group",
    )


def _name(build: Build) -> str:
    return " ".join(filter(None, (build.space.name, "in", build.kind, plain_parameters(build.build_json))))
