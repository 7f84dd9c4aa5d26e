"""Real data, where they are: set the variable SCMOG_DATA to the directory that holds them and run with ``-m slow``."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import anndata
import mudata
import numpy as np
import pytest
import scipy.sparse as sp
from mudata import MuData

from scmog.model import SCMOG
from scmog.pp import AlignmentReport, align_features, merge_datasets

pytestmark = [
    pytest.mark.slow,
    # the files hold what older versions wrote
    pytest.mark.filterwarnings("ignore:Cannot join columns with the same name"),
    pytest.mark.filterwarnings("ignore:var_names are not unique"),
    pytest.mark.filterwarnings("ignore:Variable names are not unique"),
]

_TRAIN = {"n_epochs_pretrain": 1, "accelerator": "cpu", "enable_progress_bar": False, "seed": 0}
_NARROW = {"n_hidden_rna": (32, 16), "n_hidden_atac": (32, 16), "n_hidden_critic": (32, 16)}


def read(name: str) -> MuData:
    folder = os.environ.get("SCMOG_DATA")
    if not folder:
        pytest.skip("needs real data: set SCMOG_DATA to their directory")
    path = Path(folder) / name
    if not path.exists():
        pytest.skip(f"needs {name} in $SCMOG_DATA")
    return mudata.read_h5mu(path)


def score(table, direction, model="scmog", axis="feature"):
    main = table[table.metric.isin(["auroc", "pearson"])]
    rows = main[(main.direction == direction) & (main.model == model) & (main.axis == axis)]
    return rows["value"].item()


def test_multiome_bmmc_trains_and_generates():
    mdata = read("multiome_bmmc_neurips_500.h5mu")
    SCMOG.setup_mudata(mdata, batch_key="batch")
    model = SCMOG(mdata, n_hidden_critic=(64, 16))
    model.train(2, train_size=0.8, validation_size=0.1, **_TRAIN)
    assert len(model.history["validation_loss"]) == 2
    table = model.evaluate()
    assert np.isfinite(table["value"]).all()
    assert score(table, "rna_to_atac", axis="flat") > 0.6
    query = MuData({"rna": mdata["rna"].copy()})
    del query["rna"].obs["batch"]
    query.obs = query.obs.drop(columns=[name for name in query.obs if "batch" in name])
    model.generate(query)
    generated = query["atac_generated"]
    assert generated.shape == (500, 1185)
    assert list(generated.var_names) == list(mdata["atac"].var_names)
    train = np.sort(model.train_indices_)
    opened = model.get_generated(target="atac", indices=train).X.nnz
    assert opened == pytest.approx((mdata["atac"].X[train] > 0).sum(), rel=0.01)


def test_cells_without_peaks_are_kept():
    mdata = read("fixture_multiome_pbmc_muon_1000.h5mu")
    empty = np.asarray(mdata["atac"].X.sum(axis=1)).ravel() == 0
    assert empty.any()
    SCMOG.setup_mudata(mdata)
    model = SCMOG(mdata, **_NARROW)
    model.train(2, **_TRAIN)
    generated = model.get_generated(source="atac", target="rna")
    assert np.isfinite(generated.X).all()
    np.testing.assert_array_equal(generated.obs["scmog_zero_counts"], empty)


def test_learns_surface_protein():
    mdata = read("citeseq_pbmc10k_10x_hvg1000.h5mu")[:2000].copy()
    SCMOG.setup_mudata(mdata)
    model = SCMOG(mdata)
    model.train(20, train_size=0.8, validation_size=0.1, **_TRAIN)
    table = model.evaluate()
    assert score(table, "rna_to_protein") > 0.6
    assert score(table, "rna_to_protein", axis="flat") > score(table, "rna_to_protein", "training mean", "flat")


def test_data_sets_of_one_genome_merge_and_others_are_refused():
    marrow = read("multiome_bmmc_neurips_500.h5mu")
    donors = {str(name): marrow[marrow.obs["batch"] == name].copy() for name in marrow.obs["batch"].unique()}
    merged = merge_datasets(donors)
    for key in ("rna", "atac"):
        assert list(merged[key].obs_names) == [name for donor in donors.values() for name in donor.obs_names]
        whole = marrow[key][merged[key].obs_names]
        sums = [np.asarray(adata.X.sum(axis=1)).ravel() for adata in (whole, merged[key])]
        np.testing.assert_array_equal(*sums)
    blood = read("fixture_multiome_pbmc_mosim_40_fullfeatures.h5mu")
    with pytest.warns(UserWarning, match="1123 of the 108430 unions"):
        assert merge_datasets({"marrow": marrow, "blood": blood}).n_obs == 540
    mouse = read("snareseq_mouse_cortex_10309.h5mu")
    with pytest.raises(ValueError, match="only 1 genes are in all data sets, of 1677"):
        merge_datasets({"mouse": mouse, "blood": blood})
    with pytest.raises(ValueError, match=r"1243 of the 25734 peaks .* another genome build or species"):
        merge_datasets({"mouse": mouse, "blood": blood}, min_shared=0, genes="outer")


class PeakMemory:
    """Most resident memory while a block runs, above what there was before; in bytes. Linux only."""

    def __enter__(self):
        if not Path("/proc/self/statm").exists():
            pytest.skip("needs /proc")
        self._start = self._most = self._now()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self.grown = self._most - self._start

    def _now(self):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def _watch(self):
        while not self._stop.wait(0.005):
            self._most = max(self._most, self._now())


@pytest.mark.parametrize("store", [None, "generated.h5ad"], ids=["memory", "disk"])
def test_full_feature_space_never_dense(tmp_path, store):
    """40 cells x 36,601 genes x 108,377 peaks; the query repeats them, so that a dense result would be 0.87 GB."""
    mdata = read("fixture_multiome_pbmc_mosim_40_fullfeatures.h5mu")
    SCMOG.setup_mudata(mdata)
    model = SCMOG(mdata, directions=[("rna", "atac")], **_NARROW)
    model.train(1, train_size=0.8, n_epochs_pretrain=0, accelerator="cpu", enable_progress_bar=False)
    rna = mdata["rna"]
    rows = np.tile(np.arange(rna.n_obs), 50)
    many = anndata.AnnData(sp.csr_matrix(rna.X)[rows], var=rna.var[[]])
    query = MuData({"rna": many})
    dense = many.n_obs * mdata["atac"].n_vars * 4
    model.generate(query[:64].copy())  # what is allocated once is none of our concern
    with PeakMemory() as memory:
        options = {"store": tmp_path / store} if store else {"threshold": 0.9}
        model.generate(query, batch_size=64, **options)
    generated = query["atac_generated"]
    assert generated.shape == (2000, 108_377)
    first = model.get_generated(rna, target="atac", **({} if store else {"threshold": 0.9}))
    np.testing.assert_array_equal(generated[:40].X.toarray(), first.X.toarray())
    assert memory.grown < dense / 2, f"{memory.grown / 1e6:.0f} MB of {dense / 1e6:.0f} MB"


def untrained(mdata: MuData) -> SCMOG:
    SCMOG.setup_mudata(mdata)
    return SCMOG(mdata, **_NARROW)


def test_antibodies_and_genes_of_another_laboratory():
    model = untrained(read("citeseq_pbmc10k_10x_hvg1000.h5mu"))
    query = read("citeseq_pbmc_inhouse_1372.h5mu")
    genes, proteins = "698 of the model's 1000 genes", "8 of the model's 14 proteins .*only generates this modality"
    with pytest.warns(UserWarning, match=genes), pytest.warns(UserWarning, match=proteins):
        aligned = align_features(query, model)
    report = {part.modality: part for part in AlignmentReport.from_uns(aligned).modalities}
    assert report["rna"].by == {"name": 695, "case": 3}  # C12orf75, C19orf48, C3orf14
    assert report["protein"].by == {"normalized name": 8}
    shared = ("CD3", "CD4", "CD8a", "CD14", "CD16", "CD19", "CD56", "CD127")
    for name in shared:
        expected = query["protein"][:, name].X.toarray()
        np.testing.assert_array_equal(aligned["protein"][:, f"{name}_TotalSeqB"].X.toarray(), expected)


def test_other_peaks_are_refused_with_the_numbers():
    model = untrained(read("snareseq_mouse_cortex_10309.h5mu"))
    folder = Path(os.environ["SCMOG_DATA"])
    share = anndata.read_h5ad(folder / "unpaired_atac_shareseq_mouse_brain_3061.h5ad")
    words = r"1479 of the model's 25734 peaks found \(6%\).*18598 others dropped.*Chance alone would give 146 "
    with pytest.raises(ValueError, match=words):
        align_features(share, model, modality="atac")
    aligned = align_features(share, model, modality="atac", min_matched=0, warn_below=0)
    assert aligned.shape == (3061, 25734) and aligned.var["scmog_missing"].sum() == 24255


def test_another_species_is_named():
    """Peaks of mouse for a model of human: as many overlaps as by chance; coordinates that fit one build each."""
    model = untrained(read("fixture_multiome_pbmc_mosim_40_fullfeatures.h5mu"))
    snare = read("snareseq_mouse_cortex_10309.h5mu")
    words = r"no more than by chance .*the query's peaks can be \['mm10'\], the model's \['hg38'\]"
    with pytest.raises(ValueError, match=words):
        align_features(snare, model, modality="atac")
    with pytest.raises(ValueError, match="The query looks like mouse, the model like human"):
        align_features(snare, model, modality="rna")
