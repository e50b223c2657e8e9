"""What people are told, in each language: one catalogue, and how numbers are written.

The room imports nothing but what lies below; the rooms that say something ask it.
"""

LANGUAGES = ("en", "fr")
