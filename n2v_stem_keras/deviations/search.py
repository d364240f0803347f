"""What the residual of each frame says of each column, and of places where no column is drawn.

A matched filter, the image of one column of its kind in all detectors together, looks at raw minus
denoised. Where a detector is noisier its pixels count less, so that noise may differ from place to
place, from frame to frame and from detector to detector. What comes out is divided by its own
spread over all columns of the kind, which holds whatever the noise is like: its correlation, and
the part of it that the network has kept. So z is that of a normal distribution where nothing
deviates. Few counts are skewed, and so is a sum of them: high values are less unlikely than they
look, which is taken into account (`plain`).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np

from .columns import Columns, columns_of, heights_at
from .lattices import bright, coincide, columns_of_layers, lattices_of
from .motifs import Motifs

NORMAL_QUARTILE = 0.6745
LARGEST_SKEW, LEAST_SKEW, LARGEST_Z = 2.0, 0.02, 35.0
LEAST_NORM = 1.0  # signal-to-noise ratio of a column below which one frame says nothing of it
NEAR_NM = 0.25  # from an atom that stands out: what is drawn of it is not exact
OVERLAPS_PX = 4.5  # how far motifs reach, in their own widths
N_ROUNDS, DAMPING = 12, 0.6  # of neighbours that see each other's deviations
LOCAL_NM, LOCAL_PX = 2.0, 15  # square in which noise is alike; at least so many pixels
LEAST_WEIGHT, MOST_WEIGHT = 0.02, 25.0  # of a place, over that of the usual noise
# a spike stands alone: noise, share of it in its neighbours' mean; more of them are no spikes
SPIKE, SHARED, MOST_SPIKES = 6.0, 0.25, 1e-3
FAVOURED = 0.5  # spreads: a share that most columns of a kind deviate by


@dataclass(frozen=True)
class Weights:
    """What is known of columns of each kind at each pixel, made when it is asked for.

    Attributes
    ----------
    pixels : (Y, X, C) float32 array
        Weights of pixels.
    squares : (K, C) float32 array
        How much of a column each detector shows; they add up to 1.
    """

    pixels: np.ndarray
    squares: np.ndarray

    def __getitem__(self, k) -> np.ndarray:
        """Return the weights of a kind, (Y, X) float32."""
        return self.pixels @ self.squares[k]


@dataclass(frozen=True)
class Seen:
    """What one frame shows: its columns, and the filtered residual.

    Attributes
    ----------
    places : (n, 2) array
        Columns that are drawn and can be told of, y, x [px].
    kinds : (n,) array
    maps : (K, Y, X) float32 array
        Filtered residual: the share of a column of each kind by which the frame deviates anywhere.
    weights : Weights
        What is known of that: 1 where noise is as usual, less where there is more; over variance.
    atoms : (n, 2) array
        Those that stand out of the lattice.
    near_px : float
        How far around them nothing can be said of the lattice.
    every : (n, 2) array
        All columns that are drawn.
    """

    places: np.ndarray
    kinds: np.ndarray
    maps: np.ndarray
    weights: Weights
    atoms: np.ndarray
    near_px: float
    every: np.ndarray

    def at(self, places, kinds) -> tuple[np.ndarray, np.ndarray]:
        """Interpolate shares and weights at places (n, 2), each in the maps of its kind, (n,) each.

        The share is nan and the weight 0 outside of the frame, near atoms that stand out, and where
        nothing is known.
        """
        from scipy.ndimage import map_coordinates

        shares, weights = np.full(len(places), np.nan), np.zeros(len(places))
        for k in np.unique(kinds):
            of = kinds == k
            options = {"order": 1, "mode": "constant", "cval": np.nan}
            shares[of] = map_coordinates(self.maps[k], places[of].T, **options)
            weights[of] = map_coordinates(self.weights[k], places[of].T, order=1)
        told = np.isfinite(shares) & (weights > LEAST_WEIGHT)
        told &= ~is_near(places, self.atoms, self.near_px)
        return np.where(told, shares, np.nan), np.where(told, weights, 0.0)

    def of_kinds(self, told) -> Seen:
        """Return it with the columns of some kinds, (K,) bool, alone."""
        which = told[self.kinds]
        return replace(self, places=self.places[which], kinds=self.kinds[which])


@dataclass(frozen=True)
class Filter:
    """A matched filter for columns, and how it spreads where nothing deviates.

    Attributes
    ----------
    motifs : Motifs
    signs : tuple of int
    sigma : (C,) array
        Of the residual's pixels, in the frames' units.
    pixel_size_nm : float
    centre, spread : (K,) arrays
        Of the share of a column that one frame's residual shows, where noise is as usual.
    skew : (K,) array
        Its skewness.
    lattices : list of arrays
        Spots of those that lie over each other, see `lattices`; empty if columns are where they
        are drawn.
    """

    motifs: Motifs
    signs: tuple
    sigma: np.ndarray
    pixel_size_nm: float
    centre: np.ndarray
    spread: np.ndarray
    skew: np.ndarray
    lattices: list

    @classmethod
    def tried(cls, raws, denoised, signs, pixel_size_nm) -> list[Filter]:
        """Learn motifs from frames, (T, Y, X, C) each: a filter for each of `Motifs.tried`."""
        sigma = usual_noise(raws, denoised, pixel_size_nm)
        if not (sigma > 0).any():
            return []
        known = (tuple(signs), sigma, pixel_size_nm)
        pairs = [residual_of(r, d, sigma, pixel_size_nm) for r, d in zip(raws, denoised)]
        alive = [(weights > 0).any(axis=-1) for _, weights in pairs]
        scaled = [_scaled(d, sigma) for d in denoised]
        tried, lattices = _tried(scaled, signs, pixel_size_nm, alive)
        cubes = [((r * np.sqrt(w)) ** 3)[a].mean(axis=0) for (r, w), a in zip(pairs, alive)]
        cube, found = np.mean(cubes, axis=0), []
        for motifs in tried:
            skew, n = motifs.cubes @ cube / motifs.norms**3, len(motifs)
            found.append(cls(motifs, *known, np.zeros(n), np.ones(n), skew, lattices))
        return found

    def adjusted(self, seen) -> Filter:
        """Return it with the centre and spread of what it has seen of each kind."""
        centre, spread = np.zeros(len(self.motifs)), np.ones(len(self.motifs))
        found = [one.at(one.places, one.kinds) for one in seen]
        shares, weights = (np.concatenate(part) for part in zip(*found))
        kinds = np.concatenate([s.kinds for s in seen])
        for k in np.unique(kinds):
            of = (kinds == k) & (weights > 0)
            if not of.any():
                continue
            centre[k] = np.median(shares[of])
            apart = (shares[of] - centre[k]) * np.sqrt(weights[of])
            spread[k] = max(robust_spread(apart[:, None])[0], 1e-9)
        return replace(self, centre=centre, spread=spread)

    @property
    def fair(self) -> np.ndarray:
        """Kinds of columns that are drawn whatever their own noise is, (K,) bool.

        Where bumps of noise are drawn as columns, the residual is on their side, too, and says
        nothing of them.
        """
        return np.abs(self.centre) < FAVOURED * self.spread

    def residual(self, raw, denoised, drawn=None) -> tuple[np.ndarray, np.ndarray]:
        """Return that of a frame, and the weight of each pixel; see `residual_of`."""
        return residual_of(raw, denoised, self.sigma, self.pixel_size_nm, drawn)

    def shares(self, raw, denoised, drawn=None) -> tuple[np.ndarray, Weights]:
        """Return the share of a column by which a frame deviates, (K, Y, X), and its weights."""
        residual, pixels = self.residual(raw, denoised, drawn)
        residual *= pixels
        shares, residual = self.motifs.filtered(residual), None
        squares = self.motifs.squares
        weights = Weights(pixels, (squares / squares.sum(axis=1, keepdims=True)).astype(np.float32))
        for k, total in enumerate(squares.sum(axis=1)):
            known = weights[k]
            known *= np.float32(total)
            unknown = ~(known > 0)
            np.divide(shares[k], known, out=shares[k], where=~unknown)
            shares[k][unknown] = 0
        return shares, weights

    def columns(self, denoised) -> Columns:
        """Return the columns that a denoised frame (Y, X, C) draws."""
        scaled = _scaled(denoised, self.sigma)
        return _columns(scaled, self.signs, self.pixel_size_nm, self.lattices)

    def look(self, raw, denoised, columns, drawn=None) -> Seen:
        """Look at the residual of a frame, (Y, X, C) each, and at its columns."""
        maps, weights = self.shares(raw, denoised, drawn)
        y, x = np.rint(columns.places).astype(int).T
        columns = columns.some((weights.pixels[y, x] > 0).any(axis=-1))
        places, kinds = columns.places, self.motifs.kinds(columns.heights)
        # what stands out of a lattice was chosen by its height, and so in part by its noise
        stands_out = (kinds == 0) & self.motifs.apart
        atoms, near_px = places[stands_out], NEAR_NM / self.pixel_size_nm
        told = ~stands_out & (self.motifs.norms[kinds] > LEAST_NORM)
        told &= ~is_near(places, atoms, near_px)
        return Seen(places[told], kinds[told], maps, weights, atoms, near_px, places)

    def neighbours(self, places, kinds):
        """Return how much of each column's deviation its neighbours see: a sparse (n, n) matrix."""
        from scipy.sparse import csr_matrix
        from scipy.spatial import cKDTree

        reach = OVERLAPS_PX * self.motifs.widths[1]
        pairs = cKDTree(places).query_pairs(reach, output_type="ndarray").reshape(-1, 2)
        pairs = np.concatenate([pairs, pairs[:, ::-1]])
        distance = np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1)
        values = np.zeros(len(pairs))
        for a in range(len(self.motifs)):
            for b in range(len(self.motifs)):
                of = (kinds[pairs[:, 0]] == a) & (kinds[pairs[:, 1]] == b)
                overlap = self.motifs.overlap(a, b, distance[of])
                values[of] = overlap / self.motifs.norms[a] ** 2
        n = len(places)
        return csr_matrix((values, (pairs[:, 0], pairs[:, 1])), shape=(n, n))


def _tried(frames, signs, pixel_size_nm, alive):
    """Learn motifs from scaled frames, and say which lattices lie over each other in them.

    They do if the frames are rather the sums of the columns of each than of those that are drawn.
    """
    found, lattices = [], lattices_of([bright(f, signs) for f in frames], pixel_size_nm)
    for some in ([], lattices) if len(lattices) > 1 else ([],):
        columns = [_columns(frame, signs, pixel_size_nm, some) for frame in frames]
        if some and any(coincide(one, pixel_size_nm) for one in columns):
            continue
        tried = Motifs.tried(frames, columns, pixel_size_nm, alive)
        if tried and (not found or tried[0].share > found[0][0].share):
            found = [tried, some]
    return found or ([], [])


def _columns(frame, signs, pixel_size_nm, lattices):
    if lattices:
        return columns_of_layers(frame, signs, pixel_size_nm, lattices)
    places = columns_of(frame, signs, pixel_size_nm)
    return Columns(places, heights_at(frame, places))


def plain(z, skew) -> np.ndarray:
    """Return the numbers of standard deviations that are as unlikely for a normal distribution.

    What is skewed is taken to be a gamma distribution, as which sums of counts are. Where its tail
    is the shorter one nothing is changed.
    """
    from scipy.stats import gamma, norm

    z, skew = np.broadcast_arrays(np.asarray(z, float), np.clip(skew, -LARGEST_SKEW, LARGEST_SKEW))
    found, longer = z.copy(), (z * skew > 0) & (np.abs(skew) > LEAST_SKEW)
    shape = 4 / skew[longer] ** 2
    chance = gamma.logsf(shape + np.abs(z[longer]) * np.sqrt(shape), shape)
    normal = np.minimum(norm.isf(np.exp(np.maximum(chance, -600))), np.abs(z[longer]))
    found[longer] = np.sign(z[longer]) * np.clip(normal, 0, LARGEST_Z)
    return found


def local_px(pixel_size_nm: float) -> int:
    """Return the side of the square in which noise is taken to be alike [px], odd."""
    return 2 * (max(LOCAL_PX, round(LOCAL_NM / pixel_size_nm)) // 2) + 1


def usual_noise(raws, denoised, pixel_size_nm) -> np.ndarray:
    """Return the noise of each detector that half of the places exceed, (C,); 0 if it is constant.

    From mean squares, as medians see nothing of a few counts.
    """
    side, found = local_px(pixel_size_nm), []
    for raw, output in zip(raws, denoised):
        row = []
        for c in range(raw.shape[-1]):
            residual, alive = (
                (raw[..., c] - output[..., c]).astype(float),
                ~is_constant(raw[..., c]),
            )
            variance = _local_variance(residual, alive, side)[alive]
            row.append(np.median(variance) if variance.size else np.nan)
        found.append(row)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # constant in all of them
        return np.sqrt(np.nan_to_num(np.nanmedian(found, axis=0)))


def residual_of(raw, denoised, sigma, pixel_size_nm, drawn=None) -> tuple[np.ndarray, np.ndarray]:
    """Return raw - denoised of a frame, (Y, X, C) each, in units of the noise, and its weights.

    Spikes are taken out. A detector that is constant around a place counts nothing there. `drawn`,
    if it is given, returns what is to be added to the denoised frame.
    """
    # frames may be large: as few copies as can be
    residual = np.subtract(raw, denoised, dtype=np.float32)
    if drawn is not None:
        residual -= drawn()
    for c, one in enumerate(sigma):
        _divide(residual[..., c], one)
    _take_spikes_out(residual)
    weights, side = np.empty_like(residual), local_px(pixel_size_nm)
    for c in range(residual.shape[-1]):
        dead = is_constant(raw[..., c]) | (sigma[c] <= 0)
        variance = _local_variance(residual[..., c], ~dead, side)
        with np.errstate(divide="ignore"):
            np.divide(1, variance, out=variance)
        np.minimum(variance, MOST_WEIGHT, out=variance)
        variance[dead] = 0
        weights[..., c] = variance
    return residual, weights


def is_constant(image) -> np.ndarray:
    """Return where an image lies in a square of 15 px that does not change at all, (Y, X) bool."""
    from scipy.ndimage import maximum_filter, minimum_filter

    if np.count_nonzero(image[:, 1:] == image[:, :-1]) < LOCAL_PX * (LOCAL_PX - 1):
        return np.zeros(image.shape, bool)
    found = maximum_filter(image, LOCAL_PX) == minimum_filter(image, LOCAL_PX)
    return maximum_filter(found, LOCAL_PX) if found.any() else found


def _local_variance(residual, alive, side):
    """Mean square in the square around each pixel, of those that are alive."""
    from scipy.ndimage import uniform_filter

    squares = np.square(residual)
    squares[~alive] = 0
    uniform_filter(squares, side, output=squares, mode="reflect")
    np.maximum(squares, 0, out=squares)
    if alive.all():
        return squares
    share = uniform_filter(alive.astype(float), side, mode="reflect")
    return np.divide(squares, share, out=np.zeros_like(squares), where=share > 1e-9)


def _scaled(frame, sigma):
    """Divide by the noise; what has none becomes 0."""
    scaled = np.array(frame, np.float32)
    for c, one in enumerate(sigma):
        _divide(scaled[..., c], one)
    return scaled


def _divide(plane, sigma):
    """Divide a plane of float32, in place, in double precision; by nothing it becomes 0."""
    if sigma > 0:
        np.divide(plane, sigma, out=plane, dtype=np.float64, casting="same_kind")
    else:
        plane[...] = 0


def _take_spikes_out(residual):
    """Replace single pixels far out of the noise, (Y, X, C), by the mean of their neighbours."""
    y, x, c = np.nonzero((residual > SPIKE) | (residual < -SPIKE))
    around = ((-1, 0), (1, 0), (0, -1), (0, 1))
    beside = sum(residual[*_inside(residual, y + dy, x + dx), c] for dy, dx in around) / 4
    spikes = np.abs(beside) < SHARED * np.abs(residual[y, x, c])
    if spikes.sum() < MOST_SPIKES * residual.size:
        residual[y[spikes], x[spikes], c[spikes]] = beside[spikes]


def _inside(image, y, x):
    """Mirror places one pixel beyond the border back into an image."""
    return tuple(
        np.where(i < 0, -i, np.where(i >= n, 2 * (n - 1) - i, i)) % n
        for i, n in zip((y, x), image.shape)
    )


def is_near(places, others, distance) -> np.ndarray:
    """Return which places lie so near to others, (n,) bool."""
    from scipy.spatial import cKDTree

    if not len(others) or not len(places):
        return np.zeros(len(places), bool)
    return cKDTree(others).query(places)[0] < distance


def robust_spread(values) -> np.ndarray:
    """Return the standard deviation of the bulk of values, (n, C) -> (C,)."""
    apart = np.abs(values - np.median(values, axis=0))
    return np.median(apart, axis=0) / NORMAL_QUARTILE


def settled(shares, errors, overlaps, mean) -> tuple[np.ndarray, np.ndarray]:
    """Let each column know what its neighbours deviate by, until all agree.

    Parameters
    ----------
    shares, errors : (n,) arrays
        What is seen of each, neighbours' deviations included.
    overlaps : (n, n) matrix
        See `Filter.neighbours`.
    mean : callable
        ``mean(shares, errors)`` -> expected deviations.

    Returns
    -------
    own, expected : (n,) arrays
        What is seen of each alone, and what that makes of it.
    """
    expected = np.zeros(len(shares))
    for _ in range(N_ROUNDS):
        own = shares - overlaps @ expected
        expected += DAMPING * (mean(own, errors) - expected)
    return own, expected
