"""From scenes with a georeference to outlines of landslides, and from outlines of two dates to what changed.

It needs the extra `geo`. It may import `evaluation`, `prediction` and the rooms before them.
"""
