"""scButterfly-B (Cao et al. 2024), in an environment of its own: RNA <-> ATAC without augmentation."""

from __future__ import annotations

import tempfile
from functools import partial

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from scButterfly import data_processing, train_model
from scButterfly.butterfly import Butterfly
from scButterfly.model_utlis import setup_seed
from scipy.sparse import csr_matrix
from torch.utils.data import DataLoader


def predict(case, seed, quick):
    """Settings of the package, except that all features are kept: they are all scored."""
    if not torch.cuda.is_available():
        torch.Tensor.cuda = lambda self, *_, **__: self  # it calls cuda() without asking
    train_model.DataLoader = _loader  # it has four reading processes beside the one that is measured
    data_processing.TFIDF = partial(_finite_tfidf, data_processing.TFIDF)  # one empty cell makes all values NaN
    counts = _counts(case, seed)
    adatas = {
        name: AnnData(csr_matrix(x), pd.DataFrame(index=case.obs.index), pd.DataFrame(index=case.names[name]))
        for name, x in counts.items()
    }
    chromosomes = np.array([name.replace(":", "-").split("-")[0] for name in case.names["atac"]])
    order = np.argsort(chromosomes, kind="stable")  # it has one encoder per chromosome, of neighbouring columns
    adatas["atac"] = adatas["atac"][:, order].copy()
    butterfly = Butterfly()
    setup_seed(seed)  # it has just set its own
    parts = [list(map(int, case.cells(part))) for part in ("train", "test", "validation")]
    butterfly.load_data(adatas["rna"], adatas["atac"], *parts)
    butterfly.data_preprocessing(use_hvg=False, filter_features=False)
    for adata in (butterfly.RNA_data_p, butterfly.ATAC_data_p):
        adata.X = csr_matrix(adata.X, dtype=np.float32)  # it casts on GPUs only
    butterfly.construct_model(chrom_list=[int((chromosomes == name).sum()) for name in np.unique(chromosomes)])
    epochs = ("R2R_pretrain_epoch", "A2A_pretrain_epoch", "translator_epoch")
    with tempfile.TemporaryDirectory() as folder:
        butterfly.train_model(output_path=folder, seed=seed, **(dict.fromkeys(epochs, 2) if quick else {}))
    predicted = _translate(butterfly, case.source, parts[1])
    if case.target == "rna":  # log1p of counts brought to the median size of all cells
        totals = np.asarray(counts["rna"].sum(axis=1)).ravel()
        return np.expm1(predicted) / np.median(totals[totals > 0]) * case.median_total, "normalised"
    # not cut at 1, which would tie what differs; so it can be ranked, but is no probability
    return predicted[:, np.argsort(order)] * _probability_per_value(counts["atac"]), "score"


def _loader(dataset, num_workers=0, **options):
    return DataLoader(dataset, num_workers=0, **options)


def _finite_tfidf(tfidf, counts):
    values, *factors = tfidf(counts)
    values.data[~np.isfinite(values.data)] = 0
    return (values, *factors)


def _counts(case, seed):
    """Raw counts by modality; the target of a test cell, which it must not see, is that of any training cell.

    It prepares all cells at once, and divides by the total of a cell, so that it can't be left empty.
    """
    cells = np.arange(len(case.split))
    test = case.split == "test"
    cells[test] = np.random.default_rng(seed).choice(case.cells("train"), test.sum())
    return {case.source: case.source_counts, case.target: case.target_counts(cells)}


def _translate(butterfly, source, cells):
    """What its ``test_model`` computes, without setting small values to 0."""
    model = butterfly.model
    model.set_eval()
    data, encoder, decoder, name = {
        "rna": (model.RNA_data, model.RNA_encoder, model.ATAC_decoder, "RNA"),
        "atac": (model.ATAC_data, model.ATAC_encoder, model.RNA_decoder, "ATAC"),
    }[source]
    values = []
    with torch.no_grad():
        for start in range(0, len(cells), 64):
            latent = encoder(torch.from_numpy(data[cells[start : start + 64]]))
            translated = model.translator.test_model(latent, name)[1 if source == "rna" else 0]
            values.append(decoder(translated).numpy())
    return np.concatenate(values)


def _probability_per_value(counts):
    """Factor ``(n_peaks,)`` from what it predicts, TF-IDF over its maximum, to the probability in an average cell.

    The inverse of its ``TFIDF``, except that the number of open peaks of a test cell is unknown.
    """
    opened = (counts > 0).astype(np.float64)
    per_cell, per_peak = (np.asarray(opened.sum(axis=axis)).ravel() for axis in (1, 0))
    idf = np.log(1 + len(per_cell) / np.maximum(per_peak, 1))
    cells, peaks = opened.nonzero()
    return (idf[peaks] / per_cell[cells]).max() / idf * per_cell.mean()
