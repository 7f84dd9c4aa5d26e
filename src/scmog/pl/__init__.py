"""Plots. Every function draws on given or new axes and returns them; matplotlib is imported when one is called."""

from scmog.pl._density_scatter import density_scatter
from scmog.pl._roc import roc_curve
from scmog.pl._training_curves import training_curves

__all__ = ["density_scatter", "roc_curve", "training_curves"]
