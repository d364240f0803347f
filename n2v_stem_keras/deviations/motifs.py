"""Columns of atoms: of how many kinds they are, and what one looks like.

A column that is missing, or is another, changes the frame by its own image. In a crystal the images
of neighbours overlap, so that of one alone is not to be seen; but all columns of a kind look alike,
and a frame is the sum of theirs. So it is found by least squares: a few Gaussians about each column
in each detector, the same for all of a kind (`Motifs.tried`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .columns import bands

WIDTHS_NM = (0.032, 0.04, 0.05, 0.0625, 0.078, 0.098)  # tried for the narrowest Gaussian [nm]
RATIOS = (1.0, 1.6, 2.56)  # widths of the Gaussians of a motif, over the narrowest
# keep apart what a lattice cannot tell apart; where columns are many and not all found, more must
RIDGES = (3e-3, 0.1)
LEAST_SHARE = 1e-3  # of a column, below which it shows nothing of its image
DOUBTED = 0.5  # error of a motif that the lattice shows, over its largest weight
LEAST_PX, REACH = 0.6, 3.5  # no Gaussian is narrower [px]; where it ends [its width]
# a further kind must leave less than this of the variance of heights; less of it makes none
MOST_KINDS, SPLIT, ALIKE = 3, 0.3, 0.01
FEWEST = 12  # columns of a kind
AT_ONCE = 20_000  # columns that are drawn together
# what stands out of a lattice: at most such a share, so many ranges of the others away from them
TAIL, OUTLIER, LEAST_BULK = 0.05, 2.0, 0.05


def kinds_of(heights) -> tuple[np.ndarray, bool]:
    """Sort columns into kinds by their heights, (n, F).

    Returns
    -------
    kinds : (n,) int array
        0 for the brightest, and so on.
    apart : bool
        Whether those of kind 0 are atoms that stand out of a lattice. They are few, and of any
        height; the others are of one to three kinds.
    """
    low, middle, high = np.quantile(heights, (TAIL, 0.5, 1 - TAIL), axis=0)
    # equal columns differ by hardly anything
    bulk = np.maximum(high - low, LEAST_BULK * np.abs(middle - heights.min(axis=0)))
    apart = (heights > high + OUTLIER * bulk) | (heights < low - OUTLIER * bulk)
    apart = apart.any(axis=1)
    if apart.sum() < FEWEST:
        apart[:] = False
    kinds = np.zeros(len(heights), int)
    kinds[~apart] = apart.any() + _ordered(_clustered(heights[~apart]), heights[~apart])
    return kinds, bool(apart.any())


def _ordered(kinds, heights):
    """Give the brightest the lowest number."""
    order = np.argsort([-heights[kinds == k, 0].mean() for k in range(kinds.max() + 1)])
    return np.argsort(order)[kinds]


def _clustered(heights):
    """Split heights into as many clusters as there are, (n,)."""
    from scipy.cluster.vq import ClusterError, kmeans2

    scaled = heights / heights.std(axis=0).clip(1e-12)
    kinds = np.zeros(len(heights), int)
    left = ((scaled - scaled.mean(0)) ** 2).sum()
    for k in range(2, MOST_KINDS + 1):
        if left < ALIKE * scaled.size:
            break
        # centres begin along the direction in which heights differ most
        centred = scaled - scaled.mean(0)
        along = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
        steps = np.quantile(along, (np.arange(k) + 0.5) / k)
        begin = scaled[[np.abs(along - s).argmin() for s in steps]]
        try:
            centres, tried = kmeans2(scaled, begin, minit="matrix", iter=30, missing="raise")
        except ClusterError:  # there are not as many
            break
        remains = ((scaled - centres[tried]) ** 2).sum()
        if np.bincount(tried, minlength=k).min() < FEWEST or remains > SPLIT * left:
            break
        kinds, left = tried, remains
    return kinds


@dataclass(frozen=True)
class Motifs:
    """Images of single columns, one of each kind, as sums of Gaussians.

    Attributes
    ----------
    widths : (G,) array
        Of the Gaussians, their sigma [px].
    weights : (K, C, G) array
        Of each kind in each detector, in units of the noise of the raw pixels.
    heights : (K, F) array
        Of a column in the denoised frame, by which a kind is told [sigma], see `Columns`.
    share : float
        How much of the variance of the frame they explain.
    apart : bool
        Whether kind 0 are atoms that stand out of a lattice.
    """

    widths: np.ndarray
    weights: np.ndarray
    heights: np.ndarray
    share: float
    apart: bool

    @classmethod
    def tried(cls, frames, columns, pixel_size_nm: float, alive=None) -> list[Motifs]:
        """Learn them from denoised frames in units of the raw noise, (T, Y, X, C).

        `columns`, a list of `Columns`, are those of each. They count where `alive`, (T, Y, X) bool,
        if it is given. Returns those of each of `RIDGES`, none where there are no columns.
        """
        if alive is not None:
            nearest = (np.rint(one.places).astype(int).T for one in columns)
            columns = [one.some(a[y, x]) for one, a, (y, x) in zip(columns, alive, nearest)]
        places, heights = ([getattr(c, name) for c in columns] for name in ("places", "heights"))
        together = np.concatenate(heights)
        if len(together) < FEWEST:
            return []
        kinds, apart = kinds_of(together)
        split = np.split(kinds, np.cumsum([len(h) for h in heights])[:-1])
        narrowest = [w / pixel_size_nm for w in WIDTHS_NM if w / pixel_size_nm >= LEAST_PX]
        narrowest = narrowest or [LEAST_PX]
        means = np.array([together[kinds == k].mean(axis=0) for k in range(kinds.max() + 1)])
        stamps = [
            [stamped(p[k == kind], np.ones((k == kind).sum()), frame.shape[:2], narrowest[0])
             for kind in range(len(means))]
            for frame, p, k in zip(frames, places, split)
        ]  # fmt: skip
        best = [None] * len(RIDGES)
        for narrow in narrowest:
            widths = narrow * np.array(RATIOS)
            solved = _solve(frames, stamps, narrowest[0], widths, alive)
            for i, (weights, share) in enumerate(solved):
                if best[i] is None or share > best[i].share:
                    best[i] = cls(widths, weights, means, share, apart)
        return best

    def __len__(self):
        return len(self.weights)

    def kinds(self, heights) -> np.ndarray:
        """Return the kind of each column by its heights, (n, F) -> (n,)."""
        apart = ((heights[:, None] - self.heights) ** 2).sum(-1)
        return apart.argmin(axis=1)

    @property
    def squares(self) -> np.ndarray:
        """Square of the signal-to-noise ratio of a whole column in each detector, (K, C)."""
        s, t = self.widths[:, None] ** 2, self.widths**2
        products = 2 * np.pi * s * t / (s + t)
        return np.einsum("kcg,gh,kch->kc", self.weights, products, self.weights)

    @property
    def cubes(self) -> np.ndarray:
        """Sum of the cube of a whole column in each detector, (K, C)."""
        one = 1 / self.widths**2
        products = 2 * np.pi / (one[:, None, None] + one[:, None] + one)
        return np.einsum("kcg,kch,kci,ghi->kc", self.weights, self.weights, self.weights, products)

    @property
    def norms(self) -> np.ndarray:
        """Signal-to-noise ratio of a whole column in one frame, of each kind, (K,)."""
        return np.sqrt(self.squares.sum(axis=1))

    def overlap(self, a: int, b: int, distance) -> np.ndarray:
        """Return the inner product of two columns some px apart, over all detectors."""
        s, t = self.widths[:, None] ** 2, self.widths**2
        d = np.asarray(distance)[:, None, None]
        products = 2 * np.pi * s * t / (s + t) * np.exp(-(d**2) / (2 * (s + t)))
        weights = self.weights[a].T @ self.weights[b]
        return (products * weights).sum(axis=(1, 2))

    def filtered(self, images) -> np.ndarray:
        """Correlate images, (Y, X, C) in units of the noise, with each kind: (K, Y, X)."""
        from scipy.ndimage import gaussian_filter

        found = np.zeros((len(self), *images.shape[:2]), np.float32)
        beyond = int(REACH * self.widths.max()) + 1
        for first, last in bands(len(images)):
            top = max(0, first - beyond)
            for c in range(images.shape[-1]):
                part = np.ascontiguousarray(images[top : last + beyond, :, c])
                for g, width in enumerate(self.widths):
                    blurred = gaussian_filter(
                        part, width, mode="constant", truncate=REACH, output=np.float32
                    )
                    blurred = blurred[first - top :][: last - first]
                    blurred *= np.float32(2 * np.pi * width**2)
                    for image, weight in zip(found, self.weights[:, c, g].astype(np.float32)):
                        image[first:last] += weight * blurred
        return found

    def refined(self, residuals, deviations) -> Motifs:
        """Return them as the columns that deviate show them.

        What a lattice cannot tell of one column, one that is missing shows. What is brighter may be
        something else, and tells nothing.

        Parameters
        ----------
        residuals : iterable of (Y, X, C) arrays
            In units of the noise.
        deviations : iterable of (places, kinds, shares, squares)
            Of each: expected shares of columns, and expected squares of them.
        """
        n_g = len(self.widths)
        normal = np.zeros((len(self), n_g, n_g))
        right = np.zeros((len(self), n_g, self.weights.shape[1]))
        for residual, (places, kinds, shares, squares) in zip(residuals, deviations):
            shape = residual.shape[:2]
            missing = shares < -LEAST_SHARE
            for k in np.unique(kinds[missing]):
                of = (kinds == k) & missing
                images = [stamped(places[of], shares[of], shape, w) for w in self.widths]
                # what is in doubt is expected to be less than it is, if it is
                certain = (shares[of] ** 2).sum() / max(squares[of].sum(), 1e-12)
                for first, last in bands(shape[0]):
                    basis = np.stack([image[first:last].ravel() for image in images]).astype(float)
                    normal[k] += basis @ basis.T / max(certain, 1e-6)
                    right[k] += basis @ residual[first:last].reshape(-1, residual.shape[-1])
        weights, squares = self.weights.copy(), self.widths**2
        products = 2 * np.pi * np.outer(squares, squares) / np.add.outer(squares, squares)
        for k, before in enumerate(self.weights):
            known = np.eye(n_g) / (DOUBTED * np.abs(before).max()) ** 2
            found = np.linalg.solve(normal[k] + known, right[k] + known @ before.T).T
            # as high as the lattice's, so that shares stay shares of a column
            lattice = np.einsum("cg,gh,ch->", before, products, before)
            seen = np.einsum("cg,gh,ch->", found, products, before)
            weights[k] = found * (lattice / seen if seen > lattice / 4 else 1.0)
        return replace(self, weights=weights)

    def drawn(self, places, kinds, shares, shape) -> np.ndarray:
        """Draw columns at places, each times its share: (Y, X, C) in units of the noise."""
        image = np.zeros(shape, np.float32)
        for k in np.unique(kinds):
            of = kinds == k
            for g, width in enumerate(self.widths):
                plane = stamped(places[of], shares[of], shape[:2], width)
                for c, weight in enumerate(self.weights[k, :, g].astype(np.float32)):
                    image[..., c] += plane * weight
        return image


def stamped(places, heights, shape, width) -> np.ndarray:
    """Sum Gaussians of a width at places (n, 2): (Y, X) float32."""
    reach = int(np.ceil(REACH * width))
    offsets, image = np.arange(-reach, reach + 1), np.empty(shape, np.float32)
    heights, rows = np.asarray(heights), np.rint(places[:, 0])
    for first, last in bands(shape[0]):
        part = np.zeros((last - first) * shape[1])
        here = np.flatnonzero((rows >= first - reach) & (rows < last + reach))
        for start in range(0, len(here), AT_ONCE):
            some = here[start : start + AT_ONCE]
            size = last - first, shape[1]
            _stamp(part, places[some] - np.array([first, 0]), heights[some], size, width, offsets)
        image[first:last] = part.reshape(-1, shape[1])
    return image


def _stamp(image, places, heights, shape, width, offsets):
    """Add to an image (Y * X,)."""
    nearest = np.rint(places).astype(int)
    rows, columns = (nearest[:, i, None] + offsets for i in (0, 1))
    gy, gx = (
        np.exp(-((n - places[:, i, None]) ** 2) / (2 * width**2))
        for i, n in enumerate((rows, columns))
    )
    gy = np.where((rows >= 0) & (rows < shape[0]), gy, 0) * heights[:, None]
    gx = np.where((columns >= 0) & (columns < shape[1]), gx, 0)
    rows, columns = rows.clip(0, shape[0] - 1), columns.clip(0, shape[1] - 1)
    where = rows[:, :, None] * shape[1] + columns[:, None, :]
    values = gy[:, :, None] * gx[:, None, :]
    np.add(image, np.bincount(where.ravel(), values.ravel(), minlength=len(image)), out=image)


def _broader(image, before, after):
    """Turn Gaussians of one width into such of another, of the same height."""
    from scipy.ndimage import gaussian_filter

    if after <= before:
        return image
    blurred = gaussian_filter(image, np.sqrt(after**2 - before**2), mode="constant")
    return blurred * np.float32((after / before) ** 2)


def _solve(frames, stamps, narrowest, widths, alive):
    """Fit the weights of all Gaussians, (K, C, G), and how much of the variance they explain.

    With each of `RIDGES`. `stamps` has, for each frame, an image of the columns of each kind, as
    Gaussians of the narrowest width.
    """
    n_kinds, n_g, n_c = len(stamps[0]), len(widths), frames[0].shape[-1]
    n = n_kinds * n_g
    normal, right = np.zeros((n + 1, n + 1)), np.zeros((n + 1, n_c))
    squares, sums, number = np.zeros(n_c), np.zeros(n_c), 0
    for frame, images, there in zip(frames, stamps, alive or [None] * len(frames)):
        shape = frame.shape[:2]
        rim = min(int(REACH * widths[-1]) + 1, min(shape) // 4)  # columns beyond it are not seen
        inner = np.s_[rim : shape[0] - rim, rim : shape[1] - rim]
        basis = [np.ones(shape, np.float32)]
        basis += [_broader(image, narrowest, w) for image in images for w in widths]
        basis = np.stack([b[inner].ravel() for b in basis]).astype(float)
        values = frame[inner].reshape(-1, n_c).astype(float)
        if there is not None:
            basis, values = basis[:, there[inner].ravel()], values[there[inner].ravel()]
        normal += basis @ basis.T
        right += basis @ values
        squares, sums = squares + (values**2).sum(0), sums + values.sum(0)
        number += len(values)
    solved = []
    for ridge in RIDGES:
        penalty = ridge * np.diag(normal)
        penalty[0] = 0
        found = np.linalg.solve(normal + np.diag(penalty + 1e-9), right)
        errors = squares - 2 * (found * right).sum(0) + (found * (normal @ found)).sum(0)
        share = 1 - errors.sum() / (squares - sums**2 / number).sum()
        weights = found[1:].reshape(n_kinds, n_g, n_c).transpose(0, 2, 1)
        solved.append((weights, float(share)))
    return solved
