"""Compiling takes most of the time of a short training: no more of it than there has to be."""

import dataclasses

from keras_landslide.training import fit
from tests.small import SETTINGS, small_network


def test_the_step_of_a_phase_is_traced_once(split, tmp_path):
    """Counted where Keras calls Python for it, as TensorFlow traces it; the second phase trains other variables."""
    traced = []

    def count(model, samples) -> None:
        step = model.train_step

        def counted(data):
            traced.append(len(model.trainable_variables))
            return step(data)

        model.train_step = counted

    settings = dataclasses.replace(SETTINGS, frozen_epochs=1, unfrozen_epochs=1)
    with small_network():
        fit.train(settings, split, tmp_path / "run", before_training=count)
    assert len(traced) == 2 and traced[0] < traced[1]
