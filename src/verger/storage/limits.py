"""How much, how often and how long: what reading and writing anywhere is held to."""

from __future__ import annotations

from verger.settings import WEB_PHOTO_BYTES

# Reading photos: how many at once.
FOLDER_AT_ONCE = 8
BUCKET_AT_ONCE = 64
WEB_AT_ONCE = 16  # connections: more would be rude to a server that is somebody's own

# Requests to a bucket. Times in seconds, sizes in bytes.
BUCKET_ATTEMPTS = 9  # of each request, unless AWS_MAX_ATTEMPTS says otherwise
BUCKET_PATIENCE = 90.0  # for all attempts of a request together
BUCKET_TIMEOUT, BUCKET_CONNECT_TIMEOUT = 60.0, 10.0
COPIED_AT_MOST, COPIED_A_PART = 5 * 10**9, 2**28  # the first: what S3 copies in one request
SENT_A_PART, PARTS = 5 * 2**20, 10_000  # of one object: S3's least and most
READ_A_PIECE = 2**24

# Requests to servers on the web.
WEB_ATTEMPTS = 5
WEB_REDIRECTS = 5
WEB_RETRY_AFTER = 30.0  # seconds that a server may ask to wait; for more, no run waits
WEB_TIMEOUT, WEB_CONNECT_TIMEOUT = 30.0, 10.0  # seconds
PHOTO_BYTES, PHOTO_PATIENCE = WEB_PHOTO_BYTES, 60.0  # of one photo
LIST_BYTES, LIST_PATIENCE = 2**30, 600.0  # of the list of photos
LIST_LINE = 16_384  # characters
E_TAG = 256  # characters; a longer one is taken for none

# Pauses between attempts, drawn at random below a limit that doubles, in seconds.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0

# Listing.
PAGES_AHEAD = 4
PREFIXES_AT_ONCE = 8
SORTED_AT_ONCE = 50_000  # rows; longer listings are sorted on the disk

# A lock in a bucket, in seconds: how often it is renewed, and when it counts as left.
BEAT, LAPSE = 15.0, 90.0
