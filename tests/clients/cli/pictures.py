"""Pictures of one colour, and by what an upstream tells that it has got one of them."""
import base64
import hashlib
import struct
import zlib


def seen(picture):
    """What a picture is told by: the hash of a whole PNG, or the size and the colour of a JPEG, which is what some clients make of a PNG. Of one that is
    neither, or is not of the type that it is called, nothing."""
    kind, data = picture
    try:
        data = base64.b64decode(data, validate=True)
        if kind == "image/png" and data.startswith(PNG) and data.endswith(END):
            return f"a PNG of {hashlib.sha256(data).hexdigest()[:16]}"
        if kind == "image/jpeg" and data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9"):
            return jpeg(data)
    except (ValueError, LookupError):
        pass
    return None


PNG = b"\x89PNG\r\n\x1a\n"
END = b"\0\0\0\0IEND\xaeB`\x82"


def png(red, green, blue, width=64, height=40):
    """A picture of one colour."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes([red, green, blue]) * width) * height
    return PNG + chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + END


def told(red, green, blue, width=64, height=40):
    """What a picture may be told by."""
    return f"a PNG of {hashlib.sha256(png(red, green, blue, width, height)).hexdigest()[:16]}", f"a JPEG of {width} by {height} in {shade(red, green, blue)}"


def shade(*channels):
    """A colour as a JPEG keeps it: each channel is one of 16."""
    return "#" + "".join(f"{min(max(round(channel), 0), 255) >> 4:x}" for channel in channels)


def jpeg(data):
    """A JPEG without subsampling by its size and the colour that its first block has on the average."""
    components, chosen, tables, quantized, at = [], [], {}, {}, 2
    while data[at] == 0xFF:
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + length]
        at += 2 + length
        if kind == 0xDB:
            while body:
                wide = body[0] >> 4
                quantized[body[0] & 15] = int.from_bytes(body[1 : 2 + wide], "big")
                body = body[1 + 64 * (1 + wide) :]
        elif kind == 0xC0:
            height, width = struct.unpack(">2H", body[1:5])
            components = [(body[place + 1], body[place + 2]) for place in range(6, len(body), 3)]
            if [sampled for sampled, _ in components] != [0x11] * 3:
                raise ValueError("its colours are subsampled")
        elif kind == 0xC4:
            while body:
                code, symbols, codes = 0, body[17:], {}
                for bits in range(1, 17):
                    for _ in range(body[bits]):
                        codes[bits, code] = symbols[len(codes)]
                        code += 1
                    code <<= 1
                tables[body[0]] = codes
                body = body[17 + len(codes) :]
        elif kind == 0xDA:
            chosen = [body[place + 1] for place in range(1, 7, 2)]
            break
    stream = "".join(f"{byte:08b}" for byte in data[at:-2].replace(b"\xff\0", b"\xff"))
    place = 0

    def take(bits):
        nonlocal place
        place += bits
        return int(stream[place - bits : place] or "0", 2)

    def symbol(codes):
        bits, code = 0, 0
        while (bits, code) not in codes:
            if bits == 16:
                raise ValueError("no such code")
            bits, code = bits + 1, code << 1 | take(1)
        return codes[bits, code]

    means = []
    for (_, table), choice in zip(components, chosen):
        size = symbol(tables[choice >> 4])
        value = take(size)
        value -= (1 << size) - 1 if size and value < 1 << (size - 1) else 0
        means.append(value * quantized[table] / 8)
        coefficient = 1
        while coefficient < 64:
            run = symbol(tables[0x10 | choice & 15])
            if run == 0:
                break
            take(run & 15)
            coefficient += (run >> 4) + 1
    light, blue, red = means  # ValueError where it is no JPEG of this kind
    light += 128
    return f"a JPEG of {width} by {height} in {shade(light + 1.402 * red, light - 0.344 * blue - 0.714 * red, light + 1.772 * blue)}"
