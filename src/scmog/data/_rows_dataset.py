"""Mini-batches that stay sparse."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp
import torch
from anndata.abc import CSCDataset, CSRDataset
from scvi.data import AnnTorchDataset
from torch import Tensor

_MOST_PASSED_OVER = 1  # cells that are read from disk and dropped, for each that was asked for


class RowsDataset(AnnTorchDataset):
    """scvi-tools' dataset of registered matrices, but sparse ones are handed out as CSR tensors.

    scvi-tools can do that too, but makes them dense again before the training step, keeps columns (CSC) as columns and
    refuses SciPy's sparse arrays. It also hands out cells on disk in ascending order, whatever order was asked for.
    """

    def __init__(self, adata_manager: Any, getitem_tensors: Any = None) -> None:
        super().__init__(adata_manager, getitem_tensors=getitem_tensors)
        keys = self.keys_and_dtypes
        self._sparse = {key: dtype for key, dtype in keys.items() if _is_sparse(self.data[key])}
        others = {key: dtype for key, dtype in keys.items() if key not in self._sparse}
        self._others = AnnTorchDataset(adata_manager, getitem_tensors=others) if others else None
        self._on_disk = adata_manager.adata.isbacked or any(_is_on_disk(matrix) for matrix in self.data.values())

    def __getitem__(self, indexes: Any) -> dict[str, Any]:
        """Cells ``indexes`` of each matrix: CSR tensors of sparse ones, else NumPy arrays."""
        cells: Any = [indexes] if isinstance(indexes, int | np.integer) else indexes
        if not self._on_disk or isinstance(cells, slice):
            return self._batch(cells, slice(None))
        order = np.argsort(cells, kind="stable")  # a file is read from its front to its back
        return self._batch(np.asarray(cells)[order], np.argsort(order, kind="stable"))

    def _batch(self, cells: Any, order: Any) -> dict[str, Any]:
        """The cells, put into ``order`` after they were read."""
        blocks = {key: (_rows_of(self.data[key], cells), dtype) for key, dtype in self._sparse.items()}
        batch = {key: as_rows(block[order].astype(dtype, copy=False)) for key, (block, dtype) in blocks.items()}
        others = {} if self._others is None else self._others[cells]
        return batch | {key: values[order] for key, values in others.items()}


def _is_on_disk(matrix: Any) -> bool:
    return isinstance(matrix, CSRDataset | CSCDataset | h5py.Dataset)


def _is_sparse(matrix: Any) -> bool:
    return sp.issparse(matrix) or isinstance(matrix, CSRDataset | CSCDataset)


def _rows_of(matrix: Any, cells: Any) -> Any:
    """Cells of a sparse matrix; of one on disk, where they are ascending, those that lie close together in one read.

    A read for each cell takes most of the time of a pass in order, such as those that fit the input statistics.
    """
    if sp.issparse(matrix) or isinstance(cells, slice) or not len(cells):
        return matrix[cells]
    first, n_read = int(cells[0]), int(cells[-1]) + 1 - int(cells[0])
    if n_read > (1 + _MOST_PASSED_OVER) * len(cells):
        return matrix[cells]
    return matrix[first : first + n_read][cells - first]


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
