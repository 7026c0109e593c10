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


SIZES = [expected_bytes(build, N_ITEMS, N_DIMS) for build in BUILDS]


def kinds(free_bytes, copies=1):
    groups = in_groups(SIZES, free_bytes, copies=copies)
    assert [position for group in groups for position in group] == list(range(len(BUILDS)))
    return [[BUILDS[position].kind for position in group] for group in groups]


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


def test_a_control_takes_the_place_of_another():
    each = expected_bytes(BUILDS[0], N_ITEMS, N_DIMS)
    assert kinds(4 * each, copies=2) == [["exact"], ["numpy"], ["sklearn"], ["hnswlib"], ["hnswlib"]]
    assert kinds(6 * each, copies=2)[0] == ["exact", "numpy"]


def test_an_index_that_fits_nowhere_is_tried_alone():
    assert kinds(0) == [["exact"], ["numpy"], ["sklearn"], ["hnswlib"], ["hnswlib"]]


def test_nothing_to_part():
    assert in_groups([], 100) == []


def test_the_notice_names_the_groups():
    free = 4 * SIZES[0]
    notice = groups_notice([[BUILDS[i] for i in group] for group in in_groups(SIZES, free)], free)
    assert notice.code == "timed-in-groups"
    assert notice.text.startswith("4.5 GB of memory are free")
    assert "4 groups" in notice.text
    assert notice.text.endswith(
        "raw in exact and raw in numpy; raw in sklearn; raw in hnswlib M=8, ef_construction=200; "
        "raw in hnswlib M=64, ef_construction=200"
    )
