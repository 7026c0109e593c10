"""The 1,797 handwritten digits that come with scikit-learn."""

import numpy as np

from idxbench.data.dataset import Dataset, Labels


def digits() -> Dataset:
    """Load scikit-learn's digits: small, labelled, on every machine, without a download.

    Returns
    -------
    Dataset
        1,797 x 64 float32 items, pixel intensities 0 to 16, labelled "0" to "9". No queries: whoever
        needs them holds some items out.

    Notes
    -----
    Optical Recognition of Handwritten Digits, UCI (Alpaydin and Kaynak 1998).
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    labels = Labels(np.asarray(bunch.target, dtype=np.int64), tuple(str(digit) for digit in range(10)))
    return Dataset("digits", np.ascontiguousarray(bunch.data, dtype=np.float32), labels=labels)
