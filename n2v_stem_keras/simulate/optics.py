"""The microscope of the paper's simulations: probe, detectors, effective source.

80 kV, 32 mrad, bright field to 18.7 mrad and annular dark field from 46.8 to 169.3 mrad (the paper,
Methods); no aberrations, focus on the surface where the adatoms lie, and a Gaussian effective
source that the paper does not state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

_PAPER_DETECTORS = MappingProxyType({"ADF": (46.8, 169.3), "BF": (0.0, 18.7)})


@dataclass(frozen=True)
class Optics:
    """What forms the image.

    Attributes
    ----------
    energy_kev : float
        Beam energy [keV].
    convergence_mrad : float
        Semi-angle of the probe [mrad].
    detectors_mrad : mapping
        Name -> inner and outer angle [mrad], in the order of the channels.
    defocus_nm : float
        Depth of the plane in focus below the surface z = 0 where the adatoms lie [nm].
    aberrations_nm : mapping
        Further aberration coefficients by their polar names, e.g. ``{"C30": 1000.0, "C12": 2.0,
        "phi12": 0.3}``; lengths [nm], angles phi [rad]. C10 is the defocus.
    source_sigma_nm : float
        Standard deviation of the Gaussian effective source [nm].
    """

    energy_kev: float = 80.0
    convergence_mrad: float = 32.0
    detectors_mrad: Mapping[str, tuple[float, float]] = field(
        default_factory=lambda: _PAPER_DETECTORS
    )
    defocus_nm: float = 0.0
    aberrations_nm: Mapping[str, float] = field(default_factory=dict)
    source_sigma_nm: float = 0.035

    def __post_init__(self):
        for name in ("energy_kev", "convergence_mrad"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected more than 0")
        if not self.source_sigma_nm >= 0:
            raise ValueError(f"source_sigma_nm is {self.source_sigma_nm}; expected 0 or more")
        for name, (inner, outer) in self.detectors_mrad.items():
            if not 0 <= inner < outer:
                raise ValueError(
                    f"detector {name}: {inner} to {outer} mrad; expected inner < outer"
                )
        if "C10" in self.aberrations_nm or "defocus" in self.aberrations_nm:
            raise ValueError("give the defocus as defocus_nm, not among aberrations_nm")

    @property
    def wavelength_nm(self):
        """Relativistic electron wavelength [nm]."""
        energy_ev = 1e3 * self.energy_kev
        return 1.226426 / np.sqrt(energy_ev * (1 + 0.978476e-6 * energy_ev))

    @property
    def cutoff_nm(self):
        """Highest spatial frequency of an image, 2 * convergence / wavelength [nm^-1]."""
        return 2e-3 * self.convergence_mrad / self.wavelength_nm

    def empty_beam(self, detector):
        """Signal without a specimen [fraction of the beam]."""
        inner, outer = (
            min(angle, self.convergence_mrad) for angle in self.detectors_mrad[detector]
        )
        return (outer**2 - inner**2) / self.convergence_mrad**2


PAPER = Optics()
