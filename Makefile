# libcfr: build, try, test, install. `make help` lists the targets.
#
# Packagers: `make PREFIX=/usr LIBDIR=/usr/lib/...`, then `make install` with the same two and DESTDIR: a
# LIBDIR that the launcher does not find by itself is compiled into it. packaging/ has the project's own.

PREFIX  ?= /usr/local
DESTDIR ?=
BINDIR  ?= $(PREFIX)/bin
LIBDIR  ?= $(PREFIX)/lib
INCDIR  ?= $(PREFIX)/include/cfr
MANDIR  ?= $(PREFIX)/share/man
DATADIR ?= $(PREFIX)/share/cfr
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR  ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
CARGO   ?= cargo
INSTALL ?= install
STRIP   ?= strip
# How long `make fuzz` runs, in seconds, and in which directory; empty is a tmpfs of its own.
FUZZ_SECONDS ?= 60
FUZZ_DIR     ?=
# What `make hazards` runs: the hazards with one of these words in their names; empty is all.
HAZARDS      ?=
# What `make quick` runs of the black-box tests: those with one of these words in their names.
QUICK        ?= cli::launcher preload::log preload::settings preload::inject emulation::backend install::header repository::architecture
# Whether `make check` and `make deps` may install packages, as root on Debian: yes or no.
DEPS         ?= yes

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
TARGET  := $(or $(CARGO_TARGET_DIR),target)
RELEASE := $(TARGET)/release
SKIPS   := $(TARGET)/skips
# Recipes that change the directory need the whole path of $(TARGET).
ABSOLUTE_TARGET := $(if $(filter /%,$(TARGET)),$(TARGET),$(CURDIR)/$(TARGET))
# Programs that a recipe starts in another directory, as the tests, would take a relative path for another.
export CARGO_TARGET_DIR := $(ABSOLUTE_TARGET)
# Where the launcher looks for a library, besides its own directory and the library directories of its
# prefix. It is set only if needed: so the same launcher suits every PREFIX, and is not built for each.
FOUND_BY_ITSELF := $(patsubst %,$(PREFIX)/%,lib lib64 lib/$(shell uname -m)-linux-gnu)
LIBCFR_LIBDIR   := $(if $(filter $(PREFIX)/bin,$(BINDIR)),$(filter-out $(FOUND_BY_ITSELF),$(LIBDIR)),$(LIBDIR))
ifeq ($(LIBCFR_LIBDIR),)
unexport LIBCFR_LIBDIR
else
export LIBCFR_LIBDIR
endif

.PHONY: all static run check deps quick test lint fmt clippy doc shellcheck site deny conformance hazards bench \
  userlands kernels soak fuzz dist dist-check deb packages-check header usable-prefix install uninstall clean help

##@ Use
all: ## build libcfr.so and cfr into target/release
	$(CARGO) build --release --locked --workspace
	@echo '$(LIBCFR_LIBDIR)' > $(BUILT)

# Says that all is built, and for which LIBCFR_LIBDIR. If nothing changed since, `make install` does not
# call cargo, which root may not have.
BUILT   := $(RELEASE)/built
SOURCES := $(wildcard Cargo.toml Cargo.lock build.rs cbindgen*.toml crates/*/Cargo.toml crates/cfr/build.rs) \
  $(shell find src crates/*/src crates/cfr/build crates/cfr/templates -type f)
is-there := $(and $(wildcard $(RELEASE)/cfr),$(wildcard $(RELEASE)/libcfr.so))
ifneq ($(if $(is-there),$(shell cat $(BUILT) 2> /dev/null),no),$(LIBCFR_LIBDIR))
.PHONY: $(BUILT)
endif
$(BUILT): $(SOURCES)
	@$(MAKE) --no-print-directory all

# Built for musl by rustc's own linker: it needs no C library of the machine that it runs on.
STATIC := $(shell uname -m)-unknown-linux-musl
static: all ## build a static cfr, for systems with an older C library, into target/static
	@[ -d "$$(rustc --print target-libdir --target $(STATIC))" ] || \
	  { echo 'make static: Rust has no library for $(STATIC); install it: rustup target add $(STATIC)' >&2; exit 2; }
	$(CARGO) build --release --locked -p cfr --target $(STATIC) --config 'target.$(STATIC).linker="rust-lld"'
	$(INSTALL) -d $(TARGET)/static
	$(INSTALL) -m 755 $(TARGET)/$(STATIC)/release/cfr $(RELEASE)/libcfr.so $(TARGET)/static
	@CFR="$(ABSOLUTE_TARGET)/static/cfr" sh tests/scripts/demo.sh > /dev/null 2>&1 || \
	  { echo 'make static: it is built, but does not trace a cp' >&2; exit 1; }
	@echo '$(TARGET)/static has cfr and libcfr.so. Keep the two in one directory.'

run: all ## trace a real cp on real files: text, then the same as JSON
	@CFR="$(ABSOLUTE_TARGET)/release/cfr" sh tests/scripts/demo.sh

##@ Check
check: deps lint test ## everything that must pass; CI runs this

deps: ## install what the tests use (says what and why first; DEPS=no: only says it)
	@sh tests/scripts/deps.sh $(if $(filter no,$(DEPS)),--list)

quick: ## the inner loop, below a minute: rustfmt, clippy, unit tests, fast black-box tests
	@sh tests/scripts/quick.sh $(QUICK)

test: all ## every test, and a list of those that were skipped
	@rm -f $(SKIPS)
	CFR_TEST_SKIPS="$(ABSOLUTE_TARGET)/skips" $(CARGO) test --locked --workspace
	@sh tests/scripts/skips.sh $(SKIPS)

lint: fmt clippy doc shellcheck ## rustfmt, clippy, rustdoc, shellcheck: no warning

# rustfmt and clippy are parts of Rust that may be left out; shellcheck is a program of its own.
fmt:
	@if $(CARGO) fmt --version > /dev/null 2>&1; then \
	  $(CARGO) fmt --all --check && for package in benches/fmt-layer examples/subscriber examples/rust-ffi; do \
	    $(CARGO) fmt --check --manifest-path $$package/Cargo.toml || exit 1; done; \
	else echo 'skipped: cargo fmt is not installed'; fi

clippy:
	@if $(CARGO) clippy --version > /dev/null 2>&1; then \
	  $(CARGO) clippy --locked --workspace --all-targets -- -D warnings; \
	else echo 'skipped: cargo clippy is not installed'; fi

doc: ## build the documentation of the code, private items too, into target/doc
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps --document-private-items

shellcheck:
	@if command -v shellcheck > /dev/null; then shellcheck .ci/run tests/scripts/*.sh packaging/*.sh packaging/npm/cfr; \
	else echo 'skipped: shellcheck is not installed'; fi

# The directory of the site, and of the pages that it is built from.
SITE := $(ABSOLUTE_TARGET)/site
site: ## build docs/ and the manual pages as a static site into target/site (mdBook, mandoc, Python 3)
	@for program in mdbook mandoc python3; do command -v $$program > /dev/null || \
	  { echo "make site: $$program is not installed: make deps" >&2; exit 2; }; done
	@rm -rf $(SITE) $(SITE)-pages
	@python3 site/stage.py . $(SITE)-pages
	@mdbook build --dest-dir $(SITE) $(SITE)-pages
	@echo 'open $(TARGET)/site/index.html'

deny: ## check licences, sources and advisories of the dependencies (cargo-deny)
	$(CARGO) deny --locked --all-features check

##@ Measure, and test for longer
conformance: all ## print the conformance matrix: dialect by clause and by rule
	$(CARGO) test --release --locked --test conformance -- --matrix

hazards: all ## print the hazard matrix: hazard by mode; HAZARDS="word..." for some
	$(CARGO) test --release --locked --test hazards -- --matrix $(HAZARDS)

bench: all ## print costs and times, and their goals
	$(CARGO) bench --locked --bench figures

soak: all ## run a million random operations on real filesystems, against a model
	$(CARGO) test --release --locked --test suite -- --ignored --exact emulation::layouts::a_million_random_operations_agree_with_a_model --nocapture

userlands: all ## run hazards and tests with other C libraries, and on aarch64 under qemu
	@CARGO="$(CARGO)" sh tests/scripts/userlands.sh

kernels: all ## run checks on older and newer kernels, and on one of aarch64, under qemu-system
	@CARGO="$(CARGO)" sh tests/scripts/kernels.sh

fuzz: all ## fuzz requests against the kernel (libFuzzer, clang); FUZZ_SECONDS=60 FUZZ_DIR=...
	@CARGO_TARGET="$(ABSOLUTE_TARGET)" FUZZ_SECONDS="$(FUZZ_SECONDS)" FUZZ_DIR="$(FUZZ_DIR)" sh tests/scripts/fuzz.sh

##@ Maintain
header: ## generate include/ from the Rust sources
	$(CARGO) build --release --locked -p libcfr
	@set -e; out=$$(dirname "$$(ls -t $(RELEASE)/build/libcfr-*/out/cfr.h | head -n 1)"); \
	cp "$$out/cfr.h" include/cfr.h; cp "$$out/linux-copy.h" include/linux/copy.h

clean: ## remove what was built
	$(CARGO) clean

##@ Package
DIST := $(ABSOLUTE_TARGET)/dist
dist: ## build tarballs, wheels, an npm package and portable .debs for x86-64 and aarch64 into target/dist
	@MAINTAINER="$(MAINTAINER)" sh packaging/dist.sh $(DIST)

dist-check: ## build the packages of target/dist again elsewhere: are they the same, bit for bit?
	@sh packaging/dist.sh --check $(DIST)

deb: ## build libcfr0, cfr and libcfr-dev for this machine's Debian into target/deb
	@MAINTAINER="$(MAINTAINER)" sh packaging/deb.sh $(ABSOLUTE_TARGET)/deb

packages-check: ## install every package of target/dist and target/deb in roots of its own, and use it
	@DIST=$(DIST) DEB=$(ABSOLUTE_TARGET)/deb sh packaging/try.sh

##@ Install
# Recipes and pkg-config cannot quote a space.
usable-prefix:
	@case '$(PREFIX) $(LIBDIR)' in \
	  '/'*' /'*' '*|[!/]*|*' '[!/]*) echo 'PREFIX and LIBDIR must be absolute paths without spaces' >&2; exit 2;; \
	esac

install: usable-prefix $(BUILT) ## install below $(DESTDIR)$(PREFIX)
	@$(MAKE) --no-print-directory files
	@# The dynamic linker finds libraries of standard directories in its cache.
	@[ -n "$(DESTDIR)" ] || ldconfig 2> /dev/null || true

# Installs what was built before. PRODUCT has cfr, libcfr.so and libcfr/; RUNNABLE is a cfr that this
# machine can run.
PRODUCT  ?= $(RELEASE)
RUNNABLE ?= $(PRODUCT)/cfr
CMAKEDIR := $(LIBDIR)/cmake/cfr
FILL_IN  := sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCDIR@|$(INCDIR)|; s|@VERSION@|$(VERSION)|'
.PHONY: files
files:
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(CMAKEDIR) $(DESTDIR)$(INCDIR)/linux \
	  $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man3 $(DESTDIR)$(MANDIR)/man7 \
	  $(DESTDIR)$(BASHDIR) $(DESTDIR)$(ZSHDIR) $(DESTDIR)$(FISHDIR) $(DESTDIR)$(DATADIR)
	$(INSTALL) -m 755 $(PRODUCT)/cfr $(DESTDIR)$(BINDIR)/cfr
	$(INSTALL) -m 755 $(PRODUCT)/libcfr.so $(DESTDIR)$(LIBDIR)/libcfr.so.$(VERSION)
	-$(STRIP) --strip-unneeded $(DESTDIR)$(LIBDIR)/libcfr.so.$(VERSION) $(DESTDIR)$(BINDIR)/cfr
	ln -sf libcfr.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libcfr.so.0
	ln -sf libcfr.so.0 $(DESTDIR)$(LIBDIR)/libcfr.so
	@# The links through which cfr preloads it; in $(PRODUCT) they lead to libcfr.so.
	cp -RP $(PRODUCT)/libcfr $(DESTDIR)$(LIBDIR)
	chmod -R u=rwX,go=rX $(DESTDIR)$(LIBDIR)/libcfr
	ln -sf ../../libcfr.so.0 $(DESTDIR)$(LIBDIR)/libcfr/64-bit/libcfr.so
	$(INSTALL) -m 644 include/cfr.h $(DESTDIR)$(INCDIR)/cfr.h
	$(INSTALL) -m 644 include/linux/copy.h $(DESTDIR)$(INCDIR)/linux/copy.h
	$(FILL_IN) cfr.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/cfr.pc
	$(FILL_IN) cmake/cfrConfig.cmake.in > $(DESTDIR)$(CMAKEDIR)/cfrConfig.cmake
	$(FILL_IN) cmake/cfrConfigVersion.cmake.in > $(DESTDIR)$(CMAKEDIR)/cfrConfigVersion.cmake
	$(INSTALL) -m 644 schema/cfr.schema.json $(DESTDIR)$(DATADIR)/cfr.schema.json
	$(INSTALL) -m 644 man/*.1 $(DESTDIR)$(MANDIR)/man1
	$(INSTALL) -m 644 man/*.3 $(DESTDIR)$(MANDIR)/man3
	$(INSTALL) -m 644 man/*.7 $(DESTDIR)$(MANDIR)/man7
	ln -sf cfr-trace.1 $(DESTDIR)$(MANDIR)/man1/cfr-run.1
	$(RUNNABLE) completions bash > $(DESTDIR)$(BASHDIR)/cfr
	$(RUNNABLE) completions zsh > $(DESTDIR)$(ZSHDIR)/_cfr
	$(RUNNABLE) completions fish > $(DESTDIR)$(FISHDIR)/cfr.fish

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(BINDIR)/cfr $(DESTDIR)$(LIBDIR)/pkgconfig/cfr.pc \
	  $(DESTDIR)$(LIBDIR)/libcfr.so $(DESTDIR)$(LIBDIR)/libcfr.so.0 $(DESTDIR)$(LIBDIR)/libcfr.so.$(VERSION) \
	  $(DESTDIR)$(INCDIR)/cfr.h $(DESTDIR)$(INCDIR)/linux/copy.h \
	  $(patsubst man/%,$(DESTDIR)$(MANDIR)/man1/%,$(wildcard man/*.1)) $(DESTDIR)$(MANDIR)/man1/cfr-run.1 \
	  $(patsubst man/%,$(DESTDIR)$(MANDIR)/man3/%,$(wildcard man/*.3)) \
	  $(patsubst man/%,$(DESTDIR)$(MANDIR)/man7/%,$(wildcard man/*.7)) \
	  $(DESTDIR)$(BASHDIR)/cfr $(DESTDIR)$(ZSHDIR)/_cfr $(DESTDIR)$(FISHDIR)/cfr.fish \
	  $(DESTDIR)$(DATADIR)/cfr.schema.json
	rm -rf $(DESTDIR)$(LIBDIR)/libcfr $(DESTDIR)$(CMAKEDIR)
	-@rmdir $(DESTDIR)$(INCDIR)/linux $(DESTDIR)$(INCDIR) $(DESTDIR)$(DATADIR) $(DESTDIR)$(LIBDIR)/cmake 2> /dev/null || true

help: ## list the targets
	@echo 'Usage: make [TARGET] [VARIABLE=VALUE]...'
	@sed -n -e 's/^##@ \(.*\)/\n\1/p' -e 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 22
	@echo
	@echo 'New here: make run, then make deps and make quick. Before a commit: make check.'
	@echo 'PREFIX=$(PREFIX) BINDIR LIBDIR INCDIR MANDIR DATADIR DESTDIR say where make install puts things.'
