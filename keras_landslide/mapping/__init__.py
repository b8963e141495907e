"""Scenes → landslides on a map."""
