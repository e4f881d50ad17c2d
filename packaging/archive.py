"""Archives that depend on what is in them, and on nothing else: tar, zip and ar with sorted names, one
time and owner, and two modes."""

import gzip
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

EPOCH = int(os.environ["SOURCE_DATE_EPOCH"])


def mode_of(path):
    return 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644


def gzipped(data):
    return gzip.compress(data, 9, mtime=0)


class Tar:
    """A tar archive, compressed with gzip."""

    def __init__(self):
        self.members = {}

    def _member(self, name, kind, mode, data=b"", link=""):
        member = tarfile.TarInfo(name)
        member.type, member.mode, member.linkname, member.size = kind, mode, link, len(data)
        member.mtime, member.uname, member.gname = EPOCH, "root", "root"
        self.members[name] = (member, data)

    def directory(self, name):
        self._member(name, tarfile.DIRTYPE, 0o755)

    def file(self, name, data, mode=0o644):
        self._member(name, tarfile.REGTYPE, mode, data)

    def link(self, name, to):
        self._member(name, tarfile.SYMTYPE, 0o777, link=to)

    def tree(self, root, prefix, directories=False):
        """Adds what is below `root`, with `prefix` before its name."""
        for path in sorted(Path(root).rglob("*")):
            name = prefix + str(path.relative_to(root))
            if path.is_symlink():
                self.link(name, os.readlink(path))
            elif path.is_dir():
                if directories:
                    self.directory(name)
            else:
                self.file(name, path.read_bytes(), mode_of(path))

    def bytes(self):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for name in sorted(self.members):
                member, data = self.members[name]
                tar.addfile(member, io.BytesIO(data))
        return gzipped(buffer.getvalue())


class Zip:
    """A zip archive. Times before 1980 cannot be written."""

    def __init__(self):
        self.members = {}

    def file(self, name, data, mode=0o644):
        self.members[name] = (data, mode)

    def bytes(self, last=()):
        """Returns the archive, in which the members `last` come last."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name in sorted(self.members, key=lambda name: (name in last, name)):
                data, mode = self.members[name]
                member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                member.external_attr = (stat.S_IFREG | mode) << 16
                member.compress_type, member.create_system = zipfile.ZIP_DEFLATED, 3
                archive.writestr(member, data)
        return buffer.getvalue()


def ar(members):
    """Returns an archive of ar(1) with these pairs of name and data, in their order."""
    archive = b"!<arch>\n"
    for name, data in members:
        archive += f"{name:<16}{EPOCH:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        archive += data + b"\n" * (len(data) % 2)
    return archive
