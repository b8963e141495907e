"""What lies on disk: images, files that are complete or absent, and whether a path may be written.

It knows nothing of landslides; it may import `errors`.
"""
