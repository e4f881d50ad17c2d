"""Makes the packages of a built tree: packages.py PROJECT OUT VERSION ARCHITECTURE... Called by dist.sh."""

import base64
import hashlib
import json
import os
import subprocess
import sys
from email.utils import formatdate
from pathlib import Path

import binary
import dependencies
from archive import EPOCH, Tar, Zip, ar, gzipped, mode_of

DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}
NODE = {"x86_64": "x64", "aarch64": "arm64"}
SUMMARY = "traces, checks and fault-injects the copies that programs make with copy_file_range"
MAINTAINER = os.environ.get("MAINTAINER") or "the libcfr authors <libcfr@localhost>"


class Release:
    """What the packages have in common."""

    def __init__(self, project, out, version, *architectures):
        self.project, self.out, self.version = Path(project), Path(out), version
        self.architectures = architectures
        command = ["rustc", "--print", "sysroot"]
        sysroot = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        notices, rust = dependencies.notices(self.project, sysroot)
        self.licences = {name: (self.project / name).read_bytes() for name in ("LICENSE-MIT", "LICENSE-APACHE")}
        self.licences["LICENSES-DEPENDENCIES"] = notices.encode()
        self.licences["LICENSES-RUST.html"] = rust
        self.boms = {one: dependencies.sbom(self.project, one, version, EPOCH) for one in architectures}

    def tree(self, name):
        return self.out / "tree" / name

    def documents(self, architecture):
        """The files of share/doc, by name."""
        files = dict(self.licences)
        for name in ("README.md", "CHANGELOG.md", "SECURITY.md"):
            files[name] = (self.project / name).read_bytes()
        files["sbom.cdx.json"] = self.boms[architecture].encode()
        return files

    def write(self, name, data):
        (self.out / name).write_bytes(data)
        print(f"dist: {name}: {len(data):,} bytes")


def tarball(release, architecture):
    top = f"cfr-{release.version}-{architecture}-linux/"
    tar = Tar()
    tree = release.tree(architecture) / "cfr"
    tar.tree(tree, top)
    pc = "lib/pkgconfig/cfr.pc"
    # Relative to the file, so that the tree can lie anywhere.
    relative = (tree / pc).read_text().replace("/cfr/", "${prefix}/").replace("prefix=/cfr\n", "prefix=${pcfiledir}/../..\n")
    tar.file(top + pc, relative.encode())
    for name, data in release.documents(architecture).items():
        tar.file(f"{top}share/doc/cfr/{name}", data)
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name[len(top):]}\n"
                   for name, (member, data) in sorted(tar.members.items()) if member.isreg())
    tar.file(top + "SHA256SUMS", sums.encode())
    tar.file(top + "install.sh", (release.project / "packaging/install.sh").read_bytes(), 0o755)
    release.write(f"cfr-{release.version}-{architecture}-linux.tar.gz", tar.bytes())


def wheel(release, architecture):
    """A wheel for glibc and musl. It has no links: zip has none."""
    name = f"libcfr-{release.version}"
    tags = [f"py3-none-{platform}_{architecture}"
            for platform in ("manylinux_2_17", "manylinux2014", "musllinux_1_1")]
    tree = release.tree(architecture) / "cfr"
    files = Zip()
    data = f"{name}.data/data/"
    files.file(f"{name}.data/scripts/cfr", (tree / "bin/cfr").read_bytes(), 0o755)
    files.file(data + "lib/libcfr.so.0", (tree / "lib/libcfr.so.0").read_bytes(), 0o755)
    for page in sorted((tree / "share/man").glob("man[17]/*")):
        files.file(data + str(page.relative_to(tree)), page.read_bytes())
    info = f"{name}.dist-info/"
    for licence, text in release.licences.items():
        files.file(f"{info}licenses/{licence}", text)
    files.file(f"{info}sboms/cfr.cdx.json", release.boms[architecture].encode())
    files.file(info + "METADATA", "\n".join([
        "Metadata-Version: 2.4", "Name: libcfr", f"Version: {release.version}", f"Summary: {SUMMARY}",
        "License-Expression: MIT OR Apache-2.0",
        *(f"License-File: {licence}" for licence in sorted(release.licences)),
        "Classifier: Environment :: Console", "Classifier: Operating System :: POSIX :: Linux",
        "Requires-Python: >=3.7", "Description-Content-Type: text/markdown", "",
        (release.project / "packaging/README.md").read_text()]).encode())
    files.file(info + "WHEEL", "\n".join([
        "Wheel-Version: 1.0", "Generator: libcfr packaging", "Root-Is-Purelib: false",
        *(f"Tag: {tag}" for tag in tags), ""]).encode())
    record = ""
    for path, (content, _) in sorted(files.members.items()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(content)}\n"
    files.file(info + "RECORD", (record + f"{info}RECORD,,\n").encode())
    platforms = ".".join(tag.removeprefix("py3-none-") for tag in tags)
    release.write(f"{name}-py3-none-{platforms}.whl", files.bytes(last=(info + "RECORD",)))


def npm(release):
    """One package for both architectures. It has no links: npm leaves them out."""
    tar = Tar()
    source = release.project / "packaging"
    package = json.loads((source / "npm/package.json").read_text())
    package["version"] = release.version
    pages = sorted((release.tree("x86_64") / "cfr/share/man").glob("man[17]/*"))
    package["man"] = [f"./man/{page.name}" for page in pages]
    tar.file("package/package.json", (json.dumps(package, indent=2) + "\n").encode())
    tar.file("package/bin/cfr", (source / "npm/cfr").read_bytes(), 0o755)
    tar.file("package/README.md", (source / "README.md").read_bytes())
    for page in pages:
        tar.file(f"package/man/{page.name}", page.read_bytes())
    for name, text in release.licences.items():
        tar.file(f"package/{name}", text)
    for architecture in release.architectures:
        tree, top = release.tree(architecture) / "cfr", f"package/linux-{NODE[architecture]}/"
        tar.file(top + "bin/cfr", (tree / "bin/cfr").read_bytes(), 0o755)
        tar.file(top + "lib/libcfr.so.0", (tree / "lib/libcfr.so.0").read_bytes(), 0o755)
        tar.file(top + "sbom.cdx.json", release.boms[architecture].encode())
    release.write(f"libcfr-{release.version}.tgz", tar.bytes())


def deb(release, architecture):
    """A package for every Debian and Ubuntu, in the place of those that `make deb` makes."""
    version = f"{release.version}-0portable1"
    data = Tar()
    tree = release.tree(f"{architecture}-deb")
    for path in sorted(tree.rglob("*")):
        name = "./" + str(path.relative_to(tree))
        if path.is_symlink():
            to = str(path.readlink())
            is_page = "/man/" in name
            data.link(name + ".gz" * is_page, to + ".gz" * is_page)
        elif path.is_dir():
            data.directory(name)
        elif "/man/" in name:
            data.file(name + ".gz", gzipped(path.read_bytes()))
        else:
            # Only programs are executable.
            data.file(name, path.read_bytes(), mode_of(path) if "/bin/" in name else 0o644)
    documents = "./usr/share/doc/cfr-portable/"
    data.directory("./")
    data.directory("./usr/share/doc")
    data.directory(documents.rstrip("/"))
    changelog = (f"cfr-portable ({version}) unstable; urgency=medium\n\n  * Built from the sources of libcfr "
                 f"{release.version}.\n\n -- {MAINTAINER}  {formatdate(EPOCH)}\n")
    data.file(documents + "changelog.Debian.gz", gzipped(changelog.encode()))
    data.file(documents + "changelog.gz", gzipped((release.project / "CHANGELOG.md").read_bytes()))
    data.file(documents + "copyright", (release.project / "packaging/debian/copyright").read_bytes())
    for name in ("LICENSES-DEPENDENCIES", "LICENSES-RUST.html"):
        data.file(f"{documents}{name}.gz", gzipped(release.licences[name]))
    data.file(documents + "sbom.cdx.json", release.boms[architecture].encode())
    for directory in ("./usr/share/lintian", "./usr/share/lintian/overrides"):
        data.directory(directory)
    data.file("./usr/share/lintian/overrides/cfr-portable",
              (release.project / "packaging/debian/cfr-portable.lintian-overrides").read_bytes())
    files = {name: content for name, (member, content) in data.members.items() if member.isreg()}
    control = Tar()
    control.directory("./")
    control.file("./control", "\n".join([
        "Package: cfr-portable", f"Version: {version}", f"Architecture: {DEBIAN[architecture]}",
        f"Maintainer: {MAINTAINER}", f"Installed-Size: {sum(map(len, files.values())) // 1024 + 1}",
        "Provides: cfr, libcfr0, libcfr-dev", "Conflicts: cfr, libcfr0, libcfr-dev",
        "Replaces: cfr, libcfr0, libcfr-dev", "Section: utils", "Priority: optional",
        "Description: trace, check and fault-inject the copies of programs",
        " cfr runs a program with the library libcfr.so.0 preloaded, which sees each copy",
        " that the program makes with copy_file_range, reflinks, dedupe and sendfile.",
        " .", " This package needs no other one, and suits every release of Debian and Ubuntu.", ""]).encode())
    control.file("./md5sums", "".join(f"{hashlib.md5(content).hexdigest()}  {name[2:]}\n"
                                      for name, content in sorted(files.items())).encode())
    control.file("./shlibs", b"libcfr 0 cfr-portable\n")
    control.file("./triggers", b"activate-noawait ldconfig\n")
    release.write(f"cfr-portable_{version}_{DEBIAN[architecture]}.deb", ar(
        [("debian-binary", b"2.0\n"), ("control.tar.gz", control.bytes()), ("data.tar.gz", data.bytes())]))


def check(release):
    """Ends the program if a binary needs something, or has a path of this machine."""
    paths = [str(release.project), str(release.out), str(Path.home())]
    for architecture in release.architectures:
        for path in (release.tree(architecture) / "cfr/bin/cfr", release.tree(architecture) / "cfr/lib/libcfr.so.0"):
            found = binary.faults(path.read_bytes(), [one for one in paths if one != "/"])
            if found:
                sys.exit(f"dist: {path}: {'; '.join(found)}")


def main():
    release = Release(*sys.argv[1:])
    check(release)
    for path in release.out.glob("*"):
        if path.is_file():
            path.unlink()
    for architecture in release.architectures:
        tarball(release, architecture)
        wheel(release, architecture)
        deb(release, architecture)
        release.write(f"cfr-{release.version}-{architecture}-linux.cdx.json", release.boms[architecture].encode())
    if len(release.architectures) == len(DEBIAN):
        npm(release)
    names = sorted(path.name for path in release.out.iterdir() if path.is_file())
    sums = "".join(f"{hashlib.sha256((release.out / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    release.write("SHA256SUMS", sums.encode())


main()
