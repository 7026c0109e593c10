"""Rows joined by id, against loops; losses counted, repeats refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench.data.joined import Rows, join_rows
from idxbench.errors import DataError


def rows(where, ids):
    return Rows(where, len(ids), f"{where}.ids", np.array(ids))


def test_by_hand():
    joined = join_rows(rows("base", [30, 10, 20, 40]), rows("new", [20, 50, 30, 60, 10]))
    # In the order of the base: 30, 10, 20.
    assert joined.base.tolist() == [0, 1, 2]
    assert joined.new.tolist() == [2, 4, 0]
    assert (joined.n_joined, joined.n_lost, joined.n_added) == (3, 1, 2)
    assert (joined.lost, joined.added) == (("40",), ("50", "60"))
    assert joined.by_id


def test_numbers_and_texts_are_the_same_ids():
    joined = join_rows(rows("base", [7, 8]), rows("new", ["8", "007", "7"]))
    assert (joined.base.tolist(), joined.new.tolist(), joined.added) == ([0, 1], [2, 0], ("007",))


def test_without_ids_the_number_of_the_row_counts():
    joined = join_rows(Rows("a", 3), Rows("b", 3))
    assert joined.base.tolist() == joined.new.tolist() == [0, 1, 2]
    assert not joined.by_id
    with pytest.raises(DataError, match=r"(?s)b\n.*3 rows, as in a: without ids.*found: +4 rows"):
        join_rows(Rows("a", 3), Rows("b", 4))


def test_ids_on_one_side_only():
    with pytest.raises(DataError, match=r"(?s)^b\n.*none; a has those of a\.ids"):
        join_rows(rows("a", [1, 2]), Rows("b", 2))


def test_repeats_are_named_by_id_and_row():
    with pytest.raises(DataError, match=r"(?s)new\.ids.*5 in rows 0, 2; 7 in rows 1, 3, 4"):
        join_rows(rows("base", [1]), rows("new", [5, 7, 5, 7, 7]))
    with pytest.raises(DataError, match=r"and 2 more ids"):
        join_rows(rows("base", list(range(7)) * 2), rows("new", [1]))


def test_as_many_ids_as_rows():
    with pytest.raises(DataError, match=r"(?s)x\.ids.*5 ids, one per row of x.*found: +1 ids"):
        join_rows(Rows("x", 5, "x.ids", np.array([1])), rows("y", [1]))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=10, unique=True),
    st.lists(st.integers(0, 12), min_size=1, max_size=10, unique=True),
    st.booleans(),
)
def test_agrees_with_loops(one, two, as_text):
    joined = join_rows(rows("a", one), rows("b", [str(x) for x in two] if as_text else two))
    pairs = [(i, two.index(x)) for i, x in enumerate(one) if x in two]
    assert list(zip(joined.base.tolist(), joined.new.tolist(), strict=True)) == pairs
    assert joined.lost == tuple(str(x) for x in one if x not in two)[:5]
    assert joined.n_lost == len(set(one) - set(two))
    assert joined.n_added == len(set(two) - set(one))
