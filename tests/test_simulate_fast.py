import numpy as np
import pytest

from n2v_stem_keras.simulate import fast

PIXEL = 0.046


def test_probe_transfers_nothing_beyond_its_limit():
    assert fast.probe_transfer(np.array([0.0, 15.33, 20.0])) == pytest.approx([1, 0, 0], abs=1e-3)
    assert np.all(np.diff(fast.probe_transfer(np.linspace(0, 15, 50))) < 0)


def test_source_blur_widens_the_atom():
    sharp, blurred = (fast.kernels(sigma)["ADF"]["Au"] for sigma in (0.0, fast.SOURCE_SIGMA_NM))
    assert sharp(0.05) < 0.7 * blurred(0.05)


@pytest.mark.parametrize("detector", fast.DETECTORS)
@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.5, 0.5), (0.21, -0.37)])
def test_an_atom_lies_at_its_position_to_a_hundredth_of_a_pixel(detector, offset):
    place = np.array([20.0, 22.0]) + offset
    kernel = fast.kernels()[detector]
    frame = np.abs(fast.image({"Au": [place * PIXEL]}, kernel, (41, 45), PIXEL))
    core = np.where(frame > 0.05 * frame.max(), frame, 0)
    grid = np.indices(frame.shape)
    assert (grid * core).sum((1, 2)) / core.sum() == pytest.approx(place, abs=0.1)
    # exactly: the same atom on a grid ten times finer, where its offset is whole pixels
    fine = fast.image({"Au": [place * PIXEL]}, kernel, (410, 450), PIXEL / 10)
    assert np.allclose(np.abs(fine[::10, ::10]), frame, atol=1e-3 * frame.max())
    moved = fast.image({"Au": [(place + np.array([1, 2])) * PIXEL]}, kernel, (41, 45), PIXEL)
    assert np.allclose(np.abs(moved)[1:, 2:], frame[:-1, :-2], atol=1e-9)


def test_image_is_linear_in_its_atoms_and_seen_through_the_edge():
    kernel, shape = fast.kernels()["ADF"], (30, 40)
    a, b = [[0.5, 0.6]], [[-0.1, 0.4]]
    both = fast.image({"Au": a + b}, kernel, shape, PIXEL, level=2.0)
    parts = fast.image({"Au": a}, kernel, shape, PIXEL) + fast.image(
        {"Au": b}, kernel, shape, PIXEL
    )
    assert np.allclose(both, 2 + parts)
    assert fast.image({"Au": b}, kernel, shape, PIXEL)[0].max() > 0
