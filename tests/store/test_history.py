"""The history on disk: append-only lines, two writers, torn ends, corrections, and words for what is broken."""

import json
import math
import multiprocessing
import os
import resource

import pytest

from idxbench.config.policy import Metric
from idxbench.errors import ConfigError, ResultError
from idxbench.store.history import Event, add_event, add_rows, check_machine, machines, read_history
from tests.nights.written import history_row, run_name, started


def night(number=0, *, n=3, hours=0, **changes):
    place = {"run": run_name(number, hours=hours), "started": started(number, hours=hours)} | changes
    return [history_row(search=f'{{"ef":{ef}}}', **place) for ef in range(10, 10 + n)]


def lines(path):
    return path.read_text().splitlines()


def test_what_is_added_is_read_back(tmp_path):
    rows = night(n=2, value=1 / 3, low=0.1, high=0.5, noise=math.nan, flags=("unstable",))
    path = add_rows(tmp_path, rows)
    assert path == tmp_path / "box" / "2026-08.jsonl"
    read = read_history(tmp_path, "box")
    assert [str(row) for row in read.rows] == [str(row) for row in rows]
    assert read.rows[0].versions == rows[0].versions
    assert math.isnan(read.rows[0].noise)
    assert read.notices == ()


def test_a_line_has_sorted_keys_and_its_schema(tmp_path):
    (line,) = lines(add_rows(tmp_path, night(n=1)))
    given = json.loads(line)
    assert list(given) == sorted(given)
    assert (given["schema_version"], given["of"], given["generation"]) == (1, 1, 0)
    assert given["low"] is None


def test_months_and_machines_have_files_of_their_own(tmp_path):
    add_rows(tmp_path, night(0))
    add_rows(tmp_path, night(20))
    add_rows(tmp_path, night(0, machine="other"))
    assert machines(tmp_path) == ("box", "other")
    assert sorted(file.name for file in (tmp_path / "box").iterdir()) == ["2026-08.jsonl", "2026-09.jsonl"]
    assert len(read_history(tmp_path, "box").rows) == 6
    assert len(read_history(tmp_path, "other").rows) == 3


def test_a_machine_without_nights_is_none(tmp_path):
    add_event(tmp_path, Event("pin", "2026-08-21T09:00:00+00:00", "empty", "1.0", runs=(run_name(0),)))
    assert machines(tmp_path) == ()
    add_rows(tmp_path, night(0))
    assert machines(tmp_path) == ("box",)


def test_how_a_metric_was_judged(tmp_path):
    judged = Metric(direction="lower", floor=0.01, kind="difference", gate=False)
    path = add_rows(tmp_path, night(n=1, judged=judged))
    assert json.loads(lines(path)[0])["judged"] == {
        "direction": "lower", "floor": 0.01, "kind": "difference", "gate": False
    }  # fmt: skip
    assert read_history(tmp_path, "box").rows[0].judged == judged
    # Records of an older idxbench don't say.
    given = json.loads(lines(path)[0])
    del given["judged"]
    path.write_text(json.dumps(given) + "\n")
    assert read_history(tmp_path, "box").rows[0].judged is None
    given["judged"] = {"direction": "up", "floor": 0.01}
    path.write_text(json.dumps(given) + "\n")
    with pytest.raises(ResultError, match="jsonl:1"):
        read_history(tmp_path, "box")


def test_a_run_that_is_there_is_refused(tmp_path):
    path = add_rows(tmp_path, night())
    before = path.read_bytes()
    with pytest.raises(
        ResultError, match=r"a run that is not in the history[\s\S]*20260820T020000Z-0a1b2c3d, which is"
    ):
        add_rows(tmp_path, night())
    # Its directory may have been renamed.
    renamed = [history_row(run="copy#00000000")]
    with pytest.raises(ResultError, match="--correct"):
        add_rows(tmp_path, renamed)
    assert path.read_bytes() == before


def test_a_correction_supersedes_and_the_old_lines_stay(tmp_path):
    path = add_rows(tmp_path, night(value=1.0))
    before = lines(path)
    add_rows(tmp_path, night(n=2, value=2.0), correct=True)
    add_rows(tmp_path, night(n=2, value=3.0), correct=True)
    assert lines(path)[:3] == before
    assert len(lines(path)) == 7
    assert [row.value for row in read_history(tmp_path, "box").rows] == [3.0, 3.0]


def test_nothing_can_be_corrected_that_is_not_there(tmp_path):
    with pytest.raises(ResultError, match="leave --correct out"):
        add_rows(tmp_path, night(), correct=True)


def test_rows_come_by_start(tmp_path):
    for number in (3, 1, 2):
        add_rows(tmp_path, night(number, n=1))
    assert [row.started for row in read_history(tmp_path, "box").rows] == [started(number) for number in (1, 2, 3)]


@pytest.mark.parametrize("cut", [1, 2, 30, 200])
def test_a_torn_last_line_costs_its_run_and_nothing_else(tmp_path, cut):
    path = add_rows(tmp_path, night(0))
    whole = path.read_bytes()
    add_rows(tmp_path, night(1))
    path.write_bytes(path.read_bytes()[:-cut])
    read = read_history(tmp_path, "box")
    # Only the end of the line is gone: the record is whole.
    if cut == 1:
        assert len(read.rows) == 6
        assert read.notices == ()
        add_rows(tmp_path, night(2))
        assert len(read_history(tmp_path, "box").rows) == 9
        return
    assert {row.run for row in read.rows} == {run_name(0)}
    assert [notice.code for notice in read.notices] == ["history-torn", "history-part"]
    assert "has 2 of its 3 lines" in read.notices[1].text
    # Adding the run again needs no --correct, and what was torn is gone.
    add_rows(tmp_path, night(1))
    read = read_history(tmp_path, "box")
    assert {row.run for row in read.rows} == {run_name(0), run_name(1)}
    assert path.read_bytes().startswith(whole)
    assert [notice.code for notice in read.notices] == ["history-part"]


def test_a_torn_correction_leaves_what_it_corrects(tmp_path):
    path = add_rows(tmp_path, night(value=1.0))
    add_rows(tmp_path, night(value=2.0), correct=True)
    path.write_bytes(path.read_bytes()[:-30])
    assert {row.value for row in read_history(tmp_path, "box").rows} == {1.0}
    add_rows(tmp_path, night(value=3.0), correct=True)
    assert {row.value for row in read_history(tmp_path, "box").rows} == {3.0}


def test_lines_that_a_merge_left_twice_count_once(tmp_path):
    path = add_rows(tmp_path, night())
    path.write_bytes(2 * path.read_bytes())
    assert len(read_history(tmp_path, "box").rows) == 3


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{broken", "Expecting property name"),
        ('["a list"]', "no JSON object"),
        ('{"schema_version":2}', "schema version 2, this idxbench reads 1"),
        ('{"schema_version":1,"run":"x"}', "in it"),
        ("<<<<<<< HEAD", "merge=union"),
    ],
)
def test_a_bad_line_is_an_error_with_its_number(tmp_path, line, words):
    path = add_rows(tmp_path, night(n=2))
    first, second = lines(path)
    path.write_text(f"{first}\n{line}\n{second}\n")
    with pytest.raises(ResultError, match=words) as caught:
        read_history(tmp_path, "box")
    assert caught.value.problems[0].where == f"{path}:2"
    with pytest.raises(ResultError, match=words):
        add_rows(tmp_path, night(1))
    assert lines(path) == [first, line, second]


def test_bytes_that_are_no_text(tmp_path):
    path = add_rows(tmp_path, night(n=1))
    path.write_bytes(b"\xff\xfe\n" + path.read_bytes())
    with pytest.raises(ResultError, match="UTF-8"):
        read_history(tmp_path, "box")


def test_events_in_their_order(tmp_path):
    events = [
        Event("pin", "2026-08-21T09:00:00+00:00", "box", "1.0", runs=(run_name(0),)),
        Event("accept", "2026-08-22T09:00:00+00:00", "box", "meant", started=started(1), select=("metric=qps_batch",)),
        Event("accept", "2026-08-23T09:00:00+00:00", "box", "meant", nights={"nightly": started(1)}, select=("all",)),
    ]
    for event in events:
        add_event(tmp_path, event)
    assert list(read_history(tmp_path, "box").events) == events
    path = tmp_path / "box" / "events.jsonl"
    path.write_text(path.read_text() + '{"torn')
    read = read_history(tmp_path, "box")
    assert list(read.events) == events
    assert [notice.code for notice in read.notices] == ["history-torn"]
    path.write_text('{"schema_version":1,"kind":"forget"}\n')
    with pytest.raises(ResultError, match="forget"):
        read_history(tmp_path, "box")


def test_an_unknown_machine_knows_nothing(tmp_path):
    assert read_history(tmp_path / "none", "box").rows == ()
    assert machines(tmp_path / "none") == ()


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "x" * 101])
def test_names_that_can_be_no_folder(name):
    with pytest.raises(ConfigError, match="--machine"):
        check_machine(name)


def test_a_folder_that_can_not_be_written(tmp_path):
    (tmp_path / "box").write_text("a file")
    with pytest.raises(ResultError, match="--history DIR"):
        add_rows(tmp_path, night())


def _limited(folder, size):
    # Beyond this size writes fail as on a full disk: after a part of them.
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    try:
        add_rows(folder, night(1))
    except ResultError as error:
        os._exit(0 if "room" in str(error) else 1)
    os._exit(2)


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path):
    path = add_rows(tmp_path, night(0))
    before = path.read_bytes()
    child = multiprocessing.get_context("fork").Process(target=_limited, args=(tmp_path, len(before) + 700))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert path.read_bytes() == before


def _adds(folder, numbers, refused):
    for number in numbers:
        try:
            add_rows(folder, night(number % 20, n=20))
        except ResultError:
            refused.put(number)


def test_two_writers(tmp_path):
    """Every run once, each line whole, and one of the two is refused."""
    context = multiprocessing.get_context("fork")
    refused = context.Queue()
    writers = [context.Process(target=_adds, args=(tmp_path, range(0, 11), refused)) for _ in range(2)]
    for writer in writers:
        writer.start()
    found = [refused.get(timeout=60) for _ in range(11)]
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert sorted(found) == list(range(11))
    read = read_history(tmp_path, "box")
    assert len(read.rows) == 11 * 20
    assert read.notices == ()
