"""Makes a screenshot small: 256 colours, of which those that are seen most stay what they are, and the hardest packing.
Enough for pages, which have few colours and the shades between them; Python's own library is all it takes."""

import collections
import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunks(data):
    at = len(SIGNATURE)
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        yield kind, data[at + 8:at + 8 + length]
        at += length + 12


def rows(data):
    """The width, and each row's colours as numbers 0xRRGGBB, of a PNG of 8 bits a channel without interlacing."""
    width = size = None
    packed = b""
    for kind, content in chunks(data):
        if kind == b"IHDR":
            width, _, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", content)
            if depth != 8 or colour not in (2, 6) or interlaced:
                raise ValueError("not the kind of PNG that Chromium makes")
            size = 3 if colour == 2 else 4
        elif kind == b"IDAT":
            packed += content
    raw = zlib.decompress(packed)
    stride = width * size
    before = bytearray(stride)
    taken = []
    for start in range(0, len(raw), stride + 1):
        row = unfilter(raw[start], bytearray(raw[start + 1:start + 1 + stride]), before, size)
        taken.append([row[at] << 16 | row[at + 1] << 8 | row[at + 2] for at in range(0, stride, size)])
        before = row
    return width, taken


def unfilter(kind, row, before, size):
    if kind == 1:
        for at in range(size, len(row)):
            row[at] = (row[at] + row[at - size]) & 255
    elif kind == 2:
        for at, above in enumerate(before):
            row[at] = (row[at] + above) & 255
    elif kind == 3:
        for at, above in enumerate(before):
            row[at] = (row[at] + ((row[at - size] if at >= size else 0) + above) // 2) & 255
    elif kind == 4:
        for at, above in enumerate(before):
            left, corner = (row[at - size], before[at - size]) if at >= size else (0, 0)
            guess = left + above - corner
            far = abs(guess - left), abs(guess - above), abs(guess - corner)
            row[at] = (row[at] + (left if far[0] <= far[1] and far[0] <= far[2] else above if far[1] <= far[2] else corner)) & 255
    return row


def distance(left, right):
    return sum(((left >> shift & 255) - (right >> shift & 255)) ** 2 for shift in (0, 8, 16))


def make_small(data):
    width, taken = rows(data)
    seen = collections.Counter(colour for row in taken for colour in row)
    # The commonest colours, and after the first few only those that differ from what is there already.
    palette = []
    for apart in (24, 0):
        for colour, _ in seen.most_common(4000):
            if len(palette) < 256 and colour not in palette and all(distance(colour, other) > apart for other in palette):
                palette.append(colour)
    nearest = {colour: index for index, colour in enumerate(palette)}
    for colour in seen:
        if colour not in nearest:
            nearest[colour] = min(range(len(palette)), key=lambda index: distance(colour, palette[index]))
    raw = b"".join(b"\0" + bytes(nearest[colour] for colour in row) for row in taken)
    header = struct.pack(">IIBBBBB", width, len(taken), 8, 3, 0, 0, 0)
    colours = b"".join(colour.to_bytes(3, "big") for colour in palette)
    return SIGNATURE + b"".join(struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
                                for kind, content in ((b"IHDR", header), (b"PLTE", colours),
                                                      (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b"")))
