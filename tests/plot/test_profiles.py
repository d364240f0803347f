import matplotlib.image
import numpy as np
import pytest

from n2v_stem_keras import plot

ORANGE = np.array([0xE0, 0x8E, 0x0B]) / 255


def ramp():
    """(Y, X) = (20, 30), y + 10 x, which linear interpolation reproduces everywhere."""
    y, x = np.mgrid[:20, :30].astype(float)
    return y + 10 * x


def test_a_profile_is_sampled_at_most_a_pixel_apart_with_both_ends():
    points = plot.line_points([[2, 3], [5, 7]])  # 5 px long
    assert np.allclose(points, [[2, 3], [2.6, 3.8], [3.2, 4.6], [3.8, 5.4], [4.4, 6.2], [5, 7]])
    distance, values = plot.line_profile(ramp(), [[2, 3], [5, 7]])
    assert np.allclose(distance, range(6))
    assert np.allclose(values, points @ [1, 10])


def test_a_profile_along_a_row_has_the_pixels_own_values():
    image = np.random.default_rng(0).normal(size=(9, 12))
    distance, values = plot.line_profile(image, [[4, 11], [4, 0]])
    assert np.array_equal(values, image[4, ::-1])
    assert np.array_equal(distance, np.arange(12))


@pytest.mark.parametrize("line", [[[0, 0], [0, 30]], [[-0.1, 0], [5, 5]]])
def test_a_line_that_leaves_the_image_is_refused(line):
    with pytest.raises(ValueError, match="leaves the image"):
        plot.line_profile(ramp(), line)


def figure(path, **entries):
    """Draw two equal panels of a bright spot at (30, 40), and return the picture (Y, X, 3)."""
    y, x = np.mgrid[:64, :64]
    spot = np.exp(-((y - 30) ** 2 + (x - 40) ** 2) / 8)
    row = {"name": "BF", "panels": [("a", spot), ("b", 0.5 * spot)], **entries}
    return matplotlib.image.imread(plot.before_after(path, [row], 0.046))[..., :3]


def orange(picture):
    """Count the pixels in the colour of arrows and marks."""
    return int(np.sum(np.abs(picture - ORANGE).max(axis=-1) < 0.05))


def test_arrows_marks_and_the_profile_compared_with_are_drawn_in_colour(tmp_path):
    line = [[30, 20], [30, 50]]
    counts = [
        orange(figure(tmp_path / "a.png", **entries))
        for entries in (
            {},
            {"line": line},
            {"line": line, "marks": [[30, 40]]},
            {"line": line, "marks": [[30, 40]], "compare": 0},
        )
    ]
    assert counts[0] == 0
    assert np.all(np.diff(counts) > 50)


def test_marks_stand_where_their_atoms_are_along_the_line(tmp_path):
    """Moved by half of an oblique line, a mark moves by half the width of its profile."""
    line = [[10, 10], [50, 50]]
    pictures = [figure(tmp_path / "a.png", line=line, marks=[[p, p]]) for p in (20, 40)]
    changed = (np.abs(pictures[0] - pictures[1]).max(axis=-1) > 0.3).any(axis=0)
    columns = np.flatnonzero(changed[: len(changed) // 2])  # of the left panel
    assert np.ptp(columns) / len(changed) == pytest.approx(0.5 * 0.49, abs=0.03)


def test_the_scale_of_profiles_may_leave_a_panel_out(tmp_path):
    """The lower spot's profile reaches twice as high on its own scale."""
    line = [[30, 20], [30, 50]]

    def top(entries):
        picture = figure(tmp_path / "a.png", line=line, **entries)
        height, width, _ = picture.shape
        below = picture[int(0.72 * height) : int(0.92 * height), int(0.55 * width) :]
        dark = np.flatnonzero((below.max(axis=-1) < 0.4).any(axis=1))
        return len(below) - dark.min()

    assert top({"scaled_by": [1]}) > 1.5 * top({})
