"""Functions that stand in for models under test: a blur, with and without a known fault."""

import numpy as np
from scipy.ndimage import gaussian_filter


def blur(movie):
    return gaussian_filter(movie, (0, 1, 1, 0))


def leaky(share_to_bf, share_to_adf=0.0, order=(0, 1)):
    """Draw a share of each detector's detail into the other, in the other's own contrast."""

    def predict(movie):
        detail = movie - movie.mean(axis=(1, 2), keepdims=True)
        adf, bf = order
        own = np.array([1.0, 1.0])
        own[adf], own[bf] = 0.0233, -0.0198  # a lone adatom, blurred [fraction of the beam]
        out = movie.copy()
        out[..., bf] += share_to_bf * detail[..., adf] / own[adf] * own[bf]
        out[..., adf] += share_to_adf * detail[..., bf] / own[bf] * own[adf]
        return blur(out)

    return predict


def blur_more(movie):
    return gaussian_filter(movie, (0, 1.2, 1.2, 0))


def wave(period, amplitude):
    y, x = np.indices((256, 256))
    return amplitude * np.cos(2 * np.pi * (x + 0.4 * y) / period)[..., None]
