"""Ctrl-C stops a training, also where Keras would drop it."""

import os
import signal

import keras
import pytest

from keras_landslide.training.interrupt import ControlC


@pytest.fixture(autouse=True)
def usual_handler():
    """Python's own, also where these tests run in the background, whose shell has Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class PressesControlC:
    """A loss that presses Ctrl-C when Keras turns it into a number, where Keras excepts everything."""

    def __init__(self, times: int = 1):
        self.times = times

    def __float__(self) -> float:
        for _ in range(self.times):
            os.kill(os.getpid(), signal.SIGINT)
        return 0.5


def steps_of(loss, steps: int = 10, of: str = "train") -> int:
    """How many of the batches of a training, or a validation (`test`), were ended, as Keras ends them."""
    ended = 0
    try:
        with ControlC() as control_c:
            callbacks = keras.callbacks.CallbackList([control_c], model=keras.Model())
            for batch in range(steps):
                getattr(callbacks, f"on_{of}_batch_end")(batch, {"loss": loss})
                ended += 1
    except KeyboardInterrupt:
        assert ended < steps
    return ended


def test_it_stops_the_training_and_gives_the_handler_back():
    assert steps_of(0.5) == 10
    assert steps_of(PressesControlC()) == 0
    assert steps_of(PressesControlC(), of="test") == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_pressed_after_the_last_step_it_stops_what_comes_next_and_twice_it_does_not_wait():
    done = []
    with pytest.raises(KeyboardInterrupt), ControlC():
        done.append(float(PressesControlC(times=1)))
    assert done == [0.5]
    with pytest.raises(KeyboardInterrupt), ControlC():
        float(PressesControlC(times=2))


def test_another_handler_stays_in_charge():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append("other"))
    try:
        assert steps_of(PressesControlC()) == 10
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == ["other"] * 10
