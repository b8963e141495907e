"""What `prepare` looks for in a folder of images and masks, and the clean copy that it makes.

It may import the rest of `data` and the rooms before it; nothing else in `data` imports it.
"""
