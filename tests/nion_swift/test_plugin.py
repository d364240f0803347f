"""The plug-in of Nion Swift, driven headless with the simulated microscope of nionswift-usim.

Skipped where these are not installed; nion_swift/README.md says what is.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("nion.swift")
pytest.importorskip("nion.usim_device")
sys.path.insert(0, str(Path(__file__).parents[2] / "nion_swift"))

from nion.data import Calibration, DataAndMetadata
from nion.instrumentation.test import AcquisitionTestContext
from nion.swift import Facade
from nion.swift.test import TestContext
from nion.usim_device import DeviceConfiguration
from nionswift_plugin.n2v_stem import N2VStemExtension, channels, stack
from nionswift_plugin.n2v_stem.panel import REFERENCE, ready_made

from n2v_stem_keras import open_model

pytestmark = pytest.mark.filterwarnings("ignore")
SCALE = Calibration.Calibration
OF = {"ADF": "HAADF", "BF": "MAADF"}


@pytest.fixture
def swift(tmp_path, monkeypatch):
    """Swift without a window system: its document, and its API."""
    monkeypatch.chdir(tmp_path)  # usim makes a folder
    Facade.initialize()
    setup = TestContext.TestSetup()
    configuration = DeviceConfiguration.AcquisitionContextConfiguration()
    with AcquisitionTestContext.AcquisitionTestContext(configuration) as context:
        context.api = Facade.get_api("~1.0", "~1.0")
        context.library = Facade.DocumentWindow(context.document_controller).library
        scan = context.scan_hardware_source
        source = context.api.get_hardware_source_by_id("usim_scan_device", "~1.0")
        parameters = dict(source.get_frame_parameters_for_profile_by_index(0))
        parameters |= {"pixel_size": (64, 64), "fov_nm": 8, "pixel_time_us": 1}
        source.set_frame_parameters(parameters)
        scan.set_channel_enabled(0, True)
        scan.set_channel_enabled(1, True)
        yield context
    del setup


@pytest.fixture
def panel(swift):
    """The panel, as Swift makes it of the extension."""

    class Broker:
        def get_api(self, version, ui_version):
            return Facade.get_api(version, ui_version)

    extension = N2VStemExtension(Broker())
    delegate = extension._delegate
    window = Facade.DocumentWindow(swift.document_controller)
    delegate.create_panel_widget(Facade.UserInterface("~1.0", swift.document_controller.ui), window)
    yield delegate
    extension.close()


def turn_until(swift, condition, seconds=60):
    """Let Swift work until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        swift.document_controller.periodic()
        time.sleep(0.01)


def live_items(swift):
    library = swift.library
    return [library.get_data_item_for_reference_key(f"{REFERENCE}-{name}") for name in OF]


def test_a_live_view_is_denoised_as_frames_come(swift, panel):
    assert panel.source_chooser.items == ["usim_scan_device"]
    panel.start_or_stop()
    assert panel.live_button.text == "Stop"
    live = panel.live
    turn_until(swift, lambda: live.report.n_frames >= 8)
    items = live_items(swift)
    assert all(item is not None for item in items)
    for item, channel in zip(items, OF.values()):
        xdata = item.xdata
        assert channels.name_of(xdata) == channel
        assert xdata.data.shape == (64, 64)
        assert xdata.dimensional_calibrations[0].units == "nm"
        assert xdata.dimensional_calibrations[0].scale == pytest.approx(8 / 64)
        assert xdata.metadata["n2v_stem_keras"]["model"] == "graphene-au-live"
    assert "a second\nlatency" in panel.status.text
    panel.start_or_stop()
    turn_until(swift, lambda: panel.live is None)
    assert panel.live_button.text == "Start"
    assert live.join(30)
    turn_until(swift, lambda: not swift.scan_hardware_source.is_playing)
    # nothing of it is noisier than what the scan gave
    source = swift.api.get_hardware_source_by_id("usim_scan_device", "~1.0")
    assert source.get_frame_parameters()["fov_nm"] == 8  # the scan is as it was
    task = source.create_view_task(source.get_frame_parameters())
    raw = channels.by_detector(task.grab_next_to_finish(), OF)
    task.close()
    for item, xdata in zip(items, raw.values()):
        assert np.std(np.diff(item.xdata.data)) < 0.7 * np.std(np.diff(xdata.data))


def test_frames_are_those_that_stream_gives(swift, panel):
    """What is shown is the denoised frame of the data whose calibrations it carries."""
    pairs = []
    show = panel._show

    def see(found):
        pairs.append(found)
        show(found)

    panel._show = see
    panel.start_or_stop()
    live = panel.live
    turn_until(swift, lambda: len(pairs) >= 5)
    panel.start_or_stop()
    turn_until(swift, lambda: panel.live is None)
    n = 5 if not live.report.dropped else min(live.report.dropped)
    raw = [channels.stacked({k: x for k, (x, _) in found.items()}) for found in pairs[:n]]
    expected = list(open_model("graphene-au-live", "onnx").stream(iter(raw)))
    for found, frame in zip(pairs, expected):
        for c, (_, data) in enumerate(found.values()):
            np.testing.assert_allclose(data, frame[..., c], rtol=1e-4)


def test_a_channel_that_is_not_scanned_is_said(swift, panel):
    swift.scan_hardware_source.set_channel_enabled(1, False)
    panel.start_or_stop()
    turn_until(swift, lambda: panel.live is None)
    assert "the scan gives no channel MAADF, only HAADF; enable it" in panel.status.text


def test_what_is_wrong_is_said_in_the_panel(swift, panel):
    panel.model_field.text = "no-such-model"
    panel.start_or_stop()
    turn_until(swift, lambda: "no-such-model" in panel.status.text)
    assert panel.live is None
    panel.model_field.text = ready_made()[0]
    panel.channel_field.text = "HAADF"
    panel.start_or_stop()
    turn_until(swift, lambda: "expected DETECTOR=CHANNEL" in panel.status.text)


def sequence(rng, channel, shape=(4, 48, 40)):
    return DataAndMetadata.new_data_and_metadata(
        rng.normal(100, 20, shape).astype(np.float32),
        intensity_calibration=SCALE(0, 2, "e-"),
        dimensional_calibrations=[SCALE(0, 0.5, "s"), SCALE(-1, 0.05, "nm"), SCALE(-1, 0.05, "nm")],
        metadata={"hardware_source": {"channel_name": channel}, "kept": 1},
        data_descriptor=DataAndMetadata.DataDescriptor(True, 0, 2),
    )


def test_a_stack_becomes_new_data_items_with_its_calibrations(swift, panel):
    rng, library = np.random.default_rng(0), swift.library
    given = {name: sequence(rng, channel) for name, channel in OF.items()}
    items = [library.create_data_item_from_data_and_metadata(x) for x in given.values()]
    panel._selected = lambda: list(reversed(items))  # the order does not matter
    before = library.data_item_count
    panel.denoise_stack().join(60)
    turn_until(swift, lambda: library.data_item_count == before + 2)
    made = {item.title: item.xdata for item in library.data_items[before:]}
    stacked = channels.stacked(given)
    model = open_model("graphene-au-live", "onnx")
    expected = model.predict(stacked, "TYXC", detectors=("ADF", "BF"), pixel_size_nm=0.05)
    for c, (name, xdata) in enumerate(given.items()):
        found = made[f"{name} (denoised)"]
        np.testing.assert_allclose(found.data, expected[..., c], rtol=1e-4)
        assert found.dimensional_calibrations == xdata.dimensional_calibrations
        assert found.intensity_calibration == xdata.intensity_calibration
        assert found.data_descriptor == xdata.data_descriptor
        assert found.metadata["kept"] == 1
    np.testing.assert_array_equal(items[0].xdata.data, given["ADF"].data)


def test_data_items_are_matched_by_channel_or_title_never_by_position(swift):
    rng, library = np.random.default_rng(0), swift.library
    adf, bf = (library.create_data_item_from_data_and_metadata(sequence(rng, c)) for c in ("", ""))
    with pytest.raises(channels.ChannelError, match="no data item is of ADF"):
        stack.detectors_of([adf, bf], OF)
    adf.title, bf.title = "adf", "MAADF"
    found = stack.detectors_of([bf, adf], OF)
    assert list(found) == ["ADF", "BF"]
    np.testing.assert_array_equal(found["BF"].data, bf.xdata.data)
    bf.title = "HAADF"
    with pytest.raises(channels.ChannelError, match="two data items are of detector ADF"):
        stack.detectors_of([bf, adf], OF)


def test_pixel_sizes_are_lengths_in_nm():
    rng = np.random.default_rng(0)
    xdata = sequence(rng, "HAADF")
    assert stack.pixel_size_nm(xdata) == pytest.approx(0.05)
    for units, expected in (("pm", 50e-6), ("\u00c5", 0.005), ("1/nm", None), ("", None)):
        calibrations = [
            *xdata.dimensional_calibrations[:2],
            SCALE(0, 0.05, units),
        ]
        other = DataAndMetadata.new_data_and_metadata(
            xdata.data, dimensional_calibrations=calibrations
        )
        expected = expected if expected is None else pytest.approx(expected)
        assert stack.pixel_size_nm(other) == expected
