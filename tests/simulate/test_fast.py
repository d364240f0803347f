import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter

from n2v_stem_keras.simulate import fast, structures
from n2v_stem_keras.simulate.specimen import ADATOM_HEIGHT_NM

PIXEL = 0.046


def at(y, x, z=0.0):
    return np.array([[z, y, x]]) * [1.0, PIXEL, PIXEL]


def direct(element, position, shape, sigma_nm=fast.SOURCE_SIGMA_NM):
    """One atom's image by blurring its tabulated kernel on a grid eight times finer."""
    table, fine = fast.kernels(element), 8
    step = PIXEL / fine
    margin = 24 * fine
    y = (np.arange(fine * shape[0] + 2 * margin) - margin) * step - position[0, 1]
    x = (np.arange(fine * shape[1] + 2 * margin) - margin) * step - position[0, 2]
    radius = np.hypot(y[:, None], x)
    frames = []
    for values in table.at(position[0, 0]):
        kernel = CubicSpline(table.r_nm, values)(radius) * (radius < table.r_nm[-1])
        image = gaussian_filter(kernel, sigma_nm / step)
        frames.append(image[margin:-margin:fine, margin:-margin:fine])
    return np.stack(frames, axis=-1)


@pytest.mark.parametrize(("y", "x"), [(20.0, 20.0), (20.5, 19.25), (19.87, 20.39)])
@pytest.mark.parametrize("element", ["Au", "C"])
def test_an_atoms_image_is_its_kernel_at_any_sub_pixel_place(element, y, x):
    position = at(y, x)
    image = fast.contrast({element: position}, (40, 42), PIXEL)
    expected = direct(element, position, (40, 42))
    error = np.abs(image - expected).max((0, 1)) / np.abs(expected).max((0, 1))
    assert error.max() < 3e-3


def test_images_add_and_move_with_their_atoms():
    one, two = at(20, 20), at(31, 17.5)
    both = fast.contrast({"Au": np.concatenate([one, two])}, (48, 40), PIXEL)
    apart = [fast.contrast({"Au": each}, (48, 40), PIXEL) for each in (one, two)]
    assert np.allclose(both, sum(apart), atol=1e-12)
    moved = fast.contrast({"Au": at(23, 20)}, (48, 40), PIXEL)
    assert np.allclose(moved[3:], apart[0][:-3], atol=1e-6)


def test_atoms_beyond_the_border_reach_in_and_far_ones_do_not():
    near = fast.contrast({"Au": at(-3, 10)}, (32, 32), PIXEL)
    assert near[0, 10, 0] > 0.01 * fast.contrast({"Au": at(16, 16)}, (32, 32), PIXEL).max()
    assert not fast.contrast({"Au": at(-30, 10)}, (32, 32), PIXEL).any()
    # no wrapping around
    assert np.abs(near[-3:]).max() < 1e-3 * near.max()


def test_gold_in_focus_is_bright_in_adf_and_dark_in_bf():
    for lattice in fast.LATTICES:
        image = fast.contrast({"Au": at(16, 16)}, (33, 33), PIXEL, lattice)
        assert image[16, 16, 0] == image[..., 0].max() > 0.03
        assert image[16, 16, 1] == image[..., 1].min() < -0.03


def test_heavier_elements_scatter_more_to_high_angles():
    height = {
        e: fast.contrast({e: at(16, 16)}, (33, 33), PIXEL)[16, 16, 0]
        for e in ("C", "Mo", "W", "Au")
    }
    assert height["C"] < height["Mo"] < height["W"] < height["Au"]
    # between Z^1.5 and Z^2, as Z contrast has it
    exponent = np.log(height["Au"] / height["C"]) / np.log(79 / 6)
    assert 1.4 < exponent < 2.0


def test_depth_fades_adf_and_changes_the_sign_of_bf():
    surface, deep = (
        fast.contrast({"C": at(16, 16, z)}, (33, 33), PIXEL)[16, 16] for z in (0.0, 2.0)
    )
    assert deep[0] < surface[0]
    assert surface[1] < 0 < deep[1]


def test_depths_between_the_tabulated_ones_are_interpolated():
    shallow, middle, deep = (
        fast.contrast({"C": at(16, 16, z)}, (33, 33), PIXEL) for z in (0.5, 0.6, 0.75)
    )
    assert np.allclose(middle, 0.6 * shallow + 0.4 * deep, atol=1e-9)


@pytest.mark.parametrize("n_layers", [1, 2, 4, 6])
def test_perfect_graphene_has_the_lattice_of_multislice(n_layers):
    """Fourier coefficients of abTEM's image of a perfect stack (make_kernels), first orders."""
    expected = {1: (1.645e-4, 1.976e-4), 2: (3.04e-4, 4.62e-4), 4: (6.54e-4, 1.112e-3)}
    cells = 4, 8  # along y (3 bonds each) and x
    size = np.array([cells[0] * 3 * structures.CARBON_BOND_NM, cells[1] * 0.246])
    shape, pixel = (48, 56), size[1] / 56
    pixel_y = size[0] / 48
    assert pixel_y == pytest.approx(pixel, rel=0.02)
    window = (-1.0, size[0] + 1.0, -1.0, size[1] + 1.0)
    carbon = structures.graphene(window, n_layers) + np.array([ADATOM_HEIGHT_NM, 0, 0])
    carbon[:, 1] *= pixel / pixel_y  # onto square pixels, so that whole cells fit the frame
    image = fast.contrast({"C": carbon}, shape, pixel, "graphene", n_layers, source_sigma_nm=0.0)
    spectrum = np.fft.fft2(image, axes=(0, 1)) / (shape[0] * shape[1])
    first = np.abs(spectrum[2 * cells[0], 0])  # 4.69 nm^-1 along y
    if n_layers in expected:
        assert first == pytest.approx(expected[n_layers], rel=0.06)
    blurred = fast.contrast({"C": carbon}, shape, pixel, "graphene", n_layers)
    damped = np.abs(np.fft.fft2(blurred, axes=(0, 1)) / (shape[0] * shape[1]))[2 * cells[0], 0]
    f = 2 * cells[0] / (48 * pixel)
    assert damped / first == pytest.approx(np.exp(-2 * (np.pi * 0.035 * f) ** 2), rel=1e-3)


def test_what_has_no_kernels_is_refused_with_a_way_out():
    with pytest.raises(ValueError, match=r"'Uuo'; there are B, C.*multislice"):
        fast.contrast({"Uuo": at(1, 1)}, (8, 8), PIXEL)
    with pytest.raises(ValueError, match=r"9 layers, expected 1 to 6"):
        fast.contrast({"C": at(1, 1)}, (8, 8), PIXEL, "graphene", 9)
    with pytest.raises(ValueError, match="lattice is 'diamond'"):
        fast.contrast({"C": at(1, 1)}, (8, 8), PIXEL, "diamond")
