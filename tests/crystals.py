"""Crystals of Gaussian columns on a square lattice, as a perfect denoiser would draw them."""

import numpy as np
from scipy.ndimage import gaussian_filter

SIZE_NM = 0.05
HEIGHTS = np.array([[4.0, -3.0], [1.6, -0.9]])  # of two kinds, in two detectors
WIDTH_PX = 1.3


def places(shape=(96, 96), shift=(0.0, 0.0)):
    """Columns of each kind, two of (n, 2) [px]."""
    axis = np.arange(-12, max(shape) + 12, 6.0)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    return [grid + shift, grid + 3.0 + shift]


def drawn(columns, shape=(96, 96), shares=None):
    """Frame (Y, X, 2) of columns of two kinds, each times a share."""
    y, x = (np.arange(n) for n in shape)
    image = np.full((*shape, 2), (1.0, 9.0))
    for k, kind in enumerate(columns):
        share = np.ones(len(kind)) if shares is None else shares[k]
        gy = np.exp(-((y - kind[:, :1]) ** 2) / (2 * WIDTH_PX**2)) * share[:, None]
        gx = np.exp(-((x - kind[:, 1:]) ** 2) / (2 * WIDTH_PX**2))
        image += np.einsum("iy,ix->yx", gy, gx)[..., None] * HEIGHTS[k]
    return image


def inner(kind, shape, margin=9):
    """Indices of columns well inside of a frame."""
    inside = (kind > margin).all(1) & (kind < np.array(shape) - margin - 1).all(1)
    return np.flatnonzero(inside)


class Crystal:
    """A movie in which some columns of the second kind are missing, and are drawn all the same.

    Attributes
    ----------
    raw, denoised, clean : (T, Y, X, 2) arrays
    missing : (n, 2) array
        Places in the first frame.
    shift : (T, 2) array
        Drift.
    """

    def __init__(self, n_frames=6, n_missing=8, sigma=1.0, shape=(96, 96), seed=0, glow=0.0):
        rng = np.random.default_rng(seed)
        self.shift = np.cumsum(rng.normal(0.3, 0.1, (n_frames, 2)), axis=0)
        self.shift -= self.shift[0]
        first = places(shape)
        chosen = rng.permutation(inner(first[1], shape, 12))[:n_missing]
        self.missing = first[1][chosen]
        shares = [np.ones(len(first[0])), np.ones(len(first[1]))]
        shares[1][chosen] = 0
        self.denoised, clean = [], []
        for shift in self.shift:
            columns = places(shape, shift)
            self.denoised.append(drawn(columns, shape))
            clean.append(drawn(columns, shape, shares))
        self.denoised, self.clean = np.array(self.denoised, np.float32), np.array(clean)
        noise = rng.normal(0, sigma, self.clean.shape)
        if glow:
            for x in range(1, shape[1]):
                noise[:, :, x] = (1 - glow) * noise[:, :, x] + glow * noise[:, :, x - 1]
        self.raw = (self.clean + noise).astype(np.float32)
        self.together = np.ones((n_frames, n_frames), bool)

    def block(self, **options):
        from n2v_stem_keras.deviations import Block

        known = {"signs": (1, -1), "pixel_size_nm": SIZE_NM} | options
        return Block(self.raw, self.denoised, self.shift, self.together, **known)

    def error(self, restored):
        return float(np.mean((restored - self.clean) ** 2))


def blurred_noise(shape, width, seed=0):
    """Normal noise of standard deviation 1, blurred."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), width, mode="wrap")
    return noise / noise.std()
