"""The model card and where the ready-made models lie."""

from n2v_stem_keras.folder import card


class Model:
    name = "au"

    class keras_model:
        @staticmethod
        def count_params():
            return 1234567

    def __init__(self, config, **run):
        self.config = config
        movie = {
            "name": "scan", "shape_TYXC": [12, 256, 128, 2], "pixel_size_nm": 0.046,
            "noise_to_sd": [0.9, 0.8], "noise_lag1_x": [0.11, 0.0], "noise_lag1_y": [0.0, -0.01],
        }  # fmt: skip
        defaults = {
            "epochs": 3, "steps_per_epoch": 7, "seed": 5, "seconds": 90.0, "training_frames": 10,
            "transfer_from": None, "noise_floor": 0.5, "best": {"epoch": 2, "val_loss": 0.52},
            "movies": [dict(movie) for _ in range(25)],
        }  # fmt: skip
        self.record = {"runs": [{**defaults, **run}], "history": {"loss": [0.6], "epoch": [0]}}


def test_the_card_says_what_a_stranger_needs(tiny_config):
    text = card.write(Model(tiny_config))
    for fact in ("# au", "ADF, BF", "1,234,567 parameters", "seed 5", "1.5 min",
                 "best validation 0.5200, noise floor 0.5000", "256 x 128", "0.046",
                 "0.90 | 0.11, 0.00", "5 more movies"):  # fmt: skip
        assert fact in text
    columns = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(columns) == 1  # the table is one


def test_how_far_was_looked_around_is_told(tiny_config):
    assert "- Frames around: each frame by itself" in card.write(Model(tiny_config))
    model = Model(tiny_config)
    of_each = [{"reach": 4, "drift_px_per_frame": 0.321}, {"reach": 16, "drift_px_per_frame": 0.1}]
    for movie, context in zip(model.record["runs"][0]["movies"], of_each):
        movie["context"] = context
    text = card.write(model)
    assert "- Frames around: up to 16 before and after each" in text
    assert "the specimen drifted by up to 0.32 px a frame" in text


def test_transfer_and_missing_facts_are_told(tiny_config):
    assert "started from models/old" in card.write(Model(tiny_config, transfer_from="models/old"))
    without = card.write(Model(tiny_config, best=None, noise_floor=None))
    assert "0.6000 at the end" in without


def test_a_training_that_went_on_is_told_as_such(tiny_config):
    model = Model(tiny_config, first_epoch=3, epochs=2)
    first = {**model.record["runs"][0], "first_epoch": 0, "epochs": 3}
    model.record["runs"].insert(0, first)
    text = card.write(model)
    assert "2 runs, 5 epochs together; each went on from the weights of the one before" in text
    assert "1. 3 epochs of 7 steps" in text
    assert "2. 2 epochs of 7 steps" in text
    # other weights are another beginning
    model.record["runs"][1]["transfer_from"] = "models/old"
    assert "- Training: 2 epochs of 7 steps" in card.write(model)


def test_the_environment_names_versions():
    versions = card.environment()["versions"]
    assert set(versions) == {"n2v_stem_keras", "python", "keras", "tensorflow", "numpy"}
    assert versions["keras"].startswith("3.")
