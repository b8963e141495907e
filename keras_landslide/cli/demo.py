"""`demo`: the main job from end to end on synthetic scenes."""

from ..console import load_tensorflow, say
from ..training.allocator import keep_freed_memory


def demo(options) -> None:
    keep_freed_memory()
    load_tensorflow()
    from ..demo import demo, demo_scene

    if options.scene:
        out = options.out or "keras-landslide-scene"
        demo_scene(out, seed=options.seed, overwrite=options.overwrite, report=say)
        return
    demo(options.out or "keras-landslide-demo", seed=options.seed, overwrite=options.overwrite, report=say)
