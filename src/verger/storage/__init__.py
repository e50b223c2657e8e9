"""Where photos and a STORE lie: folders, buckets, lists of URLs. One interface.

Listing, reading, writing, locks, limits and retries are decided here and nowhere else.
"""
