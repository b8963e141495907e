"""How a machine gets through a training: precision, compilation, and several devices as one.

The one file that names `tf.distribute`.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import keras

from ..errors import LandslideError
from ..models.saving import layers_with_weights
from ..settings import ALL, AUTO, Settings, flag

# Processor flags under which oneDNN multiplies bfloat16 in hardware; without them it is several times slower.
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
BFLOAT16_CAPABILITY = (8, 0)  # of NVIDIA's GPUs, from Ampere on
# Architectures and backbones whose training step is not faster in mixed_bfloat16 on such a processor when maps are
# small, measured on the rows of Table 3 (docs/measurements.md): multiplying is a small part of their work.
FLOAT32_MODELS = {("pspnet", "mobilenet_v2")}
LARGE_MAPS = 8  # output stride up to which they do gain


def resolved(settings: Settings) -> Settings:
    """`settings` with what `auto` and `all` stand for on this machine; raises `LandslideError` for what it lacks."""
    devices = _device_count(settings.devices)
    check_batches(settings, devices)
    precision, jit = settings.precision, settings.jit
    if precision == AUTO:
        light = (settings.architecture, settings.backbone) in FLOAT32_MODELS and settings.output_stride > LARGE_MAPS
        gains = multiplies_bfloat16() and (not light or _physical("GPU"))
        precision = "mixed_bfloat16" if gains else "float32"
    if jit == AUTO:
        # XLA makes a step on TensorFlow's CPU several times slower; uncompiled JAX runs operation by operation
        jit = "on" if on_jax() or (_physical("GPU") and devices == 1) else "off"
    return dataclasses.replace(settings, devices=devices, precision=precision, jit=jit)


def check_batches(settings: Settings, devices: int) -> None:
    """Raise `LandslideError` where the batches of a phase cannot be dealt out evenly.

    Keras fails on unequal parts of a first batch.
    """
    for phase in ("frozen", "unfrozen"):
        name = f"{phase}_batch_size"
        batch_size = getattr(settings, name)
        if getattr(settings, f"{phase}_epochs") and batch_size % devices:
            raise LandslideError(
                f"{flag(name)} {batch_size} cannot be dealt to {devices} devices; give a multiple of {devices}."
            )


def on_jax() -> bool:
    """Whether Keras computes with JAX (`KERAS_BACKEND=jax`); tf.data feeds it as it does TensorFlow."""
    return keras.backend.backend() == "jax"


def leave_gpus_to_engine() -> None:
    """Keep TensorFlow from taking a GPU's whole memory where it only reads and augments images for JAX."""
    if on_jax():
        import tensorflow as tf

        with contextlib.suppress(RuntimeError):  # it has begun already, and what it took cannot be had back
            tf.config.set_visible_devices([], "GPU")


@contextlib.contextmanager
def layer_precision(precision: str) -> Iterator[None]:
    """Layers built within compute in this precision; their weights are float32 in all of them."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@dataclasses.dataclass(frozen=True)
class Devices:
    """`scope()` to build and compile in, `sum_replicas` for a loss that must divide by sums over the whole batch.

    `prepare` makes a new model's batch normalisation take its statistics over the whole batch.
    """

    scope: Callable
    sum_replicas: Callable
    prepare: Callable[[keras.Model], None]


def devices(count: int) -> Devices:
    """One device as it is, or several under `tf.distribute.MirroredStrategy`, each with its share of every batch."""
    if count == 1:
        return Devices(contextlib.nullcontext, lambda value: value, lambda model: None)
    import tensorflow as tf

    # TensorFlow's own choice, collective operations, mixes up the sums of two processors of one machine.
    across = None if _physical("GPU") else tf.distribute.ReductionToOneDevice()
    strategy = tf.distribute.MirroredStrategy(_logical_devices()[:count], cross_device_ops=across)
    return Devices(strategy.scope, _sum_replicas, _synchronise)


def _sum_replicas(value):
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    # outside a replica Keras is only asking for shapes
    return value if context is None else context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def _synchronise(model: keras.Model) -> None:
    # An attribute, not the constructor's argument: that raises on other backends and would be saved.
    for layer in layers_with_weights(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True


def _device_count(wanted: int | str) -> int:
    if wanted == 1 or (wanted == ALL and on_jax()):
        return 1
    if on_jax():
        raise LandslideError(f"--devices {wanted} needs KERAS_BACKEND=tensorflow; leave it out or give 1.")
    present = len(_logical_devices())
    if wanted == ALL:
        return present
    if wanted > present:
        raise LandslideError(f"--devices {wanted} is not possible: this machine has {present}; give that or all.")
    return wanted


def _logical_devices() -> list[str]:
    """Names of the GPUs, or of the processor's logical devices where there is none."""
    import tensorflow as tf

    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [device.name for device in found]


def multiplies_bfloat16() -> bool:
    """Whether the GPUs, or the processor where there is none, have instructions for bfloat16."""
    gpus = _physical("GPU")
    if gpus:
        import tensorflow as tf

        capabilities = [tf.config.experimental.get_device_details(gpu).get("compute_capability") for gpu in gpus]
        return all(capability and capability >= BFLOAT16_CAPABILITY for capability in capabilities)
    return bool(BFLOAT16_FLAGS & processor_flags())


def _physical(kind: str) -> list:
    import tensorflow as tf

    return tf.config.list_physical_devices(kind)


def processor() -> dict[str, str]:
    """What Linux says of the first processor, such as `model name` and `flags`; empty where a system does not tell."""
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def processor_flags() -> set[str]:
    """What the processor says that it can do; empty where the system does not tell."""
    return set(processor().get("flags", "").split())
