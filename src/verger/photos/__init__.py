"""One photo: where it lies, its label, its bytes as pixels, or why it has none.

Bytes come in, pixels or a reason go out; where the bytes lie is known to `storage/` alone.
"""
