#!/bin/sh
# Installs the programs and libraries that the tests use. Says what is missing and why before it
# does so. Installs only as root, with apt-get (Debian, Ubuntu) and npm; with --list it installs
# nothing.
# The tests that need what is still missing are skipped and listed.
set -eu

usage='usage: deps.sh [--list]'
case $#${1-} in
  0) install=yes ;;
  1--list) install=no ;;
  *) echo "$usage" >&2; exit 2 ;;
esac

# What to look for (a command, the file name of a library, a runtime of clang,
# or a path), its Debian package, and its use.
deps='cc gcc compiles the test programs
c++ g++ compiles the headers as C++
clang clang compiles programs with sanitizers
musl-gcc musl-tools links programs with another C library
libclang_rt.asan libclang-rt-dev the runtimes of these sanitizers
make make runs builds under the library
strace strace compares results with, and counts system calls
valgrind valgrind counts instructions
mkfs.ext4 e2fsprogs makes an ext4 to copy on
mkfs.xfs xfsprogs makes an xfs to copy on
mkfs.btrfs btrfs-progs makes a btrfs to copy on
python3 python3 a program that copies (os, shutil)
/usr/lib/python3/dist-packages/jsonschema python3-jsonschema validates JSON as the tests do
node nodejs a program that copies (libuv)
php php-cli a program that copies
qemu-img qemu-utils a program that copies
ruby ruby a program that copies
rsync rsync a program that copies by read and write
rclone rclone a program that copies by read and write
restic restic a program that copies by read and write
duperemove duperemove a program that dedupes
jdupes jdupes a program that dedupes
chromium chromium shows the pages of cfr report and cfr sweep
chromedriver chromium-driver clicks and types in these pages
zstd zstd compresses logs
logrotate logrotate rotates logs while they are written
jq jq reads the JSON log in the recipes
pkg-config pkg-config finds an installed libcfr
cmake cmake builds an example
meson meson builds an example
mandoc mandoc checks the manual pages
setpriv util-linux starts programs as another user
bwrap bubblewrap starts programs in other namespaces
npm npm installs programs that Debian lacks
pip3 python3-pip installs programs that Debian lacks
ctest cmake runs a recipe
meson meson runs a recipe
pytest python3-pytest runs a recipe
zsh zsh reads its completions
fish fish reads its completions
busybox busybox-static a static program that copies
go golang-go builds programs that copy without the C library
gdb gdb runs programs while they are traced
script bsdutils starts programs on a terminal
faketime faketime gives programs another clock
libeatmydata.so libeatmydata1 a library to be preloaded with
libjemalloc.so.2 libjemalloc2 a library to be preloaded with'

[ "$(uname -m)" != x86_64 ] || deps="$deps
/lib/ld-linux.so.2 libc6-i386 runs 32-bit programs"

# Programs that Debian lacks: what to look for, the package in the npm registry that has it, its file
# there, and its use.
case $(uname -m) in
  x86_64) bun=x64-baseline deno=x64 ;;
  *) bun=aarch64 deno=arm64 ;;
esac
npm_deps="bun @oven/bun-linux-$bun bin/bun a program that copies
deno @deno/linux-$deno-glibc deno a program that copies"
npm_place=/usr/local/lib/cfr-tests

# The same in the registry of Python: pip, and the version that the test was written for.
uv=uv==0.9.18
uv_place=/usr/local/lib/cfr-tests/uv

# Debian has no package of mdBook. Cargo needs no root, and a minute or two.
mdbook='mdbook --version 0.5.4 --locked --no-default-features --features search'
if ! command -v mdbook > /dev/null; then
  echo "deps: makes the site of the documentation: cargo install $mdbook"
  # shellcheck disable=SC2086 # each word is an argument
  [ "$install" = no ] || env -u CARGO_TARGET_DIR CARGO_PROFILE_RELEASE_OPT_LEVEL=1 cargo install --quiet $mdbook ||
    echo 'deps: it could not be installed: the test of the site is skipped'
fi

PATH=$PATH:/usr/sbin:/sbin
libraries=/usr/lib/$(uname -m)-linux-gnu
packages=
missing=
while read -r name package use; do
  case $name in
    libclang_rt.*)
      file=$(clang -print-file-name="$name-$(uname -m).so" 2> /dev/null) || file=
      [ ! -e "$file" ] || continue ;;
    /*) [ ! -e "$name" ] || continue ;;
    *.so*) [ ! -e "$libraries/$name" ] || continue ;;
    *) ! command -v "$name" > /dev/null || continue ;;
  esac
  packages="$packages $package"
  missing="$missing$(printf '  %-17s %-14s %s' "$name" "$package" "$use")
"
done <<LIST
$deps
LIST

npm_packages=
while read -r name package file use; do
  ! command -v "$name" > /dev/null || continue
  npm_packages="$npm_packages $package"
  missing="$missing$(printf '  %-17s %-14s %s' "$name" "$package" "$use")
"
done <<LIST
$npm_deps
LIST

uv_package=
command -v uv > /dev/null || {
  uv_package=$uv
  missing="$missing$(printf '  %-17s %-14s %s' uv "$uv" 'a program that copies by system call instructions')
"
}

[ -n "$missing" ] || { echo 'deps: the tests have all that they use'; exit 0; }
echo 'deps: the tests use what is not installed here (name, package, use):'
printf '%s' "$missing"
if [ "$install" = no ] || ! command -v apt-get > /dev/null || [ "$(id -u)" != 0 ]; then
  echo 'deps: the tests that need it are skipped. To install it on Debian or Ubuntu, as root:'
  [ -z "$packages" ] || echo "  apt-get install --no-install-recommends$packages"
  [ -z "$npm_packages" ] || echo "  npm install --prefix $npm_place$npm_packages"
  [ -z "$uv_package" ] || echo "  python3 -m pip install --target $uv_place $uv_package"
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt_install() {
  # shellcheck disable=SC2086 # each word is a package
  apt-get install -y -q --no-install-recommends $packages > /dev/null
}
npm_install() {
  # shellcheck disable=SC2086 # each word is a package
  npm install --silent --no-fund --no-audit --prefix "$npm_place" $npm_packages > /dev/null
  while read -r name package file use; do
    [ ! -e "$npm_place/node_modules/$package/$file" ] || {
      chmod +x "$npm_place/node_modules/$package/$file"
      ln -sf "$npm_place/node_modules/$package/$file" "/usr/local/bin/$name"
    }
  done <<LIST
$npm_deps
LIST
}
is_whole=yes
if [ -n "$packages" ]; then
  echo "deps: installing: apt-get install --no-install-recommends$packages"
  # The package lists may be missing or out of date.
  apt_install 2> /dev/null || { apt-get update -q > /dev/null && apt_install; } || is_whole=no
fi
if [ -n "$npm_packages" ]; then
  echo "deps: installing: npm install --prefix $npm_place$npm_packages"
  npm_install || is_whole=no
fi
if [ -n "$uv_package" ]; then
  echo "deps: installing: python3 -m pip install --target $uv_place $uv_package"
  python3 -m pip install --quiet --no-deps --root-user-action ignore --target "$uv_place" "$uv_package" > /dev/null &&
    ln -sf "$uv_place/bin/uv" /usr/local/bin/uv || is_whole=no
fi
[ "$is_whole" = yes ] ||
  echo 'deps: not all could be installed: the tests that need the rest are skipped'
