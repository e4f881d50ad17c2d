#!/bin/sh
# The inner loop: rustfmt, clippy, unit tests, and the black-box tests whose names contain one of
# the arguments, on a build without optimization. Says how long each step took.
set -eu
CARGO=${CARGO:-cargo}
begin=$(date +%s)
step() {
  name=$1
  shift
  started=$(date +%s)
  "$@"
  printf 'quick: %-16s %2d s\n' "$name" $(($(date +%s) - started))
}
step rustfmt "$CARGO" fmt --all --check
step clippy "$CARGO" clippy --quiet --locked --workspace --all-targets -- -D warnings
step 'unit tests' "$CARGO" test --quiet --locked --workspace --exclude libcfr --lib --bins
export CFR_TEST_PROFILE=dev
step 'black-box tests' "$CARGO" test --quiet --locked --test suite -- "$@"
printf 'quick: %d s in all; make check runs the rest\n' $(($(date +%s) - begin))
