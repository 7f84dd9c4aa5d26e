"""One run of the simulation: from the options to a MuData."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData

from scmog.datasets._assemble import new_mudata
from scmog.datasets._simulate_cells import Cells, Profiles, StateSpace, blend, draw_cells, draw_state_space
from scmog.datasets._simulate_counts import Counts, draw_atac, draw_protein, draw_rna
from scmog.datasets._simulate_genome import link_peaks, place_genes, place_peaks
from scmog.datasets._simulate_options import SimulationOptions, Technology

ANTIBODIES = tuple("CD3 CD4 CD8a CD14 CD15 CD16 CD56 CD19 CD25 CD45RA CD45RO PD-1 TIGIT CD127 CD11c HLA-DR".split())
# Standard deviation over states of the log rate of the most variable features of a modality
MAX_STRENGTH = {"rna": 1.7, "atac": 3.0}
PROTEIN_ON = 800.0  # median foreground counts of an antibody where its target is fully expressed, as in 10x CITE-seq
PROTEIN_BACKGROUND = 20.0  # median background counts of an antibody
PROTEIN_STEEPNESS = 6.0  # log odds per unit of state: most cells are clearly on or off
PROTEIN_SPREAD = {"protein": 0.4, "background": 0.5}  # sd of the log over cells


class Simulation:
    """One run: a random stream per part, so that e.g. asking for proteins leaves the RNA as it was."""

    def __init__(self, options: SimulationOptions) -> None:
        self.options = options
        self.technology: Technology = options.resolved()
        streams = np.random.default_rng(options.seed).spawn(5)
        state_rng, cell_rng, self.rna_rng, self.atac_rng, self.protein_rng = streams
        self.space: StateSpace = draw_state_space(
            state_rng,
            n_cell_types=options.n_cell_types,
            n_latent=options.n_latent,
            gradient_strength=options.gradient_strength,
            batch_shift=options.batch_shift,
            n_batches=options.n_batches,
        )
        self.cells: Cells = draw_cells(
            cell_rng,
            n_cells=options.n_cells,
            n_cell_types=options.n_cell_types,
            n_batches=options.n_batches,
            batch_shift=options.batch_shift,
            depth_spread={
                "rna": self.technology.rna_depth_spread,
                "atac": self.technology.atac_depth_spread,
                **PROTEIN_SPREAD,
            },
        )
        self.genes = place_genes(self.rna_rng, n_genes=options.n_genes)
        self.gene_loadings = self.rna_rng.normal(size=(options.n_genes, options.n_latent))
        self.gene_variability = _draw_variability(self.rna_rng, options.n_genes)

    def run(self) -> MuData:
        modalities = {"rna": self.rna()}
        if self.options.n_peaks:
            modalities["atac"] = self.atac()
        if self.options.n_proteins:
            modalities["protein"] = self.protein()
        mdata = new_mudata(modalities)
        mdata.obs = self.obs()
        mdata.uns["simulation"] = self.settings()
        if self.options.truth:
            mdata.obsm["state"] = self.space.states(self.cells)
        return mdata

    def rna(self) -> AnnData:
        rng = self.rna_rng
        strength = MAX_STRENGTH["rna"] * self.gene_variability
        profiles = self.space.profiles(
            rng,
            base=_level(rng.normal(scale=1.3, size=self.options.n_genes), strength),
            loadings=self.gene_loadings,
            strength=strength,
        )
        depth = self.technology.umi_per_gene * self.options.n_genes
        mean = self.type_average(profiles)
        # The trend of UMI data: a constant biological part and a part that grows as the mean falls.
        trend = 0.1 + 0.05 * mean.sum() / (mean * depth)
        dispersion = np.minimum(trend, 5.0) * np.exp(rng.normal(scale=0.3, size=mean.size))
        counts = draw_rna(
            rng,
            cells=self.cells,
            profiles=profiles,
            dispersion=dispersion,
            depth=depth,
            truth=self.options.truth,
        )
        return self.anndata("rna", counts, var=self.genes, dispersion=dispersion)

    def atac(self) -> AnnData:
        rng, n_peaks = self.atac_rng, self.options.n_peaks
        peaks = place_peaks(rng, n_peaks=n_peaks, genes=self.genes)
        gene, weight = link_peaks(peaks, genes=self.genes)
        own = rng.normal(size=(n_peaks, self.options.n_latent))
        # A peak at a housekeeping gene is as constant as the gene. Most peaks vary little: the mean is a strong guess.
        variability = weight * self.gene_variability[gene] + (1 - weight) * _draw_variability(rng, n_peaks)
        strength = MAX_STRENGTH["atac"] * variability
        profiles = self.space.profiles(
            rng,
            base=_level(rng.normal(scale=0.9, size=n_peaks), strength),
            loadings=blend(self.gene_loadings[gene], own, weight=weight),
            strength=strength,
        )
        counts = draw_atac(
            rng,
            cells=self.cells,
            profiles=profiles,
            density=self.technology.peak_density,
            double_share=self.technology.double_share,
            truth=self.options.truth,
        )
        var = peaks.assign(
            linked_gene=pd.Categorical.from_codes(gene, categories=self.genes.index),
            link_weight=weight.astype(np.float32),
        )
        return self.anndata("atac", counts, var=var)

    def protein(self) -> AnnData:
        rng, n_proteins = self.protein_rng, self.options.n_proteins
        gene = np.resize(np.argsort(-self.gene_variability), n_proteins)
        own = rng.normal(size=(n_proteins, self.options.n_latent))
        odds = self.space.profiles(
            rng,
            base=PROTEIN_STEEPNESS * rng.normal(-0.6, 0.5, size=n_proteins),  # on in about a third of the cells
            loadings=blend(self.gene_loadings[gene], own, weight=0.9),
            strength=np.full(n_proteins, PROTEIN_STEEPNESS),
        )
        # A batch shifts the amounts of antibody, not who is on.
        on = PROTEIN_ON * np.exp(rng.normal(scale=0.9, size=n_proteins) + odds.shift)
        dispersion = 0.1 * np.exp(rng.normal(scale=0.3, size=n_proteins))
        counts = draw_protein(
            rng,
            cells=self.cells,
            odds=replace(odds, shift=np.zeros_like(odds.shift)),
            on=on,
            dispersion=dispersion,
            background=PROTEIN_BACKGROUND * np.exp(rng.normal(scale=0.6, size=n_proteins)),
            truth=self.options.truth,
        )
        names = [*ANTIBODIES[:n_proteins], *(f"protein_{i}" for i in range(len(ANTIBODIES) + 1, n_proteins + 1))]
        var = pd.DataFrame({"gene": self.genes.index[gene]}, index=pd.Index(names))
        return self.anndata("protein", counts, var=var, dispersion=dispersion)

    def type_average(self, profiles: Profiles) -> np.ndarray:
        """Mean rate (n_features,) of the cells if all sat in the middle of their types."""
        sizes = np.bincount(self.cells.cell_type, minlength=self.options.n_cell_types)
        return np.average(np.exp(profiles.centre.astype(np.float64)), axis=0, weights=sizes)

    def obs(self) -> pd.DataFrame:
        width = max(4, len(str(self.options.n_cells)))
        columns = {
            "cell_type": pd.Categorical.from_codes(
                self.cells.cell_type, categories=[f"type_{k}" for k in range(1, self.options.n_cell_types + 1)]
            ),
            "batch": pd.Categorical.from_codes(
                self.cells.batch, categories=[f"batch_{k}" for k in range(1, self.options.n_batches + 1)]
            ),
        }
        return pd.DataFrame(
            columns, index=pd.Index([f"cell_{i:0{width}d}" for i in range(1, self.options.n_cells + 1)])
        )

    def anndata(self, name: str, counts: Counts, *, var: pd.DataFrame, dispersion: np.ndarray | None = None) -> AnnData:
        obs = self.obs()
        if self.options.truth:
            obs["true_depth"] = np.exp(self.cells.log_depth[name])
            var = var if dispersion is None else var.assign(dispersion=dispersion)
        return AnnData(X=counts.matrix, obs=obs, var=var.copy(), layers=counts.truth)

    def settings(self) -> dict[str, Any]:
        # None cannot be written to every file format; the resolved values say more anyway.
        given = {name: value for name, value in asdict(self.options).items() if value is not None}
        resolved = {"peak_density": self.technology.peak_density, "rna_depth_spread": self.technology.rna_depth_spread}
        return {**given, **resolved, "rna_depth": self.technology.umi_per_gene * self.options.n_genes}


def _draw_variability(rng: np.random.Generator, n_features: int) -> np.ndarray:
    """How much features respond to the state, 0 to 1: most of them little."""
    return rng.beta(1, 2, size=n_features)


def _level(log_mean: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Log rate at the origin of the state space of features whose mean rate over states is ``exp(log_mean)``.

    Without it the most variable features would have the largest means, and make up most of each cell.
    """
    return log_mean - strength**2 / 2
