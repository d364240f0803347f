"""What Keras tells of a training, for `work.train`."""

from __future__ import annotations

import keras


class TrainingWatch(keras.callbacks.Callback):
    """Report steps and epochs; stop where the user asks, as Ctrl-C does on the command line.

    Parameters
    ----------
    record : dict
        Record of the model that is trained; holds the noise floor.
    report : child.RemoteReport
        Shown ``(history, floor, floor_se)`` at the start and after each epoch.
    """

    def __init__(self, record: dict, report):
        super().__init__()
        self.record, self.report = record, report
        self.began = False
        self._first = self._done = 0

    def on_train_begin(self, logs=None):
        """Show what is known before the first epoch: the floor, and earlier epochs."""
        self.began = True
        self._first = len(self.record["history"].get("epoch", []))
        self._run = self.record["runs"][-1]
        self._n_epochs = self._run["first_epoch"] + self._run["epochs"] - self._first
        self._show()

    def on_train_batch_end(self, batch, logs=None):
        """Say how far it is."""
        n_steps = self._run["steps_per_epoch"]
        last = self._first + self._n_epochs
        text = f"Epoch {self._first + self._done // n_steps + 1} of {last}"
        self._done += 1
        if logs:
            text += f", loss {logs['loss']:.4f}"
        self.report.progress(text, self._done, n_steps * self._n_epochs)

    def on_test_batch_end(self, batch, logs=None):
        """Stop while it validates, too."""
        self.report.check()

    def on_epoch_end(self, epoch, logs=None):
        """Show the losses."""
        self._show()

    def _show(self):
        history = {key: list(column) for key, column in self.record["history"].items()}
        self.report.show((history, self._run["noise_floor"], self._run["noise_floor_se"]))
