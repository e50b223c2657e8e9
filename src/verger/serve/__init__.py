"""The server: an HTTP API, and a page that names what a photo shows.

No Spark and no Java; many requests at a time, within limits of memory.
"""
