"""The gallery: the photos of a run as neighbours of new photos, with calibrated answers.

No Spark and no Java: what is here runs in the command line, in the server and in a script alike.
"""

from verger.gallery.answer import Answer, Guess, Neighbour, Verdict
from verger.gallery.build import build_gallery
from verger.gallery.gallery import Gallery

__all__ = ["Answer", "Gallery", "Guess", "Neighbour", "Verdict", "build_gallery"]
