"""Pairs, links and names as people write them, and what is said when they don't fit."""

import numpy as np
import pytest

from idxbench.data.pairs import (
    Names,
    named_rows,
    pair_folds,
    pair_keys,
    read_links,
    read_names,
    read_pairs,
    write_pairs,
)
from idxbench.errors import DataError

WORDS = named_rows(["the", "cat", '"', "dog", "fbi", "cat"])


def written(tmp_path, text, name="pairs.tsv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_graded_pairs_with_comments_and_unknown_names(tmp_path):
    path = written(tmp_path, '# one\n\ncat\tdog\t7.5\n"\tthe\t1\nFBI\tcat\t3\ncat\tgnu\t2\ngnu\tgnat\t2\n')
    pairs = read_pairs(path, WORDS)
    assert pairs.left.tolist() == [1, 2, 4]
    assert pairs.right.tolist() == [3, 0, 1]
    assert pairs.grades.tolist() == [7.5, 1.0, 3.0]
    assert pairs.lost == "2 name what is not there ('gnu', 'gnat') and were left out"


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.tsv", "one\ttwo\n0\t2\n1\t0\n"), ("a.csv", "0,2\n1,0\n"), ("a.txt", "0\t2\n1\t0\n")],
)
def test_row_numbers_need_no_names_and_no_grades(tmp_path, name, text):
    pairs = read_pairs(written(tmp_path, text, name), Names(None, 3))
    assert (pairs.left.tolist(), pairs.right.tolist(), pairs.grades) == ([0, 1], [2, 0], None)
    assert pairs.lost == ""


def test_a_header_over_grades_is_one(tmp_path):
    pairs = read_pairs(written(tmp_path, "word1,word2,human\ncat,dog,3\n", "a.csv"), WORDS)
    assert pairs.grades.tolist() == [3.0]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("0\t3\n", "line 1\n.*from 0 to 2\n.*'3'\n.*validation.names"),
        ("0\t1\n0\t-1\n", "line 2\n.*from 0 to 2"),
        ("0\t1\n0\t1\t2\n", "line 2\n.*2 fields, as before\n.*3"),
        ("0\t1\t2\t3\n", "two names, and perhaps a grade\n.*4 fields"),
        ("0\t1\t2\n0\t1\tx\n", "line 2\n.*a finite number as grade\n.*'x'"),
        ("0\t1\tnan\n", "a finite number"),
        ("# nothing\n", "at least one pair\n.*none"),
    ],
)
def test_broken_tables_name_the_line(tmp_path, text, match):
    with pytest.raises(DataError, match=match):
        read_pairs(written(tmp_path, text), Names(None, 3))


def test_names_that_no_row_has_are_shown(tmp_path):
    with pytest.raises(DataError, match="1 lines, all with names that no row has: gnu, gnat"):
        read_pairs(written(tmp_path, "gnu\tgnat\n"), WORDS)


def test_missing_files_and_other_suffixes(tmp_path):
    with pytest.raises(DataError, match=r"a data file\n.*nothing by that name"):
        read_pairs(tmp_path / "no.tsv", WORDS)
    with pytest.raises(DataError, match=r"a table: \.tsv \.csv \.txt\n.*'\.json'"):
        read_pairs(tmp_path / "no.json", WORDS)


def test_links_by_column_by_position_and_from_npz(tmp_path):
    users, films = Names(None, 3), named_rows(["10", "20", "30"])
    table = written(tmp_path, "userId,movieId,rating\n2,30,5\n0,10,1\n2,30,4\n1,99,3\n", "r.csv")
    plain = written(tmp_path, "2\t30\n0\t10\n1\t99\n", "r.tsv")
    np.savez(tmp_path / "r.npz", user=np.array([2, 0, 1]), item=np.array([30, 10, 99]), other=np.zeros(1))
    for path in (table, plain, tmp_path / "r.npz"):
        links = read_links(path, users, films)
        assert (links.left.tolist(), links.right.tolist(), links.n_unknown) == ([2, 0], [2, 0], 1)
    np.savez(tmp_path / "s.npz", user=np.array([2]))
    with pytest.raises(DataError, match="an array item or"):
        read_links(tmp_path / "s.npz", users, films)


def test_names_from_a_column_lines_or_an_array(tmp_path):
    table = written(tmp_path, 'word\tclass\n"\ta\n#\tb\n', "n.tsv")
    assert read_names(table, 2).rows == {'"': 0, "#": 1}
    assert read_names(table, 2, key="class").rows == {"a": 0, "b": 1}
    assert read_names(written(tmp_path, "a b\nc\n", "n.txt"), 2).rows == {"a b": 0, "c": 1}
    np.save(tmp_path / "n.npy", np.array(["x", "y"]))
    assert read_names(tmp_path / "n.npy", 2).rows == {"x": 0, "y": 1}
    with pytest.raises(DataError, match=r"3 names, one per row of items\n.*2"):
        read_names(table, 3)
    with pytest.raises(DataError, match=r"a column named 'wrd'\n.*word, class"):
        read_names(table, 2, key="wrd")


def test_a_pair_and_its_reverse_share_a_fold(tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"{a}\t{b}\n" for a, b in rng.integers(0, 30, (200, 2))]
    lines += ["\t".join(reversed(line.split())) + "\n" for line in lines]
    pairs = read_pairs(written(tmp_path, "".join(lines)), Names(None, 30))
    folds = pair_folds(pairs, 30, 5, seed=1)
    assert folds[:200].tolist() == folds[200:].tolist()
    of = {}
    for key, fold in zip(pair_keys(pairs, 30), folds, strict=True):
        assert of.setdefault(key, fold) == fold
    sizes = np.bincount(list(of.values()))
    assert len(sizes) == 5
    assert np.ptp(sizes) <= 1


def test_written_pairs_are_read_back(tmp_path):
    pairs = read_pairs(written(tmp_path, "0\t2\t0.1\n1\t0\t1e-9\n"), Names(None, 3))
    write_pairs(tmp_path / "again.tsv", pairs)
    again = read_pairs(tmp_path / "again.tsv", Names(None, 3))
    for one, other in ((again.left, pairs.left), (again.right, pairs.right), (again.grades, pairs.grades)):
        assert one.tolist() == other.tolist()


def test_names_that_repeat_are_refused(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("comedy\ndrama\ncomedy\n", encoding="utf-8")
    with pytest.raises(DataError, match="'comedy' in rows 0, 2"):
        read_names(path, 3)
