"""Two phases of `fit`, what they are compiled with, and the run folder that they leave.

It may import `evaluation`, `pictures`, `data`, `models` and the rooms before them; it alone knows devices and hosts.
"""
