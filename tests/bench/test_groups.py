"""Which indexes are timed together, for a memory that is given."""

from idxbench.bench.groups import PROCESS_BYTES, expected_bytes, groups_notice, in_groups
from idxbench.bench.plan import make_plan
from idxbench.config.load import parse_config

CONFIG = {
    "data": {"source": "digits"},
    "strategy": [{"transform": "raw"}],
    "index": [{"kind": kind} for kind in ("exact", "numpy", "sklearn")] + [{"kind": "hnswlib", "M": [8, 64]}],
}
BUILDS = make_plan(parse_config(CONFIG)).builds
N_ITEMS, N_DIMS = 1_000_000, 100


def kinds(free_bytes):
    groups = in_groups(BUILDS, N_ITEMS, N_DIMS, free_bytes)
    assert [build for group in groups for build in group] == list(BUILDS)
    return [[build.kind for build in group] for group in groups]


def test_what_an_index_is_expected_to_hold():
    """Vectors twice, links by M, the process."""
    exact, *_, small, large = (expected_bytes(build, N_ITEMS, N_DIMS) for build in BUILDS)
    assert 800e6 + PROCESS_BYTES <= exact <= 900e6 + PROCESS_BYTES
    assert small - exact == 8 * 8 * N_ITEMS
    assert large - exact == 64 * 8 * N_ITEMS


def test_all_together_where_half_of_the_memory_holds_them():
    needed = sum(expected_bytes(build, N_ITEMS, N_DIMS) for build in BUILDS)
    assert len(kinds(2 * needed)) == 1
    assert len(kinds(2 * needed - 1)) == 2


def test_groups_are_filled_in_order():
    each = expected_bytes(BUILDS[0], N_ITEMS, N_DIMS)
    assert kinds(4 * each) == [["exact", "numpy"], ["sklearn"], ["hnswlib"], ["hnswlib"]]


def test_an_index_that_fits_nowhere_is_tried_alone():
    assert kinds(0) == [["exact"], ["numpy"], ["sklearn"], ["hnswlib"], ["hnswlib"]]


def test_nothing_to_part():
    assert in_groups([], 10, 10, 100) == []


def test_the_notice_names_the_groups():
    free = 4 * expected_bytes(BUILDS[0], N_ITEMS, N_DIMS)
    notice = groups_notice(in_groups(BUILDS, N_ITEMS, N_DIMS, free), free)
    assert notice.code == "timed-in-groups"
    assert notice.text.startswith("raw: 4.5 GB of memory are free")
    assert "4 groups" in notice.text
    assert notice.text.endswith(
        "exact and numpy; sklearn; hnswlib M=8, ef_construction=200; hnswlib M=64, ef_construction=200"
    )
