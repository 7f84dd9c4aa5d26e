"""Mini-batches that stay sparse."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from anndata.abc import CSCDataset, CSRDataset
from scvi.data import AnnTorchDataset
from torch import Tensor


class RowsDataset(AnnTorchDataset):
    """scvi-tools' dataset of registered matrices, but sparse ones are handed out as CSR tensors.

    scvi-tools can do that too, but makes them dense again before the training step, keeps columns (CSC) as columns and
    refuses SciPy's sparse arrays.
    """

    def __init__(self, adata_manager: Any, getitem_tensors: Any = None) -> None:
        super().__init__(adata_manager, getitem_tensors=getitem_tensors)
        keys = self.keys_and_dtypes
        self._sparse = {key: dtype for key, dtype in keys.items() if _is_sparse(self.data[key])}
        others = {key: dtype for key, dtype in keys.items() if key not in self._sparse}
        self._others = AnnTorchDataset(adata_manager, getitem_tensors=others) if others else None

    def __getitem__(self, indexes: Any) -> dict[str, Any]:
        """Cells ``indexes`` of each matrix: CSR tensors of sparse ones, else NumPy arrays."""
        cells = [indexes] if isinstance(indexes, int | np.integer) else indexes
        if self.adata_manager.adata.isbacked and isinstance(cells, list | np.ndarray):
            cells = np.sort(cells)  # as scvi-tools does, for matrices on disk; modalities have to stay paired
        batch = {key: as_rows(self.data[key][cells].astype(dtype, copy=False)) for key, dtype in self._sparse.items()}
        return batch if self._others is None else batch | self._others[cells]


def _is_sparse(matrix: Any) -> bool:
    return sp.issparse(matrix) or isinstance(matrix, CSRDataset | CSCDataset)


def as_rows(block: Any) -> Tensor:
    """A CSR tensor of a SciPy sparse block of cells: columns sorted, no column twice, no stored zeros."""
    rows = block.tocsr()
    if not rows.has_canonical_format or (rows.data == 0).any():
        rows = rows.copy()  # canonical form is made in place, and the block may be the user's
        rows.sum_duplicates()
        rows.eliminate_zeros()
    return torch.sparse_csr_tensor(
        torch.from_numpy(rows.indptr), torch.from_numpy(rows.indices), torch.from_numpy(rows.data), rows.shape
    )
