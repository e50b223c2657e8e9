"""What is known of the species in the photos, and which labels name them.

Facts and their sources lie in TOML files. No Spark, no NumPy.
"""

from verger.knowledge.calling import called, named
from verger.knowledge.naming import group_of
from verger.knowledge.species import Name, Season, Source, Species, Text, all_species, species_of

__all__ = [
    "Name",
    "Season",
    "Source",
    "Species",
    "Text",
    "all_species",
    "called",
    "group_of",
    "named",
    "species_of",
]
