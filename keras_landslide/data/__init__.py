"""From a folder to batches: samples, their splits and labels, letterbox, augmentation.

It knows nothing of models; it may import `files`, `console`, `pictures`, `settings` and what is before them.
"""
