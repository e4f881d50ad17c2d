# shellcheck shell=sh
# What kernels.sh and userlands.sh share.

# Prints a message that begins with the script's name.
say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*"; }

# Prints why the command is missing, if it still is after an attempt to install its package.
missing() {
  command -v "$1" > /dev/null && return 1
  if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$2" > /dev/null 2>&1 || :
  fi
  command -v "$1" > /dev/null && return 1
  echo "$1 is not installed (Debian package $2)"
}

# Runs each of these by `run` of the script, if its `prepare` prints no reason to skip it. Fails if one did.
run_each() {
  ran=0
  skipped=0
  failures=
  for each; do
    reason=$(prepare "$each")
    if [ -n "$reason" ]; then
      say "$each: skipped: $reason"
      skipped=$((skipped + 1))
      continue
    fi
    say "$each:"
    ran=$((ran + 1))
    run "$each" || failures="$failures $each"
  done
  say "$ran ran, $skipped skipped, failed:${failures:- none}"
  [ -z "$failures" ]
}
