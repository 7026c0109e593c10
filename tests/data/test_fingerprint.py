import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from idxbench.data import files
from idxbench.data.fingerprint import fingerprint

ROWS = np.arange(12, dtype=np.float32).reshape(3, 4)


def test_the_hash_by_hand() -> None:
    expected = hashlib.blake2b(b"<f4 (3, 4)\n" + ROWS.astype("<f4").tobytes(), digest_size=16).hexdigest()
    assert fingerprint(ROWS) == expected


def test_layout_and_place_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", np.asfortranarray(ROWS))
    expected = fingerprint(ROWS)
    monkeypatch.setattr(files, "BLOCK_BYTES", 20)  # one row at a time
    copies = (
        np.asfortranarray(ROWS),
        np.load(tmp_path / "x.npy", mmap_mode="r"),
        np.repeat(ROWS, 2, axis=1)[:, ::2],
        ROWS.astype(">f4"),
        ROWS,
    )
    assert {fingerprint(copy) for copy in copies} == {expected}


def test_type_shape_and_each_value_matter() -> None:
    changed = ROWS.copy()
    changed[2, 3] = np.nextafter(changed[2, 3], np.float32(99))
    swapped = ROWS[[1, 0, 2]]
    others = (ROWS.astype(np.float64), ROWS.view(np.int32), ROWS.reshape(4, 3), ROWS[:2], ROWS[:0], changed, swapped)
    assert len({fingerprint(array) for array in (ROWS, *others)}) == 8
    assert fingerprint(np.array([[0.0]])) != fingerprint(np.array([[-0.0]]))


def test_other_shapes() -> None:
    seen = {fingerprint(np.zeros(shape)) for shape in ((), (1,), (1, 1), (0,), (0, 3), (3, 0), (2, 3, 4))}
    assert len(seen) == 7


def test_objects_have_no_content() -> None:
    with pytest.raises(TypeError, match="an array of object has no content to hash"):
        fingerprint(np.array([None]))


@settings(deadline=None, max_examples=60)
@given(
    hnp.arrays(st.sampled_from(["<f4", "u1", "<i8"]), hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)),
    st.data(),
)
def test_any_single_change_shows(array: np.ndarray, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(array) - 1))
    column = data.draw(st.integers(0, array.shape[1] - 1))
    changed = array.copy()
    raw = changed[row : row + 1].view(np.uint8)
    raw[0, column] ^= 1
    assert fingerprint(changed) != fingerprint(array)
    assert fingerprint(array.copy(order="F")) == fingerprint(array)
