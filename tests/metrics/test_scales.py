"""The residual by periods: what is called noise, and what is not."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras.metrics import scales
from n2v_stem_keras.noise import after_glow, row_offsets

SHAPE = (4, 256, 256)


def lattice(period=9.0):
    y, x = np.indices(SHAPE[1:])
    wave = 2 * np.pi / period
    return np.broadcast_to(np.cos(wave * x) * np.cos(0.7 * wave * y), SHAPE)


def noise(seed=0, shape=SHAPE):
    return np.random.default_rng(seed).standard_normal(shape)


def glowing(seed, rho):
    return after_glow(noise(seed)[..., None], rho)[..., 0]


def offset_rows(seed):
    return noise(seed) + row_offsets(np.zeros((*SHAPE, 1)), 0.5, seed)[..., 0]


@pytest.mark.parametrize(
    "made",
    [
        noise,
        lambda seed: noise(seed, (1, 512, 128)),
        lambda seed: glowing(seed, 0.2),
        lambda seed: glowing(seed, 0.4),
        offset_rows,
    ],
    ids=["white", "one frame", "after-glow", "more of it", "rows"],
)
def test_a_residual_that_is_the_noise_is_called_noise(made):
    for seed in range(5):
        z = made(seed)
        image = 3 * lattice()[: len(z), : z.shape[1], : z.shape[2]]
        image = np.resize(image, z.shape)
        found = scales(image + z, image)
        assert found.complaints() == []
        assert (np.abs(found.share - 1) < 5 * found.share_se).all()
        assert "noise at all periods" in found.verdict(0.02)


def test_standard_errors_are_right():
    off = []
    for seed in range(20):
        z = noise(seed, ((1, 4)[seed % 2], 128, 256))
        found = scales(z, np.zeros_like(z))
        off.append((found.share - 1) / found.share_se)
    assert 0.5 < np.concatenate(off).std() < 1.3


def test_noise_that_a_narrow_blur_leaves_is_named():
    z = noise(1)
    found = scales(z, gaussian_filter(z, (0, 1, 1)))
    assert "rest of it is in the result" in found.verdict()
    assert not found.lost().any()
    assert found.left().any()


def test_a_blind_spot_that_leaks_is_named():
    z = glowing(2, 0.4)
    copied = 0.6 * (np.roll(z, 1, 2) + np.roll(z, -1, 2)) / 2
    assert scales(z, copied).left().any()


def test_an_image_that_a_wide_blur_takes_away_is_named_with_its_period():
    rng = np.random.default_rng(3)
    atoms = np.zeros(SHAPE)
    atoms[:, rng.integers(0, 256, 500), rng.integers(0, 256, 500)] = 60
    atoms = gaussian_filter(atoms, (0, 2, 2))
    raw = atoms + noise(3)
    found = scales(raw, gaussian_filter(raw, (0, 6, 6)))
    assert found.lost().any()
    assert "part of the image was taken away" in found.verdict()
    assert "nm" in found.verdict(0.02)


@pytest.mark.parametrize(("kept", "said"), [(1.0, 0), (0.97, 0), (0.7, 30), (0.0, 100)])
def test_a_lattice_in_the_residual_is_measured(kept, said):
    image = lattice(12.0)
    found = scales(image + 0.5 * noise(4), kept * image)
    if not said:
        assert found.spots == []
        return
    period, share = found.spots[0]
    assert period == pytest.approx(12 / np.hypot(1, 0.7), rel=0.05)
    assert 100 * share == pytest.approx(said, abs=3)
    assert f"{100 * share:.0f} % of the amplitude" in found.verdict()


def test_small_or_constant_frames_tell_nothing():
    for raw in (noise(0, (2, 24, 24)), np.ones((2, 64, 64))):
        found = scales(raw, np.zeros_like(raw))
        assert found.complaints() == []
        assert "too small" in found.verdict()


def test_shapes_must_be_alike():
    with pytest.raises(ValueError, match="expected twice the same"):
        scales(np.zeros((2, 40, 40)), np.zeros((40, 40)))


def test_it_is_kept_as_json():
    kept = scales(noise(6), 0 * noise(6)).to_dict()
    assert len(kept["periods_px"]) == len(kept["residual_over_noise"])
    assert kept["spots"] == []
