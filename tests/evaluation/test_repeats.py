"""Errors of denoisers without the truth, against the errors with it."""

import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras.cli import main
from n2v_stem_keras.evaluation.repeats import score_repeats
from n2v_stem_keras.normalize import DataError

SIGMA = 3.0


def movie(n_frames=9, side=128, step=(0, 0), n=1):
    """Noisy frames of a specimen that moves by whole pixels, and the clean ones."""
    rng = np.random.default_rng(0)
    wide = gaussian_filter(rng.normal(size=(side + 64, side + 64, n)), (1.5, 1.5, 0))
    wide = 1000 + 3 * wide / wide.std()
    starts = [(20 + t * step[0], 20 + t * step[1]) for t in range(n_frames)]
    clean = np.stack([wide[y : y + side, x : x + side] for y, x in starts])
    return clean, (clean + SIGMA * rng.normal(size=clean.shape)).astype(np.float32)


@pytest.mark.parametrize("step", [(0, 0), (1, -2)])
def test_the_error_is_that_against_the_truth(step):
    clean, noisy = movie(step=step)
    truth = iter([clean[1::2]])

    def blurred(frames):
        return gaussian_filter(frames, (0, 1.3, 1.3, 0))

    def true(frames):
        return next(truth)

    found = score_repeats(noisy, ("HAADF",), {"blurred": blurred, "true": true})
    errors = {one.method: one.error for one in found.scores}
    inner = (slice(1, None, 2), slice(16, 112), slice(16, 112))
    expected = np.mean((blurred(noisy)[inner] - clean[inner]) ** 2) / SIGMA**2
    assert found.n_frames == 4
    assert errors["raw"] == 1
    assert errors["blurred"] == pytest.approx(expected, rel=0.15)
    assert abs(errors["true"]) < 0.05
    (best,) = [one for one in found.scores if one.method.startswith("Gaussian")]
    assert best.over_gaussian_dB == best.low_dB == best.high_dB == 0
    (worse,) = [one for one in found.scores if one.method == "raw"]
    assert worse.low_dB < worse.over_gaussian_dB < worse.high_dB < 0
    assert "| HAADF | blurred |" in str(found)


def test_a_copy_of_the_noise_gains_nothing():
    _, noisy = movie()
    found = score_repeats(noisy, ("HAADF",), {"copy": lambda frames: frames})
    assert found.scores[-1].error == 1


def test_frames_that_score_are_not_seen():
    _, noisy = movie(7)
    seen = []
    score_repeats(noisy, ("HAADF",), {"one": lambda frames: seen.append(frames) or frames})
    np.testing.assert_array_equal(seen[0], noisy[1::2])


@pytest.mark.parametrize(
    ("frames", "complaint"),
    [
        (movie(2)[1], "2 frames, of which no three"),
        (movie(5, side=48)[1], "expected 64x64 at least"),
        (np.repeat(movie(3)[1], 3, axis=0), "no three in a row show one area in independent noise"),
    ],
)
def test_what_cannot_be_scored_is_refused(frames, complaint):
    with pytest.raises(DataError, match=complaint):
        score_repeats(frames, ("HAADF",), {})


def test_a_method_must_give_frames_back():
    with pytest.raises(DataError, match=r"half: gave .* expected"):
        score_repeats(movie()[1], ("HAADF",), {"half": lambda frames: frames[:, ::2]})


def test_the_command_scores_a_file(tmp_path, capsys):
    np.save(tmp_path / "movie.npy", movie(n=2)[1])
    call = ["evaluate", "--repeats", str(tmp_path / "movie.npy"), "--out", str(tmp_path / "out")]
    call += ["--axes", "TYXC", "--detectors", "ADF,BF"]
    assert main(call) == 0
    assert "| BF | Gaussian of" in capsys.readouterr().out
    written = json.loads((tmp_path / "out" / "repeats.json").read_text())
    assert {row["detector"] for row in written["scores"]} == {"ADF", "BF"}
    assert (tmp_path / "out" / "repeats.csv").read_text().startswith("method,detector,error")
    assert main(call) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*call, "--overwrite", "--psnr", "10"]) == 2
    assert "needs no truth" in capsys.readouterr().err


def test_an_earlier_evaluation_of_another_kind_is_no_hindrance(tmp_path):
    np.save(tmp_path / "movie.npy", movie()[1])
    (tmp_path / "evaluation.csv").write_text("of another kind")
    call = ["evaluate", "--repeats", str(tmp_path / "movie.npy"), "--out", str(tmp_path)]
    assert main([*call, "--axes", "TYXC", "--quiet"]) == 0
    assert (tmp_path / "evaluation.csv").read_text() == "of another kind"


def test_a_drift_that_leaves_no_block_is_said():
    with pytest.raises(DataError, match="drift too far for a block"):
        score_repeats(movie(7, side=64, step=(1, 1))[1], ("HAADF",), {})
