"""Several paired data sets in one, to train on them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import anndata
import pandas as pd
from anndata import AnnData
from mudata import MuData

from scmog._modalities import MODALITIES
from scmog._quiet import quiet_mudata
from scmog.pp._merge_counts import Part, stack_counts
from scmog.pp._merge_features import FeatureJoin, Join
from scmog.pp._merge_inputs import cell_names, check_choices, check_dataset, common_modalities, named_datasets
from scmog.pp._merge_names import join_by_name
from scmog.pp._merge_peaks import join_by_overlap
from scmog.pp._subset import matrix_of


def merge_datasets(
    mdatas: Sequence[MuData] | Mapping[str, MuData],
    *,
    genes: Join = "inner",
    peaks: Join = "outer",
    proteins: Join = "inner",
    gene_key: str | None = None,
    min_shared: float = 0.5,
    check_build: bool = True,
    dataset_key: str = "dataset",
    modalities: Mapping[str, str] | None = None,
    rna_layer: str | None = None,
    atac_layer: str | None = None,
    protein_layer: str | None = None,
) -> MuData:
    """Merge paired data sets into a new one to train on all of them, as the paper does with two.

    Genes and proteins are joined by name. Peaks become the unions of all that overlap, within and across data sets,
    and each union has the sum of its peaks' counts (section 4 of the paper, as in the authors' code; binarising is
    part of the model). Use ``batch_key="dataset"`` in :meth:`scmog.model.SCMOG.setup_mudata` to let the model know.

    Kept are the counts, where they were (``.X`` or the layer), and all columns of obs, with missing values where a
    data set lacks one. Of ``.var`` what the data sets agree on is kept; peaks have ``chrom``, ``start`` and ``end``.
    ``.varm["measured_in"]`` of a modality is a bool array, (n_features, n_datasets): which data sets, in the order of
    the categories of ``obs[dataset_key]``, have the feature. All else (other layers, embeddings, graphs, ``.uns``)
    belongs to one data set and is left out. Needs the memory of the result on top of the inputs, which stay as they
    are.

    Parameters
    ----------
    mdatas
        Data sets by name, or a list, whose data sets are called ``"0"``, ``"1"``, ... Peaks must be of one genome
        build. Each needs raw counts, at least of the modalities that all have; others are left out with a warning.
    genes, peaks, proteins
        ``"inner"``: features that all data sets have. ``"outer"``: those of any; where a data set lacks one, its cells
        have zeros, which a model reads as not expressed or closed.
    gene_key
        Column of ``.var`` with the names by which genes are joined, e.g. ``"gene_ids"``; they become the names of the
        genes. None is ``var_names``. Genes of one name are summed.
    min_shared
        Least share of the genes, or proteins, of the smallest data set that all must have. With
        ``peaks="outer"`` there is a warning if peaks of all data sets are in less than this share of the unions.
    check_build
        Whether to refuse peaks of two data sets that overlap no more than after a shift of one of them by 1 Mb, as
        those of different genome builds do.
    dataset_key
        Column of the global obs that receives the names of the data sets.
    modalities
        ``{"rna": name in .mod}`` for modalities that are not found by their usual names.
    rna_layer, atac_layer, protein_layer
        Layers with the counts; None is ``.X``.

    Returns
    -------
    MuData with the cells of the first data set, then those of the next. Where two data sets share cell names, all
    names end in ``-`` and the name of the data set. Modalities keep their name if all data sets agree on it, otherwise
    they are called ``rna``, ``atac``, ``protein``.

    Raises
    ------
    TypeError
        If the data sets are not MuData, or counts are neither CSR, CSC nor dense in memory.
    KeyError
        If a layer, a modality that was named, or ``gene_key`` does not exist.
    ValueError
        If there is no data set or no common modality; cell names are not unique in a data set; values are not raw
        counts; too few genes or proteins are shared; peaks overlap by chance only; ``obs[dataset_key]`` exists.

    Examples
    --------
    >>> import scmog
    >>> one, two = (scmog.datasets.simulate(n_cells=50, n_genes=60, n_peaks=80) for _ in range(2))
    >>> merged = scmog.pp.merge_datasets({"one": one, "two": two})
    >>> merged.obs["dataset"].value_counts().to_dict()
    {'one': 50, 'two': 50}
    """
    check_choices({"genes": genes, "peaks": peaks, "proteins": proteins}, min_shared, modalities)
    datasets = named_datasets(mdatas)
    for dataset, mdata in datasets.items():
        check_dataset(mdata, dataset, dataset_key)
    keys = common_modalities(datasets, dict(modalities or {}))
    layers = {"rna": rna_layer, "atac": atac_layer, "protein": protein_layer}
    cells = cell_names(datasets)
    merged: dict[str, AnnData] = {}
    for name, own_keys in keys.items():
        tables = {dataset: datasets[dataset].mod[key].var for dataset, key in own_keys.items()}
        if name == "atac":
            features = join_by_overlap(tables, join=peaks, min_shared=min_shared, check_build=check_build)
        else:
            features = join_by_name(
                tables,
                kind=MODALITIES[name].features,
                join=genes if name == "rna" else proteins,
                key=gene_key if name == "rna" else None,
                min_shared=min_shared,
                sum_equal=name == "rna",
            )
        result = own_keys[next(iter(own_keys))] if len(set(own_keys.values())) == 1 else name
        merged[result] = _merge_modality(datasets, own_keys, cells, features, layers[name])
    return _with_obs(merged, datasets, cells, dataset_key)


def _merge_modality(
    datasets: Mapping[str, MuData],
    keys: Mapping[str, str],
    cells: Sequence[pd.Index],
    features: FeatureJoin,
    layer: str | None,
) -> AnnData:
    parts, tables = [], []
    for (dataset, mdata), names, target in zip(datasets.items(), cells, features.targets, strict=True):
        key = keys[dataset]
        adata = mdata.mod[key]
        place = adata.obs_names.get_indexer(mdata.obs_names)  # in the order of the MuData, also where it is another
        rows = place[place >= 0]
        title = f"{key} of data set {dataset}"
        parts.append(Part(name=title, counts=matrix_of(adata, title, layer), rows=rows, target=target))
        tables.append(adata.obs.iloc[rows].set_axis(names[place >= 0]))
    counts = stack_counts(parts, len(features.var))
    result = AnnData(None if layer else counts, obs=_stacked(tables), var=features.var)
    if layer:
        result.layers[layer] = counts
    result.varm["measured_in"] = features.measured
    return result


def _stacked(tables: Sequence[pd.DataFrame], **label: Any) -> pd.DataFrame:
    """Tables of cells below each other; anndata keeps categories and truth values such where a table lacks them."""
    table: pd.DataFrame = anndata.concat([AnnData(obs=table) for table in tables], join="outer", **label).obs
    return table


def _with_obs(
    merged: Mapping[str, AnnData], datasets: Mapping[str, MuData], cells: Sequence[pd.Index], dataset_key: str
) -> MuData:
    tables = [mdata.obs.set_axis(names) for mdata, names in zip(datasets.values(), cells, strict=True)]
    obs = _stacked(tables, label=dataset_key, keys=list(datasets))
    with quiet_mudata():
        result = MuData(dict(merged))
        result.obs = obs.loc[result.obs_names]
    return result
