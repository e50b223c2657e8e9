"""Telling image formats by content, and whether a file is all there.

Mostly used once a decoder has given up, to name the reason: a decoder that copes decides alone.
"""

from __future__ import annotations

import struct

from verger.photos import heif, jpeg, tiff

# Brands of ISO 23008-12 and what grew from it: of pictures, whatever codec they are in.
_PICTURE_BRANDS = frozenset(
    {
        b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"avif", b"avis",
        b"avio", b"mif1", b"mif2", b"mif3", b"msf1", b"miaf", b"MiHB", b"MiHA", b"MiHE", b"MiPr",
        b"MA1A", b"MA1B", b"1pic", b"tmap", b"avci", b"avcs", b"jpeg", b"jpgs", b"j2ki", b"j2is",
        b"jxsi", b"vvic", b"vvis", b"evbi", b"unif", b"pred",
    }
)  # fmt: skip
_MOST_BYTES_OF_BRANDS = 1024
_HEVC, _AV1 = (b"hvc1", b"hev1"), (b"av01",)
_EITHER = (b"mif1", b"msf1")
# A codec's names; the usual brand of its pictures; the brands by which its decoder knows them.
_DECODERS = (
    (_HEVC, b"heic", (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", *_EITHER)),
    (_AV1, b"avif", (b"avif", b"avis", *_EITHER)),
)


def kind_of(data: bytes) -> str | None:
    """Return the format that the first bytes announce (such as 'JPEG'), or None."""
    if data[:2] == b"\xff\xd8":
        return "JPEG"
    if data[:8] == b"\x89PNG\r\n\x1a\n"[: len(data)] and len(data) >= 4:
        return "PNG"
    if data[:4] == b"RIFF" and b"WEBP".startswith(data[8:12]):
        return "WEBP"
    if data[:4] == b"GIF8":
        return "GIF"
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if data[4:8] == b"ftyp" and (len(data) < 12 or not _PICTURE_BRANDS.isdisjoint(_brands(data))):
        return "HEIF"
    if data[:2] == b"BM" and len(data) >= 6:
        return "BMP"
    return None


def is_complete(data: bytes, kind: str) -> bool:
    """Say whether a file of this kind ends where its own format says that it ends.

    A kind whose end cannot be told counts as complete.
    """
    match kind:
        case "JPEG":
            return b"\xff\xd9" in data[-4096:]
        case "PNG":
            return b"IEND" in data[-4096:]
        case "GIF":
            return data.rstrip(b"\0")[-1:] == b";"
        case "WEBP":
            return len(data) >= 12 and len(data) >= 8 + int.from_bytes(data[4:8], "little")
        case "BMP":
            return len(data) >= int(struct.unpack_from("<I", data, 2)[0])
        case "TIFF":
            return _tiff(data)
        case "HEIF":
            return _heif(data)
    return True


def _brands(data: bytes) -> list[bytes]:
    """Return the brands of an ISO file: the major one, then those that it is compatible with."""
    end = min(int.from_bytes(data[:4], "big"), len(data), _MOST_BYTES_OF_BRANDS)
    return [data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))]


def with_usual_brand(data: bytes) -> bytes:
    """Give a HEIC or AVIF with a major brand that the decoders do not know a usual one.

    The decoders look at the brand alone to tell whether a file is theirs: an HEVC or AV1 picture of
    any other brand is the same picture.
    """
    if kind_of(data) != "HEIF":
        return data
    found = heif.container(data)
    codec = b"" if found is None else found.codec()
    usual, known = next(
        ((usual, known) for codecs, usual, known in _DECODERS if codec in codecs), (b"", ())
    )
    if not usual or data[8:12] in known:
        return data
    end = int.from_bytes(data[:4], "big")
    compatible = data[16:end] if usual in _brands(data)[1:] else usual + data[20:end]
    return data[:8] + usual + data[12:16] + compatible + data[end:]


def unread_variant(data: bytes, kind: str) -> str | None:
    """Say, in words, of which variant a whole file is that is not read, where that can be told."""
    if kind == "JPEG":
        return jpeg.unread_variant(data)
    if kind == "TIFF":
        found = tiff.directory(data)
        if found is not None and found.offsets and found.width and found.height:
            return "TIFF with an unsupported layout of pixels"
    if kind == "HEIF":
        found_ = heif.container(data)
        codec = b"" if found_ is None else found_.codec()
        if codec and codec.isalnum() and codec not in (*_HEVC, *_AV1):
            return f"HEIF with pictures of the kind {codec.decode('ascii', 'replace')}"
    return None


def heif_items_are_text(data: bytes) -> bool:
    """Say whether the types and names of a HEIF file's items are UTF-8.

    pi-heif 1.4 takes that for granted, and a damaged one ends the whole process.
    """
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        end = at + size if size >= 8 else len(data)
        if name == b"meta" and not _items_are_text(data[at:end]):
            return False
        at = end
    return True


def _items_are_text(meta: bytes) -> bool:
    at = meta.find(b"infe")
    while at >= 4:
        (size,) = struct.unpack_from(">I", meta, at - 4)
        version = meta[at + 4 : at + 5]
        type_at = at + (14 if version == b"\3" else 12)  # after flags, number and protection
        try:
            meta[type_at : at - 4 + size].decode()
        except UnicodeDecodeError:
            return False
        at = meta.find(b"infe", at + 4)
    return True


def _heif(data: bytes) -> bool:
    at = 0
    while at < len(data):
        if at + 8 > len(data):
            return False
        size = int(struct.unpack_from(">I", data, at)[0])
        if size == 0:  # the box reaches to the end of the file
            return True
        if size == 1:  # a 64-bit size follows the name
            if at + 16 > len(data):
                return False
            size = int(struct.unpack_from(">Q", data, at + 8)[0])
        if size < 8:
            return True  # nonsense rather than an early end
        at += size
    return at == len(data)


def _tiff(data: bytes) -> bool:
    """Check that the directory of the first image, and the pixels that it names, are there."""
    found = tiff.directory(data)
    if found is None:
        return data[2:4] in (b"+\0", b"\0+")  # a big one's decoder decides alone
    return found.lies_within(len(data))
