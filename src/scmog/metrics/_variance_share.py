"""How much predictions differ between cells: the detector of collapsed models."""

from __future__ import annotations

from typing import Any

import numpy as np

from scmog.metrics._arrays import blocks, check_dense


def variance_share(prediction: Any) -> float:
    r"""Share of the variance of all predictions that lies between cells, within features.

    :math:`\sum_{ij} (p_{ij} - \bar p_j)^2 / \sum_{ij} (p_{ij} - \bar p)^2`. A generator that has collapsed gives every
    cell the same profile and has a share near 0, as the training mean has exactly. Its flattened AUROC or correlation
    can be high all the same. The share has no good value of its own, as features differ in their means: read it against
    that of another predictor on the same cells, such as ridge.

    Give probabilities as probabilities, not as log odds: 1e-6 against 1e-5 is no difference for a peak that is never
    seen, but 2.3 in log odds, enough of which would hide a collapse. On the scale of probabilities the peaks that are
    open often, on which a collapse can be seen, carry the weight; and linear predictions, some below 0, have the same
    scale.

    Parameters
    ----------
    prediction
        Predicted values, dense, shape (n_cells, n_features). May be a `numpy.memmap`.

    Returns
    -------
    Share from 0 to 1; 0 when all predictions are equal.

    Raises
    ------
    ValueError
        If the matrix is empty or a value is NaN or infinite.
    TypeError
        If the matrix is sparse or not numeric.
    """
    prediction = check_dense(prediction, name="prediction", finite=True)
    n_cells = prediction.shape[0]
    first = prediction[0].astype(np.float64)
    sums, squares = np.zeros((2, first.size))
    for rows in blocks(*prediction.shape):
        # Taken from the first cell: sums of what does not vary are exactly 0.
        difference = prediction[rows] - first
        sums += difference.sum(axis=0)
        squares += np.square(difference).sum(axis=0)
    within = float(np.maximum(squares - np.square(sums) / n_cells, 0).sum())
    means = first + sums / n_cells
    between = n_cells * float(np.square(means - means.mean()).sum())
    return within / (within + between) if within > 0 else 0.0
