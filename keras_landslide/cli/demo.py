"""`demo`: the main job from end to end on synthetic scenes."""

from ..console import load_tensorflow, say
from ..training.allocator import keep_freed_memory


def demo(options) -> None:
    keep_freed_memory()
    load_tensorflow()
    from ..demo import demo

    demo(options.out, seed=options.seed, overwrite=options.overwrite, report=say)
