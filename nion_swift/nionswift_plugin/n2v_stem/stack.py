# SPDX-License-Identifier: GPL-3.0-or-later
"""Stacks of frames in data items, one for each detector, denoised into new ones."""

from . import channels

NM = {"nm": 1.0, "pm": 1e-3, "A": 0.1, "\u00c5": 0.1, "um": 1e3, "\u00b5m": 1e3}


def detectors_of(items, of):
    """Return the data of each detector among data items, {detector: DataAndMetadata}.

    By the channel that each came from; a data item that does not know it goes by its title, if that
    names a channel or a detector.

    Parameters
    ----------
    items : sequence of Facade.DataItem
    of : dict
        Detector -> channel.
    """
    found = {}
    for item in items:
        names = {channels.name_of(item.xdata).lower(), (item.title or "").strip().lower()}
        for detector, channel in of.items():
            if {channel.lower(), detector.lower()} & names:
                if detector in found:
                    raise channels.ChannelError(f"two data items are of detector {detector}")
                found[detector] = item.xdata
    missing = [f"{d} (channel {channel})" for d, channel in of.items() if d not in found]
    if missing:
        raise channels.ChannelError(
            f"no data item is of {', '.join(missing)}; select one for each detector, or name its "
            "channel"
        )
    return {detector: found[detector] for detector in of}


def pixel_size_nm(xdata):
    """Return the pixel size along the last axis, None if it is in no length."""
    calibration = xdata.dimensional_calibrations[-1]
    scale = NM.get((calibration.units or "").strip())
    return abs(calibration.scale) * scale if scale and calibration.scale else None


def denoised(api, model, found, engine=None, threads=None):
    """Denoise a stack, or one frame.

    Parameters
    ----------
    api : Facade.API_1
    model : Predictor
    found : dict
        Detector of the model -> data, (Y, X), or a sequence (T, Y, X).

    Returns
    -------
    dict
        Detector -> denoised data, with calibrations and metadata.
    """
    stack = channels.stacked(found)
    if stack.ndim not in (3, 4):
        raise channels.ChannelError(
            f"data of shape {stack.shape[:-1]}: expected a frame (Y, X) or a sequence (T, Y, X)"
        )
    axes = "TYXC" if stack.ndim == 4 else "YXC"
    first = next(iter(found.values()))
    made = model.predict(
        stack,
        axes,
        detectors=tuple(found),
        pixel_size_nm=pixel_size_nm(first),
        engine=engine,
        threads=threads,
    )
    return {
        name: channels.like(api, xdata, made[..., c], model.name)
        for c, (name, xdata) in enumerate(found.items())
    }
