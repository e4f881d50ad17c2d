"""Checks that a built file suits every Linux and tells nothing of its builder."""

import struct

PT_DYNAMIC, PT_INTERP = 2, 3
# What a file must not have: the dynamic tag, and why (elf(5)).
REFUSED = {
    1: "it needs another library (DT_NEEDED)",
    0x6FFFFFFE: "it needs a version of a symbol (DT_VERNEED)",
    36: "its relocations are packed, which glibc before 2.36 ignores (DT_RELR)",
}


def segments(data):
    offset, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for number in range(count):
        kind, _, start, _, _, length = struct.unpack_from("<IIQQQQ", data, offset + number * size)
        yield kind, data[start:start + length]


def faults(data, paths):
    """Returns what is wrong with a 64-bit ELF file. `paths` are of the machine that built it."""
    found = []
    for kind, content in segments(data):
        if kind == PT_INTERP:
            found.append("it needs a dynamic linker (PT_INTERP)")
        elif kind == PT_DYNAMIC:
            tags = {tag for tag, _ in struct.iter_unpack("<QQ", content)}
            found += [why for tag, why in REFUSED.items() if tag in tags]
    found += [f"it has the path {path}" for path in paths if path.encode() in data]
    return found
