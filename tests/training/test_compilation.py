"""Compiling takes most of the time of a short training: no more of it than there has to be."""

import dataclasses

from keras_landslide.training.fit import train
from keras_landslide.training.plan import planned
from tests.small import SETTINGS, small_network


def test_the_step_of_a_phase_is_traced_once(split, tmp_path):
    """Counted where Keras calls Python for it, as TensorFlow traces it; the second phase trains other variables."""
    traced = []

    settings = dataclasses.replace(SETTINGS, frozen_epochs=1, unfrozen_epochs=1)
    with small_network():
        plan = planned(settings, split, tmp_path / "run")
        model, step = plan.model, plan.model.train_step

        def counted(data):
            traced.append(len(model.trainable_variables))
            return step(data)

        model.train_step = counted
        train(plan)
    assert len(traced) == 2 and traced[0] < traced[1]
