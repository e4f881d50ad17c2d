"""copy.py SOURCE TARGET: shares the blocks of SOURCE where the filesystem can, else copies them, and
says which it was. Uses the C API of an installed libcfr through ctypes.
"""

import ctypes
import errno
import os
import sys

COPY_FR_REFLINK = 2
CFR_YES = 1

# By its SONAME, not as libcfr.so: the number says which ABI the declarations below are of.
# use_errno: without it, the interpreter may change errno before it is read.
libcfr = ctypes.CDLL("libcfr.so.0", use_errno=True)


class Options(ctypes.Structure):
    """struct cfr_options: 0 and None leave an option to the setting of the process."""

    _fields_ = [
        ("size", ctypes.c_size_t),
        ("dialect", ctypes.c_char_p),
        ("backend", ctypes.c_int),
        ("checks", ctypes.c_int),
        ("verify", ctypes.c_int),
        ("shared", ctypes.c_int),
        ("else_copy", ctypes.c_int),
        ("reserved", ctypes.c_int),
    ]


class Outcome(ctypes.Structure):
    """struct cfr_outcome"""

    _fields_ = [
        ("size", ctypes.c_size_t),
        ("bytes", ctypes.c_uint64),
        ("error", ctypes.c_int),
        ("method", ctypes.c_int),
        ("shared", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("rule", ctypes.c_char * 32),
        ("dialect", ctypes.c_char * 24),
    ]


# Without these, ctypes passes and returns int, which cuts a size_t off.
libcfr.cfr_copy.restype = ctypes.c_ssize_t
libcfr.cfr_copy.argtypes = [
    ctypes.c_int, ctypes.POINTER(ctypes.c_int64), ctypes.c_int, ctypes.POINTER(ctypes.c_int64),
    ctypes.c_size_t, ctypes.c_uint, ctypes.POINTER(Options), ctypes.POINTER(Outcome),
]
libcfr.cfr_method_name.restype = ctypes.c_char_p


def copy(source, target):
    """Copies what is left of a file, and returns the bytes and the methods."""
    options = Options(size=ctypes.sizeof(Options), else_copy=CFR_YES)
    outcome = Outcome(size=ctypes.sizeof(Outcome))
    copied, methods = 0, set()
    while True:
        count = libcfr.cfr_copy(
            source, None, target, None, 1 << 30, COPY_FR_REFLINK, options, outcome
        )
        if count < 0:
            error = ctypes.get_errno()
            # Python runs the handlers of signals here, as in os.read.
            if error == errno.EINTR:
                continue
            raise OSError(error, os.strerror(error))
        if count == 0:
            return copied, methods
        copied += count
        methods.add(libcfr.cfr_method_name(outcome.method).decode())


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: copy.py SOURCE TARGET")
    with open(sys.argv[1], "rb") as source, open(sys.argv[2], "wb") as target:
        copied, methods = copy(source.fileno(), target.fileno())
    print(f"{copied} bytes: {' '.join(sorted(methods))}")


main()
