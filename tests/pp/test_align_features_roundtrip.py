"""A query cut from the training data, in whatever form, gives the predictions of the training data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mudata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from mudata import MuData

import scmog
from scmog.genomics import interval_names, lift_over
from scmog.model import SCMOG
from scmog.pp import AlignmentReport, align_features

N_CELLS, SHIFT = 90, 1000


@pytest.fixture(scope="module")
def data() -> MuData:
    mdata = scmog.datasets.simulate(n_cells=N_CELLS, n_genes=30, n_peaks=40, n_proteins=5, seed=1)
    genes = mdata["rna"].var
    genes["gene_ids"] = [f"ENSG{i:011d}.{i % 7}" for i in range(30)]
    mdata["rna"].var_names = [f"GENE{i}" for i in range(30)]
    mdata.update()
    return mdata


@pytest.fixture(scope="module")
def model(data: MuData) -> SCMOG:
    mdata = data.copy()
    SCMOG.setup_mudata(mdata)
    small = {"n_hidden_rna": (8,), "n_hidden_atac": (8,), "n_hidden_protein": (8,), "n_hidden_critic": (8,)}
    directions = [("rna", "atac"), ("atac", "rna"), ("protein", "rna")]
    model = SCMOG(mdata, directions=directions, n_latent=4, n_hidden_critic_protein=(8,), **small)
    model.train(max_epochs=2, n_epochs_pretrain=0, accelerator="cpu", enable_progress_bar=False)
    return model


def permuted(adata: AnnData) -> AnnData:
    return adata[:, np.random.default_rng(0).permutation(adata.n_vars)].copy()


def ids_for_symbols(adata: AnnData) -> AnnData:
    new = permuted(adata)
    new.var_names = [name.split(".")[0] + ".99" for name in new.var["gene_ids"]]
    new.var = new.var[[]]
    return new


def symbols_in_a_column(adata: AnnData) -> AnnData:
    new = permuted(adata)
    new.var = pd.DataFrame(
        {"feature_name": pd.Categorical(new.var_names)}, index=[f"row{i}" for i in range(new.n_vars)]
    )
    return new


def without_ids(adata: AnnData) -> AnnData:
    new = permuted(adata)
    del new.var["gene_ids"]
    return new


def split_over_two_rows(adata: AnnData) -> AnnData:
    """Counts of each gene in two rows of the same symbol, each count in either of them at random."""
    counts = adata.X.toarray()
    first = np.random.default_rng(3).binomial(counts.astype(int), 0.5)
    names = [*adata.var_names, *(f"{name}-1" for name in adata.var_names)]
    return permuted(
        AnnData(sp.csr_matrix(np.hstack([first, counts - first])), obs=adata.obs, var=pd.DataFrame(index=names))
    )


def renamed(form: str) -> Callable[[AnnData], AnnData]:
    def change(adata: AnnData) -> AnnData:
        new = permuted(adata)
        table = new.var[["chrom", "start", "end"]].astype(str).agg(form.join, axis=1)
        new.var_names = table.str.removeprefix("chr") if form == "_" else table
        new.var = new.var[[]]
        return new

    return change


def in_columns(adata: AnnData) -> AnnData:
    new = permuted(adata)
    new.var_names = [f"peak{i}" for i in range(new.n_vars)]
    return new


def halves(adata: AnnData) -> AnnData:
    """Each peak in two halves that touch; the counts in the left one for even cells, else in the right one."""
    middle = (adata.var["start"] + adata.var["end"]) // 2
    left, right = adata.var.assign(end=middle), adata.var.assign(start=middle)
    even = sp.diags_array((np.arange(adata.n_obs) % 2 == 0).astype(np.float32))
    odd = sp.diags_array((np.arange(adata.n_obs) % 2 == 1).astype(np.float32))
    counts = sp.hstack([even @ adata.X, odd @ adata.X], format="csr")
    names = [*interval_names(left), *interval_names(right)]
    return permuted(AnnData(sp.csr_matrix(counts), obs=adata.obs, var=pd.DataFrame(index=names)))


def backed_and_dense(adata: AnnData) -> AnnData:
    new = without_ids(adata) if "gene_ids" in adata.var else permuted(adata)
    new.X = np.asfortranarray(new.X.toarray())
    return new


GENES = [without_ids, ids_for_symbols, symbols_in_a_column, split_over_two_rows, backed_and_dense]
PEAKS = [permuted, renamed("-"), renamed("_"), in_columns, halves, backed_and_dense]
CASES = [pytest.param("rna", change, id=f"genes {change.__name__}") for change in GENES]
CASES += [pytest.param("atac", change, id=f"peaks {i} {change.__name__}") for i, change in enumerate(PEAKS)]


@pytest.mark.parametrize(("modality", "change"), CASES)
def test_same_counts_and_predictions(
    data: MuData, model: SCMOG, modality: str, change: Callable[[AnnData], AnnData]
) -> None:
    adata = data[modality].copy()
    aligned = align_features(change(adata), model, modality=modality)
    assert list(aligned.var_names) == list(adata.var_names)
    np.testing.assert_array_equal(aligned.X.toarray(), adata.X.toarray())
    assert not aligned.var["scmog_missing"].any()
    options = {"source": modality, "target": "atac" if modality == "rna" else "rna", "threshold": "density"}
    if modality == "rna":
        options["threshold"] = None
    expected = model.get_generated(adata, **options).X
    np.testing.assert_allclose(model.get_generated(aligned, **options).X, expected, rtol=1e-6, atol=1e-6)


def test_lifted_to_another_build_and_back(data: MuData, model: SCMOG, tmp_path: Path) -> None:
    pytest.importorskip("liftover", reason="the extra scmog[liftover] is not installed")
    atac = data["atac"].copy()
    size = 400_000_000
    chroms = [str(chrom) for chrom in atac.var["chrom"].unique()]
    there, back = tmp_path / "hg38ToHg19.over.chain", tmp_path / "hg19ToHg38.over.chain"
    for path, (old, new) in {there: (0, SHIFT), back: (SHIFT, 0)}.items():
        path.write_text(
            "".join(
                f"chain 1000 {chrom} {size + old} + {old} {size + old} {chrom} {size + new} + {new} {size + new} {i}\n"
                f"{size}\n\n"
                for i, chrom in enumerate(chroms, start=1)
            )
        )
    query = permuted(atac)
    query.var = pd.DataFrame(index=interval_names(lift_over(query.var_names, there).intervals))
    with pytest.raises(ValueError, match="no more than by chance"):
        align_features(query, model, modality="atac")
    aligned = align_features(query, model, modality="atac", chain_file=back)
    np.testing.assert_array_equal(aligned.X.toarray(), atac.X.toarray())
    report = AlignmentReport.from_uns(aligned).modalities[0]
    assert report.by == {"same coordinates": 40} and report.lifted["lifted"] == 40
    expected = model.get_generated(atac, source="atac", target="rna").X
    np.testing.assert_allclose(model.get_generated(aligned, source="atac", target="rna").X, expected, rtol=1e-6)


def test_antibodies_of_another_maker(data: MuData, model: SCMOG) -> None:
    protein = data["protein"].copy()
    query = permuted(protein)
    query.var_names = [f"anti-human_{name.upper()}_TotalSeqC" for name in query.var_names]
    aligned = align_features(query, model, modality="protein")
    np.testing.assert_array_equal(aligned.X.toarray(), protein.X.toarray())
    assert AlignmentReport.from_uns(aligned).modalities[0].by == {"normalized name": 5}


def test_a_whole_mudata_after_saving_the_model(data: MuData, model: SCMOG, tmp_path: Path) -> None:
    model.save(str(tmp_path / "model"))
    loaded = SCMOG.load(tmp_path / "model", adata=False)
    query = MuData(
        {"rna": ids_for_symbols(data["rna"]), "peaks": halves(data["atac"]), "prot": permuted(data["protein"])}
    )
    query.write(tmp_path / "query.h5mu")
    aligned = align_features(mudata.read_h5mu(tmp_path / "query.h5mu", backed="r"), loaded)
    for key, name in {"rna": "rna", "peaks": "atac", "prot": "protein"}.items():
        np.testing.assert_array_equal(aligned[key].X.toarray(), data[name].X.toarray())
    assert [part.modality for part in AlignmentReport.from_uns(aligned).modalities] == ["rna", "atac", "protein"]
    loaded.generate(aligned, source="rna")
    expected = model.get_generated(data["rna"], source="rna", target="atac")
    np.testing.assert_array_equal(aligned["atac_generated"].X.toarray(), expected.X.toarray())
