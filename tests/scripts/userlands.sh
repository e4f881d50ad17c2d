#!/bin/sh
# Runs the hazards and tests of the library with other C libraries, and on aarch64: with glibc of Debian
# bullseye and trixie, with musl, and with glibc of bookworm for arm64 under qemu's user emulation.
#
#     userlands.sh [NAME...]          these userlands: musl bullseye trixie arm64; all by default
#     userlands.sh --musl-cc ARG...   compiles as cc does, with musl
#
# What it makes lies below target/userlands and is kept there for the next run: `make clean` removes it.
# A userland that cannot be had is skipped. The exit status is 1 if a test failed.
set -eu

# musl has no headers of the kernel.
if [ "${1-}" = --musl-cc ]; then
  shift
  machine=$(uname -m)-linux-gnu
  exec musl-gcc -idirafter /usr/include -idirafter "/usr/include/$machine" "$@" -Wno-error
fi

project=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cd "$project"
target=${CARGO_TARGET_DIR:-$project/target}
all=$target/userlands
cargo=${CARGO:-cargo}
# What runs of the suite, besides the hazards.
tests='c_api preload::userlands preload::hooks preload::kernel_contract preload::paths'
arm=aarch64-unknown-linux-gnu

# shellcheck source=tests/scripts/common.sh
. tests/scripts/common.sh

say "uses Debian packages of bullseye, trixie and bookworm arm64 (mmdebstrap; 300 MB, kept in $all),"
say 'musl-gcc, clang and the linker of rustc to compile C programs, and qemu-aarch64-static.'
say "may install the Debian packages mmdebstrap, musl-tools, clang and qemu-user-static, and Rust's"
say "library for $arm (rustup target add)."

# Unpacks packages of a Debian release, without running anything of them: unpack SUITE MACHINE GCC
unpack() {
  root=$all/$1-$2
  [ ! -e "$root/.complete" ] || return 0
  rm -rf "$root"
  mmdebstrap --quiet --variant=extract --architectures="$2" \
    --include="coreutils,libc6-dev,libstdc++6,libgcc-$3-dev" "$1" "$root" || return 1
  # Symbolic links of the root directory, as they lie here.
  for name in bin lib lib64; do
    [ -e "$root/$name" ] || [ ! -d "$root/usr/$name" ] || ln -s "usr/$name" "$root/$name"
  done
  find "$root" -type l -lname '/*' | while read -r link; do
    ln -sfn "$root$(readlink "$link")" "$link"
  done
  : > "$root/.complete"
}

# Writes the compilers and the library of a userland of glibc: glibc NAME SUITE MACHINE TRIPLE LOADER LIBRARY
glibc() {
  root=$all/$2-$3
  directory=$all/$1
  libraries=$root/lib/$4:$root/usr/lib/$4
  linker=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin/gcc-ld/ld.lld
  mkdir -p "$directory"
  for compiler in cc c++; do
    driver=clang
    more=
    # The C++ library is linked by its name at run time: no package for development has to match it.
    [ "$compiler" = cc ] || { driver='clang++ -nostdinc++ -nostdlib++'; more='-l:libstdc++.so.6'; }
    cat > "$directory/$compiler" <<SCRIPT
#!/bin/sh
exec $driver --target=$4 --sysroot=$root --ld-path=$linker -Wl,--dynamic-linker=$root/$5 \\
  -Wl,--disable-new-dtags,-rpath,$libraries -Wl,--as-needed -Wno-unused-command-line-argument \\
  "\$@" -Wno-error $more -lrt -ldl
SCRIPT
    chmod +x "$directory/$compiler"
  done
  printf '%s\n' "$root/$5 --library-path $libraries --argv0 cp $root/bin/cp" > "$directory/cp"
  # --argv0 is younger than bullseye's dynamic linker.
  [ "$1" != bullseye ] || printf '%s\n' "$root/$5 --library-path $libraries $root/bin/cp" > "$directory/cp"
  ln -sf "$6" "$directory/libcfr.so"
}

# Prepares a userland, or prints why it cannot be had.
prepare() {
  case $1 in
    musl)
      missing musl-gcc musl-tools && return
      mkdir -p "$all/musl"
      printf '#!/bin/sh\nexec sh %s --musl-cc "$@"\n' "$project/tests/scripts/userlands.sh" > "$all/musl/cc"
      chmod +x "$all/musl/cc"
      ln -sf "$target/release/libcfr.so" "$all/musl/libcfr.so" ;;
    bullseye | trixie)
      [ "$(uname -m)" = x86_64 ] || { echo 'it is one of x86-64'; return; }
      missing mmdebstrap mmdebstrap && return
      missing clang clang && return
      case $1 in bullseye) gcc=10 ;; *) gcc=14 ;; esac
      unpack "$1" amd64 "$gcc" > /dev/null 2>&1 || { echo "mmdebstrap cannot unpack $1"; return; }
      glibc "$1" "$1" amd64 x86_64-linux-gnu lib64/ld-linux-x86-64.so.2 "$target/release/libcfr.so" ;;
    arm64)
      [ "$(uname -m)" = x86_64 ] || { echo 'the emulation is for x86-64'; return; }
      missing mmdebstrap mmdebstrap && return
      missing clang clang && return
      missing qemu-aarch64-static qemu-user-static && return
      rustup target add "$arm" > /dev/null 2>&1 || { echo "rustup cannot add the target $arm"; return; }
      in_arm64 true 2> /dev/null || { echo 'the kernel has no binfmt_misc for user namespaces'; return; }
      unpack bookworm arm64 12 > /dev/null 2>&1 || { echo 'mmdebstrap cannot unpack bookworm'; return; }
      CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=rust-lld \
        "$cargo" build --quiet --release --locked -p libcfr --target "$arm" >&2 ||
        { echo 'the library cannot be built'; return; }
      glibc arm64 bookworm arm64 aarch64-linux-gnu lib/ld-linux-aarch64.so.1 \
        "$target/$arm/release/libcfr.so" ;;
    *) echo 'unknown userland: expected musl, bullseye, trixie or arm64' ;;
  esac
}

# Runs a command in namespaces in which the kernel starts programs of aarch64 with qemu. Nothing is
# registered outside them, and it is gone with the command.
in_arm64() {
  # shellcheck disable=SC2016 # expanded by the inner shell
  unshare --map-root-user --mount sh -ec '
    mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
    printf "%s" ":arm64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:$0:F" \
      > /proc/sys/fs/binfmt_misc/register
    exec "$@"' "$(command -v qemu-aarch64-static)" "$@"
}

# Runs the tests and the hazards, and lists what is skipped and what failed.
run() {
  case $1 in arm64) with=in_arm64 ;; *) with= ;; esac
  rm -rf "$all/$1/c-tests"
  CFR_TEST_USERLAND=$all/$1
  CFR_TEST_SKIPS=$all/$1/skips
  export CFR_TEST_USERLAND CFR_TEST_SKIPS
  rm -f "$CFR_TEST_SKIPS"
  failed=0
  # shellcheck disable=SC2086 # words
  $with "$cargo" test --quiet --release --locked --test suite -- $tests > "$all/$1/suite.log" 2>&1 || failed=1
  grep 'test result' "$all/$1/suite.log" || :
  grep -E '^test .* FAILED$|^    [a-z_]+::.*[a-z]$' "$all/$1/suite.log" | sort -u || :
  $with "$cargo" test --quiet --release --locked --test hazards > "$all/$1/hazards.log" 2>&1 || failed=1
  grep -E '^FAILED|^[0-9]+ hazards|panicked at' "$all/$1/hazards.log" | cut -c1-300 || :
  # What CI allows to be missing is about this machine.
  CI='' sh tests/scripts/skips.sh "$CFR_TEST_SKIPS"
  unset CFR_TEST_USERLAND CFR_TEST_SKIPS
  return "$failed"
}

"$cargo" build --release --locked --workspace
mkdir -p "$all"
[ $# != 0 ] || set -- musl bullseye trixie arm64
run_each "$@"
