"""Read what Cell Ranger writes."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
from mudata import MuData

from scmog.datasets._assemble import counts_table, new_mudata, with_peak_positions
from scmog.datasets._cell_ranger import GENES, PEAKS, PROTEINS, CountTable, read_h5, read_mtx
from scmog.pp._protein_names import read_protein_name

logger = logging.getLogger(__name__)

_MODALITIES = {GENES: "rna", PEAKS: "atac", PROTEINS: "protein"}
# Cell Ranger's TSS region of a gene, e.g. chr1:29553-30267 or KI270711.1:4612-29626
_INTERVAL = r"^(?P<chrom>\S+):(?P<start>\d+)-(?P<end>\d+)$"


def read_10x(path: str | Path, *, genome: str | None = None, prefix: str | None = None) -> MuData:
    """Read the output of Cell Ranger, multiome or CITE-seq, into a MuData that is ready for scmog.

    Takes the ``.h5`` file (``filtered_feature_bc_matrix.h5``; versions 2, 3 and newer, Cell Ranger ARC and ATAC) or the
    directory with ``matrix.mtx``, ``barcodes.tsv`` and ``features.tsv`` (or the older ``genes.tsv``, or ``peaks.bed``),
    each plain or gzipped. A file with one kind of features gives one modality: a query for ``generate``. Several files
    are read one by one and joined with :func:`scmog.pp.merge_datasets`.

    Parameters
    ----------
    path
        The ``.h5`` file or the directory.
    genome
        Which genome to keep where an ``.h5`` file has several (mixed species); features without a genome, such as
        antibodies, are kept.
    prefix
        What the names of the files in a directory begin with, e.g. ``"GSM1234_"``. Needed only where there are several
        matrices.

    Returns
    -------
    MuData with those of these modalities that the file has, for the same cells in the same order, ``.X`` raw counts
    (CSR float32), names of features unique within a modality

    - ``"rna"`` (Gene Expression): ``.var`` with ``gene_ids``, ``feature_types``, ``genome``, and ``chrom``, ``start``,
      ``end`` (0-based, half-open) where the file has positions, as Cell Ranger ARC writes them.
    - ``"atac"`` (Peaks): ``.var`` with ``chrom``, ``start``, ``end``.
    - ``"protein"`` (Antibody Capture): ``.var`` with ``isotype_control``, True for antibodies that bind nothing, as
      far as their name says so. They are kept, as in the paper.

    Raises
    ------
    FileNotFoundError
        If there is nothing at ``path``.
    ValueError
        If it is not an output of Cell Ranger, the genome must be chosen, or there are no genes, peaks or antibodies.

    Notes
    -----
    Other features (CRISPR guides, hashtags, custom) are left out, with a log line. The ``.h5`` files are read by
    :func:`scanpy.read_10x_h5`. In contrast to ``muon.read_10x_h5`` no peak annotation or fragment file is looked for.

    Examples
    --------
    >>> import scmog
    >>> mdata = scmog.datasets.read_10x("filtered_feature_bc_matrix.h5")  # doctest: +SKIP
    """
    path = Path(path)
    table = _read(path, genome=genome, prefix=prefix)
    types = table.var["feature_types"].astype(str)
    modalities = {}
    for feature_type, modality in _MODALITIES.items():
        chosen = (types == feature_type).to_numpy()
        if chosen.any():
            var = _describe(_with_content(table.var[chosen]), modality)
            modalities[modality] = counts_table(table.counts[:, chosen], table.cells, var, modality)
    for feature_type, n_left_out in types[~types.isin(list(_MODALITIES))].value_counts().items():
        logger.info("left out %d features of the kind %r", n_left_out, feature_type)
    if not modalities:
        message = f"{path} has no features of the kinds {list(_MODALITIES)}; it has {sorted(types.unique())}."
        raise ValueError(message)
    shapes = ", ".join(f"{name} {part.n_vars:,}" for name, part in modalities.items())
    logger.info("%s: %d cells; features: %s", path.name, len(table.cells), shapes)
    return new_mudata(modalities)


def _read(path: Path, *, genome: str | None, prefix: str | None) -> CountTable:
    if path.is_dir():
        if genome is not None:
            message = "genome= is for .h5 files; files in a directory don't tell the genome of a feature."
            raise ValueError(message)
        return read_mtx(path, prefix=prefix)
    if not path.exists():
        message = f"{path} does not exist; expected a Cell Ranger .h5 file or directory."
        raise FileNotFoundError(message)
    if prefix is not None:
        message = f"prefix= is for directories; {path} is a file."
        raise ValueError(message)
    if ".mtx" in path.suffixes:
        message = f"{path} is one of three files; pass the directory {path.parent}."
        raise ValueError(message)
    return read_h5(path, genome=genome)


def _with_content(var: pd.DataFrame) -> pd.DataFrame:
    """Without columns that say nothing of these features, e.g. the sequence of an antibody's tag for genes."""
    return var.loc[:, [name for name, column in var.items() if (column.astype(str) != "").any()]]


def _describe(var: pd.DataFrame, modality: str) -> pd.DataFrame:
    located = var.get("interval")
    var = var.drop(columns="interval", errors="ignore")
    if modality == "atac":
        return with_peak_positions(var.drop(columns="gene_ids", errors="ignore"))
    if modality == "protein":
        return var.assign(isotype_control=[read_protein_name(name).control is not None for name in var.index])
    return var if located is None else var.assign(**_gene_positions(located))


def _gene_positions(located: pd.Series) -> dict[str, pd.api.extensions.ExtensionArray | np.ndarray]:
    parts = located.astype(str).str.extract(_INTERVAL)
    if parts["chrom"].isna().all():
        return {}
    bounds = {name: pd.to_numeric(parts[name]).astype("Int64").array for name in ("start", "end")}
    if parts["chrom"].notna().all():
        bounds = {name: values.to_numpy(dtype=np.int64) for name, values in bounds.items()}
    return {"chrom": pd.Categorical(parts["chrom"]), **bounds}
