"""What `auto` and `all` stand for on a machine."""

import dataclasses

import pytest

from keras_landslide.errors import LandslideError
from keras_landslide.settings import Settings
from keras_landslide.training import compute


@pytest.mark.parametrize(
    ("architecture", "backbone", "output_stride", "flags", "precision"),
    [
        ("pspnet", "mobilenet_v2", 16, {"avx512_bf16", "avx2"}, "float32"),
        ("pspnet", "mobilenet_v2", 8, {"avx512_bf16", "avx2"}, "mixed_bfloat16"),
        ("deeplabv3plus", "mobilenet_v2", 16, {"avx512_bf16", "avx2"}, "mixed_bfloat16"),
        ("pspnet", "resnet50", 16, {"amx_bf16"}, "mixed_bfloat16"),
        ("unet", "vgg16", 16, {"avx2", "avx512f"}, "float32"),
    ],
)
def test_auto_takes_bfloat16_where_it_gains(monkeypatch, architecture, backbone, output_stride, flags, precision):
    monkeypatch.setattr(compute, "processor_flags", lambda: flags)
    settings = Settings(architecture, backbone, output_stride=output_stride)
    assert compute.resolved(dataclasses.replace(settings, precision="auto")).precision == precision
    assert compute.resolved(settings).precision == "float32"


@pytest.fixture
def gpus(monkeypatch):
    """A function that gives the machine GPUs of these compute capabilities, as TensorFlow tells of them."""
    tensorflow = pytest.importorskip("tensorflow")
    config = tensorflow.config

    def have(*capabilities):
        devices = [config.LogicalDevice(f"/device:GPU:{number}", "GPU") for number in range(len(capabilities))]

        def listed(usual):
            return lambda kind=None: devices if kind == "GPU" else usual(kind)

        def details(device):
            capability = capabilities[devices.index(device)]
            return {"compute_capability": capability} if capability else {}

        # what the processor can do does not count then
        monkeypatch.setattr(compute, "processor_flags", lambda: {"avx512_bf16"})
        for name in ("list_physical_devices", "list_logical_devices"):
            monkeypatch.setattr(config, name, listed(getattr(config, name)))
        monkeypatch.setattr(config.experimental, "get_device_details", details)

    return have


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ([(7, 5)], "float32"),  # Turing
        ([(8, 0)], "mixed_bfloat16"),  # Ampere
        ([(9, 0), (8, 6)], "mixed_bfloat16"),
        ([(9, 0), (7, 5)], "float32"),  # the slowest decides
        ([None], "float32"),  # not NVIDIA's
    ],
)
def test_auto_takes_bfloat16_on_gpus_from_ampere_on(gpus, capabilities, precision):
    gpus(*capabilities)
    assert compute.resolved(Settings(precision="auto")).precision == precision
    assert compute.resolved(Settings(precision="auto", output_stride=16)).precision == precision  # however small


def test_auto_compiles_on_one_gpu_and_not_on_several(gpus):
    gpus((8, 0), (8, 0))
    assert compute.resolved(Settings()).jit == "on"
    for devices in (2, "all"):
        resolved = compute.resolved(Settings(devices=devices))
        assert (resolved.devices, resolved.jit) == (2, "off")
    assert compute.resolved(Settings(devices=2, jit="on")).jit == "on"


@pytest.mark.parametrize("phase", ["frozen", "unfrozen"])
@pytest.mark.parametrize("batch_size", [2, 8])  # fewer than the devices, and no multiple
def test_every_device_has_an_equal_part_of_the_batches_of_each_phase(gpus, phase, batch_size):
    gpus(*[(8, 0)] * 3)
    even = Settings(frozen_batch_size=6, unfrozen_batch_size=3)
    for devices in (3, "all"):
        assert compute.resolved(dataclasses.replace(even, devices=devices)).devices == 3
        uneven = dataclasses.replace(even, devices=devices, **{f"{phase}_batch_size": batch_size})
        with pytest.raises(LandslideError, match=f"--{phase}-batch-size {batch_size} cannot be dealt to 3 devices; "):
            compute.resolved(uneven)
        assert compute.resolved(dataclasses.replace(uneven, **{f"{phase}_epochs": 0})).devices == 3


def test_auto_compiles_on_a_gpu_and_not_on_tensorflows_processor(monkeypatch):
    assert compute.resolved(Settings()).jit == "off"
    monkeypatch.setattr(compute, "_physical", lambda kind: ["a GPU"])
    assert compute.resolved(Settings()).jit == "on"
    assert compute.resolved(Settings(jit="off")).jit == "off"


def test_devices_that_are_not_there():
    with pytest.raises(LandslideError, match="--devices 3 is not possible: this machine has 1; give that or all"):
        compute.resolved(Settings(devices=3))
    assert compute.resolved(Settings(devices="all")).devices == 1
    with pytest.raises(LandslideError, match="--devices 0 is not possible; give a number of 1 or more, or all"):
        Settings(devices=0)


def test_on_jax_a_step_is_compiled_and_there_is_one_device(monkeypatch):
    monkeypatch.setattr(compute, "on_jax", lambda: True)
    found = compute.resolved(Settings(devices="all"))
    assert (found.jit, found.devices) == ("on", 1)
    with pytest.raises(LandslideError, match="--devices 2 needs KERAS_BACKEND=tensorflow"):
        compute.resolved(Settings(devices=2))
