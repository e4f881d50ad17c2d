"""What is inside a binary: the crates that are linked into it, as a CycloneDX document and as the texts of
their licences. Both are made from Cargo.lock by `cargo metadata`.

    dependencies.py PROJECT PACKAGE TARGET      prints the licences of what is linked into a package
"""

import json
import re
import subprocess
import sys
import uuid
from datetime import datetime, timezone
from pathlib import Path

# The two packages that are built, and for which target.
ROOTS = {"libcfr": "unknown-linux-gnu", "cfr": "unknown-linux-musl"}
# Not crates: they come with Rust, as binaries.
MUSL = "packaging/notices/musl"


def metadata(project, target):
    command = ["cargo", "metadata", "--locked", "--format-version=1", f"--filter-platform={target}"]
    return json.loads(subprocess.run(command, cwd=project, check=True, stdout=subprocess.PIPE).stdout)


def linked(project, root, target):
    """Returns the packages that are linked into the package `root`, itself included, and for each the
    packages that it depends on. Programs of the build, as macros, are left out."""
    data = metadata(project, target)
    packages = {package["id"]: package for package in data["packages"]}
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
    is_macro = {key: any("proc-macro" in one["kind"] for one in package["targets"])
                for key, package in packages.items()}
    first = next(key for key, package in packages.items() if package["name"] == root)
    found, todo = {}, [first]
    while todo:
        key = todo.pop()
        if key in found:
            continue
        needs = [dep["pkg"] for dep in nodes[key]["deps"]
                 if any(kind["kind"] is None for kind in dep["dep_kinds"]) and not is_macro[dep["pkg"]]]
        found[key] = needs
        todo += needs
    return [(packages[key], [packages[need] for need in needs]) for key, needs in found.items()]


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def sbom(project, architecture, version, epoch):
    """Returns the CycloneDX 1.5 document of an architecture, as text."""
    lock = (project / "Cargo.lock").read_text().split("[[package]]")[1:]
    fields = [dict(re.findall(r'^(name|version|checksum) = "(.*)"$', part, re.MULTILINE)) for part in lock]
    checksums = {(one["name"], one["version"]): one.get("checksum") for one in fields}
    components, dependencies = {}, {}
    for root, target in ROOTS.items():
        for package, needs in linked(project, root, f"{architecture}-{target}"):
            component = {
                "type": "library" if package["name"] != "cfr" else "application",
                "bom-ref": purl(package),
                "name": package["name"],
                "version": package["version"],
                "licenses": [{"expression": re.sub(r"\s*/\s*", " OR ", package["license"])}],
                "purl": purl(package),
            }
            checksum = checksums[package["name"], package["version"]]
            if checksum:
                component["hashes"] = [{"alg": "SHA-256", "content": checksum}]
            components[purl(package)] = component
            dependencies.setdefault(purl(package), set()).update(purl(need) for need in needs)
    subject = f"pkg:generic/cfr@{version}?arch={architecture}"
    dependencies[subject] = {purl({"name": root, "version": version}) for root in ROOTS}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{subject}&time={epoch}')}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {"type": "application", "bom-ref": subject, "name": "cfr", "version": version,
                          "licenses": [{"expression": "MIT OR Apache-2.0"}], "purl": subject},
        },
        "components": [components[key] for key in sorted(components)],
        "dependencies": [{"ref": key, "dependsOn": sorted(dependencies[key])} for key in sorted(dependencies)],
    }
    return json.dumps(document, indent=2) + "\n"


def licences(project, roots):
    """Returns the names of the crates that are linked into these pairs of package and target, by the text of
    their licences."""
    packages = {}
    for root, target in roots:
        for package, _ in linked(project, root, target):
            if package["source"]:
                packages[package["name"], package["version"]] = package
    texts = {}
    for key in sorted(packages):
        folder = Path(packages[key]["manifest_path"]).parent
        files = sorted(path for path in folder.iterdir() if path.is_file()
                       and re.match(r"(?i)(licen[cs]e|copying|notice|copyright|unlicense)", path.name))
        name = f"{key[0]} {key[1]} ({packages[key]['license']})"
        text = "\n".join(path.read_text(errors="replace").strip() for path in files)
        # Most crates share one text; it is written once.
        texts.setdefault(text, []).append(name)
    return texts


def written(texts):
    """Returns the texts of `licences` as one text."""
    parts = ["The binaries of this package contain code of these projects.\n"]
    for text, names in texts.items():
        shown = text or "(the crate has no file with the text of its licence)"
        parts.append("=" * 78 + "\n" + "\n".join(names) + "\n" + "-" * 78 + "\n" + shown + "\n")
    return "\n".join(parts)


def notices(project, sysroot):
    """Returns the texts of the licences of all that is linked into the binaries of `make dist`, and those of
    Rust's standard library."""
    roots = [(root, f"{architecture}-{target}") for architecture in ("x86_64", "aarch64")
             for root, target in ROOTS.items()]
    texts = licences(project, roots)
    musl = (project / MUSL).read_text().strip()
    texts.setdefault(musl, []).append("musl, the C library inside cfr (MIT)")
    library = Path(sysroot) / "share/doc/rust/COPYRIGHT-library.html"
    return written(texts), library.read_bytes()


if __name__ == "__main__":
    print(written(licences(Path(sys.argv[1]), [tuple(sys.argv[2:])])), end="")
