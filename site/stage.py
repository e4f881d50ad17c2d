"""Copies the documents into a directory that mdBook reads: stage.py PROJECT DIRECTORY.

A page keeps its path, but README.md becomes index.md: mdBook would serve it under that name. Manual
pages become Markdown by mandoc(1). The list of pages is that of docs/README.md, by its headings, so a
page that cannot be reached from there is not on the site. A link to a source leads to a copy of it as
text; a link to a folder, and one out of the project, become plain text.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

PROJECT, OUT = Path(sys.argv[1]).resolve(), Path(sys.argv[2]) / "src"
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#]*)(#[^)\s]*)?\)")
MAN = {page.name: page for page in sorted((PROJECT / "man").glob("*.[1-8]"))}


def documents():
    """The Markdown pages, by their paths in the project."""
    places = ["*.md", "docs/**/*.md", "packaging/*.md", "examples/*.md", "crates/*/README.md", "tests/data/*.md"]
    return sorted({path.relative_to(PROJECT) for place in places for path in PROJECT.glob(place)})


def staged(path):
    """The place of a page or of a copied source."""
    if path.name == "README.md":
        return path.with_name("index.md")
    return path if path.suffix == ".md" else path.with_name(path.name + ".txt")


def copied(path):
    """Copies a source that a page links, and returns its place."""
    place = OUT / staged(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes((PROJECT / path).read_bytes())
    return staged(path)


def rewritten(text, page):
    """A page's Markdown, with links to where the site has what they mean."""
    base = page.parent

    def link(match):
        label, target, anchor = match[1], match[2], match[3] or ""
        if "://" in target or target.startswith("mailto:") or not target:
            return match[0]
        path = Path(os.path.normpath(base / target))
        real = PROJECT / path
        if path.parent == Path("man") and path.name in MAN:
            place = path.with_name(path.name + ".md")
        elif path == Path("man"):
            place = Path("man/cfr.1.md")
        elif str(path).startswith("..") or real.is_dir():
            return label
        elif path in PAGES:
            place = staged(path)
        else:
            place, anchor = copied(path), ""
        return f"[{label}]({os.path.relpath(place, base)}{anchor})"

    # Runs of lines that are code, and that are not: a link may begin on one line and end on the next.
    # Indented code begins after a blank line.
    runs, fenced, may_begin = [], False, True
    for line in text.split("\n"):
        is_code = fenced or line.startswith("```") or (may_begin and line.startswith("    "))
        may_begin = is_code or not line.strip()
        fenced ^= line.startswith("```")
        if not runs or runs[-1][0] != is_code:
            runs.append((is_code, []))
        runs[-1][1].append(line)
    joined = ((is_code, "\n".join(lines)) for is_code, lines in runs)
    return "\n".join(run if is_code else LINK.sub(link, run) for is_code, run in joined)


def manual(page):
    """A manual page as Markdown, with links to the other pages of the project."""
    command = ["mandoc", "-T", "markdown", str(page)]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    name, section = page.name.rsplit(".", 1)
    # The first line and the last are mandoc's header and footer.
    text = "\n".join(text.strip().split("\n")[1:-1])

    def reference(match):
        other = f"{match[1]}.{match[2]}"
        return f"[{match[0]}]({other}.md)" if other in MAN and other != page.name else match[0]

    lines = [line if line.startswith(("\t", "    ")) else re.sub(r"\b([a-z_-]+)\((\d)\)", reference, line)
             for line in text.split("\n")]
    return f"# {name}({section})\n" + re.sub(r"(?m)^(#+ )", r"#\1", "\n".join(lines)) + "\n"


def title(text):
    return next(line[2:].strip() for line in text.split("\n") if line.startswith("# "))


def write(place, text):
    (OUT / place).parent.mkdir(parents=True, exist_ok=True)
    (OUT / place).write_text(text)


def summary(texts):
    """The list of pages: docs/README.md's links, below its headings."""
    parts = ["# Summary", "", "[libcfr](index.md)", "[Documentation](docs/index.md)"]
    seen = {Path("README.md"), Path("docs/README.md")}
    for line in texts[Path("docs/README.md")].split("\n"):
        if line.startswith("## "):
            parts += ["", "# " + line[3:].split(":")[0], ""]
        for match in LINK.finditer(line if not line.startswith("#") else ""):
            path = Path(os.path.normpath(Path("docs") / match[2]))
            if path in PAGES and path not in seen:
                seen.add(path)
                # mdBook wants the pages before the first heading without a list.
                dash = "- " if any(part.startswith("# ") for part in parts[1:]) else ""
                parts.append(f"{dash}[{title(texts[path])}]({staged(path)})")
    parts += ["", "# Manual pages", ""]
    pages = sorted((name[-1], name[:-2]) for name in MAN)
    parts += [f"- [{name}({section})](man/{name}.{section}.md)" for section, name in pages]
    # What is linked from a page, but is no part of the documentation of its own.
    rest = [path for path in PAGES if path not in seen]
    parts += ["", "# The project", ""] + [f"- [{title(texts[path])}]({staged(path)})" for path in rest]
    return "\n".join(parts) + "\n"


PAGES = documents()
TEXTS = {path: (PROJECT / path).read_text() for path in PAGES}
for path, text in TEXTS.items():
    write(staged(path), rewritten(text, path))
for name, page in MAN.items():
    write(Path("man") / f"{name}.md", manual(page))
write(Path("SUMMARY.md"), summary(TEXTS))
(OUT.parent / "book.toml").write_bytes((PROJECT / "site/book.toml").read_bytes())
