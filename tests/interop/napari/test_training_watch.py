"""What the viewer hears of a training: steps of all epochs, losses, and where to stop."""

import copy

import pytest

from n2v_stem_keras.interop.napari.messages import Stopped
from n2v_stem_keras.interop.napari.training_watch import TrainingWatch


class Report:
    """Keeps what it is told."""

    def __init__(self):
        self.said, self.shown, self.stopped = [], [], False

    def progress(self, text, done, total):
        self.said.append((text, done, total))

    def show(self, thing):
        self.shown.append(thing)

    def check(self):
        if self.stopped:
            raise Stopped


def record(epochs_before, first_epoch=0, epochs=2):
    run = {"first_epoch": first_epoch, "epochs": epochs, "steps_per_epoch": 3}
    run |= {"noise_floor": 0.5, "noise_floor_se": 0.01}
    return {"history": {"epoch": list(range(epochs_before))}, "runs": [run]}


def test_steps_are_counted_over_all_epochs():
    watch, report = None, Report()
    watch = TrainingWatch(record(0), report)
    assert not watch.began
    watch.on_train_begin()
    assert watch.began
    for step in range(6):
        watch.on_train_batch_end(step % 3, {"loss": 0.25})
    assert report.said[0] == ("Epoch 1 of 2, loss 0.2500", 1, 6)
    assert report.said[3:] == [("Epoch 2 of 2, loss 0.2500", n, 6) for n in (4, 5, 6)]


@pytest.mark.parametrize(
    ("before", "first_epoch", "epochs", "said"),
    [
        (1, 0, 3, ("Epoch 2 of 3", 1, 6)),  # resumed after one of three
        (4, 4, 2, ("Epoch 5 of 6", 1, 6)),  # a second run
    ],
)
def test_a_training_that_goes_on_counts_from_where_it_was(before, first_epoch, epochs, said):
    report = Report()
    watch = TrainingWatch(record(before, first_epoch, epochs), report)
    watch.on_train_begin()
    watch.on_train_batch_end(0)
    assert report.said == [said]


def test_losses_that_were_shown_do_not_change_any_more():
    known, report = record(0), Report()
    watch = TrainingWatch(known, report)
    watch.on_train_begin()
    known["history"] |= {"epoch": [0], "loss": [0.9]}
    watch.on_epoch_end(0)
    before = copy.deepcopy(report.shown)
    known["history"]["loss"].append(0.8)
    assert report.shown == before
    assert before == [({"epoch": []}, 0.5, 0.01), ({"epoch": [0], "loss": [0.9]}, 0.5, 0.01)]


def test_a_stop_is_heard_while_it_validates():
    report = Report()
    watch = TrainingWatch(record(0), report)
    watch.on_test_batch_end(0)
    report.stopped = True
    with pytest.raises(Stopped):
        watch.on_test_batch_end(1)
