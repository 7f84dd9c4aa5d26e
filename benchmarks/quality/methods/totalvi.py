"""totalVI (Gayoso et al. 2021), scvi-tools: proteins of test cells are missing in a batch of their own."""

from __future__ import annotations

import pandas as pd
import scanpy as sc
import scvi
from accelerator import ACCELERATOR
from anndata import AnnData

N_GENES = 4000  # highly variable ones, as in the tutorials of scvi-tools; of no effect where there are fewer


def predict(case, *, seed: int, quick: bool):
    """Settings of scvi-tools; RNA of test cells is seen in training, our validation cells stop it early."""
    scvi.settings.seed = seed
    test = case.split == "test"
    adata = AnnData(case.source_counts, obs=pd.DataFrame(index=case.obs.index))
    adata.obs["batch"] = pd.Categorical(["query" if is_test else "training" for is_test in test])
    if adata.n_vars > N_GENES:
        logs = sc.pp.log1p(sc.pp.normalize_total(adata, target_sum=1e4, copy=True), copy=True)
        sc.pp.highly_variable_genes(logs, n_top_genes=N_GENES, batch_key="batch")
        adata = adata[:, logs.var["highly_variable"].to_numpy()].copy()
    # zeros in all cells of a batch mean missing
    adata.obsm["protein"] = pd.DataFrame(
        case.target_counts_or_zeros().toarray(), index=adata.obs_names, columns=case.names["protein"]
    )
    scvi.model.TOTALVI.setup_anndata(adata, protein_expression_obsm_key="protein", batch_key="batch")
    model = scvi.model.TOTALVI(adata)
    model.train(
        max_epochs=2 if quick else None,
        accelerator=ACCELERATOR,
        enable_progress_bar=False,
        external_indexing=[case.cells("train", "test"), case.cells("validation"), case.cells("validation")[:0]],
    )
    _, protein = model.get_normalized_expression(
        indices=case.cells("test"),
        transform_batch="training",
        include_protein_background=True,  # measured counts have it too
        n_samples=25,
        return_mean=True,
        return_numpy=True,
    )
    return protein, "counts"
