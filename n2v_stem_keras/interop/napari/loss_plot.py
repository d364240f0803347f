"""The losses of a training over its epochs, with the floor that the noise sets."""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure

TRAINING, VALIDATION, FLOOR = "#4c78a8", "#e45756", "#555555"
HEADROOM = 0.25  # above the losses of the last epochs, in units of what is shown


class LossPlot(FigureCanvasQTAgg):
    """Training and validation loss, and the noise floor with its standard error."""

    def __init__(self):
        super().__init__(Figure(figsize=(3.4, 2.4), layout="constrained"))
        self.setMinimumSize(240, 190)
        self.axes = self.figure.add_subplot()
        self.show_history({})

    def show_history(self, history: dict, floor=None, floor_se=None) -> None:
        """Draw anew.

        Parameters
        ----------
        history : dict
            Columns ``epoch``, ``loss``, ``val_loss``, ``val_loss_se`` of a model's record; None
            where there is no value.
        floor, floor_se : float, optional
            Noise variance of the validation movies, and its standard error.
        """
        ax = self.axes
        ax.clear()
        epochs = np.asarray(history.get("epoch", []), float) + 1
        loss, held, error = (
            _column(history, name, len(epochs)) for name in ("loss", "val_loss", "val_loss_se")
        )
        if len(epochs):
            ax.plot(epochs, loss, ".-", color=TRAINING, label="training", linewidth=1)
        if np.isfinite(held).any():
            ax.plot(epochs, held, ".-", color=VALIDATION, label="validation", linewidth=1)
            ax.fill_between(
                epochs, held - error, held + error, color=VALIDATION, alpha=0.25, linewidth=0
            )
        if floor is not None:
            ax.axhline(
                floor, color=FLOOR, linestyle="--", linewidth=1, label="noise floor, ± 1 s.e."
            )
            if floor_se:
                band = (floor - floor_se, floor + floor_se)
                ax.axhspan(*band, color=FLOOR, alpha=0.15, linewidth=0)
        self._scale(epochs, np.concatenate([loss, held]), floor)
        ax.set_xlabel("epoch", fontsize=8)
        ax.set_ylabel("loss [variance]", fontsize=8)
        ax.tick_params(labelsize=7)
        ax.ticklabel_format(axis="y", useOffset=False)
        ax.xaxis.get_major_locator().set_params(integer=True)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize=7, loc="upper right", frameon=False)
        self.draw_idle()

    def _scale(self, epochs, losses, floor):
        """Show the last epochs well: the first ones, which are far above, may leave the plot."""
        losses = losses[np.isfinite(losses)]
        if not len(losses):
            return
        low = losses.min() if floor is None else min(losses.min(), floor)
        # half of the epochs' losses, and at least those of the last ones, lie in the lower half
        high = max(np.median(losses) + (np.median(losses) - low), np.quantile(losses, 0.9))
        room = max(high - low, 1e-3 * abs(low)) * HEADROOM
        self.axes.set_ylim(low - 0.4 * room, high + room)
        self.axes.set_xlim(0.5, max(epochs.max() + 0.5, 5.5))


def _column(history: dict, name: str, length: int) -> np.ndarray:
    """Return a column of a history; NaN where there is no value."""
    return np.array(history.get(name) or [None] * length, float)
