"""The cells of a simulation: type, batch, place on the gradients, depth; and what features make of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

N_GRADIENTS = 2  # continuous axes inside each cell type
TYPE_SIZE_RATIO = 0.65  # expected size of a type relative to the next larger one
TYPE_SIZE_CONCENTRATION = 40.0  # of the Dirichlet distribution around those sizes
DEPTH_CORRELATION = 0.4  # of the log depths of two modalities; .24 to .70 in 10x Multiome data


@dataclass(frozen=True)
class Cells:
    """The hidden state of the cells.

    Parameters
    ----------
    cell_type, batch
        Codes (n_cells,).
    position
        Place on the gradients of the cell's type (n_cells, 2), mean 0 and variance 1.
    log_depth
        For each modality the log of the cell's depth relative to the median cell (n_cells,).
    """

    cell_type: np.ndarray
    batch: np.ndarray
    position: np.ndarray
    log_depth: dict[str, np.ndarray]


@dataclass(frozen=True)
class Profiles:
    """Log rates of a modality's features: a profile per type, a slope per gradient, a shift per batch.

    They are added entry by entry, never by a matrix product, so that a cell's values do not depend on the cells
    that happen to be in the same block.

    Parameters
    ----------
    centre
        Log rates in the middle of each type (n_cell_types, n_features), float32.
    slope
        Change of the log rates per unit of position (n_cell_types, 2, n_features), float32.
    shift
        Log shift of each batch (n_batches, n_features), float32.
    """

    centre: np.ndarray
    slope: np.ndarray
    shift: np.ndarray

    def log_rates(self, cells: Cells, rows: slice, *, features: slice = slice(None)) -> np.ndarray:
        """Log rates of some cells (n_rows, n_features), float32, without their depth."""
        kind, position = cells.cell_type[rows], cells.position[rows].astype(np.float32)
        out = self.centre[kind, features]
        for axis in range(N_GRADIENTS):
            out += position[:, axis, None] * self.slope[kind, axis, features]
        if self.shift.any():
            out += self.shift[cells.batch[rows], features]
        return out


@dataclass(frozen=True)
class StateSpace:
    """The regulatory space in which types and gradients lie; features respond to it through their loadings.

    Parameters
    ----------
    types
        Centres of the types (n_cell_types, n_latent).
    gradients
        Directions of the gradients of each type (n_cell_types, 2, n_latent).
    batch_shift
        Standard deviation of the log shift of a feature in a batch.
    n_batches
        Number of batches.
    """

    types: np.ndarray
    gradients: np.ndarray
    batch_shift: float
    n_batches: int

    @property
    def n_latent(self) -> int:
        """Dimension of the space."""
        return self.types.shape[1]

    def states(self, cells: Cells) -> np.ndarray:
        """Place of the cells in the space (n_cells, n_latent), float32."""
        along = np.einsum("ia,ial->il", cells.position, self.gradients[cells.cell_type])
        return (self.types[cells.cell_type] + along).astype(np.float32)

    def profiles(
        self, rng: np.random.Generator, *, base: np.ndarray, loadings: np.ndarray, strength: np.ndarray
    ) -> Profiles:
        """Profiles of features (n_features,) of log rate ``base`` that respond with ``strength`` along ``loadings``.

        The loadings (n_features, n_latent) have unit variance, so that ``strength`` is the standard deviation of a
        feature's log rate over types.
        """
        response = (loadings * strength[:, None] / np.sqrt(self.n_latent)).T
        shift = np.zeros((self.n_batches, base.size))
        if self.n_batches > 1:
            shift = rng.normal(scale=self.batch_shift, size=shift.shape)
        return Profiles(
            centre=(base + self.types @ response).astype(np.float32),
            slope=(self.gradients @ response).astype(np.float32),
            shift=shift.astype(np.float32),
        )


def draw_state_space(
    rng: np.random.Generator,
    *,
    n_cell_types: int,
    n_latent: int,
    gradient_strength: float,
    batch_shift: float,
    n_batches: int,
) -> StateSpace:
    """Types at random places, and for each its own gradients, ``gradient_strength`` as wide as the types differ."""
    gradients = rng.normal(size=(n_cell_types, N_GRADIENTS, n_latent)) * gradient_strength / np.sqrt(N_GRADIENTS)
    return StateSpace(
        types=rng.normal(size=(n_cell_types, n_latent)),
        gradients=gradients,
        batch_shift=batch_shift,
        n_batches=n_batches,
    )


def draw_cells(
    rng: np.random.Generator,
    *,
    n_cells: int,
    n_cell_types: int,
    n_batches: int,
    batch_shift: float,
    depth_spread: dict[str, float],
) -> Cells:
    """Cells of unequal types in random order; every type and every batch has at least one."""
    sizes = TYPE_SIZE_RATIO ** np.arange(n_cell_types)
    sizes = np.sort(rng.dirichlet(TYPE_SIZE_CONCENTRATION * sizes / sizes.sum()))[::-1]
    rest = rng.choice(n_cell_types, size=n_cells - n_cell_types, p=sizes)
    cell_type = rng.permutation(np.concatenate([np.arange(n_cell_types), rest]))
    batch = rng.permutation(np.arange(n_cells) % n_batches)
    position = rng.uniform(-np.sqrt(3), np.sqrt(3), size=(n_cells, N_GRADIENTS))
    common = rng.normal(size=n_cells)
    log_depth = {}
    for name, spread in depth_spread.items():
        own = rng.normal(size=n_cells)
        noise = np.sqrt(DEPTH_CORRELATION) * common + np.sqrt(1 - DEPTH_CORRELATION) * own
        # Evenly spread, so that the batches always differ in depth; the order differs between modalities.
        offset = rng.permutation(np.linspace(-1, 1, n_batches)) if n_batches > 1 else np.zeros(1)
        log_depth[name] = spread * noise + batch_shift * offset[batch]
    return Cells(cell_type=cell_type, batch=batch, position=position, log_depth=log_depth)


def blend(first: np.ndarray, second: np.ndarray, *, weight: np.ndarray | float) -> np.ndarray:
    """Mix loadings (n_features, n_latent), at unit variance, so that they correlate ``weight`` with ``first``."""
    weight = np.asarray(weight, dtype=float).reshape(-1, 1)
    return weight * first + np.sqrt(1 - weight**2) * second
