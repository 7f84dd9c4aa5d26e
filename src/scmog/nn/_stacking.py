"""How much each of several networks counts in their average: learned on validation cells."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls
from torch import Tensor

_CELLS_OF_PRIOR = 10  # what equal weights are worth; few validation cells say little about networks that are alike
_JITTER = 1e-9  # of the mean error, where two networks err alike


def stacking_weights(products: Tensor, n_cells: int) -> Tensor:
    r"""Weights of several predictions, none negative and 1 together, whose average errs least in the square.

    A ridge penalty holds them together where cells are few: it is as strong as ten cells are. With the products
    :math:`G` of the errors, penalty included, the weights minimise :math:`w^T G w`. Those of the non-negative least
    squares problem :math:`u^T G u + (\sum u - 1)^2` are proportional to them, since its least value for a given
    direction of :math:`u` rises with :math:`w^T G w` (stacked regressions, Breiman 1996).

    Parameters
    ----------
    products
        Sums (or means) over cells and features of the products of each two predictions' errors,
        ``(n_members, n_members)``. Only their ratios matter.
    n_cells
        Number of cells that they come from.

    Returns
    -------
    Weights, ``(n_members,)``, of the type and on the device of ``products``.
    """
    gram = products.detach().cpu().double().numpy()
    n = len(gram)
    error = np.trace(gram) / n
    if not error > 0:  # all are right, or one is not a number
        return products.new_full((n,), 1 / n)
    penalised = gram / error + (_CELLS_OF_PRIOR / n_cells + _JITTER) * np.eye(n)
    rows = np.vstack([np.linalg.cholesky(penalised).T, np.ones(n)])
    u, _ = nnls(rows, np.append(np.zeros(n), 1.0))
    return products.new_tensor(u / u.sum())
