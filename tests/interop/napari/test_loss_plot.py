"""The plot of the losses: what the record says, the last epochs in full view."""

import numpy as np
import pytest
from napari_driving import widgets

from n2v_stem_keras.interop.napari.loss_plot import LossPlot

HISTORY = {
    "epoch": [0, 1, 2, 3],
    "loss": [9.0, 0.62, 0.61, 0.60],
    "val_loss": [9.5, 0.63, None, 0.61],
    "val_loss_se": [0.1, 0.01, None, 0.01],
}


@pytest.fixture
def plot(app):
    assert widgets.QApplication.instance() is app
    return LossPlot()


def lines(plot):
    return {line.get_label(): np.asarray(line.get_ydata(), float) for line in plot.axes.lines}


def test_lines_are_the_columns_of_the_record(plot):
    plot.show_history(HISTORY, 0.5, 0.02)
    found = lines(plot)
    assert np.array_equal(found["training"], HISTORY["loss"])
    assert np.array_equal(found["validation"], [9.5, 0.63, np.nan, 0.61], equal_nan=True)
    assert set(found["noise floor, ± 1 s.e."]) == {0.5}


def test_the_first_epochs_may_leave_the_plot_but_the_last_and_the_floor_do_not(plot):
    losses = [9.0, 2.0, *np.linspace(0.7, 0.6, 30)]
    plot.show_history({"epoch": list(range(32)), "loss": losses}, 0.5, 0.02)
    low, high = plot.axes.get_ylim()
    assert low < 0.5
    assert 0.7 < high < 2


def test_a_record_without_validation_has_no_line_for_it(plot):
    plot.show_history({"epoch": [0], "loss": [0.7]})
    assert list(lines(plot)) == ["training"]


def test_it_is_drawn_anew_each_time(plot):
    plot.show_history(HISTORY, 0.5)
    plot.show_history({})
    assert lines(plot) == {}
