#!/bin/sh
# Installs the packages where users would, and uses them there: traces, sweeps and reports a copy, and lets the
# program of cfr_copy(3) tell how its bytes moved.
#
#     try.sh [NAME...]     lintian bullseye bookworm trixie musl arm64 wheel npm; all by default
#
# DIST and DEB are the directories of `make dist` and `make deb`. The roots of the Debian releases are made by
# mmdebstrap (1.3 GB, kept below $DIST/roots; `make clean` removes them). What cannot be had is skipped. The
# exit status is 1 if something failed.
set -eu

project=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
dist=${DIST:-$project/target/dist}
deb=${DEB:-$project/target/deb}
roots=$dist/roots
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$project/Cargo.toml" | head -n 1)
machine=$(uname -m)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf 'packages: %s\n' "$*"; }

# What is done with each package, in sh: `cfr` is on the PATH, `copy` copies one file by copy_file_range.
# shellcheck disable=SC2016 # expanded by the inner shell
use='
  set -e
  work=$(mktemp -d)
  trap "rm -rf $work" EXIT
  cd "$work"
  head -c 1000000 /dev/urandom > a
  cfr --version
  cfr trace copy a b 2> text || { cat text; exit 1; }
  cmp a b
  grep -q "copy_file_range(.* = 1000000 (kernel)" text || { cat text; exit 1; }
  cfr trace --format json -o log.json copy a c
  cmp a c
  cfr report log.json > report
  grep -q "1000000\|1,000,000\|976.6\|1.0 MB\|977" report || { cat report; exit 1; }
  cfr sweep --faults EIO --check "cmp a b" copy a b > sweep || { cat sweep; exit 1; }
  grep -q "failed" sweep || { cat sweep; exit 1; }
  cfr completions bash > /dev/null
'

# Prints why a root of a Debian release cannot be had: debian SUITE MACHINE
debian() {
  root=$roots/$1-$2
  [ ! -e "$root/.complete" ] || return 0
  [ "$(id -u)" = 0 ] || { echo 'it needs root'; return; }
  command -v mmdebstrap > /dev/null || { echo 'mmdebstrap is not installed'; return; }
  variant=essential
  compiler=,gcc,libc6-dev,pkg-config
  if [ "$2" != "$(dpkg --print-architecture)" ]; then
    variant=extract
    compiler=
  fi
  rm -rf "$root"
  mkdir -p "$roots"
  mmdebstrap --quiet --variant="$variant" --architectures="$2" \
    --include=python3-minimal,coreutils,dash,diffutils,grep,findutils$compiler "$1" "$root" > "$scratch/log" 2>&1 ||
    { echo "mmdebstrap cannot unpack $1 for $2"; return; }
  # Nothing ran in it: what the packages leave to their scripts.
  for name in bin lib lib64; do
    [ -e "$root/$name" ] || [ ! -d "$root/usr/$name" ] || ln -s "usr/$name" "$root/$name"
  done
  [ -e "$root/bin/sh" ] || ln -s dash "$root/bin/sh"
  # cp of bullseye reads and writes.
  mkdir -p "$root/usr/local/bin"
  cat > "$root/usr/local/bin/copy" <<'PROGRAM'
#!/usr/bin/python3
import os, sys
source = os.open(sys.argv[1], os.O_RDONLY)
target = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
while os.copy_file_range(source, target, 1 << 30):
    pass
PROGRAM
  chmod 755 "$root/usr/local/bin/copy"
  # Under an emulation Python takes long to start.
  [ "$variant" = essential ] || ln -sf /bin/cp "$root/usr/local/bin/copy"
  : > "$root/.complete"
}

# Runs a command in a root, whose mounts end with it: within ROOT COMMAND...
within() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  unshare --mount sh -ec '
    mkdir -p "$0/proc" "$0/dev" "$0/tmp"
    mount --rbind /proc "$0/proc"
    mount --rbind /dev "$0/dev"
    mount -t tmpfs tmpfs "$0/tmp"
    root=$0
    exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp \
      LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"' "$@"
}

# The same for programs of aarch64, which qemu runs. Nothing is registered outside the namespaces.
within_arm64() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  unshare --map-root-user --mount sh -ec '
    mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
    printf "%s" ":arm64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:$0:F" \
      > /proc/sys/fs/binfmt_misc/register
    mkdir -p "$1/proc" "$1/dev" "$1/tmp"
    mount --rbind /proc "$1/proc"
    mount --rbind /dev "$1/dev"
    mount -t tmpfs tmpfs "$1/tmp"
    exec env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 chroot "$@"' \
    "$(command -v qemu-aarch64-static)" "$@"
}

# Builds the program of cfr_copy(3) from the installed page and files, and says what it tells of a copy:
# program WITHIN ROOT PREFIX [COMPILER], a compiler of this machine if the root has none
program() {
  mkdir -p "$2/opt"
  for page in "$2$3"/share/man/man3/cfr_copy.3*; do
    case $page in *.gz) zcat "$page" ;; *) cat "$page" ;; esac
  done | sed -n '/^#include <cfr.h>/,/^\.Ed/p' | sed '/^\.Ed/d; s/\\e/\\/g' > "$2/opt/told.c"
  if [ -n "${4-}" ]; then
    # The roots of other machines have no ldconfig.
    "$4" -Wall -Werror -o "$2/opt/told" "$2/opt/told.c" "-I$2$3/include/cfr" "-L$2$3/lib" -lcfr \
      "-Wl,-rpath,$3/lib"
  else
    # shellcheck disable=SC2016 # expanded by the inner shell
    "$1" "$2" sh -c 'cc -Wall -Werror -o /opt/told /opt/told.c $(pkg-config --cflags --libs cfr)'
  fi
  how=$("$1" "$2" sh -ec 'cd /tmp; head -c 1000000 /dev/urandom > a; /opt/told a b; cmp a b')
  say "$(basename "$2"): the program of cfr_copy(3) says: $how"
  [ "$how" = '1000000 bytes: kernel' ]
}

# What a tarball has: one file of each kind.
contents='bin/cfr lib/libcfr.so.0 include/cfr/cfr.h include/cfr/linux/copy.h lib/pkgconfig/cfr.pc
  share/man/man1/cfr.1 share/man/man1/cfr-run.1 share/man/man3/cfr_copy.3 share/man/man7/libcfr.7
  share/bash-completion/completions/cfr share/zsh/site-functions/_cfr share/fish/vendor_completions.d/cfr.fish
  share/cfr/cfr.schema.json share/doc/cfr/README.md share/doc/cfr/LICENSE-MIT share/doc/cfr/LICENSES-DEPENDENCIES
  share/doc/cfr/sbom.cdx.json SHA256SUMS install.sh'

# Installs the tarball of an architecture in a root, uses it, and removes it:
# tarball WITHIN ROOT MACHINE [COMPILER]
tarball() {
  (cd "$2" && rm -rf opt && mkdir opt && tar -xzf "$dist/cfr-$version-$3-linux.tar.gz" -C opt)
  for file in $contents; do
    [ -s "$2/opt/cfr-$version-$3-linux/$file" ] || { echo "not in the tarball: $file"; return 1; }
  done
  before=$(find "$2/usr" | sort)
  "$1" "$2" sh "/opt/cfr-$version-$3-linux/install.sh" --prefix /usr/local
  "$1" "$2" sh -c "$use"
  program "$1" "$2" /usr/local "${4-}"
  # Again, over itself, then away.
  "$1" "$2" sh "/opt/cfr-$version-$3-linux/install.sh" > /dev/null
  "$1" "$2" sh "/opt/cfr-$version-$3-linux/install.sh" --uninstall
  left=$(find "$2/usr" ! -type d | sort)
  for file in $left; do
    case $before in *"$file"*) ;; *) echo "left: $file"; return 1 ;; esac
  done
  rm -rf "$2/opt"
}

# Installs .debs in a root, uses them, and removes them: debs ROOT FILE...
debs() {
  root=$1
  shift
  rm -rf "$root/opt"
  mkdir "$root/opt"
  cp "$@" "$root/opt"
  before=$(find "$root/usr" ! -name '*.pyc' ! -name __pycache__ | sort)
  # shellcheck disable=SC2016 # expanded by the inner shell
  within "$root" sh -ec 'dpkg --install /opt/*.deb > /opt/log 2>&1 || { cat /opt/log; exit 1; }'
  within "$root" sh -c "$use"
  within "$root" sh -ec 'printf "" > /tmp/a; LD_PRELOAD=libcfr.so.0 copy /tmp/a /tmp/b'
  program within "$root" /usr
  # shellcheck disable=SC2016 # expanded by the inner shell
  within "$root" sh -ec 'dpkg --purge $(for file in /opt/*.deb; do dpkg-deb --field "$file" Package; done) > /opt/log'
  after=$(find "$root/usr" ! -name '*.pyc' ! -name __pycache__ | sort)
  [ "$before" = "$after" ] || { echo 'files are left, or missing'; return 1; }
  rm -rf "$root/opt"
}

release() {
  architecture=$(dpkg --print-architecture)
  tarball within "$roots/$1-$architecture" "$machine"
  debs "$roots/$1-$architecture" "$dist/cfr-portable_$version-0portable1_$architecture.deb"
  say "$1: tarball, cfr-portable: passed"
  if [ "$1" = bullseye ]; then
    say "$1: libcfr0, cfr, libcfr-dev: skipped: cfr needs the C library of the release that built it"
  elif [ -e "$deb/cfr_$version-1_$architecture.deb" ]; then
    debs "$roots/$1-$architecture" "$deb/cfr_$version-1_$architecture.deb" \
      "$deb/libcfr0_$version-1_$architecture.deb" "$deb/libcfr-dev_$version-1_$architecture.deb"
    say "$1: libcfr0, cfr, libcfr-dev: passed"
  else
    say "$1: libcfr0, cfr, libcfr-dev: skipped: make deb has not built them"
  fi
}

# Uses the wheel in a root of another system: laid_wheel WITHIN ROOT MACHINE PLATFORM. pip takes the wheel for
# the platform. It cannot install for another system, so the files are laid where it would lay them.
laid_wheel() {
  wheel=$(echo "$dist/libcfr-$version-"*"_$3.whl")
  python3 -m pip install --quiet --no-index --disable-pip-version-check --root-user-action=ignore --dry-run \
    --target "$scratch/nowhere" --platform "$4" --no-deps --only-binary=:all: "$wheel"
  rm -rf "$scratch/wheel" "$2/venv"
  python3 -m zipfile -e "$wheel" "$scratch/wheel"
  mkdir "$2/venv"
  cp -R "$scratch/wheel/libcfr-$version.data/data/lib" "$2/venv"
  cp -R "$scratch/wheel/libcfr-$version.data/scripts" "$2/venv/bin"
  chmod 755 "$2/venv/bin/cfr"
  # shellcheck disable=SC2016 # expanded by the inner shell
  "$1" "$2" sh -c 'PATH=/venv/bin:$PATH; '"$use"
  rm -rf "$2/venv"
}

# A root with a C library of musl alone: busybox is static.
musl() {
  root=$scratch/musl
  mkdir -p "$root/bin" "$root/lib" "$root/usr/bin" "$root/usr/local/bin"
  cp "$(command -v busybox)" "$root/bin/busybox"
  chroot "$root" /bin/busybox --install /bin
  cp -L "/lib/ld-musl-$machine.so.1" "$root/lib/"
  cat > "$scratch/copy.c" <<'PROGRAM'
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int in = open(argv[argc - 2], O_RDONLY);
    int out = open(argv[argc - 1], O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ssize_t count;
    do
        count = copy_file_range(in, NULL, out, NULL, 1 << 30, 0);
    while (count > 0);
    return count != 0;
}
PROGRAM
  musl-gcc -o "$root/usr/local/bin/copy" "$scratch/copy.c"
  tarball within "$root" "$machine" musl-gcc
  laid_wheel within "$root" "$machine" "musllinux_1_1_$machine"
  say 'musl: tarball and wheel: passed'
}

# Uses the wheel of this machine in a virtual environment.
wheel() {
  python3 -m venv "$scratch/venv"
  "$scratch/venv/bin/python" -m pip install --quiet --no-index --disable-pip-version-check \
    "$(echo "$dist/libcfr-$version-"*"_$machine.whl")"
  ln -sf "$(command -v cp)" "$scratch/copy"
  PATH=$scratch/venv/bin:$scratch:$PATH sh -c "$use"
  "$scratch/venv/bin/python" -m pip uninstall --quiet --yes libcfr
  for file in bin/cfr lib/libcfr.so.0; do
    [ ! -e "$scratch/venv/$file" ] || { echo "left: $file"; return 1; }
  done
  say 'wheel: passed'
}

npm_package() {
  mkdir "$scratch/npm"
  ln -sf "$(command -v cp)" "$scratch/copy"
  cd "$scratch/npm"
  HOME=$scratch npm install --silent --offline --no-audit --no-fund "$dist/libcfr-$version.tgz"
  printf '#!/bin/sh\nHOME=%s exec npx --offline cfr "$@"\n' "$scratch" > "$scratch/cfr"
  chmod 755 "$scratch/cfr"
  # npx keeps the directory in which it is called.
  PATH=$scratch:$PATH sh -c 'cd "$0" && npx --offline cfr --version' "$scratch/npm"
  PATH=$scratch/npm/node_modules/.bin:$scratch:$PATH sh -c "$use"
  cd "$project"
  say 'npm: passed'
}

# What Debian's checker says of the portable packages: nothing, or it fails. Bytes of code are no words.
lintian_of_portable() {
  lintian --allow-root --display-info --fail-on error,warning \
    --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog,spelling-error-in-binary "$dist"/cfr-portable_*.deb
  say 'lintian of cfr-portable: passed'
}

arm64() {
  tarball within_arm64 "$roots/bookworm-arm64" aarch64 aarch64-linux-gnu-gcc
  laid_wheel within_arm64 "$roots/bookworm-arm64" aarch64 manylinux_2_17_aarch64
  say 'arm64: tarball and wheel: passed'
}

# Prints why a package cannot be tried here.
missing() {
  case $1 in
    bullseye | bookworm | trixie) debian "$1" "$(dpkg --print-architecture)" ;;
    musl)
      [ "$(id -u)" = 0 ] || { echo 'it needs root'; return; }
      command -v musl-gcc > /dev/null || { echo 'musl-gcc is not installed'; return; }
      command -v busybox > /dev/null || { echo 'busybox is not installed'; return; }
      python3 -m pip --version > /dev/null 2>&1 || echo 'python3 has no pip' ;;
    lintian) command -v lintian > /dev/null || echo 'lintian is not installed' ;;
    wheel) python3 -m venv --help > /dev/null 2>&1 || echo 'python3 has no venv' ;;
    npm) command -v npx > /dev/null || echo 'npx is not installed' ;;
    arm64)
      [ "$machine" = x86_64 ] || { echo 'the emulation is for x86-64'; return; }
      command -v qemu-aarch64-static > /dev/null || { echo 'qemu-aarch64-static is not installed'; return; }
      command -v aarch64-linux-gnu-gcc > /dev/null || { echo 'aarch64-linux-gnu-gcc is not installed'; return; }
      python3 -m pip --version > /dev/null 2>&1 || { echo 'python3 has no pip'; return; }
      debian bookworm arm64 ;;
    *) echo 'unknown: expected lintian, bullseye, bookworm, trixie, musl, arm64, wheel or npm' ;;
  esac
}

[ -e "$dist/SHA256SUMS" ] || { say "$dist has no packages: make dist" >&2; exit 2; }
[ $# != 0 ] || set -- lintian bullseye bookworm trixie musl arm64 wheel npm
failures=
skipped=0
for name; do
  reason=$(missing "$name")
  if [ -n "$reason" ]; then
    say "$name: skipped: $reason"
    skipped=$((skipped + 1))
    continue
  fi
  case $name in
    bullseye | bookworm | trixie) run="release $name" ;;
    lintian) run=lintian_of_portable ;;
    npm) run=npm_package ;;
    *) run=$name ;;
  esac
  # In a shell of its own, so that a failure ends this package's trial.
  set +e
  (set -e; $run) > "$scratch/$name.log" 2>&1
  status=$?
  set -e
  if [ "$status" = 0 ]; then
    grep '^packages:' "$scratch/$name.log"
  else
    say "$name: FAILED:"
    cat "$scratch/$name.log"
    failures="$failures $name"
  fi
done
say "$(($# - skipped)) tried, $skipped skipped, failed:${failures:- none}"
[ -z "$failures" ]
