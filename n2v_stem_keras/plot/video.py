"""A movie before and after denoising, side by side, as MP4 (H.264, which any player shows).

Encoded by the ffmpeg that imageio-ffmpeg brings (extra ``movie``), a program of its own. One row
per detector, on the scale of the still pictures: fixed over the movie, the same before and after.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from ..atomic import atomic
from ..noise.margins import without_margins
from .canvas import bar_length_nm
from .frames import display_range

SHOWN_PX = 512  # of larger frames the centre is shown, pixel by pixel, as averages hide noise
PANEL_PX = 480  # smaller frames are enlarged by whole numbers to about this size
GAP_PX = 4
RANGED = 8  # frames that set the range of intensities
INSTALL = 'pip install "n2v_stem_keras[movie]"'


def before_after_video(path, before, after, sqrt=None, fps: float = 10.0, progress=None) -> Path:
    """Write a movie before and after denoising.

    Parameters
    ----------
    path : path-like
        MP4 to write; it appears whole or not at all.
    before, after : io.Movie
        The noisy and the denoised movie, of one shape; separate movies (S) follow one another.
    sqrt : sequence of bool, optional
        Per detector, whether it is drawn on a square-root scale (bright atoms on a dark ground).
    fps : float
        Frames shown per second.
    progress : callable, optional
        Called after each frame.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ImportError
        imageio or its ffmpeg is not installed.
    ValueError
        The movies differ in shape.
    OSError
        The file cannot be encoded or written.
    """
    path = Path(path)
    found, expected = _size(before), _size(after)
    if found != expected:
        raise ValueError(f"before is {found} (S, T, C, Y, X), after {expected}; expected the same")
    check_installed()
    sqrt = [False] * after.n_detectors if sqrt is None else list(sqrt)
    ranges = _ranges(after, sqrt)
    draw = _Drawing(after)
    with atomic(path) as temporary, _encoder(temporary, fps) as encoder:
        for s in range(after.n_series):
            for t in range(after.n_frames):
                pair = before.frame(s, t), after.frame(s, t)
                encoder.append_data(draw(pair, ranges, sqrt, s, t))
                if progress:
                    progress()
    return path


def _size(movie) -> tuple[int, ...]:
    return movie.n_series, movie.n_frames, movie.n_detectors, *movie.frame_shape


def check_installed() -> None:
    """Raise ImportError, with the line that installs them, if imageio or its ffmpeg is missing."""
    try:
        import imageio  # noqa: F401
        import imageio_ffmpeg  # noqa: F401
    except ImportError as error:
        raise ImportError(f"writing MP4 needs {error.name}; install it: {INSTALL}") from error


def _encoder(path: Path, fps: float):
    """Return imageio's writer of H.264."""
    from imageio.v2 import get_writer

    return get_writer(
        path, format="FFMPEG", mode="I", fps=fps, codec="libx264", quality=8, macro_block_size=2
    )


def _ranges(movie, sqrt) -> list[tuple[float, float]]:
    """Return black and white of each detector, from a few frames of the denoised movie."""
    numbers = np.unique(np.linspace(0, movie.n_series * movie.n_frames - 1, RANGED).astype(int))
    frames = [movie.frame(*divmod(int(n), movie.n_frames)) for n in numbers]
    frames = np.concatenate([without_margins(frame) for frame in frames])  # (T*Y, X, C)
    return [display_range(frames[..., c], square) for c, square in enumerate(sqrt)]


class _Drawing:
    """Draws one frame of the video."""

    def __init__(self, movie):
        from matplotlib import font_manager
        from PIL import ImageFont

        self.movie = movie
        height, width = (min(n, SHOWN_PX) for n in movie.frame_shape)
        top, left = ((n - m) // 2 for n, m in zip(movie.frame_shape, (height, width)))
        self.window = slice(top, top + height), slice(left, left + width)
        self.zoom = max(1, PANEL_PX // max(height, width))
        self.panel = height * self.zoom, width * self.zoom
        name = font_manager.findfont("DejaVu Sans")
        self.font = ImageFont.truetype(name, max(10, min(18, self.panel[1] // 24)))

    def __call__(self, pair, ranges, sqrt, s: int, t: int) -> np.ndarray:
        """Return (Y, X, 3) uint8 of even size."""
        from PIL import Image, ImageDraw

        height, width = self.panel
        n_rows = self.movie.n_detectors
        size = n_rows * height + (n_rows - 1) * GAP_PX, 2 * width + GAP_PX
        canvas = np.zeros([n + n % 2 for n in size], np.uint8)
        for c in range(n_rows):
            y = c * (height + GAP_PX)
            for x, frame in zip((0, width + GAP_PX), pair):
                shown = frame[self.window][..., c]
                shown = np.where(np.isnan(shown), ranges[c][0], shown)  # margins
                grey = _grey(shown, *ranges[c], sqrt[c])
                canvas[y : y + height, x : x + width] = grey.repeat(self.zoom, 0).repeat(
                    self.zoom, 1
                )
        image = Image.fromarray(canvas).convert("RGB")
        self._annotate(ImageDraw.Draw(image), s, t)
        return np.asarray(image)

    def _annotate(self, draw, s: int, t: int) -> None:
        """Write detectors, what is before and after, the time, and a scale bar."""
        movie, (height, width) = self.movie, self.panel
        names = movie.detectors or [""] * movie.n_detectors
        write = functools.partial(self._write, draw)
        for c, name in enumerate(names):
            write((6, c * (height + GAP_PX) + 4), f"{name} noisy".strip())
        write((width + GAP_PX + 6, 4), "denoised")
        when = f"frame {t}"
        if movie.frame_time_s is not None:
            when += f", {t * movie.frame_time_s:.4g} s"
        if movie.n_series > 1:
            when = f"movie {s + 1} of {movie.n_series}, {when}"
        write((2 * width + GAP_PX - 6, 4), when, anchor="ra")
        if movie.pixel_size_nm:
            shown_nm = width / self.zoom * movie.pixel_size_nm
            bar_nm = bar_length_nm(shown_nm)
            length, y = bar_nm / shown_nm * width, height - 10
            draw.rectangle((8, y - 5, 12 + length, y + 1), fill="black")
            draw.rectangle((10, y - 3, 10 + length, y - 1), fill="white")
            write((11, y - 10), f"{bar_nm:g} nm", anchor="lb")

    def _write(self, draw, place, text: str, anchor: str = "la") -> None:
        """Write white on black, which reads on noise of any kind."""
        if text:
            left, top, right, bottom = draw.textbbox(place, text, self.font, anchor)
            draw.rectangle((left - 3, top - 3, right + 3, bottom + 3), fill="black")
            draw.text(place, text, "white", self.font, anchor)


def _grey(image, low: float, high: float, sqrt: bool) -> np.ndarray:
    """Return an image (Y, X) as uint8 on a linear or square-root scale."""
    scaled = np.clip((np.asarray(image, np.float64) - low) / (high - low), 0, 1)
    return np.rint(255 * (np.sqrt(scaled) if sqrt else scaled)).astype(np.uint8)
