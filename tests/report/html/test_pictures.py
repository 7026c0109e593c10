"""Pictures: their table, their CSV, and the tables of the terminal taken apart."""

import csv
import io
import math

import pytest
from rich.table import Table

from idxbench.report.html.pictures import MOST_ROWS, Column, Picture, control
from idxbench.report.html.tables import html_table, html_tables
from idxbench.report.retrieve import cells_table
from tests.report.html.examples import NASTY, make_run

COLUMNS = (
    Column("strategy", "strategy"),
    Column("recall", "recall", "share"),
    Column("p50_s", "p50 µs", "latency", digits=3),
    Column("qps", "QPS", "rate"),
    Column("night", "night", "date"),
)


def picture(rows, columns=COLUMNS):
    return Picture("p", "title", "reading", columns, tuple(rows), {"draw": "curves"})


def test_the_table_is_written_as_the_terminal_writes():
    (row,) = picture([("raw", 0.98765, 12.3456e-6, 123456.0, "2026-11-21T01:02:03+00:00")]).cells
    assert row == ["raw", ".988", "12.3", "123k", "2026-11-21 01:02"]
    (row,) = picture([("raw", math.nan, None, math.nan, "")]).cells
    assert row == ["raw", "–", "–", "–", "–"]


def test_the_csv_holds_numbers_in_base_units():
    text = picture([("a,b", 0.987654321, 12.3456e-6, math.nan, "2026-11-21")]).csv
    assert text == 'strategy,recall,p50_s,qps,night\n"a,b",0.987654,1.23e-05,,2026-11-21\n'


def test_every_name_survives_the_csv():
    text = picture([(name, 1.0, 1.0, 1.0, "") for name in NASTY]).csv
    assert [row[0] for row in csv.reader(io.StringIO(text))][1:] == list(NASTY)


def test_rows_must_have_all_columns():
    with pytest.raises(ValueError, match="zip"):
        _ = picture([("raw", 1.0)]).cells


def test_long_tables_are_left_to_the_script():
    assert picture([("raw", 1.0, 1.0, 1.0, "")] * MOST_ROWS).filled
    assert not picture([("raw", 1.0, 1.0, 1.0, "")] * (MOST_ROWS + 1)).filled


def test_numbers_stand_on_the_right():
    assert picture([]).classes.split() == ["r2", "r3", "r4", "r5", "w1"]


def test_a_control_begins_with_what_it_has():
    values = [("10", "10"), ("100", "100")]
    assert control("k", "top", values, "100")["first"] == "100"
    assert control("k", "top", values, "7")["first"] == "10"
    assert control("k", "top", [])["first"] == ""


def test_a_table_of_the_terminal_keeps_every_word(tmp_path):
    run = make_run(tmp_path, strategies=NASTY)
    table = cells_table(run, 10)
    taken = html_table(table)
    assert taken.headers == ("strategy", "index", "ef", "own@10", "task@10", "loss", "p50 µs", "p99 µs", "QPS")
    assert taken.title == "Retrieve: top 10, hnswlib"
    assert "own: recall against exact search" in taken.caption
    rows = [row for group in taken.groups for row in group]
    assert len(taken.groups) == len(NASTY)  # a line between strategies
    assert taken.n_rows == len(rows) == table.row_count
    assert list(dict.fromkeys(row[0] for row in rows)) == list(NASTY)
    assert rows[0][1:] == ("M8 c100", "10", ".944", ".944 ±.010", ".000", "10.0", "30.0", "12.5k")
    assert "r4" in taken.classes.split()
    assert "w2" in taken.classes.split()


def test_markup_is_style_and_not_text():
    table = Table("[bold]a[/bold]", title="t")
    table.add_row("[red]worse[/] \\[x]")
    assert html_table(table).groups == ((("worse [x]",),),)
    assert html_table(table).headers == ("a",)


def test_empty_tables_are_left_out():
    assert html_tables([Table("a")]) == ()
