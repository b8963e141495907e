"""How mistakes and failures end a program."""

import errno

import pytest

from keras_landslide.errors import LandslideError, NotANumber, exit_code


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (LandslideError("2 masks:", files=["a.png", "b.png"]), 2, "2 masks:\n  a.png\n  b.png"),
        (NotANumber("the loss:", files=["a.png"]), 1, "the loss:\n  a.png"),
        (OSError(errno.EACCES, "Permission denied", "x/y"), 2, "x/y: Permission denied; mend the path or its rights."),
        (OSError(errno.ENOSPC, "No space left", "x"), 1, "[Errno 28] No space left: 'x'"),
        (OSError(errno.EACCES, "Permission denied"), 1, "[Errno 13] Permission denied"),
        (MemoryError(), 1, "MemoryError"),
    ],
)
def test_an_error_is_one_line_and_a_code(capsys, error, code, said):
    def fail():
        raise error

    assert exit_code(fail) == code
    assert capsys.readouterr().err == f"keras-landslide: {said}\n"


def test_done_is_0_and_control_c_130():
    def stopped():
        raise KeyboardInterrupt

    assert (exit_code(lambda: None), exit_code(stopped)) == (0, 130)
