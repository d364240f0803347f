"""The sample is a movie that things can be tried on."""

from n2v_stem_keras.interop.napari import sample


def test_the_sample_is_a_movie_of_two_detectors():
    (adf, _, _), (_, options, _) = sample.gold_on_graphene()
    assert adf.shape == (8, 256, 256)
    assert options["metadata"]["n2v_stem_keras"]["detector"] == "BF"
