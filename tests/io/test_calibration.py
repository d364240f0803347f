"""What files say of sizes and times: every check holds in every reader.

A table of readers that say a pixel size, and of checks: spellings of units, unknown ones, pixels
that are not square, places that are not evenly spaced, images of different pixel size.
"""

import numpy as np
import pytest
import tifffile
from hyperspy_signals import hs
from instrument_files import write_berkeley, write_emi, write_mrc, write_ser, write_velox

from n2v_stem_keras.io import Movie, MovieError, as_movie, write_movie

h5py = pytest.importorskip("h5py")
pytest.importorskip("rsciio")
pytestmark = pytest.mark.filterwarnings("ignore:.*a guess, as the file")
FRAMES = np.random.default_rng(0).integers(0, 60000, (3, 8, 10)).astype("u2")


# Each writes FRAMES with a step along y, one along x, and frames so far apart; in these units


def ome_tiff(folder, y, x, unit, time, time_unit):
    described = {"axes": "TYX", "PhysicalSizeX": x, "PhysicalSizeY": y, "PhysicalSizeXUnit": unit}
    described |= {"PhysicalSizeYUnit": unit, "TimeIncrement": time, "TimeIncrementUnit": time_unit}
    tifffile.imwrite(folder / "m.ome.tif", FRAMES, ome=True, metadata=described)
    return folder / "m.ome.tif"


def imagej(folder, y, x, unit, time, time_unit):
    described = {"axes": "TYX", "unit": unit, "finterval": time, "tunit": time_unit}
    path = folder / "m.tif"
    tifffile.imwrite(path, FRAMES, imagej=True, resolution=(1 / x, 1 / y), metadata=described)
    return path


def ome_zarr(folder, y, x, unit, time, time_unit):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(folder / "m.zarr"), mode="w")
    group.create_array("0", data=FRAMES)
    scale = [{"type": "scale", "scale": [1, y, x]}]
    axes = [{"name": "t", "type": "time", "unit": time_unit}]
    axes += [{"name": name, "type": "space", "unit": unit} for name in "yx"]
    image = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    # as its specification has it: one scale for each resolution, and one for all of them
    image["coordinateTransformations"] = [{"type": "scale", "scale": [time, 1, 1]}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
    return folder / "m.zarr"


def signal(folder, y, x, unit, time, time_unit):
    made = hs.signals.Signal2D(FRAMES.copy())
    steps = (("time", time, time_unit), ("y", y, unit), ("x", x, unit))
    for axis, (name, scale, units) in zip(made.axes_manager._axes, steps):
        axis.name, axis.scale, axis.units = name, scale, units
    return made


def hspy(folder, *said):
    signal(folder, *said).save(folder / "m.hspy")
    return folder / "m.hspy"


def berkeley(folder, y, x, unit, time, time_unit):
    steps = (("time", time_unit, time), ("y", unit, y), ("x", unit, x))
    dims = [(name, u, np.arange(n) * s) for (name, u, s), n in zip(steps, FRAMES.shape)]
    return write_berkeley(folder / "m.emd", {"adf": FRAMES}, dims)


def berkeley_array(folder, *said):
    return f"{berkeley(folder, *said)}::/data/adf/data"  # without RosettaSciIO


def velox(folder, y, x, unit, time, time_unit):
    return write_velox(folder / "m.emd", {"HAADF": FRAMES}, (y, x), time)


def ser(folder, y, x, unit, time, time_unit):
    return write_ser(folder / "m.ser", FRAMES, x, pixel_size_y_nm=y)


def mrc(folder, y, x, unit, time, time_unit):
    return write_mrc(folder / "m.mrc", FRAMES, (y, x))


def hdf5(folder, y, x, unit, time, time_unit):
    with h5py.File(folder / "m.h5", "w") as file:
        data = file.create_dataset("scan", data=FRAMES)
        data.attrs.update({"axes": "TYX", "pixel_size_nm": [y, x], "frame_time_s": time})
    return folder / "m.h5"


WITH_UNITS = (ome_tiff, imagej, ome_zarr, signal, hspy, berkeley, berkeley_array)
READERS = (*WITH_UNITS, velox, ser, mrc, hdf5)
UNITS = (
    ("micrometer", 1e3, "millisecond", 1e-3),
    ("picometer", 1e-3, "minute", 60.0),
    ("Angstrom", 0.1, "ms", 1e-3),
    ("µm", 1e3, "sec", 1.0),
    ("[n_m]", 1.0, "[m_s]", 1e-3),
    ("nm", 1.0, "microseconds", 1e-6),
)


@pytest.mark.parametrize(("unit", "nm", "time_unit", "s"), UNITS)
@pytest.mark.parametrize("write", WITH_UNITS)
def test_units_are_understood(tmp_path, write, unit, nm, time_unit, s):
    if write in (ome_tiff, imagej) and not unit.isascii():
        unit = "um"  # tifffile writes these as it should
    movie = as_movie(write(tmp_path, 0.5, 0.5, unit, 40.0, time_unit))
    assert movie.pixel_size_nm == pytest.approx(0.5 * nm, rel=1e-6)
    assert movie.frame_time_s == pytest.approx(40 * s, rel=1e-6)


@pytest.mark.parametrize("write", WITH_UNITS)
def test_units_that_are_not_understood_are_named(tmp_path, write):
    with (
        pytest.warns(UserWarning, match=r"pixel size 0\.5\d* 'flub' is not understood"),
        pytest.warns(UserWarning, match=r"frame time 40(\.0)? 'moon' is not understood"),
    ):
        movie = as_movie(write(tmp_path, 0.5, 0.5, "flub", 40.0, "moon"))
    assert (movie.pixel_size_nm, movie.frame_time_s) == (None, None)


@pytest.mark.parametrize("write", READERS)
def test_pixels_that_are_not_square_are_named(tmp_path, write):
    with pytest.warns(UserWarning, match=r"0\.05 nm in X but 0\.04 nm in Y; X is used"):
        movie = as_movie(write(tmp_path, 0.04, 0.05, "nm", 40.0, "s"))
    assert movie.pixel_size_nm == pytest.approx(0.05)


@pytest.mark.parametrize("write", READERS)
def test_nothing_is_said_of_square_pixels(tmp_path, write):
    source = write(tmp_path, 0.05, 0.05, "nm", 0.5, "s")
    movie = as_movie(source)
    assert movie.pixel_size_nm == pytest.approx(0.05)


# Places that are not evenly spaced


def uneven_signal(folder, which):
    made = signal(folder, 0.05, 0.05, "nm", 0.5, "s")
    axis = made.axes_manager[which]
    axis.convert_to_non_uniform_axis()
    axis.axis = axis.axis[0] + 0.05 * np.arange(axis.size) ** 1.5
    return made


def uneven_hspy(folder, which):
    uneven_signal(folder, which).save(folder / "m.hspy")
    return folder / "m.hspy"


def uneven_berkeley(folder, which):
    dims = []
    for name, unit, step, n in (("time", "[s]", 0.5, 3), ("y", "[n_m]", 0.05, 8),
                                ("x", "[n_m]", 0.05, 10)):  # fmt: skip
        dims.append((name, unit, step * np.arange(n) ** (1.5 if name == which else 1)))
    return write_berkeley(folder / "m.emd", {"adf": FRAMES}, dims)


@pytest.mark.parametrize("which", ["x", "time"])
@pytest.mark.parametrize("write", [uneven_signal, uneven_hspy, uneven_berkeley])
def test_uneven_axes_get_no_invented_step(tmp_path, write, which):
    with pytest.warns(UserWarning, match=f"axis {which} is not evenly spaced"):
        movie = as_movie(write(tmp_path, which))
    expected = {"pixel_size_nm": pytest.approx(0.05), "frame_time_s": pytest.approx(0.5)}
    expected["pixel_size_nm" if which == "x" else "frame_time_s"] = None
    assert movie.pixel_size_nm == expected["pixel_size_nm"]
    assert movie.frame_time_s == expected["frame_time_s"]


# Images of different pixel size are no detectors of one scan


def two_files(folder, sizes):
    return {
        name: write_movie(
            folder / f"{name}.ome.tif", Movie.from_array(FRAMES, "TYX", pixel_size_nm=size)
        )
        for name, size in zip(("ADF", "BF"), sizes)
    }


def two_ome_images(folder, sizes):
    with tifffile.TiffWriter(folder / "m.ome.tif") as tif:
        for size in sizes:
            described = {"axes": "TYX", "PhysicalSizeX": size, "PhysicalSizeXUnit": "nm"}
            tif.write(FRAMES, metadata=described, photometric="minisblack")
    return folder / "m.ome.tif"


def two_velox_images(folder, sizes):
    images = {"HAADF": FRAMES, "BF": FRAMES}
    return write_velox(folder / "m.emd", images, dict(zip(images, sizes)))


def two_ser_files(folder, sizes):
    for number, size in enumerate(sizes, 1):
        write_ser(folder / f"m_{number}.ser", FRAMES, size)
    return write_emi(folder / "m.emi")


def two_berkeley_groups(folder, sizes):
    dims = {}
    for name, size in zip(("adf", "bf"), sizes):
        places = ("time", "[s]", np.arange(3)), *((a, "[n_m]", np.arange(n) * size)
                                                  for a, n in (("y", 8), ("x", 10)))  # fmt: skip
        dims[name] = places
    return write_berkeley(folder / "m.emd", {"adf": FRAMES, "bf": FRAMES}, dims)


def two_signals(folder, sizes):
    for number, size in enumerate(sizes):
        made = signal(folder, size, size, "nm", 0.5, "s")
        made.metadata.General.title = f"detector {number}"
        made.save(folder / f"{number}.hspy")
    with h5py.File(folder / "0.hspy", "r+") as file, h5py.File(folder / "1.hspy") as other:
        other.copy(other["Experiments/detector 1"], file["Experiments"])
    return folder / "0.hspy"


@pytest.mark.parametrize(
    "write",
    [two_files, two_ome_images, two_velox_images, two_ser_files, two_berkeley_groups, two_signals],
)
def test_images_of_different_pixel_size_are_refused(tmp_path, write):
    with pytest.raises(MovieError, match=r"one pixel size, found .*0\.05, .*0\.06 nm/px; .*"):
        as_movie(write(tmp_path, (0.05, 0.06)))
    (tmp_path / "alike").mkdir()
    movie = as_movie(write(tmp_path / "alike", (0.05, 0.05)))
    assert movie.pixel_size_nm == pytest.approx(0.05)
    assert movie.n_detectors * movie.n_series == 2
