"""What is shown of a movie that was denoised: pictures, a film, and how far peaks stand out."""

import numpy as np

from ..atoms import sign_of
from ..counting import counted
from ..metrics import peak_gain, telling_window
from ..noise.margins import inside, without_margins
from ..progress import FrameProgress
from . import options
from .wording import first_sentence

SHOWN_PX = 200  # side of the part that the picture shows: single atoms can be judged
N_MEASURED = 12  # frames in which peaks are measured, about


def _within(window, place):
    """Return a window of a frame as one of what lies inside its margins; None if it shows none."""
    found = tuple(
        slice(max(w.start, p.start) - p.start, min(w.stop, p.stop) - p.start)
        for w, p in zip(window, place)
    )
    return found if all(s.start < s.stop for s in found) else None


class Shown:
    """A movie that is looked at while it is denoised.

    Parameters
    ----------
    args : argparse.Namespace
    movie : io.Movie
    names : sequence of str
        Its detectors that are denoised.

    Raises
    ------
    UsageError
        ``--crop`` or ``--frame`` names what the movie does not have.
    """

    def __init__(self, args, movie, names):
        self.args, self.movie, self.names = args, movie, names
        crop = options.parse_crop(args.crop)
        self.crop = options.crop_of(crop, movie.frame_shape, movie.name)
        self.wanted = self._numbers_shown()
        self.best = None  # the picture: score, (s, t), raw and denoised frame, window of it
        self.gain = [[] for _ in names]

    def _numbers_shown(self):
        """Return the numbers of the frames that the picture may show; None leaves it to us."""
        movie, wanted = self.movie, self.args.frame
        if wanted is None:
            return None
        counted = "T" if "T" in movie.axes else "S"
        places = {(s, t): movie.place_in_file(s, t)["ST".index(counted)]
                  for s in range(movie.n_series) for t in range(movie.n_frames)}  # fmt: skip
        found = {s * movie.n_frames + t for (s, t), place in places.items() if place == wanted}
        if not found:
            last = max(places.values())
            raise options.UsageError(
                f"--frame {wanted}: {movie.name} has frames {min(places.values())} to {last} here"
            )
        return found

    def is_looked_at(self, number: int) -> bool:
        """Return whether a frame may be shown or measured."""
        return self._is_measured(number) or number in (self.wanted or ())

    def _is_measured(self, number: int) -> bool:
        stride = max(1, self.movie.n_series * self.movie.n_frames // N_MEASURED)
        return number % stride == 0

    def look(self, s, t, raw, denoised):
        """Measure peaks in a few frames, and keep the one that differs most from its lattice."""
        number, size = s * self.movie.n_frames + t, self.movie.pixel_size_nm
        place, crop = inside(raw), self.crop
        if place is not None:
            raw, denoised = raw[place], denoised[place]
            crop = _within(crop, place) if crop else None
        if self._is_measured(number):
            for c, name in enumerate(self.names):
                dark = sign_of(name) < 0
                self.gain[c].append(peak_gain(raw[..., c], denoised[..., c], dark, size))
        if number not in self.wanted if self.wanted else not self._is_measured(number):
            return
        window, score = telling_window(denoised[..., 0], SHOWN_PX, size)
        if self.best is None or score > self.best[0]:
            self.best = score, (s, t), raw, denoised, crop or window

    def report(self):
        """Print the signal-to-noise ratio of peaks before and after."""
        for name, gains in zip(self.names, self.gain):
            gains = [gain for gain in gains if gain is not None]
            if gains:
                before, after, n_peaks = np.array(gains).T
                kind = "dip" if sign_of(name) < 0 else "peak"
                weights = n_peaks / n_peaks.sum()
                options.say(
                    self.args,
                    f"{name}: SNR of {counted(int(n_peaks.sum()), kind)} in "
                    f"{counted(len(gains), 'frame')} "
                    f"{before @ weights:.1f} -> {after @ weights:.1f} "
                    "(height above the mean local background over its rms)",
                )

    def draw(self, path, model_name: str, doubts) -> None:
        """Draw the frame before and after, with the doubts about it."""
        from ..plot import column_figure

        _, (s, t), raw, denoised, window = self.best
        # the same line in all detectors: through what stands out most in the first, not at its rim
        part = denoised[window][..., 0]
        inner = tuple(slice(n // 10, n - n // 10) for n in part.shape)
        peak = np.argmax(sign_of(self.names[0]) * part[inner])
        y = inner[0].start + int(np.unravel_index(peak, part[inner].shape)[0])
        rows = [
            {
                "name": name,
                "noisy": raw[..., c],
                "denoised": denoised[..., c],
                "window": window,
                "sqrt": sign_of(name) > 0,
                "profile_y": y,
            }
            for c, name in enumerate(self.names)
        ]
        number = self.movie.place_in_file(s, t)
        where = f", movie {number[0]}" if "S" in self.movie.axes else ""
        where += f", frame {number[1]}" if self.movie.n_frames > 1 else ""
        column_figure(
            path,
            rows,
            pixel_size_nm=self.movie.pixel_size_nm,
            width_mm=self.args.picture_width,
            title=f"{self.movie.name}{where}, model {model_name}",
            banner=" | ".join(first_sentence(text) for text in doubts),
        )
        options.say(self.args, f"Wrote {path}")

    def film(self, path, before, after) -> None:
        """Film the movie before and after."""
        from ..plot import before_after_video

        progress = FrameProgress("Filming", after.n_series * after.n_frames, not self.args.quiet)
        sqrt = [sign_of(name) > 0 for name in self.names]
        fps = options.positive(self.args.fps)
        before_after_video(path, before, after, sqrt, fps, progress.step)
        progress.close()
        options.say(self.args, f"Wrote {path}")

    def mark(self, path, table, before, after) -> None:
        """Draw the frame with most deviations, before and after, with marks."""
        from ..plot.deviations import deviations_on_frame

        place = ["movie", "frame"] if "movie" in table.columns else ["frame"]
        busiest = table.groupby(place).size().idxmax() if len(table) else (0,) * len(place)
        busiest = busiest if isinstance(busiest, tuple) else (busiest,)
        s, t = (0, *busiest)[-2:]
        here = table[(table[place] == np.array(busiest)).all(axis=1)]
        frames = (np.asarray(movie.frame(s, t), np.float32) for movie in (before, after))
        number = self.movie.place_in_file(s, t)[1]
        deviations_on_frame(
            path,
            *map(without_margins, frames),
            here,
            self.names,
            pixel_size_nm=self.movie.pixel_size_nm,
            title=f"{self.movie.name}, frame {number}: what the network alone leaves out",
        )
        options.say(self.args, f"Wrote {path}")
