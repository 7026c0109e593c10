"""Which rows belong to a side: words, keys, complements, and what is left to join on."""

from dataclasses import dataclass

import pytest

from idxbench.errors import ConfigError
from idxbench.measures.rounds.selectors import keys_of, make_sides, one_each, parse_selector


@dataclass(frozen=True)
class Row:
    strategy: str = "raw"
    index: str = "hnswlib"
    build: str = '{"M":16,"ef_construction":200}'
    search: str = '{"ef":40}'


M32 = '{"M":32,"ef_construction":200}'
RELEASE = '{"M":16,"ef_construction":200,"environment":"release"}'
ROWS = [
    Row(strategy, build=build, search=search)
    for strategy in ("raw", "normalized", "axis 0, x 1000")
    for build in (Row.build, M32)
    for search in ('{"ef":40}', '{"ef":80}')
]
EXACT = Row(index="exact", build="", search="")


def wanted(text, rows=ROWS):
    return dict(parse_selector(text, rows, "RUN").wanted)


def test_what_a_row_is_selected_by():
    assert keys_of(Row()) == {
        "strategy": "raw", "index": "hnswlib", "M": "16", "ef_construction": "200", "ef": "40", "environment": "",
    }  # fmt: skip
    # A strategy's own figures have no index, and so no environment either.
    assert keys_of(Row(index="", build="", search="")) == {"strategy": "raw", "index": ""}


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", {}),
        ("raw", {"strategy": "raw"}),
        (" raw , M=16 ", {"strategy": "raw", "M": "16"}),
        ("hnswlib,ef=80", {"index": "hnswlib", "ef": "80"}),
        ("release", {"environment": "release"}),
        ("environment=", {"environment": ""}),
        ("axis 0, x 1000", {"strategy": "axis 0, x 1000"}),
        ("strategy=axis 0, x 1000", {"strategy": "axis 0, x 1000"}),
    ],
)
def test_words(text, keys):
    assert wanted(text, [*ROWS, Row(build=RELEASE)]) == keys


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("rwa", r"(?s)RUN.*'rwa'.*did you mean 'raw'"),
        ("m=16", r"(?s)one of the keys M, ef, .*unknown key 'm'.*did you mean 'M'"),
        ("M=17", r"(?s)expected: M=16 or 32.*M=17"),
        ("M=16,M=32", r"(?s)M once.*'16' and '32'"),
        ("raw,nope,M=1", r"(?s)'nope'.*M=16 or 32"),
    ],
)
def test_mistakes_are_told_together(text, match):
    with pytest.raises(ConfigError, match=match):
        wanted(text)


def test_a_word_that_could_mean_two_things():
    with pytest.raises(ConfigError, match=r"(?s)names of strategy and index.*strategy=exact or index=exact"):
        wanted("exact", [EXACT, Row("exact")])


def test_selected_keys_are_left_out_of_the_join():
    sides = make_sides("raw", "normalized", ROWS, ROWS, same=True)
    assert sides.key(Row("raw")) == sides.key(Row("normalized")) == ("", "hnswlib", Row.build, '{"ef":40}')
    sides = make_sides("M=16", "M=32", ROWS, ROWS, same=True)
    assert sides.key(Row()) == ("raw", "hnswlib", '{"ef_construction":200}', '{"ef":40}')
    assert sides.base.matches(Row())
    assert not sides.base.matches(Row(build=M32))
    assert not sides.base.matches(EXACT)


def test_the_other_side_of_one_run_is_the_complement():
    sides = make_sides("M=32", "", ROWS, ROWS, same=True)
    assert sides.new.wanted == (("M", "16"),)
    sides = make_sides("", "release", [Row(), Row(build=RELEASE)], [Row(), Row(build=RELEASE)], same=True)
    assert sides.base.wanted == (("environment", ""),)
    with pytest.raises(ConfigError, match=r"(?s)the new side.*strategy=axis 0, x 1000, strategy=normalized"):
        make_sides("raw", "", ROWS, ROWS, same=True)
    with pytest.raises(ConfigError, match="the run has one index only"):
        make_sides("hnswlib", "", ROWS, ROWS, same=True)


def test_another_run_has_no_complement():
    sides = make_sides("raw", "", ROWS, ROWS, same=False)
    assert sides.new.wanted == ()
    with pytest.raises(ConfigError, match=r"(?s)one strategy to compare.*raw and normalized.*add strategy=raw"):
        one_each(ROWS, sides, sides.new, lambda row: 0)


def test_parameters_of_one_kind_of_index_do_not_keep_it_from_another():
    rows = [Row(search='{"ef":40}'), Row(search='{"ef":80}'), EXACT]
    sides = make_sides("exact", "hnswlib,ef=40", rows, rows, same=True)
    assert sides.taken == {"index", "ef", "M", "ef_construction"}
    assert sides.key(EXACT) == sides.key(rows[0]) == ("raw", "", "", "")
    sides = make_sides("exact", "hnswlib", rows, rows, same=True)
    with pytest.raises(ConfigError, match=r"(?s)one ef to compare.*ef 40 and 80.*add ef=40"):
        one_each(rows, sides, sides.new, lambda row: 0)


def test_values_that_are_text_select_rows_without_an_index():
    rows = [Row(index="", build='{"side":"base"}', search=""), Row(index="", build='{"side":"copy"}', search="")]
    sides = make_sides("side=base", "side=copy", rows, rows, same=True)
    assert [sides.base.matches(row) for row in rows] == [True, False]
    assert sides.key(rows[0]) == sides.key(rows[1]) == ("raw", "", "", "")


def test_a_search_is_selected_with_what_its_build_costs():
    built = Row(search="")
    selector = parse_selector("hnswlib,ef=40", [*ROWS, built, EXACT], "RUN")
    assert selector.matches(built)
    assert not selector.matches(Row(search='{"ef":80}'))
    # an index that has no ef is no part of that
    assert not parse_selector("ef=40", [*ROWS, EXACT], "RUN").matches(EXACT)
    assert not parse_selector("M=32", [*ROWS, EXACT], "RUN").matches(EXACT)
