#!/bin/sh
# Lists the tests that were skipped, with the reasons. With CI=true a skip that
# tests/data/allowed-skips does not allow is a failure: a machine that lost a tool would otherwise
# look like one that passes.
set -eu
skips=$1
if [ ! -s "$skips" ]; then
  echo '0 skipped'
  exit 0
fi
echo "$(wc -l < "$skips") skipped:"
sed 's/^/  /' "$skips"
[ "${CI:-}" = true ] || exit 0
# One extended regular expression a line. An empty file allows nothing.
if unexpected=$(grep -Evf tests/data/allowed-skips "$skips"); then
  echo 'not in the list of allowed skips (tests/data/allowed-skips):'
  echo "$unexpected" | sed 's/^/  /'
  exit 1
fi
