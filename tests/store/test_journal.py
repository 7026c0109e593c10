"""The journal: cut at every byte it still reads; changed in the middle it is refused; what counts is what was last."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idxbench.errors import ResultError
from idxbench.records import Measurement
from idxbench.store.journal import FILE, Entry, append_entry, read_journal, rounds_of, rows_of, standing, unit_key
from tests.store.made import round_row

NAN = math.nan


def row(metric="recall", value=0.5, low=NAN):
    return Measurement(
        "retrieve", "räw", "dot", "numpy", "", '{"ef":10}', 5, metric, "own", value, low, NAN, 3, "share"
    )


def write(folder, *entries):
    for entry in entries:
        append_entry(folder, entry)
    return (folder / FILE).read_bytes()


ENTRIES = (
    Entry({"kind": "session", "n": 1, "host": "a"}, 1),
    Entry({"kind": "strategy", "strategy": "räw"}, 1, (row(), row("loss", NAN)), told={"facts": {"a": [1, "ß"]}}),
    Entry({"kind": "round", "n": 0}, 1, (), (round_row(), round_row(1)), arrays=("singles|0",)),
    Entry({"kind": "cell"}, 1, (row("failed", 1.0),), failed=True, reason='it "died"\n'),
)


def same(one, other):
    """NaN is NaN here."""
    return repr(one) == repr(other)


def test_what_is_written_is_read(tmp_path):
    write(tmp_path, *ENTRIES)
    found = read_journal(tmp_path)
    assert same(found.entries, ENTRIES)
    assert found.n_torn == 0
    assert [unit["host"] for unit in found.sessions] == ["a"]
    assert rows_of(found.entries)[2].metric == "failed"
    assert rounds_of(found.entries)[1].round == 1


def test_cut_at_every_byte_it_holds_the_lines_that_were_whole(tmp_path):
    data = write(tmp_path, *ENTRIES)
    ends = [i + 1 for i, byte in enumerate(data) if byte == ord("\n")]
    assert len(ends) == len(ENTRIES)
    for cut in range(len(data) + 1):
        (tmp_path / FILE).write_bytes(data[:cut])
        found = read_journal(tmp_path)
        n_whole = sum(end <= cut for end in ends)
        assert same(found.entries, ENTRIES[:n_whole])
        assert found.n_bytes == (ends[n_whole - 1] if n_whole else 0)
        assert found.n_bytes + found.n_torn == cut


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_byte_changed_is_refused_or_harmless_and_never_a_crash(tmp_path_factory, place, byte):
    folder = tmp_path_factory.mktemp("j")
    data = bytearray(write(folder, *ENTRIES))
    data[place % len(data)] = byte
    (folder / FILE).write_bytes(data)
    try:
        read_journal(folder)
    except ResultError as error:
        if str(folder / FILE) not in str(error):
            raise


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"", "JSONDecodeError"),
        (b"{", "JSONDecodeError"),
        (b"[]", "TypeError"),
        (b"\xff", "UnicodeDecodeError"),
        (b'{"schema_version": 1}', "KeyError"),
        (b'{"schema_version": 99, "status": "ok"}', "schema version 99"),
        (b'{"schema_version": 1, "status": "perhaps", "unit": {}}', "status perhaps"),
    ],
)
def test_a_bad_line_that_has_its_end_is_an_error_that_names_it(tmp_path, line, found):
    data = write(tmp_path, *ENTRIES[:2])
    for tail in (b"", data):  # as the last line, and in the middle
        (tmp_path / FILE).write_bytes(data + line + b"\n" + tail)
        with pytest.raises(ResultError, match=found) as refused:
            read_journal(tmp_path)
        assert refused.value.problems[0].where == f"{tmp_path / FILE}: line 3"


def test_no_journal_is_an_empty_one(tmp_path):
    assert read_journal(tmp_path).entries == ()


def test_units_are_equal_whatever_the_order_of_their_keys():
    assert unit_key({"a": 1, "b": "x"}) == unit_key({"b": "x", "a": 1}) == '{"a":1,"b":"x"}'


def test_a_failure_counts_in_its_session_and_the_last_line_of_a_unit_counts():
    a, b, c = ({"kind": name} for name in "abc")
    lines = (
        Entry({"kind": "session", "n": 1}, 1),
        Entry(a, 1, reason="first", failed=True),
        Entry(b, 1),
        Entry(c, 1, reason="died", failed=True),
        Entry({"kind": "session", "n": 2}, 2),
        Entry(a, 2),
        Entry(c, 2, reason="died again", failed=True),
    )
    assert [(one.unit, one.session) for one in standing(lines, 2).values()] == [(b, 1), (a, 2), (c, 2)]
    assert [one.unit for one in standing(lines, 3).values()] == [b, a]
    assert [one.reason for one in standing(lines[:4], 1).values()] == ["first", "", "died"]


def test_one_line_whatever_a_text_holds(tmp_path):
    data = write(tmp_path, Entry({"kind": "x", "name": "a\nb\u2028\u0085"}, 1))
    assert data.count(b"\n") == 1
    assert data.isascii()
    assert json.loads(data)["unit"]["name"] == "a\nb\u2028\u0085"
