#!/bin/sh
# Traces a real cp on real files, as text and as JSON. CFR names the launcher.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$dir"
head -c 1000000 /dev/urandom > a

printf '\n$ cfr trace cp a b\n'
"$CFR" trace cp a b
cmp a b && echo '(b equals a)'

printf '\n$ cfr trace --format json cp a b\n'
"$CFR" trace --format json cp a b
cmp a b && echo '(b equals a)'
