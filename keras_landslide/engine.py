"""Keras' engine in training: TensorFlow, or JAX with `KERAS_BACKEND=jax`; tf.data feeds both."""

import contextlib

import keras


def on_jax() -> bool:
    """Whether Keras computes with JAX."""
    return keras.backend.backend() == "jax"


def compiles(*, eager: bool = False) -> bool:
    """Whether XLA compiles a training step.

    JAX without it runs operation by operation; on TensorFlow it makes a step on a CPU several times slower.
    """
    return on_jax() and not eager


def leave_gpus_to_engine() -> None:
    """Keep TensorFlow from taking a GPU's whole memory where it only reads and augments images for JAX."""
    if on_jax():
        import tensorflow as tf

        with contextlib.suppress(RuntimeError):  # it has begun already, and what it took cannot be had back
            tf.config.set_visible_devices([], "GPU")
