"""Two lattices that lie over each other, as layers of a twisted bilayer do: the columns of each.

Where columns of two layers overlap, a frame shows them as one, at a place where neither has a
column, and a column that is missing changes the image of another place than the one found. In
Fourier space the layers lie side by side: each has spots that are sums of two of its own. So the
spots of a denoised frame are sorted by lattice; those of one, each with the amplitude that it has
around a place (as in geometric phase analysis: Hÿtch, Snoeck and Kilaas, Ultramicroscopy 74, 131
(1998)), make the image of one layer by itself. It follows a lattice that bends.
"""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter

from .columns import (
    APART_NM,
    Columns,
    bands,
    between_pixels,
    beyond,
    heights_at,
    maxima_of,
)

COHERENT_NM = 1.2  # sigma of the neighbourhood in which amplitudes are found
SHORTEST_NM, LONGEST_NM = 0.07, 1.0  # periods of spots
N_SPOTS, LEAST_SPOT = 30, 1e-3  # the strongest, and their power over that of the strongest
N_BASES = 12  # spots that two are chosen of as a basis
HIGHEST = 3  # sum of how many of each makes a spot
OFF = 0.75  # how far from it a spot may be [Fourier pixels]
LEAST_ANGLE = np.deg2rad(35)  # between the two
LEAST_POWER, FEWEST = 0.1, 3  # of all spots, in a lattice; spots (and their opposites) of it
BLOCK = 4  # amplitudes are found on a grid as coarse as this [px]
N_ROUNDS = 3  # in which spots are told from each other
THERE = 0.4  # of its median amplitude: less of it is no lattice
SAME_NM, MOST_SAME = 0.03, 0.5  # columns at one place, and how many of a lattice's are at others'


def lattices_of(images, pixel_size_nm: float) -> list[np.ndarray]:
    """Find the lattices that denoised images have together.

    Parameters
    ----------
    images : (T, Y, X) array
    pixel_size_nm : float

    Returns
    -------
    list of (n, 2) arrays
        Frequencies of the spots of each along y and x [1/px], one of each with its opposite. The
        strongest lattice first.
    """
    spots, powers, step = _spots(images, pixel_size_nm)
    found, left = [], np.ones(len(spots), bool)
    while left.sum() >= FEWEST:
        basis = _basis(spots[left], powers[left], step)
        if basis is None:
            break
        of = left & _on(basis, spots, step)
        if of.sum() < FEWEST or powers[of].sum() < LEAST_POWER * powers.sum():
            break
        found.append(spots[of])
        left &= ~of
    return found


def _spots(images, pixel_size_nm):
    """Return maxima of the mean power, (n, 2) and (n,), and the size of a Fourier pixel."""
    shape = images[0].shape
    window = np.hanning(shape[0] + 2)[1:-1, None] * np.hanning(shape[1] + 2)[None, 1:-1]
    power, n = 0.0, 2 * max(shape)
    for image in images:
        slow = gaussian_filter(image.astype(float), LONGEST_NM / pixel_size_nm / 4)
        power = power + np.abs(np.fft.fft2((image - slow) * window, (n, n))) ** 2
    power = np.fft.fftshift(power)
    k = (np.arange(n) - n // 2) / n
    size = np.hypot(k[:, None], k[None])
    high = power == maximum_filter(power, 7)
    high &= (size < min(0.48, pixel_size_nm / SHORTEST_NM)) & (size > pixel_size_nm / LONGEST_NM)
    high[: n // 2] = high[n // 2, : n // 2] = False  # opposites
    high[-1] = high[:, [0, -1]] = False
    at = np.argwhere(high)
    at = at[np.argsort(-power[tuple(at.T)])][:N_SPOTS]
    powers = power[tuple(at.T)]
    at, powers = (part[powers > LEAST_SPOT * powers.max(initial=0)] for part in (at, powers))
    places = between_pixels(np.log(power + 1e-300), at)
    return (places - n // 2) / n, powers, 2.0 / n


def _basis(spots, powers, step):
    """Choose two spots of which most of the power is sums; None if there are none."""
    best, most = None, 0.0
    for a, b in combinations(spots[:N_BASES], 2):
        cosine = abs(a @ b) / (np.linalg.norm(a) * np.linalg.norm(b))
        if cosine > np.cos(LEAST_ANGLE):
            continue
        power = powers[_on((a, b), spots, step)].sum()
        if power > 1.001 * most:
            best, most = (a, b), power
    return best


def _on(basis, spots, step):
    """Say which spots are sums of two, (n,) bool."""
    basis = np.array(basis)
    number = np.rint(spots @ np.linalg.inv(basis))
    off = np.linalg.norm(spots - number @ basis, axis=1)
    return (off < OFF * step) & (np.abs(number).max(axis=1) <= HIGHEST)


def columns_of_layers(frame, signs, pixel_size_nm: float, lattices) -> Columns:
    """Find the columns of each lattice of a denoised frame, and those that belong to none.

    Parameters
    ----------
    frame : (Y, X, C) array
    signs : sequence of int
        See `columns_of`.
    pixel_size_nm : float
    lattices : list of (n, 2) arrays
        From `lattices_of`.

    Returns
    -------
    Columns
        Two of different lattices may lie at the same place.
    """
    image = bright(frame, signs)
    more = int(np.ceil(2 * COHERENT_NM / pixel_size_nm))
    layers = np.zeros((len(lattices), *image.shape), np.float32)
    for (top, bottom), (left, right) in product(*map(bands, image.shape)):
        y, x = max(0, top - more), max(0, left - more)
        parts = layers_of(image[y : bottom + more, x : right + more], lattices, pixel_size_nm)
        for layer, part in zip(layers, parts):
            layer[top:bottom, left:right] = part[top - y : bottom - y, left - x : right - x]
    found = [maxima_of(layer, 1, pixel_size_nm) for layer in layers]
    of = np.repeat(np.arange(len(layers)), [len(places) for places in found])
    places, drawn = np.concatenate(found), maxima_of(image, 1, pixel_size_nm)
    places = beyond(places, drawn, APART_NM / pixel_size_nm)
    of = np.pad(of, (0, len(places) - len(of)))
    # what no lattice explains is the column's: of an atom on it, or in its place
    shown = heights_at(np.moveaxis(layers, 0, -1), places)
    others = shown.sum(axis=1) - np.take_along_axis(shown, of[:, None], 1)[:, 0]
    heights = np.zeros((len(places), len(layers)))
    heights[np.arange(len(places)), of] = heights_at(image[..., None], places)[:, 0] - others
    return Columns(places, heights)


def coincide(columns: Columns, pixel_size_nm: float) -> bool:
    """Say whether most columns of one lattice lie where the others have one.

    Then these are no lattices of their own, but one with a superstructure.
    """
    from scipy.spatial import cKDTree

    of, n = np.abs(columns.heights).argmax(axis=1), columns.heights.shape[1]
    for k in range(n):
        own, others = columns.places[of == k], columns.places[of != k]
        if len(own) and len(others):
            apart = cKDTree(others).query(own)[0] * pixel_size_nm
            if np.mean(apart < SAME_NM) > MOST_SAME:
                return True
    return False


def bright(frame, signs) -> np.ndarray:
    """Return an image (Y, X) in which columns are bright, whatever their depth.

    That is the sum of the detectors where they are, if there is one: in bright field a layer that
    is out of focus may be bright where another is dark.
    """
    planes = np.moveaxis(frame, -1, 0)
    chosen = [plane for plane, sign in zip(planes, signs) if sign > 0]
    return np.sum(chosen, axis=0) if chosen else -planes.sum(axis=0)


def layers_of(image, lattices, pixel_size_nm: float) -> list[np.ndarray]:
    """Return the image of each lattice by itself, (Y, X) float32, 0 where it is not there."""
    spots = np.concatenate(lattices)
    sigma = COHERENT_NM / pixel_size_nm
    along = [(_means(n, sigma), _finer(n), _waves(n, k)) for n, k in zip(image.shape, spots.T)]
    (means_y, finer_y, waves_y), (means_x, finer_x, waves_x) = along
    slow = LONGEST_NM / pixel_size_nm / 4
    left = image - gaussian_filter(image.astype(np.float32), slow)

    def amplitude(i):
        return 2 * (means_y * waves_y[i].conj()) @ left @ (means_x * waves_x[i].conj()).T

    def drawn(i, part):
        return np.real((finer_y * waves_y[i][:, None]) @ part @ (finer_x * waves_x[i][:, None]).T)

    amplitudes = [0.0] * len(spots)
    for _ in range(N_ROUNDS):
        for i in range(len(spots)):
            more = amplitude(i)
            amplitudes[i] = amplitudes[i] + more
            left = left - drawn(i, more)
    found, of = [], np.repeat(np.arange(len(lattices)), [len(one) for one in lattices])
    for k in range(len(lattices)):
        own = np.flatnonzero(of == k)
        size = np.sqrt(sum(np.abs(amplitudes[i]) ** 2 for i in own))
        there = finer_y @ (size > THERE * np.median(size)) @ finer_x.T > 0.5
        found.append((there * sum(drawn(i, amplitudes[i]) for i in own)).astype(np.float32))
    return found


def _waves(n, frequencies):
    return np.exp(2j * np.pi * frequencies[:, None] * np.arange(n)).astype(np.complex64)


def _means(n, sigma):
    """Weights of means under a Gaussian around the middle of each block, (blocks, n)."""
    middle = (np.arange(-(-n // BLOCK)) + 0.5) * BLOCK - 0.5
    weights = np.exp(-((np.arange(n) - middle[:, None]) ** 2) / (2 * sigma**2))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _finer(n):
    """Interpolate linearly between the middles of blocks, (n, blocks)."""
    place = ((np.arange(n) + 0.5) / BLOCK - 0.5).clip(0, -(-n // BLOCK) - 1)
    weights = np.maximum(1 - np.abs(place[:, None] - np.arange(-(-n // BLOCK))), 0)
    return weights.astype(np.float32)
