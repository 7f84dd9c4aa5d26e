"""Bring a query into the feature space of a model."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from copy import deepcopy
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData

from scmog._constants import SCMOG_KEYS
from scmog._mudata import is_generated, measured_keys, missing_features
from scmog._quiet import quiet_mudata
from scmog.pp._alignment_report import AlignmentReport, ModalityAlignment
from scmog.pp._match import AlignmentOptions, Match
from scmog.pp._match_genes import match_genes
from scmog.pp._match_names import match_names
from scmog.pp._match_peaks import match_peaks
from scmog.pp._match_proteins import match_proteins
from scmog.pp._selected_counts import select
from scmog.pp._subset import matrix_of

logger = logging.getLogger(__name__)

_MATCHERS: dict[str, Callable[[pd.DataFrame, pd.DataFrame, AlignmentOptions], Match]] = {
    "rna": match_genes,
    "atac": match_peaks,
    "protein": match_proteins,
}
"""How features are matched, by modality; those of any other are matched by name."""


def align_features(
    query: MuData | AnnData,
    model: Any,
    *,
    modality: str | None = None,
    protein_names: Mapping[str, str] | None = None,
    ignore_case: bool | None = None,
    chain_file: str | PathLike[str] | None = None,
    build: str | None = None,
    min_overlap: int = 1,
    min_fraction: float = 0.0,
    min_matched: float = 0.5,
    warn_below: float = 0.8,
) -> MuData | AnnData:
    """Return the query with the model's features, matched by name, identifier or place; writes nothing into ``query``.

    Features are put in the order of the training data, and features that the model does not know are dropped. Features
    that the query lacks are added without counts and marked in ``.var["scmog_missing"]``, so that the model takes them
    as average instead of absent and scales up what the others say. What was found, and how, is logged and kept in
    ``.uns["scmog_alignment"]``; see :class:`AlignmentReport`.

    **Genes** are matched by Ensembl id without version, by name and by symbol, whichever var columns of the query and
    of the training data hold them. Counts of genes that are one gene to the model (two ids of one symbol, ``TBCE`` and
    ``TBCE-1``) are summed; where the ids tell them apart, they stay apart. Differences in case are overlooked only
    where both sides are of the same species, which is told by the ids or the way in which symbols are written, and
    where that singles out one gene on either side.

    **Peaks** are matched by their coordinates, read from names of any common form or from columns. A peak of the model
    that the query has too is taken as it is; for any other the counts of all overlapping query peaks are summed
    (section 4 of the paper). A peak without any overlap was not looked at in the query and is taken as average. Too few
    overlaps are compared with what chance alone would give, so that a wrong genome build is told from other peaks.

    **Proteins** are matched by the names of their antibodies without what manufacturers and programs add
    (``CD3_TotalSeqB``, ``anti-CD3``, ``ADT_CD3``, ``CD3-1``), and by other names of the same molecule (``PD-1``,
    ``CD279``). Isotype controls match controls of the same class only. They are paired one to one.

    Parameters
    ----------
    query
        MuData with some of the model's modalities, or the AnnData of one of them; a view or backed by a file too.
    model
        A :class:`scmog.model.SCMOG`.
    modality
        Which modality an AnnData is (``"rna"``, ``"atac"`` or ``"protein"``); needed unless the model has one source.
        Of a MuData the only one to align; default all.
    protein_names
        ``{name in the query: name in the model}`` for proteins that are not matched, or not rightly.
    ignore_case
        Whether genes match that differ in case only. Default: if both sides are of the same species.
    chain_file
        UCSC chain file from the build of the query's peaks to that of the model's, which are lifted first; see
        :func:`scmog.genomics.lift_over`.
    build
        Genome build of the query, e.g. ``"hg19"`` or ``"GRCm38"``. If given, it is checked against the coordinates of
        the query and, without ``chain_file``, of the model.
    min_overlap
        Least number of base pairs that two peaks share.
    min_fraction
        Least share of the shorter of two peaks that is covered, from 0 to 1.
    min_matched
        Least share of the model's features that must be found, from 0 to 1. Of a MuData, a modality that the model only
        generates may have fewer, unless ``modality`` names it.
    warn_below
        Share of the model's features below which a warning is given.

    Returns
    -------
    A new object of the same kind, with the annotation of cells (obs, obsm, obsp), uns and var; of the matrices only the
    one that the model reads, as CSR. The var of features that are sums is empty, and coordinates of query peaks are
    left out where they differ from the model's. Of a MuData the model's measured modalities are aligned, and the others
    kept as they are.

    Raises
    ------
    TypeError
        If ``query`` is neither MuData nor AnnData.
    KeyError
        If the layer that the model reads does not exist.
    ValueError
        If fewer than ``min_matched`` of the features of a modality that the model reads are found, or none of any; the
        query has none of the model's modalities; it is not clear which modality an AnnData is; peaks do not fit
        ``build``; ``protein_names`` names unknown proteins; or an argument is out of range.

    Warns
    -----
    UserWarning
        If fewer than ``warn_below`` of the model's features are found.

    Examples
    --------
    >>> query = scmog.pp.align_features(query, model)  # doctest: +SKIP
    >>> print(scmog.pp.AlignmentReport.from_uns(query))  # doctest: +SKIP
    """
    options = AlignmentOptions(
        protein_names=dict(protein_names or {}),
        ignore_case=ignore_case,
        chain_file=chain_file,
        build=build,
        min_overlap=min_overlap,
        min_fraction=min_fraction,
        min_matched=min_matched,
        warn_below=warn_below,
    )
    registry = model.training_registry
    if isinstance(query, AnnData):
        if is_generated(query):
            message = "the query was generated by scmog; only measured cells are aligned."
            raise ValueError(message)
        name = _only_modality(modality, model)
        return _align(query, name, registry, options)[0]
    if not isinstance(query, MuData):
        message = f"query must be a MuData, or the AnnData of one modality, got {type(query).__name__}."
        raise TypeError(message)
    if modality is not None and modality not in registry.names:
        message = f"modality must be one of the model's, {list(registry.names)}, got {modality!r}."
        raise ValueError(message)
    parts, reports, sources = dict(query.mod), [], {source for source, _ in model.directions}
    for name, key in registry.names.items():
        keys = measured_keys(query, name, key)
        if keys and modality in (None, name):
            strict = name in sources or name == modality
            parts[keys[0]], report = _align(query.mod[keys[0]], name, registry, options, strict=strict)
            reports.append(report)
    if not reports:
        wanted = f"none of the model's modalities {registry.names}" if modality is None else f"no {modality}"
        message = f"the query has {wanted}; it has {list(query.mod)}."
        raise ValueError(message)
    return _assemble(query, parts, AlignmentReport(tuple(reports)))


def _only_modality(modality: str | None, model: Any) -> str:
    sources = sorted({source for source, _ in model.directions})
    if modality is None and len(sources) == 1:
        return sources[0]
    known = list(model.training_registry.names)
    if modality not in known:
        message = f"say with modality= which of {known} the AnnData is, got {modality!r}."
        raise ValueError(message)
    return str(modality)


def _align(
    adata: AnnData, modality: str, registry: Any, options: AlignmentOptions, *, strict: bool = True
) -> tuple[AnnData, ModalityAlignment]:
    layer = registry.layers[modality]
    counts = matrix_of(adata, modality, layer)
    var = _nullable(adata.var).set_axis(adata.var_names.astype(str))
    measured = np.flatnonzero(~missing_features(var))  # what it lacked when it was aligned before, it lacks now
    var, trained = var.iloc[measured].drop(columns=SCMOG_KEYS.MISSING_VAR, errors="ignore"), registry.features(modality)
    match = _MATCHERS.get(modality, match_names)(var, trained, options)
    report = ModalityAlignment.from_match(modality, match)
    _check(report, options, names=(list(trained.index[:3]), list(var.index[:3])), strict=strict)
    selector = match.selector
    if len(measured) < adata.n_vars:
        rows = selector.tocoo()
        selector = type(selector)((rows.data, (measured[rows.row], rows.col)), shape=(adata.n_vars, match.n_model))
    matrix = select(counts, selector)
    matrices = {"X": matrix} if layer is None else {"layers": {layer: matrix}}
    kept = {slot: {key: value.copy() for key, value in getattr(adata, slot).items()} for slot in ("obsm", "obsp")}
    uns = deepcopy(dict(adata.uns)) | {SCMOG_KEYS.ALIGNMENT_UNS: AlignmentReport((report,)).to_uns()}
    return AnnData(**matrices, obs=adata.obs.copy(), var=_new_var(var, trained, match), uns=uns, **kept), report


def _check(
    report: ModalityAlignment, options: AlignmentOptions, *, names: tuple[list[str], list[str]], strict: bool
) -> None:
    """Log, warn or raise, each with the numbers; only what the model reads as input must reach the least share."""
    text = " ".join([f"{report.summary}.", *report.notes])
    if report.matched == 0 or (strict and report.share < options.min_matched):
        message = (
            f"{text} At least {options.min_matched:.0%} are needed (min_matched); are the names of the same kind? The "
            f"model has {names[0]}, the query {names[1]}. Of a MuData, modality= aligns only one of several."
        )
        raise ValueError(message)
    if report.share < options.warn_below:
        effect = "Predictions get worse with" if strict else "The model only generates this modality; no score counts"
        warnings.warn(f"{text} {effect} missing features.", UserWarning, stacklevel=4)
    else:
        logger.info(text)


def _new_var(var: pd.DataFrame, trained: pd.DataFrame, match: Match) -> pd.DataFrame:
    """Annotation of what is one to one, in the model's names."""
    annotation = var.drop(columns=list(match.outdated)).reset_index(drop=True)
    new = annotation.reindex(match.one_to_one).set_axis(trained.index)  # -1 is no position: nothing is known
    new[SCMOG_KEYS.MISSING_VAR] = match.queries_per_model == 0
    return new


def _nullable(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with booleans and whole numbers of the kinds that can be missing, and can be written so."""
    kinds = {"b": "boolean", "i": "Int64", "u": "Int64"}
    return frame.astype({name: kinds[dtype.kind] for name, dtype in frame.dtypes.items() if dtype.kind in kinds})


def _assemble(query: MuData, parts: dict[str, AnnData], report: AlignmentReport) -> MuData:
    """MuData of the parts with the query's global tables."""
    with quiet_mudata():
        result = MuData(parts)
    order: Any = slice(None)
    if not result.obs_names.equals(query.obs_names):
        order = query.obs_names.get_indexer(result.obs_names)
        if (order < 0).any():
            message = "the modalities of the query have cells that the MuData does not know; call query.update() first."
            raise ValueError(message)
    result.obs = query.obs.iloc[order].copy()
    result.uns = deepcopy(dict(query.uns)) | {SCMOG_KEYS.ALIGNMENT_UNS: report.to_uns()}
    for key in query.obsm:
        if key not in query.mod:  # under the modalities' names mudata keeps which cells they hold
            values = query.obsm[key]
            result.obsm[key] = values.iloc[order] if hasattr(values, "iloc") else values[order]
    for key in query.obsp:
        result.obsp[key] = query.obsp[key][order][:, order]
    return result
