"""What an agent changed in a draft, and whether to learn it as an example or as a correction (design section 6)."""

from .analysis import Analyser, analyse
from .rendering import to_json

__all__ = ["Analyser", "analyse", "to_json"]
