"""Ctrl-C in the middle of a training."""

import signal

import keras


class ControlC(keras.callbacks.Callback):
    """While its block lasts, Ctrl-C stops `fit` when the step at hand is done; pressed twice, at once.

    Keras drops a Ctrl-C that comes while it waits for a step's result (`pythonify_logs` excepts everything), which is
    most of the time where steps are compiled.
    """

    def __init__(self):
        super().__init__()
        self.pressed = False

    def __enter__(self) -> "ControlC":
        # Another program's handler stays in charge, and so does a shell that lets a background job ignore Ctrl-C.
        self.installed = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self.installed:
            signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, kind, *_) -> None:
        if self.installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self.pressed and kind is None:  # after the last batch, while its epoch was written
            raise KeyboardInterrupt

    def _press(self, *_) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True

    def on_train_batch_end(self, batch, logs=None):
        self._stop_if_pressed()

    def on_test_batch_end(self, batch, logs=None):
        self._stop_if_pressed()

    def _stop_if_pressed(self) -> None:
        if self.pressed:
            raise KeyboardInterrupt
