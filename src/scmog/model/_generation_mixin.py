"""Generation of missing modalities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from anndata import AnnData
from mudata import MuData

from scmog._modalities import Direction, direction_name
from scmog.model._base import RegisteredModel
from scmog.model._directions import add_modalities, check_mudata, directions_for, only_direction, output_keys
from scmog.model._generation import encode, generate_modality
from scmog.model._output import Thresholding, check_log1p, resolve_threshold
from scmog.model._query import Query
from scmog.model._store import check_store


class GenerationMixin(RegisteredModel):
    """Generated modalities and latent representations of queries."""

    def generate(
        self,
        mdata: MuData | None = None,
        *,
        source: str | None = None,
        target: str | None = None,
        key_added: str | None = None,
        threshold: float | str | None = "density",
        score: str = "probability",
        log1p: bool = False,
        batch_size: int | None = None,
        store: str | Path | None = None,
        show_progress: bool = True,
    ) -> None:
        """Write generated modalities into ``mdata.mod``, as ``<target>_generated``.

        Runs every direction of the model whose source is measured in ``mdata``. A modality that scmog generated earlier
        is overwritten; a measured one never. On any error ``mdata`` is left as it was.

        The features have the names of the target's. With the measured target in the same MuData the *global*
        ``mdata.var_names`` then hold each name twice: take features from the modality,
        ``mdata["atac_generated"][:, names]``.

        Parameters
        ----------
        mdata
            Cells with at least one source modality; default the training data.
        source, target
            Run only the directions with this source or target.
        key_added
            Name of the new modality instead of ``<target>_generated``; for one direction at a time.
        threshold, score, log1p, batch_size
            See :meth:`get_generated`.
        store
            Write the new modality block by block to this ``.zarr`` or ``.h5ad``, which must not exist, and leave a
            modality in ``mdata.mod`` whose matrices stay on disk; for one direction at a time. Such a MuData can be
            written; for ``mdata.copy()`` read the modality into memory first. Memory does not grow with the number of
            cells, if the query is on disk too.

            Until it is complete it is a directory, ``<store>.unfinished``. If the process was killed or interrupted,
            the same call (same model, cells and arguments) goes on after the last cells that were written, and makes
            the same file. After an error it is kept if it holds complete cells. For a large
            query take ``.zarr``: it is compressed, and an ``.h5ad`` is put together at the end, for which the disk must
            hold both.
        show_progress
            Whether to show a progress bar, in the style of ``scvi.settings.progress_bar_style``. A query of one or two
            blocks has none.

        Raises
        ------
        FileExistsError
            If ``store`` exists, or ``<store>.unfinished`` holds something else than what is asked for.
        RuntimeError
            If the model is not trained, an unfinished store is damaged, or another process goes on with it.
        TypeError
            If ``mdata`` is an AnnData: use :meth:`get_generated`.
        ValueError
            If ``mdata`` is a view, has no source, two directions lead to one target, or a measured modality would be
            overwritten; otherwise as in :meth:`get_generated`.
        """
        self._require_trained()
        mdata = self._own_or(mdata)
        check_mudata(mdata, hint="Use get_generated(adata, ...) for the AnnData of a source.")
        registry = self.training_registry
        directions = directions_for(mdata, self.directions, registry, source=source, target=target)
        keys = output_keys(mdata, directions, key_added=key_added, store=store)
        if store is not None:
            check_store(Path(store))
        thresholds = {direction: self._thresholding(direction, threshold, score) for direction in directions}
        scales = {direction: check_log1p(direction[1], log1p) for direction in directions}
        generated = {
            key: self._generate(
                Query(mdata, [direction[0]], registry),
                direction,
                thresholds[direction],
                batch_size,
                log1p=scales[direction],
                store=store,
                show_progress=show_progress,
            )
            for key, direction in keys.items()
        }
        add_modalities(mdata, generated)

    def get_generated(
        self,
        query: MuData | AnnData | None = None,
        *,
        source: str | None = None,
        target: str | None = None,
        threshold: float | str | None = "density",
        score: str = "probability",
        log1p: bool = False,
        batch_size: int | None = None,
        indices: Sequence[int] | np.ndarray | None = None,
        show_progress: bool = True,
    ) -> AnnData:
        """Generate one modality and return it; nothing is written.

        Parameters
        ----------
        query
            MuData, or the AnnData of the source; default the training data. Views are fine.
        source, target
            The direction; may be left out where only one is possible.
        threshold
            For ATAC: what is called open. ``"density"``, one cut on the calibrated probability, at which the training
            cells have as many open peaks as measured; ``"paper"``, 0.1 on the raw sigmoid (paper section 4); a number,
            that cut on ``score``; None, no cut. For other targets leave it out.
        score
            For ATAC: ``"probability"``, calibrated (focal training distorts probabilities in a known way), or
            ``"raw"``, the sigmoid itself.
        log1p
            For RNA: return the expected log1p of counts, to set beside measured cells after ``sc.pp.normalize_total``
            (to ``model.module.median_total``) and ``sc.pp.log1p``. The logarithm of the expected counts is larger, the
            more so the noisier the gene.
        batch_size
            Cells per block; default the preset's. Does not change the result.
        indices
            Positions of cells in the query, of a MuData in its ``obs_names``. Default: all that have the source.
        show_progress
            See :meth:`generate`.

        Returns
        -------
        AnnData ``(n_cells, n_features)``, cells in the order of the query (of a MuData: of its ``obs_names``), with
        ``.obs["scmog_zero_counts"]`` true where the source had no counts.

        - ATAC: ``.X`` = 0/1 CSR and, in a layer named after the score, the scores of the same entries; dense scores if
          ``threshold=None``.
        - RNA: ``.X`` = negative binomial mean at the median library size of the training cells, dense; the expected
          log1p with ``log1p=True``.
        - protein: ``.X`` = centred log-ratio over the proteins of the cell, dense; its mean over a cell is about 0, not
          exactly, as the loss is a squared error per protein.

        ``.uns["scmog"]`` states unit, direction, model, seed and versions.

        Raises
        ------
        RuntimeError
            If the model is not trained.
        KeyError
            If the query lacks the layer that the model was trained on.
        TypeError
            If the query is neither a MuData nor an AnnData, or its matrix can't be read by cell.
        ValueError
            If the direction is unknown or ambiguous, its source is not in the query, features are missing or in another
            order, values are not raw counts, or ``threshold``, ``score`` or ``log1p`` make no sense.
        """
        query_, direction = self._single(query, source, target, indices)
        thresholding = self._thresholding(direction, threshold, score)
        log1p = check_log1p(direction[1], log1p)
        return self._generate(query_, direction, thresholding, batch_size, log1p=log1p, show_progress=show_progress)

    def get_latent_representation(
        self,
        query: MuData | AnnData | None = None,
        *,
        source: str | None = None,
        target: str | None = None,
        batch_size: int | None = None,
        indices: Sequence[int] | np.ndarray | None = None,
    ) -> np.ndarray:
        """Latent representation of one direction, by its first network; nothing is written.

        Generated values are averages over the networks of a direction (``n_members``), each with a latent space of its
        own.

        Parameters
        ----------
        query, source, target, batch_size, indices
            As in :meth:`get_generated`.

        Returns
        -------
        ``(n_cells, n_latent)``, float32, cells in the order of the query; of a MuData in that of its ``obs_names``,
        without those that lack the source.

        Raises
        ------
        RuntimeError, KeyError, TypeError, ValueError
            As in :meth:`get_generated`.
        """
        query_, direction = self._single(query, source, target, indices)
        return encode(self.module, query_, direction, batch_size=self._block_size(batch_size))

    def _single(
        self, query: MuData | AnnData | None, source: str | None, target: str | None, indices: Any
    ) -> tuple[Query, Direction]:
        """The only direction that fits, and the query registered for it."""
        self._require_trained()
        query = self._own_or(query)
        registry = self.training_registry
        direction = only_direction(directions_for(query, self.directions, registry, source=source, target=target))
        return Query(query, [direction[0]], registry, indices), direction

    def _thresholding(self, direction: Direction, threshold: float | str | None, score: str) -> Thresholding | None:
        cut = self.module.translator(direction_name(direction)).open_cut
        return resolve_threshold(direction[1], threshold, score, density_cut=float(torch.sigmoid(cut)))

    def _generate(
        self,
        query: Query,
        direction: Direction,
        thresholding: Thresholding | None,
        batch_size: int | None,
        *,
        log1p: bool,
        store: str | Path | None = None,
        show_progress: bool = True,
    ) -> AnnData:
        return generate_modality(
            self.module,
            query,
            direction,
            thresholding=thresholding,
            log1p=log1p,
            features=self.training_registry.var_names[direction[1]],
            batch_size=self._block_size(batch_size),
            store=store,
            show_progress=show_progress,
            model_id=str(self.model_id_),
            seed=int(self.seed_ or 0),
        )
