#!/bin/sh
# Builds libcfr0, cfr and libcfr-dev the way Debian does, and shows what lintian says:
#
#     deb.sh DIRECTORY
#
# MAINTAINER="Name <address>" names who publishes the packages. Rust may be rustup's: then the build
# dependencies are not checked.
set -eu

[ $# = 1 ] || { echo 'usage: deb.sh DIRECTORY' >&2; exit 2; }
project=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
mkdir -p "$1"
out=$(CDPATH='' cd -- "$1" && pwd)
cd "$project"

fail() { printf 'deb: %s\n' "$*" >&2; exit 1; }

for pair in dpkg-buildpackage:dpkg-dev dh:debhelper lintian:lintian python3:python3; do
  command -v "${pair%:*}" > /dev/null || packages="${packages-} ${pair#*:}"
done
[ -z "${packages-}" ] || fail "programs are missing: apt-get install --no-install-recommends$packages"
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2> /dev/null)}"
[ -n "$SOURCE_DATE_EPOCH" ] || fail 'this is not a git checkout: set SOURCE_DATE_EPOCH'
export SOURCE_DATE_EPOCH
maintainer=${MAINTAINER:-the libcfr authors <libcfr@localhost>}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

# A copy of the sources, with debian/ where dpkg-buildpackage looks for it.
source=$out/libcfr-$version
rm -rf "$source" "$out"/*.deb "$out"/*.buildinfo "$out"/*.changes
mkdir -p "$source"
tar -cf - --exclude=./target --exclude='./target-*' --exclude=./.git . | tar -xf - -C "$source"
cp -R packaging/debian "$source/debian"
sed "s|@MAINTAINER@|$maintainer|" packaging/debian/control.in > "$source/debian/control"
rm "$source/debian/control.in" "$source/debian/cfr-portable.lintian-overrides"
cat > "$source/debian/changelog" <<CHANGELOG
libcfr ($version-1) unstable; urgency=medium

  * Built from the sources of libcfr $version: see CHANGELOG.md.

 -- $maintainer  $(date --utc --rfc-email --date="@$SOURCE_DATE_EPOCH")
CHANGELOG

# debhelper gives the build another home directory.
export CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}" RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}"
export CARGO_TARGET_DIR="$out/build"
(cd "$source" && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u LIBCFR_LIBDIR \
  dpkg-buildpackage --build=binary --unsigned-source --unsigned-changes --no-check-builddeps)
# Bytes of code are no words.
suppressed=spelling-error-in-binary
if [ -z "${MAINTAINER-}" ]; then
  echo 'deb: MAINTAINER is not set: the address is not one that lintian would accept'
  suppressed=$suppressed,bogus-mail-host,bogus-mail-host-in-debian-changelog
fi
echo 'deb: lintian says (nothing is good):'
(cd "$out" && lintian --allow-root --display-info --fail-on error,warning --suppress-tags "$suppressed" ./*.changes)
for file in "$out"/*.deb; do
  printf 'deb: %s: %s bytes\n' "$(basename "$file")" "$(wc -c < "$file")"
done
