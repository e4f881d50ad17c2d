#!/bin/sh
# Runs checks of the launcher and the library on other kernels, in virtual machines of qemu: Debian's
# 5.10 (bullseye), 6.1 (bookworm), 6.12 (trixie) and the newest (sid) for x86-64, and 6.1 for aarch64.
#
#     kernels.sh [NAME...]     these: bullseye bookworm trixie sid arm64; all by default
#
# What it makes lies below target/kernels and is kept there for the next run: `make clean` removes it.
# A kernel that cannot be had is skipped. The exit status is 1 if a check failed.
set -eu

project=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cd "$project"
target=${CARGO_TARGET_DIR:-$project/target}
all=$target/kernels
cargo=${CARGO:-cargo}
PATH=$PATH:/usr/sbin:/sbin
# The static and the other C programs of kernel-checks.sh.
static='kernel_questions signal_storm keeps_copying'
dynamic='kernel_contract layouts differential'
# How long a guest may run, in seconds.
limit=3600

# shellcheck source=tests/scripts/common.sh
. tests/scripts/common.sh

say "uses Debian's kernels and busybox (mmdebstrap; 700 MB, kept in $all), qemu-system, and gcc."
say 'may install the Debian packages mmdebstrap, busybox-static, qemu-system-x86, qemu-system-arm,'
say "gcc-aarch64-linux-gnu, e2fsprogs, xfsprogs and btrfs-progs, and Rust's libraries for aarch64."

# Unpacks packages of a Debian release, without running anything of them:
# unpack DIRECTORY SUITE MACHINE PACKAGES
unpack() {
  [ ! -e "$1/.complete" ] || return 0
  rm -rf "$1"
  # The mirror may be a snapshot of sid whose date of expiry has passed.
  mmdebstrap --quiet --variant=extract --architectures="$3" --aptopt='Acquire::Check-Valid-Until "false"' \
    --include="$4" "$2" "$1" || return 1
  : > "$1/.complete"
}

# Makes the initial memory file system of the kernel in $1, with the busybox $2.
initramfs() {
  modules=$(find "$1/lib/modules" "$1/usr/lib/modules" -mindepth 1 -maxdepth 1 2> /dev/null | head -n 1)
  release=${modules##*/}
  inside=$1/initramfs
  rm -rf "$inside"
  mkdir -p "$inside/bin" "$inside/lib/modules/$release"
  (cd "$modules" && find kernel/fs kernel/lib kernel/crypto kernel/arch kernel/net/9p \
    kernel/drivers/virtio kernel/drivers/block/virtio_blk.ko* -name '*.ko*' 2> /dev/null |
    tar -cf - -T -) | tar -xf - -C "$inside/lib/modules/$release"
  find "$inside" -name '*.ko.xz' -exec xz -d {} +
  cp "$modules"/modules.builtin* "$modules/modules.order" "$inside/lib/modules/$release"
  busybox depmod -b "$inside" "$release"
  cp tests/scripts/kernel-init.sh "$inside/init"
  chmod +x "$inside/init"
  cp "$2" "$inside/bin/busybox"
  ln -s busybox "$inside/bin/sh"
  (cd "$inside" && find . | busybox cpio -o -H newc 2> /dev/null | gzip -1) > "$1/initramfs.gz"
}

# Prepares what a guest runs in the directory $1: with the compiler $2, launcher $3, library $4.
products() {
  mkdir -p "$1"
  cp "$3" "$4" "$1"
  cp tests/scripts/kernel-checks.sh "$1/checks.sh"
  for program in $static $dynamic; do
    case " $static " in *" $program "*) how=-static ;; *) how= ;; esac
    "$2" -O1 -pthread -w $how -Ic-tests -o "$1/$program" "c-tests/drivers/$program.c" || return 1
  done
  for kind in ext4 xfs btrfs; do
    [ ! -e "$1/$kind.disk" ] || continue
    truncate -s 400M "$1/$kind.disk"
    mkfs.$kind -q "$1/$kind.disk" > /dev/null || return 1
  done
}

# Prepares a kernel, or prints why it cannot be had.
prepare() {
  for package in mmdebstrap:mmdebstrap busybox:busybox-static mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs \
    mkfs.btrfs:btrfs-progs; do
    missing "${package%:*}" "${package#*:}" && return
  done
  case $1 in
    bullseye | bookworm | trixie | sid)
      [ "$(uname -m)" = x86_64 ] || { echo 'it is one for x86-64'; return; }
      missing qemu-system-x86_64 qemu-system-x86 && return
      unpack "$all/$1" "$1" amd64 linux-image-amd64 > /dev/null 2>&1 ||
        { echo "mmdebstrap cannot unpack the kernel of $1"; return; }
      initramfs "$all/$1" "$(command -v busybox)"
      products "$all/$1/run" cc "$target/release/cfr" "$target/release/libcfr.so" ||
        { echo 'the programs cannot be built'; return; }
      # A program for 32 bits, without a C library.
      cc -m32 -O1 -w -fno-pie -no-pie -static -fno-stack-protector -nostdlib -nostartfiles \
        -o "$all/$1/run/copies_32" c-tests/drivers/copies_32.c 2> /dev/null || : ;;
    arm64)
      missing qemu-system-aarch64 qemu-system-arm && return
      missing aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu && return
      [ -e /usr/aarch64-linux-gnu/lib/libc.a ] || { echo 'libc6-dev-arm64-cross is not installed'; return; }
      for kind in gnu musl; do
        rustup target add "aarch64-unknown-linux-$kind" > /dev/null 2>&1 || { echo 'rustup cannot add aarch64'; return; }
      done
      # shellcheck source=/dev/null
      suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
      if ! unpack "$all/arm64" bookworm arm64 linux-image-arm64 > /dev/null 2>&1 ||
        ! unpack "$all/arm64/root" "$suite" arm64 busybox-static,coreutils,diffutils > /dev/null 2>&1; then
        echo "mmdebstrap cannot unpack bookworm's kernel and $suite for arm64"
        return
      fi
      mkdir -p "$all/arm64/root/proc" "$all/arm64/root/sys" "$all/arm64/root/mnt"
      for name in bin lib sbin; do
        [ -e "$all/arm64/root/$name" ] || ln -s "usr/$name" "$all/arm64/root/$name"
      done
      initramfs "$all/arm64" "$all/arm64/root/bin/busybox"
      arm=aarch64-unknown-linux
      if ! CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=rust-lld \
        "$cargo" build --quiet --release --locked -p libcfr --target $arm-gnu >&2 ||
        ! CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld \
          "$cargo" build --quiet --release --locked -p cfr --target $arm-musl >&2 ||
        ! products "$all/arm64/run" aarch64-linux-gnu-gcc "$target/$arm-musl/release/cfr" \
          "$target/$arm-gnu/release/libcfr.so"; then
        echo 'the programs cannot be built'
      fi ;;
    *) echo 'unknown kernel: expected bullseye, bookworm, trixie, sid or arm64' ;;
  esac
}

# Runs a guest. The output of the checks is that of its serial line.
run() {
  guest=$all/$1
  case $1 in
    arm64)
      machine='qemu-system-aarch64 -machine virt -cpu cortex-a72 -accel tcg,thread=multi'
      console=ttyAMA0
      root=$guest/root ;;
    *)
      # A processor that shows itself as virtual may have /dev/kvm and yet not run a kernel.
      if [ -w /dev/kvm ] && grep -qwE 'vmx|svm' /proc/cpuinfo; then
        machine='-machine q35,accel=kvm -cpu host'
      else
        machine='-machine q35 -cpu Nehalem -accel tcg,thread=multi'
      fi
      machine="qemu-system-x86_64 $machine"
      console=ttyS0
      root=/ ;;
  esac
  image=$(find "$guest/boot" "$guest/usr/lib/modules" -name 'vmlinu*' 2> /dev/null | head -n 1)
  set --
  for kind in ext4 xfs btrfs; do
    set -- "$@" -drive "file=$guest/run/$kind.disk,format=raw,if=virtio,snapshot=on"
  done
  # shellcheck disable=SC2086 # words
  timeout "$limit" nice -n 5 $machine -nodefaults -no-user-config -display none -no-reboot -smp 2 -m 2G \
    -kernel "$image" -initrd "$guest/initramfs.gz" -append "console=$console quiet panic=-1 no_timer_check" \
    -serial stdio -device virtio-rng-pci "$@" \
    -virtfs "local,path=$root,mount_tag=root,security_model=none,readonly=on,multidevs=remap" \
    -virtfs "local,path=$guest/run,mount_tag=run,security_model=none,readonly=on,multidevs=remap" \
    < /dev/null 2>&1 | sed -u 's|\r$||' | tee "$guest/log"
  # The last check has run, and none failed.
  grep -q '^passed  sweep' "$guest/log" && ! grep -q '^failed' "$guest/log"
}

"$cargo" build --release --locked --workspace
mkdir -p "$all"
[ $# != 0 ] || set -- bullseye bookworm trixie sid arm64
run_each "$@"
