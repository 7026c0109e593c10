from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idxbench.data.dataset import UNLABELED
from idxbench.data.labels import read_labels
from idxbench.errors import DataError

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data in {DATA} is absent")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_whole_numbers_are_ordered_as_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([10, 9, -1, 10, -5], np.int16))
    labels, notices = read_labels(tmp_path / "x.npy")
    assert labels.names == ("-5", "9", "10")
    assert labels.codes.tolist() == [2, 1, UNLABELED, 2, 0]
    assert labels.codes.dtype == np.int64
    assert [notice.code for notice in notices] == ["unlabelled-rows"]
    assert "1 of 5 rows have no label" in notices[0].text
    text, _ = read_labels(write(tmp_path / "x.tsv", "label\n10\n9\n-1\n10\n-5\n"))
    assert (text.names, text.codes.tolist()) == (labels.names, labels.codes.tolist())


def test_strings_are_ordered_by_name_and_empty_is_no_label(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array(["pear", "", "fig", "pear"]))
    labels, notices = read_labels(tmp_path / "x.npy")
    assert labels.names == ("fig", "pear")
    assert labels.codes.tolist() == [1, -1, 0, 1]
    assert len(notices) == 1
    np.save(tmp_path / "z.npy", np.array([b"b", "é".encode()]))
    assert read_labels(tmp_path / "z.npy")[0].names == ("b", "é")


def test_007_and_7_are_two_names(tmp_path: Path) -> None:
    labels, _ = read_labels(write(tmp_path / "x.tsv", "label\n007\n7\n-1\n"))
    assert labels.names == ("-1", "007", "7")


def test_rows_with_exactly_one_class_keep_it(tmp_path: Path) -> None:
    hot = np.array([[0, 1, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1], [0, 1, 0]], np.uint8)
    np.save(tmp_path / "x.npy", hot)
    labels, notices = read_labels(tmp_path / "x.npy")
    assert (labels.names, labels.codes.tolist()) == (("1", "2"), [0, -1, -1, 1, 0])
    assert [notice.code for notice in notices] == ["multi-label-rows"]
    assert "1 of 5 rows have several classes and 1 none" in notices[0].text
    assert "the 3 with exactly one" in notices[0].text
    np.savez(tmp_path / "x.npz", genres=hot, genre_names=np.array(["war", "noir", "fun"]))
    labels, _ = read_labels(tmp_path / "x.npz", key="genres")
    assert (labels.names, labels.codes.tolist()) == (("fun", "noir"), [1, -1, -1, 0, 1])
    np.save(tmp_path / "y.npy", np.eye(3, dtype=bool))
    assert read_labels(tmp_path / "y.npy")[1] == ()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(3), r"1-D array of integers or strings.*\n.*shape \(3,\) of float64"),
        (np.zeros((2, 2, 2), int), r"shape \(2, 2, 2\)"),
        (np.array([[0, 2]]), r"0 or 1 in each of at least 2 columns.*\n.*with other values"),
        (np.zeros((3, 1), int), r"shape \(3, 1\) of int64\n.*save a 1-D array"),
        (np.full(3, -1), "at least one row with a label\n.*3 rows, none"),
        (np.zeros((2, 2), int), "at least one row with a label"),
        (np.array(["", ""]), "2 rows, none with one"),
        (np.array([2**64 - 1], np.uint64), "63 bits"),
        (np.array([b"\xff"]), "names in UTF-8"),
        (np.array([None]), "never unpickled"),
    ],
)
def test_arrays_that_are_no_labels_are_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=message):
        read_labels(tmp_path / "x.npy")


def test_the_array_of_an_npz_is_chosen_or_listed(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", items=np.zeros((2, 2)), labels=np.array([3, 4]))
    assert read_labels(tmp_path / "x.npz")[0].names == ("3", "4")
    np.savez(tmp_path / "y.npz", only=np.array([3, 4]))
    assert read_labels(tmp_path / "y.npz")[0].names == ("3", "4")
    np.savez(tmp_path / "z.npz", a=np.array([3]), item_class=np.array([4]))
    with pytest.raises(DataError, match=r"a \(1,\) int64, item_class[\s\S]*for example 'item_class'"):
        read_labels(tmp_path / "z.npz")
    with pytest.raises(DataError, match="an array named 'b'"):
        read_labels(tmp_path / "z.npz", key="b")
    np.save(tmp_path / "x.npy", np.array([1]))
    with pytest.raises(DataError, match="no key"):
        read_labels(tmp_path / "x.npy", key="a")
    with pytest.raises(DataError, match=r"the suffix '\.txt'"):
        read_labels(tmp_path / "x.txt")


def test_quotes_mean_something_in_csv_only(tmp_path: Path) -> None:
    tsv, _ = read_labels(write(tmp_path / "x.tsv", 'word\tlabel\n"\tq\n"a\t"b"\nc\td,e\n'))
    assert tsv.names == ('"b"', "d,e", "q")
    assert tsv.codes.tolist() == [2, 0, 1]
    csv, _ = read_labels(write(tmp_path / "x.csv", '\ufefflabel,word\r\n"x ""y""","a, b"\r\nz,"two\nlines"\r\n'))
    assert csv.names == ('x "y"', "z")


def test_columns_are_chosen_or_listed_with_a_guess(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "word,Category\na,1\n")
    assert read_labels(path)[0].names == ("1",)
    assert read_labels(path, key="word")[0].names == ("a",)
    with pytest.raises(DataError, match=r"one column named 'categry'[\s\S]*did you mean 'Category'"):
        read_labels(path, key="categry")
    two = write(tmp_path / "y.csv", "label,class\na,1\n")
    with pytest.raises(DataError, match=r"the columns label, class\n.*for example 'label'"):
        read_labels(two)
    none = write(tmp_path / "z.csv", "a,b\na,1\n")
    with pytest.raises(DataError, match=r"one named label, labels, class, category or section\n.*the columns a, b"):
        read_labels(none)
    twice = write(tmp_path / "w.csv", "a,a\na,1\n")
    with pytest.raises(DataError, match="one column named 'a'"):
        read_labels(twice, key="a")


def test_an_empty_line_is_a_row_without_label_where_there_is_one_column(tmp_path: Path) -> None:
    labels, _ = read_labels(write(tmp_path / "x.tsv", "label\na\n\nb\n"))
    assert labels.codes.tolist() == [0, -1, 1]
    labels, _ = read_labels(write(tmp_path / "y.tsv", "word\tlabel\na\tb\n\n\n"))
    assert labels.codes.tolist() == [0]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.tsv", "a\tlabel\n1\t2\n1\n", "line 3\n.*2 fields, as in the header\n.*1 fields"),
        ("x.tsv", "a\tlabel\n1\t2\t3\n", "line 2\n.*\n.*3 fields"),
        ("x.tsv", "a\tlabel\n\n1\t2\n", "line 3\n.*\n.*1 empty lines before it"),
        ("x.csv", 'a,label\n"1,2\n', "line 1 or after it\n.*a .csv table"),
        ("x.csv", "a,label\n", "0 rows, none with one"),
        ("x.csv", "\n", "the columns"),
    ],
)
def test_broken_tables_name_their_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_labels(write(tmp_path / name, text))


def test_files_that_are_missing_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing by that name"):
        read_labels(tmp_path / "x.tsv")
    (tmp_path / "x.tsv").write_bytes(b"label\n\xff\n")
    with pytest.raises(DataError, match=r"text in UTF-8\n.*position 6"):
        read_labels(tmp_path / "x.tsv")


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\t\r\n\x00"), max_size=5), min_size=1))
def test_codes_lead_back_to_the_names(tmp_path_factory: pytest.TempPathFactory, values: list[str]) -> None:
    values = [*values, "name"]
    path = tmp_path_factory.mktemp("labels") / "x.tsv"
    write(path, "row\tlabel\n" + "".join(f"{i}\t{value}\n" for i, value in enumerate(values)))
    labels, _ = read_labels(path)
    assert [labels.names[code] if code >= 0 else "" for code in labels.codes] == values
    assert list(labels.names) == sorted(set(values) - {""})


@needs_data
@pytest.mark.parametrize(
    ("name", "key", "n_rows", "n_classes", "n_unlabelled"),
    [
        ("debian-minilm/labels.tsv", None, 12_000, 28, 0),
        ("glove-100k/words_labels.tsv", "wordnet_class", 100_000, 26, 75_103),
        ("fiori-minilm/titles.tsv", "category", 778, 13, 0),
        ("ml-latest-small/ml_latest_small.npz", "genres", 9_742, 19, 6_891),
        ("mnist-10k/mnist_t10k.npz", "labels", 10_000, 10, 0),
    ],
)
def test_the_real_files(name: str, key: str | None, n_rows: int, n_classes: int, n_unlabelled: int) -> None:
    labels, notices = read_labels(DATA / name, key=key)
    assert len(labels.codes) == n_rows
    assert int((labels.codes == UNLABELED).sum()) == n_unlabelled
    assert len(labels.names) == n_classes
    assert set(labels.codes.tolist()) - {UNLABELED} == set(range(n_classes))
    assert len(notices) == (n_unlabelled > 0)


@needs_data
def test_real_columns_are_guessed() -> None:
    with pytest.raises(DataError, match=r"the columns word, wordnet_class, unambiguous\n.*'wordnet_class'"):
        read_labels(DATA / "glove-100k/words_labels.tsv")
    words, _ = read_labels(DATA / "glove-100k/words_labels.tsv", key="word")
    assert words.names[words.codes[8]] == '"'
