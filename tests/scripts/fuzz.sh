#!/bin/sh
# Fuzzes c-tests/drivers/differential.c under the library for FUZZ_SECONDS, in a directory on a tmpfs of its own or
# in FUZZ_DIR. What fails is told, and the string of bytes kept in CARGO_TARGET/fuzz.
set -eu

project=$(cd "$(dirname "$0")/../.." && pwd)
fuzz=$CARGO_TARGET/fuzz
program=$fuzz/differential
mkdir -p "$fuzz/corpus"

if ! command -v clang > /dev/null; then
  echo 'make fuzz needs clang, which is not installed (Debian: clang, libclang-rt-14-dev)' >&2
  exit 1
fi
if ! clang -DFUZZER -fsanitize=fuzzer -g -O1 -I "$project/c-tests" -o "$program" "$project/c-tests/drivers/differential.c" 2> "$fuzz/errors"; then
  cat "$fuzz/errors" >&2
  echo 'make fuzz needs clang with libFuzzer (Debian: libclang-rt-14-dev)' >&2
  exit 1
fi

if [ -n "$FUZZ_DIR" ]; then
  place=$(mktemp -d "$FUZZ_DIR/cfr-fuzz-XXXXXX")
else
  place=$(mktemp -d)
  if ! mount -t tmpfs tmpfs "$place"; then
    rmdir "$place"
    echo 'no tmpfs can be mounted: say where in FUZZ_DIR' >&2
    exit 1
  fi
  mounted=yes
fi
# shellcheck disable=SC2317 # called by trap
leave() {
  if [ -n "${mounted-}" ]; then umount --lazy "$place"; fi
  rmdir "$place"
}
trap leave EXIT
trap 'exit 1' INT TERM

# libFuzzer's own process is the host: no other process has the library, and no time limit is set with
# signals, which would make copies short.
cd "$place"
env LD_PRELOAD="$CARGO_TARGET/release/libcfr.so" CFR_BACKEND=emulate CFR_LOG=off \
  "$program" -max_total_time="$FUZZ_SECONDS" -timeout=0 -max_len=200 -len_control=0 \
  -artifact_prefix="$fuzz/" "$fuzz/corpus" || status=$?
cd /
exit "${status-0}"
