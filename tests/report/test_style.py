"""How figures are written."""

import math

import pytest

from idxbench.records import Measurement
from idxbench.report.lookup import index_name, search_name
from idxbench.report.style import megabytes, microseconds, share, shared, significant, thousands


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.953, ".953"),
        (1.0, "1.000"),
        (0.0, ".000"),
        (-0.0, ".000"),
        (-0.0004, ".000"),
        (-0.012, "-.012"),
        (0.99996, ".999"),  # not 1.000: it was not perfect
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_share(value, text):
    assert share(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (6.234, "6.23"), (62.34, "62.3"), (1234.0, "1,234"), (0.00912, "0.00912"), (math.nan, "–")],
)
def test_significant(value, text):
    assert significant(value) == text


def test_units():
    assert microseconds(6.234e-6) == "6.23"
    assert microseconds(None) == "–"
    assert megabytes(18_512_345) == "18.5"
    assert [thousands(v) for v in (317.0, 41_234.0, 1_030_000.0, math.nan)] == ["317", "41.2k", "1.03M", "–"]


def test_interval_shows_its_longer_arm():
    row = Measurement("", "", "", "", "", "", 0, "", "", 0.95, 0.94, 0.955, 9, "")
    assert shared(row) == ".950 ±.010"
    assert shared(None) == "–"


def test_names():
    assert index_name("hnswlib", '{"M":16,"ef_construction":200}') == "hnswlib M16 c200"
    assert index_name("hnswlib", '{"M":16,"seed":3}', "hnswlib") == "M16 s3"
    assert index_name("exact", "") == "exact"
    assert search_name('{"ef":40}') == "40"
    assert search_name('{"probe":4}') == '{"probe":4}'
    assert search_name("") == ""
