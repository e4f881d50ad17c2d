#!/bin/sh
# Installs this directory below a prefix, or removes what it installed there.
set -eu
umask 022

usage='usage: install.sh [--prefix DIRECTORY] [--uninstall]   (default prefix: /usr/local)'
prefix=/usr/local
mode=install
while [ $# != 0 ]; do
  case $1 in
    --prefix) [ $# -ge 2 ] || { echo "$usage" >&2; exit 2; }; prefix=$2; shift ;;
    --prefix=*) prefix=${1#--prefix=} ;;
    --uninstall) mode=uninstall ;;
    -h | --help) echo "$usage"; exit 0 ;;
    *) printf 'install.sh: unknown argument: %s\n%s\n' "$1" "$usage" >&2; exit 2 ;;
  esac
  shift
done
# LD_PRELOAD cannot hold these.
case $prefix in
  *[\ :\$]*) echo "install.sh: the prefix has a space, a colon or a dollar sign: $prefix" >&2; exit 2 ;;
  /*) ;;
  *) echo "install.sh: not an absolute path: $prefix" >&2; exit 2 ;;
esac
cd -- "$(dirname -- "$0")"

# The files and links of the package.
list() { find bin include lib share ! -type d; }

if [ "$mode" = uninstall ]; then
  list | while read -r name; do rm -f -- "$prefix/$name"; done
  # Directories that are the package's own. Others may have been there before.
  for directory in lib/libcfr/before-libasan.so lib/libcfr/32-bit lib/libcfr/64-bit lib/libcfr lib/cmake/cfr \
    include/cfr/linux include/cfr share/cfr share/doc/cfr; do
    rmdir -- "$prefix/$directory" 2> /dev/null || :
  done
  exit 0
fi

sha256sum -c SHA256SUMS > /dev/null || { echo 'install.sh: a file is damaged: unpack it again' >&2; exit 1; }
machine=$(uname -m)
case $(pwd) in
  *-"$machine"-linux) ;;
  *) echo "install.sh: note: this machine is $machine; the package is $(basename "$(pwd)")" >&2 ;;
esac
list | while read -r name; do
  mkdir -p -- "$prefix/$(dirname "$name")"
  if [ -L "$name" ]; then
    ln -sfn -- "$(readlink "$name")" "$prefix/$name"
  else
    # Renamed into place: a program may have the old library loaded.
    cp -- "$name" "$prefix/$name.new"
    mv -f -- "$prefix/$name.new" "$prefix/$name"
  fi
done
# The dynamic linker finds libraries of standard directories in its cache.
[ "$(id -u)" != 0 ] || ldconfig 2> /dev/null || :
echo "installed: $prefix/bin/cfr"
