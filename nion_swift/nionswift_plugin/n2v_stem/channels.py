# SPDX-License-Identifier: GPL-3.0-or-later
"""Which channel of a scan is which detector of a model: said by name, never by position."""

import numpy as np


class ChannelError(ValueError):
    """Channels and detectors that do not come together."""


def parse(text, detectors):
    """Read 'ADF=HAADF, BF=MAADF'.

    Parameters
    ----------
    text : str
        A detector that is not named has a channel of its own name.
    detectors : sequence of str
        The model's.

    Returns
    -------
    dict
        Detector -> channel, in the model's order.
    """
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, channel = (word.strip() for word in part.partition("="))
        known = [d for d in detectors if d.lower() == name.lower()]
        if not (equals and channel and known):
            raise ChannelError(
                f"{part!r}: expected DETECTOR=CHANNEL, with detectors {', '.join(detectors)}"
            )
        found[known[0]] = channel
    channels = {detector: found.get(detector, detector) for detector in detectors}
    if len({channel.lower() for channel in channels.values()}) < len(channels):
        raise ChannelError(f"one channel is named twice: {', '.join(channels.values())}")
    return channels


def name_of(xdata):
    """Return the channel that data came from, as the scan calls it."""
    return (xdata.metadata or {}).get("hardware_source", {}).get("channel_name", "")


def by_detector(xdatas, channels):
    """Return the data of each detector.

    Parameters
    ----------
    xdatas : sequence of DataAndMetadata
        One for each channel of a scan.
    channels : dict
        Detector -> channel.
    """
    there = {name_of(xdata).lower(): xdata for xdata in xdatas if xdata is not None}
    missing = [channel for channel in channels.values() if channel.lower() not in there]
    if missing:
        names = ", ".join(name_of(xdata) for xdata in xdatas if xdata is not None) or "none"
        raise ChannelError(
            f"the scan gives no channel {', '.join(missing)}, only {names}; enable it in the scan "
            "panel, or name another"
        )
    return {detector: there[channel.lower()] for detector, channel in channels.items()}


def stacked(found):
    """Stack the data of detectors, {name: DataAndMetadata}, along a last axis."""
    shapes = {name: xdata.data.shape for name, xdata in found.items()}
    if len(set(shapes.values())) > 1:
        said = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ChannelError(f"detectors of different shapes: {said}")
    return np.stack([np.asarray(xdata.data, np.float32) for xdata in found.values()], axis=-1)


def like(api, xdata, data, model_name):
    """Return denoised data with the calibrations and metadata of what it was made of."""
    metadata = {**(xdata.metadata or {}), "n2v_stem_keras": {"model": model_name}}
    return api.create_data_and_metadata(
        np.ascontiguousarray(data),
        xdata.intensity_calibration,
        xdata.dimensional_calibrations,
        metadata,
        data_descriptor=xdata.data_descriptor,
    )
