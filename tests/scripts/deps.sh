#!/bin/sh
# Installs what the tests use, where it may: as root on Debian. Elsewhere says what is missing; the
# tests that need it are skipped, aloud.
set -eu
# command and its Debian package
tools='strace strace
valgrind valgrind
mkfs.ext4 e2fsprogs
mkfs.xfs xfsprogs
mkfs.btrfs btrfs-progs
python3 python3
node nodejs
php php-cli
qemu-img qemu-utils
pkg-config pkg-config
c++ g++
mandoc mandoc
setpriv util-linux
script bsdutils
jq jq
duperemove duperemove
jdupes jdupes'
missing=
packages=
PATH=$PATH:/usr/sbin:/sbin
while read -r command package; do
    command -v "$command" > /dev/null || { missing="$missing $command"; packages="$packages $package"; }
done <<LIST
$tools
LIST
eatmydata=/usr/lib/$(uname -m)-linux-gnu/libeatmydata.so
[ -e "$eatmydata" ] || { missing="$missing libeatmydata"; packages="$packages libeatmydata1"; }
jemalloc=/usr/lib/$(uname -m)-linux-gnu/libjemalloc.so.2
[ -e "$jemalloc" ] || { missing="$missing libjemalloc"; packages="$packages libjemalloc2"; }
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    echo "installing for the tests:$packages"
    export DEBIAN_FRONTEND=noninteractive
    # An old package list is as good as a new one, where the packages are still there.
    install() { apt-get install -y -q --no-install-recommends $packages > /dev/null 2>&1; }
    install || { apt-get update -q > /dev/null 2>&1 && install; } ||
        echo "could not install$packages: some tests will be skipped"
else
    echo "not installed, so that some tests will be skipped:$missing (Debian:$packages)"
fi
