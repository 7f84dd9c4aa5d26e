"""Paired single-cell data made from a known model."""

from __future__ import annotations

from mudata import MuData

from scmog.datasets._simulate_options import SimulationOptions
from scmog.datasets._simulation import Simulation


def simulate(
    n_cells: int = 1000,
    n_genes: int = 500,
    n_peaks: int = 2000,
    n_proteins: int = 0,
    *,
    n_cell_types: int = 6,
    n_batches: int = 1,
    batch_shift: float = 0.3,
    technology: str = "multiome",
    peak_density: float | None = None,
    n_latent: int = 8,
    gradient_strength: float = 0.6,
    rna_depth: float | None = None,
    rna_depth_spread: float | None = None,
    seed: int = 0,
    truth: bool = False,
) -> MuData:
    r"""Simulate paired RNA, ATAC and protein counts of one set of cells, shaped like 10x data.

    Each cell has a state :math:`z_i = t_{k(i)} + \sum_a u_{ia} d_{k(i)a}`: the centre of its type plus its place
    :math:`u_{ia}` on two gradients of that type. Every feature responds to the state through loadings :math:`w_j`
    and is shifted in each batch :math:`s(i)`; all modalities follow from the same state, so one predicts the other:

    .. math::

        r_{ij} &= b_j + w_j^\top z_i + s_{s(i)j} \\
        \text{RNA:}\quad x_{ij} &\sim \mathrm{NB}\big(\ell_i\, e^{r_{ij}} / \textstyle\sum_m e^{r_{im}},\ \phi_j\big) \\
        \text{ATAC:}\quad P(x_{ij} > 0) &= 1 - \exp(-c\, \ell_i\, e^{r_{ij}}), \quad x_{ij} \in \{0, 1, 2\} \\
        \text{protein:}\quad x_{ij} &\sim \mathrm{NB}\big(\ell_i h_{s(i)j}\, \sigma(r_{ij}) + \beta_i g_j,\ \phi_j\big)

    with NB variance :math:`\mu + \phi \mu^2` (:math:`\phi` falling with the mean), depths :math:`\ell_i` that are
    log-normal in each modality, correlate between modalities and differ between batches, and :math:`c` set to reach
    ``peak_density``. A protein is on or off by a logistic function :math:`\sigma`; batches shift the amount
    :math:`h` of its antibody, and :math:`\beta_i g_j` is the background of stray antibody in each cell. The loadings
    of a peak correlate with those of the nearest gene by the weight :math:`\exp(-\text{distance} / 30\,\text{kb})`,
    up to 150 kb, and a protein follows one variable gene. Spreads and densities are those of public data sets.

    Parameters
    ----------
    n_cells
        Number of cells.
    n_genes
        Number of genes, placed at random on GRCh38 (chr1 to chr22, chrX).
    n_peaks
        Number of peaks, 70 % of them around genes, at most one per kilobase. 0 leaves the ATAC out.
    n_proteins
        Number of surface proteins. 0 leaves the protein out.
    n_cell_types
        Number of cell types. Their sizes are unequal, ``"type_1"`` being the largest on average.
    n_batches
        Number of batches, of equal size and with the same types.
    batch_shift
        Standard deviation of the natural-log shift of a feature in a batch; also half of the difference in log depth
        between the shallowest and the deepest batch. At most 2; without effect for one batch.
    technology
        ``"multiome"`` (10x: 6 % open peaks, 0.5 UMI per gene) or ``"snare"`` (SNARE-seq: 0.5 % open, 0.15 UMI per
        gene, wider depth spread).
    peak_density
        Mean share of open peaks, above 0 and at most 0.99, in place of that of the technology.
    n_latent
        Dimension of the state: the number of independent regulatory programs.
    gradient_strength
        Width of the gradients inside types relative to the differences between types, at most 2. 0 makes types
        uniform.
    rna_depth
        Median UMI of a cell over all genes, at most 1e6, in place of that of the technology.
    rna_depth_spread
        Standard deviation of the natural log of the RNA depth, at most 2, in place of that of the technology.
    seed
        Seed of everything that is random; the global random state is neither used nor changed.
    truth
        Whether to keep what the counts were drawn from. These arrays are dense.

    Returns
    -------
    MuData with modalities ``"rna"``, ``"atac"`` and ``"protein"`` (where asked for) of the same cells, and

    - ``.X`` of each: raw counts, CSR float32.
    - ``.obs["cell_type"]`` and ``.obs["batch"]``: categorical, in the global table and in each modality's.
    - ``["rna"].var``: ``chrom`` and ``start`` (transcription start).
    - ``["atac"].var``: ``chrom``, ``start``, ``end``, ``linked_gene`` (missing where no gene is within 150 kb) and
      ``link_weight`` (0 to 1, the correlation of the loadings).
    - ``["protein"].var``: ``gene``, the gene that the protein follows.
    - ``.uns["simulation"]``: the settings.

    and with ``truth``

    - ``["rna"].layers["mean"]``, ``["protein"].layers["mean"]``: negative binomial mean of each entry at the cell's
      depth, float32 (n_cells, n_features); ``["protein"].layers["background"]``: the background's part of it.
    - ``["rna"].var["dispersion"]``, ``["protein"].var["dispersion"]``: :math:`\phi_j`.
    - ``["atac"].layers["probability"]``: :math:`P(x_{ij} > 0)` at the cell's depth, float32 (n_cells, n_peaks).
    - ``.obs["true_depth"]`` of each modality: depth :math:`\ell_i` relative to the median cell. The probability of an
      open peak at median depth is :math:`1 - (1 - P)^{1/\ell_i}`.
    - ``.obsm["state"]`` (global): :math:`z_i`, float32 (n_cells, n_latent).

    Raises
    ------
    TypeError
        If an argument is not of the stated type.
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> import scmog
    >>> mdata = scmog.datasets.simulate(n_cells=200, n_genes=100, n_peaks=300, truth=True)
    >>> mdata["atac"].layers["probability"].shape
    (200, 300)
    """
    options = SimulationOptions(
        n_cells=n_cells,
        n_genes=n_genes,
        n_peaks=n_peaks,
        n_proteins=n_proteins,
        n_cell_types=n_cell_types,
        n_batches=n_batches,
        n_latent=n_latent,
        gradient_strength=gradient_strength,
        batch_shift=batch_shift,
        technology=technology,
        peak_density=peak_density,
        rna_depth=rna_depth,
        rna_depth_spread=rna_depth_spread,
        seed=seed,
        truth=truth,
    )
    return Simulation(options).run()
