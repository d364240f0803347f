"""Prediction through dask: lazy, and what it is without."""

import json
import os
import subprocess
import sys
from pathlib import Path

import crystals
import numpy as np
import pytest

import n2v_stem_keras
from n2v_stem_keras import DataError, N2VStem
from n2v_stem_keras.normalize import scan
from n2v_stem_keras.prediction import lazily
from n2v_stem_keras.temporal import context as context_module

da = pytest.importorskip("dask.array")


def random_model(config):
    """An untrained model that passes for a trained one; its weights are as good as any."""
    model = N2VStem(config, basedir=None)
    model.trained = True
    return model


@pytest.fixture(scope="module")
def model(tiny_config):
    return random_model(tiny_config)


@pytest.mark.parametrize("chunks", [(5, 64, 48, 2), (1, 32, 48, 1), (12, 64, 48, 2)])
def test_it_is_lazy_and_gives_what_predict_gives(model, noisy_movie, chunks):
    read = []

    def see(block):
        read.append(block.shape)
        return block

    array = da.from_array(noisy_movie, chunks).map_blocks(see, dtype=noisy_movie.dtype)
    read.clear()
    result = model.predict(array)
    assert isinstance(result, da.Array)
    assert result.shape == noisy_movie.shape
    assert result.dtype == np.float32
    assert result.chunks[0] == array.chunks[0]
    assert read == []
    found = result.compute(scheduler="threads")
    assert array.npartitions <= len(read) <= 2 * array.npartitions
    expected = model.predict(noisy_movie)
    assert np.abs(found - expected).max() < 1e-5 * noisy_movie.std()
    part = result[3:4].compute(scheduler="threads")  # still with statistics of the whole movie
    assert np.abs(part - expected[3:4]).max() < 1e-5 * noisy_movie.std()


@pytest.mark.parametrize("axes", ["CTYX", "STYXC", "YXC", "YXTC"])
def test_any_axes(model, noisy_movie, axes):
    movie = np.stack([noisy_movie, 3 * noisy_movie[::-1]])  # STYXC
    letters = "STYXC"
    movie = movie[tuple(slice(None) if a in axes else 1 for a in letters)]
    there = "".join(a for a in letters if a in axes)
    movie = movie.transpose([there.index(a) for a in axes])
    found = model.predict(da.from_array(movie, chunks=7), axes=axes)
    assert found.shape == movie.shape
    expected = model.predict(movie, axes=axes)
    assert np.abs(found.compute() - expected).max() < 1e-5 * noisy_movie.std()


@pytest.mark.parametrize("context", ["both", "past", "none"])
@pytest.mark.parametrize("n_frames", [1, 4])
def test_context_reaches_over_chunks(model, noisy_movie, context, n_frames, monkeypatch):
    # so that most chunks are out of reach of one
    monkeypatch.setattr(lazily, "REACHES", (1, 2))
    monkeypatch.setattr(context_module, "REACHES", (1, 2))
    array = da.from_array(noisy_movie, (n_frames, -1, -1, -1))
    lazy = model.predict(array, context=context)
    expected = model.predict(noisy_movie, context=context)
    for _ in range(2):
        found = lazy.compute(scheduler="threads")
        assert np.abs(found - expected).max() < 1e-5 * noisy_movie.std()
    part = lazy[9:11].compute(scheduler="threads")
    assert np.abs(part - expected[9:11]).max() < 1e-5 * noisy_movie.std()
    # the control: it makes a difference what is looked at
    other = model.predict(noisy_movie, context="past" if context == "none" else "none")
    assert np.abs(expected - other).max() > 0.01 * noisy_movie.std()


def test_a_chunk_that_is_followed_again_sees_the_same_past(noisy_movie):
    """As when a worker was lost."""
    statistics = scan(noisy_movie)
    state, first = lazily._follow(None, noisy_movie[:6], 0, statistics)
    again = (noisy_movie[6:], 6, statistics)
    (_, once), (_, twice) = (lazily._follow(state, *again) for _ in range(2))
    np.testing.assert_array_equal(once, twice)
    _, whole = lazily._follow(None, noisy_movie, 0, statistics)
    np.testing.assert_array_equal(np.concatenate([first, once]), whole)


def test_a_model_of_frames_alone_looks_at_no_others(tiny_config, noisy_movie):
    model = random_model(tiny_config.replace(unet_context=False))
    expected = model.predict(noisy_movie, restore=False)
    for context in ("both", "past", "none"):
        options = {"context": context, "restore": False}
        found = model.predict(da.from_array(noisy_movie, (4, -1, -1, -1)), **options)
        assert np.abs(found.compute() - expected).max() < 1e-5 * noisy_movie.std()


def test_an_unknown_context_is_refused_at_once(model, noisy_movie):
    with pytest.raises(ValueError, match="context is 'future', expected one of 'both', 'past'"):
        model.predict(da.from_array(noisy_movie), context="future")


def test_detectors_tiles_and_flips(model, noisy_movie):
    three = np.concatenate([noisy_movie[..., 1:], noisy_movie[..., :1] + 5, noisy_movie], axis=-1)
    three = three[..., :3]
    options = {"detectors": ("BF", "DPC", "ADF"), "n_tiles": (2, 1), "tta": True}
    found = model.predict(da.from_array(three, (5, -1, -1, -1)), **options).compute()
    expected = model.predict(three, **options)
    assert found.shape == expected.shape == noisy_movie.shape
    assert np.abs(found - expected).max() < 1e-5 * noisy_movie.std()


def test_statistics_are_those_of_the_whole_movie_to_the_bit(noisy_movie):
    noisy_movie[4] = 7  # blank
    noisy_movie[6, ..., 1] = 7
    noisy_movie[7, 20:, :, 0] = 7
    blocks = [(noisy_movie[i : i + 5], i) for i in range(0, 12, 5)]
    parts = [lazily._moments(block, block, i, "movie", ("ADF", "BF")) for block, i in blocks]
    found, expected = lazily._merge(parts, []), scan(noisy_movie)
    np.testing.assert_array_equal(found.mean, expected.mean)
    np.testing.assert_array_equal(found.sd, expected.sd)
    assert found.blank_frames == expected.blank_frames == (4,)
    assert found.left_out(1) == expected.left_out(1) == (4, 6)
    assert found.left_out(0) == expected.left_out(0) == (4, 7)
    assert found.n_frames == 12


def test_bad_pixels_are_named(model, noisy_movie):
    noisy_movie[7, 3, 4, 0] = np.nan
    with pytest.raises(DataError, match="frame 7 has 1 NaN"):
        model.predict(da.from_array(noisy_movie, (5, -1, -1, -1))).compute()


def test_threads_of_one_process_open_the_network_once(model, noisy_movie):
    lazily._open.cache_clear()
    model.predict(da.from_array(noisy_movie, (1, -1, -1, -1))).compute(scheduler="threads")
    assert lazily._open.cache_info().misses == 1


CLUSTER = """
import json, os, signal, sys, time
import numpy as np


def denoised_slowly(frames):
    time.sleep(0.1)  # so that a worker can die in the middle of it
    return frames


def n_loaded():
    from n2v_stem_keras.prediction import lazily

    return lazily._open.cache_info().misses


def n_denoised():
    from n2v_stem_keras.prediction import lazily

    return sum(lazily._open.cache_info()[:2])


def main():
    import dask.array as da
    from distributed import Client, LocalCluster

    from n2v_stem_keras import N2VStem, N2VStemConfig

    config = N2VStemConfig.preset(
        "laptop", unet_n_depth=1, unet_n_first=2, unet_lattice_window=16,
        n2v_patch_shape=(32, 32),
    )
    model = N2VStem(config, basedir=None)
    model.trained = True
    movie = np.random.default_rng(0).normal(size=(60, 32, 40, 2)).astype("f4")
    expected = model.predict(movie)
    lazily = model.predict(da.from_array(movie, (2, -1, -1, -1)), engine=sys.argv[1])
    lazily = lazily.map_blocks(denoised_slowly, dtype=lazily.dtype)
    with LocalCluster(
        n_workers=2, threads_per_worker=2, processes=True, host="127.0.0.1", dashboard_address=None
    ) as cluster, Client(cluster) as client:
        client.wait_for_workers(2)
        whole = client.compute(lazily).result()
        loads = list(client.run(n_loaded).values())
        before, pids = sum(client.run(n_denoised).values()), client.run(os.getpid)
        future = client.compute(lazily)
        while sum(client.run(n_denoised).values()) < before + 5:  # of 30 chunks
            pass
        unfinished = not future.done()
        os.kill(next(iter(pids.values())), signal.SIGKILL)  # a worker that we started
        after = future.result()
        survivors = list(client.run(n_loaded).values())
    print(json.dumps({
        "workers": len(pids),
        "loads": loads,
        "unfinished": unfinished,
        "error": float(np.abs(whole - expected).max()),
        "error after a kill": float(np.abs(after - expected).max()),
        "loads after a kill": survivors,
    }))


if __name__ == "__main__":
    main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["tensorflow", "onnx"])
def test_a_cluster_of_two_workers_of_which_one_dies(tmp_path, engine):
    """On loopback: each opens the network once; a killed one costs time, not frames."""
    pytest.importorskip("distributed")
    if engine == "onnx":
        pytest.importorskip("onnxruntime")
    script = tmp_path / "cluster.py"
    script.write_text(CLUSTER)
    path = os.pathsep.join(map(str, (Path(n2v_stem_keras.__file__).parents[1], *sys.path)))
    done = subprocess.run(
        [sys.executable, str(script), engine],
        env={**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["workers"] == 2
    assert found["loads"] == [1, 1]
    assert found["unfinished"]
    assert found["error"] < 1e-4
    assert found["error after a kill"] < 1e-4
    assert max(found["loads after a kill"]) == 1


@pytest.mark.parametrize("context", ["both", "none"])
@pytest.mark.parametrize("n_chunk", [1, 5, 9])
def test_what_the_network_left_out_is_restored_over_chunks(
    plain_config, monkeypatch, context, n_chunk
):
    """The network draws a perfect crystal, the frame nearest to what it is shown."""
    crystal = crystals.Crystal(n_frames=9, sigma=0.7)

    def denoise_movie(denoiser, series, n_tiles=None, tta=False, numbers=None):
        for t in range(len(series.frames)) if numbers is None else numbers:
            far = ((crystal.raw - np.asarray(series.raw[t])) ** 2).sum(axis=(1, 2, 3))
            yield crystal.denoised[np.argmin(far)]

    monkeypatch.setattr(lazily, "denoise_movie", denoise_movie)
    monkeypatch.setattr("n2v_stem_keras.prediction.whole.denoise_movie", denoise_movie)
    monkeypatch.setattr("n2v_stem_keras.prediction.restoration.BLOCK", 4)
    monkeypatch.setattr("n2v_stem_keras.prediction.restoration.SPANS", (0, 1, 2))
    model = random_model(plain_config.replace(unet_context=False))
    options = {"context": context, "pixel_size_nm": crystals.SIZE_NM}
    expected = model.predict(crystal.raw, **options)
    assert crystal.error(expected) < 0.5 * crystal.error(crystal.denoised)
    array = da.from_array(crystal.raw, (n_chunk, -1, -1, -1))
    found = model.predict(array, **options)
    assert found.chunks[0] == array.chunks[0]
    np.testing.assert_allclose(found.compute(), expected, atol=1e-4)
    bare = model.predict(array, restore=False, **options).compute()
    assert np.array_equal(bare, crystal.denoised)
