#!/bin/sh
# What kernels.sh runs on another kernel, in /mnt: the launcher, the library and C programs, on tmpfs,
# ext4, xfs and btrfs. Prints a line for each check: passed, failed or skipped.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
cfr=/mnt/cfr
cd /tmp || exit
places=$(for place in tmpfs ext4 xfs btrfs; do [ ! -d $place ] || echo $place; done)

# Runs a check, a function that returns 0 if it holds: check NAME FUNCTION [ARG...]
check() {
  name=$1
  shift
  mkdir -p work
  if "$@" > said 2>&1; then
    echo "passed  $name"
  else
    echo "failed  $name"
    tail -n 15 said | cut -c1-300 | sed 's/^/        /'
  fi
  rm -rf work log bare seen
}

# The same command bare, and after the words before `--`: same WORD... -- COMMAND...
# Both print the same, and end in the same way.
same() {
  before=
  while [ "$1" != -- ]; do before="$before $1" && shift; done
  shift
  "$@" > bare 2>&1
  expected=$?
  rm -rf work/* && mkdir -p work
  $before "$@" > seen 2> errors
  status=$?
  grep -v '(EFBIG)' errors
  diff bare seen && [ "$status" = "$expected" ]
}

copies_equal() { cmp "$1" "$2" && [ "$(wc -c < "$1")" = "$(wc -c < "$2")" ]; }

# The supervisor: a static program.
questions() {
  mkdir -p "$1/work"
  same $cfr trace --reach all --dialect linux -o log -- /mnt/kernel_questions "$1/work" &&
    { [ -n "$no_supervisor" ] || [ "$(grep -c . log)" -gt 200 ]; }
  result=$?
  rm -rf "$1/work"
  return $result
}

storm() {
  for order in restart interrupt; do
    for by in positions offsets; do
      # The sums of the results, the positions and the sizes of two threads. A call takes long in a
      # processor that is emulated.
      (cd work && $cfr run --reach all "$@" -- /mnt/signal_storm 2 1000 $order $by 2000) > seen || return
      printf '1000 1000 1000 1000\n1000 1000 1000 1000\n' | diff - seen || return
    done
  done
}

# Threads are supervised as their process is.
threads() {
  (cd work && $cfr trace --reach all -o ../log -- /mnt/signal_storm 2 500 restart positions) > seen || return
  printf '500 500 500 500\n500 500 500 500\n' | diff - seen || return
  [ -n "$no_supervisor" ] || ! grep 'let through: not the first' log
}

# Kills a process of cfr while a static program copies: killed launcher|supervisor
killed() {
  head -c 300000 /mnt/kernel_questions > work/from
  (cd work && exec $cfr trace --reach all -o log -- /mnt/keeps_copying from to 3000 20000 'done') &
  launcher=$!
  until [ -s work/to ]; do sleep 0.1; done
  victim=$launcher
  [ "$1" = launcher ] || victim=$(pidof cfr-supervisor)
  kill -9 "$victim"
  until [ -s work/done ]; do sleep 0.1; done
  wait $launcher
  cat work/done
  # The result of a call that is in hand when its supervisor is killed may lack what was moved.
  [ "$1" = supervisor ] || grep -q '^300000 bytes' work/done || return
  grep -q ', 0 errors, equal$' work/done
}

# Expectations hold if the kernel's boundary was watched, else they do not.
expectations() {
  cp /mnt/checks.sh work/from
  $cfr run --reach all --expect 'seccomp>=1' --expect 'no error' -- \
    busybox cp work/from work/to
  status=$?
  copies_equal work/from work/to || return
  if [ -n "$no_supervisor" ]; then [ $status = 123 ]; else [ $status = 0 ]; fi
}

small_programs() {
  $cfr trace --reach all -o log -- /mnt/copies_32 from32 work/to || return
  cmp -n 10000 from32 work/to || return
  cat log
  [ -n "$no_supervisor" ] || [ "$(grep -c 'let through: a 32-bit' log)" = 2 ]
}

# The library, preloaded.
contract() {
  mkdir -p "$1/work"
  same env LD_PRELOAD=/mnt/libcfr.so CFR_LOG_FILE=/tmp/log -- /mnt/kernel_contract "$1/work"
  result=$?
  rm -rf "$1/work"
  return $result
}

emulated() { env LD_PRELOAD=/mnt/libcfr.so CFR_LOG=off CFR_BACKEND=emulate "$@"; }

layouts() {
  mkdir -p "$1/in" "$2/out"
  [ "$1" != "$2" ] || set -- "$1" "$2" in
  emulated /mnt/layouts "$1/in" "$2/${3-out}" 1 20
  result=$?
  rm -rf "$1/in" "$2/out"
  return $result
}

requests() {
  mkdir -p "$1/work"
  emulated CFR_BACKEND="$2" /mnt/differential "$1/work" 1 150
  result=$?
  rm -rf "$1/work"
  return $result
}

copied() {
  for options in '' '--backend emulate' '--dialect linux --backend emulate' '--verify=yes' \
    '--inject error=EXDEV' '--inject short=1000:when=1+2'; do
    rm -f "$2/to"
    # shellcheck disable=SC2086 # words
    $cfr trace $options -- cp --sparse=never "$1/from" "$2/to" && copies_equal "$1/from" "$2/to" || return
  done
}

proc_files() {
  for options in '' '--backend emulate' '--dialect linux'; do
    # shellcheck disable=SC2086 # words
    $cfr trace $options -- cp /proc/version work/to && copies_equal /proc/version work/to || return
  done
}

sweep() {
  cp /mnt/checks.sh work/from
  $cfr sweep -- cp work/from work/to
}

uname -rm
$cfr probe 2> /dev/null | grep -E 'supervisor|keeps answers|behaves as'
no_supervisor=$($cfr probe 2> /dev/null | grep -E 'supervisor +no')
for place in $places; do
  check "static program, $place" questions "$place"
done
check 'signals' storm
check 'signals, emulated' storm --backend emulate
check 'threads' threads
check 'killed launcher' killed launcher
[ -n "$no_supervisor" ] || check 'killed supervisor' killed supervisor
check 'expectations' expectations
head -c 20000 /mnt/cfr > from32
if [ ! -e /mnt/copies_32 ]; then
  echo 'skipped 32-bit program: it is for x86'
elif ! /mnt/copies_32 from32 to32; then
  echo 'skipped 32-bit program: this kernel runs none'
else
  check '32-bit program' small_programs
fi
for place in $places; do
  check "preloaded program, $place" contract "$place"
  check "requests, $place" requests "$place" auto
  check "requests emulated, $place" requests "$place" emulate
  head -c 1000000 /mnt/cfr > "$place/from"
done
for from in $places; do
  for to in $places; do
    check "layouts, $from to $to" layouts "$from" "$to"
    check "cp, $from to $to" copied "$from" "$to"
  done
done
check 'files of /proc' proc_files
check 'sweep' sweep
