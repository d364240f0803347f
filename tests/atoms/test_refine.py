"""Positions finer than a pixel: as good as the noise allows, and honest about it."""

import numpy as np
import pytest
from atom_images import image_of

from n2v_stem_keras.atoms.refine import refine


def test_errors_of_positions_are_the_cramer_rao_bound_and_are_kept():
    """Sqrt(2 / pi) sigma / A per axis and detector; two detectors combine as inverse squares."""
    rng = np.random.default_rng(5)
    off, errors = [], []
    for _ in range(150):
        place = 24 + rng.uniform(-0.5, 0.5, 2)
        image = np.stack([image_of([place], (49, 49), height=h) for h in (10, 6)], axis=-1)
        fitted = refine(image + rng.standard_normal(image.shape), [[24, 24]], 5)
        off.append(fitted.positions[0] - place)
        errors.append(fitted.errors[0])
    bound = np.sqrt(2 / np.pi) / np.hypot(10, 6)
    assert np.median(errors) == pytest.approx(bound, rel=0.03)
    assert np.sqrt(np.mean(np.square(off))) == pytest.approx(bound, rel=0.12)  # 300 numbers
    assert np.abs(np.mean(off, axis=0)).max() < 4 * bound / np.sqrt(150)


def test_what_is_no_peak_is_not_refined():
    flat = refine(np.zeros((20, 20, 1)), [[10, 10]], 3)
    assert flat.positions.tolist() == [[10, 10]]
    assert np.isnan(flat.errors[0])
    dip = refine(-image_of([[10, 10]], (20, 20))[..., None], [[10, 10]], 3)
    assert np.isnan(dip.sizes[0])
