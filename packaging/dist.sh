#!/bin/sh
# Builds the packages of both architectures, or of those that ARCHITECTURES names:
#
#     dist.sh DIRECTORY               into DIRECTORY; cargo builds in DIRECTORY/build
#     dist.sh --check DIRECTORY       compares the packages in DIRECTORY with those of a copy of the sources
#                                     that is built elsewhere, and removes that again
#
# The library is built for a target of glibc and the launcher for one of musl, both linked by rust-lld, the
# linker that comes with Rust: neither needs a C library or a cross compiler. Python 3 writes the archives.
# The packages depend on the sources, on the version of Rust and on Python's zlib, and on nothing else. The
# npm package is one for both architectures, and is left out if only one is built.
set -eu

check=no
architectures=${ARCHITECTURES:-x86_64 aarch64}
[ "${1-}" != --check ] || { check=yes; shift; }
[ $# = 1 ] || { echo 'usage: dist.sh [--check] DIRECTORY' >&2; exit 2; }
packaging=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
project=$(dirname -- "$packaging")
mkdir -p "$1"
out=$(CDPATH='' cd -- "$1" && pwd)
cd "$project"

fail() { printf 'dist: %s\n' "$*" >&2; exit 1; }

python=$(command -v python3) || fail 'python3 is not installed: it writes the archives'
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2> /dev/null)}"
[ -n "$SOURCE_DATE_EPOCH" ] ||
  fail 'this is not a git checkout: set SOURCE_DATE_EPOCH to the time of the release, in seconds since 1970'
export SOURCE_DATE_EPOCH
# The modes of what is built, as of everything that is made here.
umask 022

if [ "$check" = yes ]; then
  [ -e "$out/SHA256SUMS" ] || fail "$out has no packages: make dist"
  copy=$(mktemp -d)
  trap 'rm -rf "$copy"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  mkdir "$copy/elsewhere" "$copy/out"
  tar -cf - --exclude=./target --exclude='./target-*' --exclude=./.git . | tar -xf - -C "$copy/elsewhere"
  sh "$copy/elsewhere/packaging/dist.sh" "$copy/out" > /dev/null
  (cd "$out" && sha256sum --check --strict "$copy/out/SHA256SUMS") ||
    fail 'two builds in two directories differ'
  echo 'dist: two builds in two directories are the same, bit for bit'
  exit 0
fi

for architecture in $architectures; do
  case $architecture in
    x86_64 | aarch64) ;;
    *) fail "invalid value '$architecture' in ARCHITECTURES: expected x86_64 or aarch64" ;;
  esac
done
case " $architectures " in
  *" $(uname -m) "*) ;;
  *) fail "this machine is $(uname -m): expected one of $architectures, to run what was built" ;;
esac

# Adds a target of Rust if it is not installed, or says how.
target() {
  [ -d "$(rustc --print target-libdir --target "$1")" ] || rustup target add "$1" ||
    fail "Rust has no library for $1. Install it: rustup target add $1"
}

# Builds cfr and libcfr.so of an architecture into $out/product/ARCHITECTURE.
build() {
  library=$1-unknown-linux-gnu
  launcher=$1-unknown-linux-musl
  target "$library"
  target "$launcher"
  for words in "libcfr $library" "cfr $launcher"; do
    # shellcheck disable=SC2086 # two words
    set -- "$1" $words
    cargo build --release --locked -p "$2" --target "$3" --config 'profile.release.strip="symbols"'
  done
  product=$out/product/$1
  rm -rf "$product"
  mkdir -p "$product"
  cp "$CARGO_TARGET_DIR/$library/release/libcfr.so" "$CARGO_TARGET_DIR/$launcher/release/cfr" "$product"
  cp -RP "$CARGO_TARGET_DIR/$launcher/release/libcfr" "$product"
}

# Installs into $out/tree/NAME as `make install` does: tree NAME ARCHITECTURE VARIABLE=VALUE...
tree() {
  name=$1
  architecture=$2
  shift 2
  rm -rf "$out/tree/$name"
  env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u BINDIR -u INCDIR -u MANDIR -u DATADIR -u BASHDIR -u FISHDIR \
    -u INSTALL \
    make --silent --no-print-directory files \
    PRODUCT="$out/product/$architecture" RUNNABLE="$out/product/$(uname -m)/cfr" STRIP=: \
    DESTDIR="$out/tree/$name" "$@"
}

sysroot=$(rustc --print sysroot)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# rustc writes paths into messages of panics.
separator=$(printf '\037')
flags=-Clinker=rust-lld
for pair in "$project=/libcfr-$version" "${CARGO_HOME:-$HOME/.cargo}=/cargo" \
  "$sysroot/lib/rustlib/src/rust=/rustc"; do
  flags="$flags$separator--remap-path-prefix=$pair"
done
export CARGO_ENCODED_RUSTFLAGS="$flags"
export CARGO_TARGET_DIR="$out/build"
unset RUSTFLAGS LIBCFR_LIBDIR CARGO_BUILD_TARGET

for architecture in $architectures; do
  build "$architecture"
done
for architecture in $architectures; do
  multiarch=$architecture-linux-gnu
  tree "$architecture" "$architecture" PREFIX=/cfr LIBDIR=/cfr/lib ZSHDIR=/cfr/share/zsh/site-functions
  tree "$architecture-deb" "$architecture" PREFIX=/usr LIBDIR="/usr/lib/$multiarch" \
    ZSHDIR=/usr/share/zsh/vendor-completions
done
# shellcheck disable=SC2086 # words
"$python" "$packaging/packages.py" "$project" "$out" "$version" $architectures
