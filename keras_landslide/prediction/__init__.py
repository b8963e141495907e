"""From images to probabilities at native size, masks and overlays.

It may import `data`, `models`, `runtimes` and the rooms before them.
"""
