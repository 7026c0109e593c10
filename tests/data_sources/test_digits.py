import numpy as np

from idxbench.data.sources.digits import digits


def test_all_digits_are_there():
    data = digits()
    assert data.items.shape == (1797, 64)
    assert data.items.dtype == np.float32
    assert data.items.flags["C_CONTIGUOUS"]
    assert (data.items.min(), data.items.max()) == (0.0, 16.0)
    assert data.queries is None
    assert data.labels.codes.dtype == np.int64
    assert data.labels.names == tuple("0123456789")
    # As the UCI test set counts its classes.
    assert np.bincount(data.labels.codes).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    # The first image is a 0, and its first row of pixels is known.
    assert data.labels.codes[0] == 0
    assert data.items[0, :8].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
