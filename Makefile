# libcfr: build, try, test, install. `make help` lists the targets.

PREFIX  ?= /usr/local
DESTDIR ?=
BINDIR  ?= $(PREFIX)/bin
LIBDIR  ?= $(PREFIX)/lib
INCDIR  ?= $(PREFIX)/include/cfr
MANDIR  ?= $(PREFIX)/share/man
CARGO   ?= cargo
INSTALL ?= install
# How long `make fuzz` runs, and where: on a tmpfs of its own where nothing is said.
FUZZ_SECONDS ?= 60
FUZZ_DIR     ?=
# Which hazards `make hazards` tries: those whose name or program holds one of these words.
HAZARDS      ?=

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
TARGET  := $(or $(CARGO_TARGET_DIR),target)
RELEASE := $(TARGET)/release
SKIPS   := $(TARGET)/skips
# What the launcher falls back to where it finds no library near itself.
export LIBCFR_LIBDIR := $(LIBDIR)

.PHONY: usable-prefix all run check test lint conformance hazards bench soak fuzz header install uninstall clean help tools

all: ## build libcfr.so and cfr
	$(CARGO) build --release --locked --workspace

run: all ## trace a real cp on real files: text, then the same as JSON
	@CFR="$(CURDIR)/$(RELEASE)/cfr" sh tests/scripts/demo.sh

check: tools lint test ## everything that must pass: tools, lints, every test

test: all
	@rm -f $(SKIPS)
	CFR_TEST_SKIPS="$(abspath $(SKIPS))" $(CARGO) test --locked --workspace
	@sh tests/scripts/skips.sh $(SKIPS)

lint: # rustfmt and clippy are parts of Rust that may be left out
	@if $(CARGO) fmt --version > /dev/null 2>&1; then $(CARGO) fmt --all --check && $(CARGO) fmt --check --manifest-path benches/fmt-layer/Cargo.toml; \
	else echo 'skipped: cargo fmt is not installed'; fi
	@if $(CARGO) clippy --version > /dev/null 2>&1; then \
	  $(CARGO) clippy --locked --workspace --all-targets -- -D warnings; \
	else echo 'skipped: cargo clippy is not installed'; fi

tools: # what the tests need: installed where that may be, said where not
	@sh tests/scripts/deps.sh

conformance: all ## print the conformance matrix: dialect by clause and by rule
	$(CARGO) test --release --locked --test conformance -- --matrix

hazards: all ## print the hazard matrix: hazard by mode; HAZARDS="word..." for some
	$(CARGO) test --release --locked --test hazards -- --matrix $(HAZARDS)

bench: all ## print the figures and their goals
	$(CARGO) bench --locked --bench figures

soak: all ## a million random operations on real filesystems, against a model
	$(CARGO) test --release --locked --test suite -- --ignored --exact emulation::layouts::soak_of_a_million --nocapture

fuzz: all ## fuzz the space of requests (libFuzzer, clang)
	@CARGO_TARGET="$(abspath $(TARGET))" FUZZ_SECONDS="$(FUZZ_SECONDS)" FUZZ_DIR="$(FUZZ_DIR)" sh tests/scripts/fuzz.sh

header: ## make include/ anew from the Rust sources
	$(CARGO) build --release --locked -p libcfr
	@set -e; out=$$(dirname "$$(ls -t $(RELEASE)/build/libcfr-*/out/cfr.h | head -n 1)"); \
	cp "$$out/cfr.h" include/cfr.h; cp "$$out/linux-copy.h" include/linux/copy.h

# Recipes and pkg-config know no way to quote a space.
usable-prefix:
	@case '$(PREFIX) $(LIBDIR)' in \
	  '/'*' /'*' '*|[!/]*|*' '[!/]*) echo 'PREFIX and LIBDIR must be absolute paths without spaces' >&2; exit 2;; \
	esac

install: usable-prefix all ## install below $(DESTDIR)$(PREFIX)
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCDIR)/linux \
	  $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man7
	$(INSTALL) -m 755 $(RELEASE)/cfr $(DESTDIR)$(BINDIR)/cfr
	$(INSTALL) -m 755 $(RELEASE)/libcfr.so $(DESTDIR)$(LIBDIR)/libcfr.so.$(VERSION)
	-strip --strip-unneeded $(DESTDIR)$(LIBDIR)/libcfr.so.$(VERSION) $(DESTDIR)$(BINDIR)/cfr
	ln -sf libcfr.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libcfr.so.0
	ln -sf libcfr.so.0 $(DESTDIR)$(LIBDIR)/libcfr.so
	$(INSTALL) -m 644 include/cfr.h $(DESTDIR)$(INCDIR)/cfr.h
	$(INSTALL) -m 644 include/linux/copy.h $(DESTDIR)$(INCDIR)/linux/copy.h
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCDIR@|$(INCDIR)|; s|@VERSION@|$(VERSION)|' \
	  cfr.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/cfr.pc
	$(INSTALL) -m 644 man/*.1 $(DESTDIR)$(MANDIR)/man1
	$(INSTALL) -m 644 man/*.7 $(DESTDIR)$(MANDIR)/man7
	ln -sf cfr-trace.1 $(DESTDIR)$(MANDIR)/man1/cfr-run.1
	@# The dynamic linker finds libraries of standard directories in its cache.
	@[ -n "$(DESTDIR)" ] || ldconfig 2> /dev/null || true

uninstall: ## take away what install put there
	rm -f $(DESTDIR)$(BINDIR)/cfr $(DESTDIR)$(LIBDIR)/pkgconfig/cfr.pc \
	  $(DESTDIR)$(LIBDIR)/libcfr.so $(DESTDIR)$(LIBDIR)/libcfr.so.0 $(DESTDIR)$(LIBDIR)/libcfr.so.$(VERSION) \
	  $(DESTDIR)$(INCDIR)/cfr.h $(DESTDIR)$(INCDIR)/linux/copy.h \
	  $(patsubst man/%,$(DESTDIR)$(MANDIR)/man1/%,$(wildcard man/*.1)) $(DESTDIR)$(MANDIR)/man1/cfr-run.1 \
	  $(patsubst man/%,$(DESTDIR)$(MANDIR)/man7/%,$(wildcard man/*.7))
	-@rmdir $(DESTDIR)$(INCDIR)/linux $(DESTDIR)$(INCDIR) 2> /dev/null || true

clean: ## remove what was built
	$(CARGO) clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 20
