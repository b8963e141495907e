"""The command line: arguments in, one call, print; no logic.

Nothing imports it; it may import everything.
"""

from .parser import main, run

__all__ = ["main", "run"]
