"""Atoms through a model: thresholds are counted, kept in the folder, and hold on fresh frames."""

import warnings

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras import DataError, Movie, N2VStem, N2VStemConfig, detection
from n2v_stem_keras.atoms import Criterion, match, poisson_interval, sign_of
from n2v_stem_keras.detection import WithNoise, criteria_of, heights_without_atoms
from n2v_stem_keras.lattice.windows import LocalWienerFilter
from n2v_stem_keras.series import collect_series

SIGMA = np.array([2.0, 3.0])
RATE = 400.0  # per Mpx, so that few frames do


class Blur:
    """Stands in for a network: a denoiser whose output is known."""

    def __init__(self, config):
        self.config = config

    def frames_per_call(self, shape):
        return 1

    def __call__(self, batch, n_tiles=None, tta=False, around=None):
        if around is not None:
            batch = np.concatenate([batch, around], axis=-1)
        return gaussian_filter(batch[..., : self.config.n_channel_out], (0, 1.4, 1.4, 0))


@pytest.fixture
def model(tiny_config, tmp_path):
    model = N2VStem(tiny_config, "m", tmp_path)
    model._denoiser, model.trained = Blur(model.config), True
    return model


def movie_with(places, n_frames=4, shape=(96, 80), seed=0, height=12.0):
    """Atoms bright in ADF and dark in BF, on offsets, with noise: (T, Y, X, 2)."""
    y, x = np.indices(shape)
    bumps = sum(
        np.exp(-((y - py) ** 2 + (x - px) ** 2) / (2 * 1.4**2)) for py, px in places
    ) + np.zeros(shape)
    clean = np.stack([50 + height * bumps, 100 - height * bumps], axis=-1)
    noise = np.random.default_rng(seed).standard_normal((n_frames, *clean.shape))
    return (clean + SIGMA * noise).astype(np.float32)


PLACES = np.array([[20.3, 30.7], [50.0, 40.25], [70.6, 12.1], [30.2, 62.9]])
MOVIE = movie_with(PLACES)


def test_dark_atoms_are_those_of_bright_field():
    assert [sign_of(d) for d in ("BF", "abf", "ADF", "HAADF", "DF", "MAADF")] == [
        -1,
        -1,
        1,
        1,
        1,
        1,
    ]


def test_atoms_are_found_and_placed(model):
    table = model.find_atoms(MOVIE, height_sigma=1.5)
    assert sorted(set(table["frame"])) == [0, 1, 2, 3]
    for t in range(4):
        found = match(table[table["frame"] == t][["y", "x"]], PLACES, 1)
        assert (found.recall, found.precision) == (1, 1)
    assert "movie" not in table.columns
    # heights are those of the blurred image over the noise of the raw one
    assert table["snr_ADF"].mean() == pytest.approx(12 / 2 / 2, rel=0.15)


def test_positions_are_refined_on_raw_pixels_unless_told(model):
    raw, blurred = (model.find_atoms(MOVIE, height_sigma=1.5, refine_on=on)
                    for on in ("raw", "denoised"))  # fmt: skip
    assert raw["size"].median() == pytest.approx(1.4, rel=0.1)
    assert blurred["size"].median() == pytest.approx(1.4 * 2**0.5, rel=0.1)
    with pytest.raises(ValueError, match="refine_on is 'both'"):
        model.find_atoms(MOVIE, height_sigma=1.5, refine_on="both")


def test_a_model_without_thresholds_says_so_and_how_to_get_them(model):
    with pytest.warns(UserWarning, match=r"no threshold for atoms in ADF, BF.*optimize_thresholds"):
        model.find_atoms(MOVIE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.optimize_thresholds(MOVIE, false_alarms_per_Mpx=RATE)
        table = model.find_atoms(MOVIE)
    assert match(table[table["frame"] == 0][["y", "x"]], PLACES, 1).recall == 1


def test_series_are_told_apart_and_lone_movies_need_no_column(model):
    table = model.find_atoms(np.stack([MOVIE, MOVIE[::-1]]), "STYXC", height_sigma=1.5)
    assert table.columns[0] == "movie"
    assert set(table["movie"]) == {0, 1}
    first, last = (
        table[(table["movie"] == s) & (table["frame"] == t)] for s, t in ((0, 0), (1, 3))
    )
    assert np.allclose(first[["y", "x"]], last[["y", "x"]])


def test_detectors_in_another_order_and_one_of_them_alone(model):
    swapped = model.find_atoms(MOVIE[..., ::-1], detectors=("BF", "ADF"), height_sigma=1.5)
    plain = model.find_atoms(MOVIE, height_sigma=1.5)
    assert np.allclose(swapped["x"], plain["x"])
    dark = model.find_atoms(MOVIE, height_sigma=1.5, look_in=["bf"])
    assert set(dark["detector"]) == {"BF"}
    with pytest.raises(DataError, match="no detector 'HAADF' in this model; it has ADF, BF"):
        model.find_atoms(MOVIE, look_in=["HAADF"])


def test_blank_frames_hold_no_atoms(model):
    movie = MOVIE.copy()
    movie[2] = 0
    with pytest.warns(UserWarning, match="blank"):
        table = model.find_atoms(movie, height_sigma=1.5)
    assert sorted(set(table["frame"])) == [0, 1, 3]


@pytest.mark.filterwarnings("ignore:.*detector BF is blank in 1 of 4 frames")
def test_in_a_detector_that_is_off_nothing_is_looked_for(model):
    movie = MOVIE.copy()
    movie[2, ..., 1] = 5000  # far from all that the others show
    table = model.find_atoms(movie, height_sigma=1.5)
    dark = model.find_atoms(movie, height_sigma=1.5, look_in=["BF"])
    assert set(table[table["frame"] == 2]["detector"]) == {"ADF"}
    assert sorted(set(dark["frame"])) == [0, 1, 3]
    assert len(dark) == 3 * len(PLACES)


def test_nothing_found_is_an_empty_table(model):
    table = model.find_atoms(MOVIE, height_sigma=50)
    assert len(table) == 0
    assert "snr_BF" in table.columns


# -- thresholds -----------------------------------------------------------------------------------
def test_thresholds_are_kept_in_the_folder(model, tmp_path):
    model.thresholds["ADF"]["domain"] = {"noise_to_sd": [0.1, 2.0]}
    parts = model.optimize_thresholds(MOVIE, false_alarms_per_Mpx=RATE)
    assert set(parts) == {"ADF", "BF"}
    assert (parts["ADF"]["sign"], parts["BF"]["sign"]) == (1, -1)
    assert parts["ADF"]["method"] == "noise"
    assert parts["ADF"]["frames"] == int(np.ceil(50 / RATE * 1e6 / (96 * 80)))
    assert parts["ADF"]["data_fingerprint"].startswith("sha256:")
    again = N2VStem(None, "m", tmp_path).thresholds
    assert again["ADF"]["atoms"] == parts["ADF"]
    assert again["ADF"]["domain"] == {"noise_to_sd": [0.1, 2.0]}  # other parts stay


def fresh_heights(model, images, seed, n_frames=60):
    series = collect_series(MOVIE, model.config)[0]
    frames = WithNoise(images, SIGMA, n_frames, [seed])
    criteria = {"ADF": Criterion(0.0), "BF": Criterion(0.0, sign=-1)}
    return heights_without_atoms(model, series, SIGMA, frames, criteria), n_frames * 96 * 80 / 1e6


def test_the_rate_holds_on_fresh_noise(model):
    parts = model.optimize_thresholds(MOVIE, false_alarms_per_Mpx=RATE, n_frames=60)
    heights, area = fresh_heights(model, np.broadcast_to([50.0, 100.0], (1, 96, 80, 2)), 9)
    for channel, values in zip(("ADF", "BF"), heights):
        low, high = poisson_interval(int((values >= parts[channel]["height_sigma"]).sum()))
        assert low / area < 1.4 * RATE
        assert high / area > RATE / 1.4
        interval = parts[channel]["interval_95"]
        assert interval[0] < parts[channel]["false_alarms_per_Mpx"] < interval[1]


def test_a_lattice_is_the_stricter_null(model):
    y, x = np.indices((96, 80))
    wave = np.stack([np.cos(0.9 * x) + 0 * y, np.cos(0.9 * y) + 0 * x], axis=-1) * [6, 0.0]
    lattice = wave + np.array([50, 100])
    noise = model.optimize_thresholds(MOVIE, false_alarms_per_Mpx=RATE)
    parts = model.optimize_thresholds(MOVIE, lattice=lattice, false_alarms_per_Mpx=RATE)
    assert parts["ADF"]["method"] == "lattice"
    assert parts["ADF"]["height_sigma"] > 1.2 * noise["ADF"]["height_sigma"]
    heights, area = fresh_heights(model, lattice[None], 9)
    low, high = poisson_interval(int((heights[0] >= parts["ADF"]["height_sigma"]).sum()))
    assert low / area < 1.4 * RATE
    assert high / area > RATE / 1.4


def test_atoms_leave_nothing_in_the_lattice_that_is_taken_from_a_movie():
    y, x = np.indices((256, 256))
    wave = np.cos(0.9 * x) + np.cos(0.5 * x + 0.8 * y)
    rng = np.random.default_rng(0)
    bare = (wave + rng.normal(size=wave.shape))[None, ..., None].astype(np.float32)
    with_atoms = bare.copy()
    for place in rng.uniform(10, 246, (120, 2)):
        r2 = (y - place[0]) ** 2 + (x - place[1]) ** 2
        with_atoms[0, ..., 0] += 12 * np.exp(-r2 / (2 * 1.5**2))
    images = {}
    for name, frames in {"bare": bare, "with atoms": with_atoms}.items():
        movie = Movie.from_array(frames, "TYXC", detectors=["ADF"])
        (series,) = collect_series(movie, N2VStemConfig(channels=("ADF",)))
        images[name] = detection.own_lattice(series)[0]
        if name == "with atoms":
            statistics = series.statistics
            plain = LocalWienerFilter(256)(statistics.standardise(frames[0])[None]).numpy()[0]
            images["plain"] = statistics.restore(plain)
    images = {k: v[..., 0] - v.mean() for k, v in images.items()}
    errors = {k: np.std(images[k] - images["bare"]) for k in images}
    assert np.corrcoef(images["with atoms"].ravel(), wave.ravel())[0, 1] > 0.98
    assert errors["with atoms"] < 0.4 * errors["plain"]
    assert errors["with atoms"] < 0.1 * np.std(images["bare"])


def test_recorded_frames_without_atoms_are_a_null_too(model):
    empty = 2.0 * (movie_with([], 40, seed=5) - [50, 100]) + [50, 100]  # twice the noise
    parts = model.optimize_thresholds(MOVIE, empty=empty, false_alarms_per_Mpx=RATE)
    plain = model.optimize_thresholds(MOVIE, false_alarms_per_Mpx=RATE)
    for channel in ("ADF", "BF"):
        assert parts[channel]["method"] == "lattice"
        ratio = parts[channel]["height_sigma"] / plain[channel]["height_sigma"]
        assert ratio == pytest.approx(2, rel=0.15)


def test_where_the_truth_is_known_f1_decides(model):
    parts = model.optimize_thresholds(MOVIE, positions=[PLACES] * 4)
    assert parts["ADF"]["method"] == "truth"
    assert parts["ADF"]["false_alarms_per_Mpx"] == 0
    table = model.find_atoms(MOVIE, look_in=["ADF"])
    assert len(table) == 16
    with pytest.raises(ValueError, match="positions of 2 frames for a movie of 4"):
        model.optimize_thresholds(MOVIE, positions=[PLACES] * 2)
    with pytest.raises(DataError, match="none of the positions given is a peak"):
        model.optimize_thresholds(MOVIE, positions=[[[-90.0, 5.0]]] * 4)


def test_too_few_frames_for_a_rate_are_refused_and_nothing_is_written(model, tmp_path):
    with pytest.raises(ValueError, match="times as many frames"):
        model.optimize_thresholds(MOVIE, false_alarms_per_Mpx=1, n_frames=3)
    with pytest.raises(ValueError, match="false_alarms_per_Mpx is 0"):
        model.optimize_thresholds(MOVIE, false_alarms_per_Mpx=0)
    with pytest.raises(ValueError, match=r"lattice has shape \(96, 80\)"):
        model.optimize_thresholds(MOVIE, lattice=np.zeros((96, 80)))
    with pytest.raises(DataError, match="2 movies; thresholds are set on one"):
        model.optimize_thresholds(np.stack([MOVIE, MOVIE]), "STYXC")
    assert not (tmp_path / "m" / "thresholds.json").exists()


def test_the_seed_decides(model):
    one, same, other = (
        model.optimize_thresholds(MOVIE, false_alarms_per_Mpx=RATE, seed=s)["ADF"]["height_sigma"]
        for s in (0, 0, 1)
    )
    assert one == same != other


def test_stored_numbers_are_used_and_may_be_overruled():
    stored = {"ADF": {"atoms": {"height_sigma": 2.0, "sign": -1, "min_distance_nm": 0.2}}}
    assert criteria_of(("ADF", "BF"), stored) == {"ADF": Criterion(2.0, -1, 0.2), "BF": None}
    overruled = criteria_of(("ADF", "BF"), stored, height_sigma=3.0, min_distance_nm=0.1)
    assert overruled == {"ADF": Criterion(3.0, -1, 0.1), "BF": Criterion(3.0, -1, 0.1)}
