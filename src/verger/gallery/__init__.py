"""Names what a new photo shows, by its neighbours among the photos of a run.

Answers are calibrated and evaluated. No Spark, no Java: a script uses it as the server does.
"""

from verger.gallery.answer import Answer, Guess, Neighbour
from verger.gallery.build import build_gallery
from verger.gallery.gallery import Gallery
from verger.gallery.verdict import Verdict

__all__ = ["Answer", "Gallery", "Guess", "Neighbour", "Verdict", "build_gallery"]
