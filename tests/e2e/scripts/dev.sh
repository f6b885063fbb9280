# hearth dev: with the daemon that is there, and with one of its own, also without root.
cp -r "$HEARTH_PREFIX" prefix
mkdir work tmp
chown 65534:65534 work tmp
export TMPDIR="$D/tmp"
try() { # the command before hearth dev, and what it must say
  cat >work/page.c <<'Q'
#include <hearth.h>
int hearth_handle(hearth_call *c) { hearth_log(c, HEARTH_INFO, "a line"); return hearth_printf(c, "one"); }
Q
  : >work/out
  (cd work && exec "$@" dev page.c --memory 16M) >>work/out 2>&1 &
  P=$!
  trap 'kill $P' EXIT
  await "grep -q 'watching page.c' work/out"
  url=$(grep -o 'http://127[^ ]*' work/out | tail -1)
  [ "$(curl -sS "$url")" = one ]
  await "grep -q 'info    a line' work/out && grep -q '^1 call, 0 failed; p50' work/out"
  sed -i s/one/two/ work/page.c
  await '[ "$(curl -sS "$url")" = two ]'
  echo 'int x = ;' >>work/page.c
  await "grep -q 'expected expression' work/out && grep -q 'the version before goes on serving' work/out"
  [ "$(curl -sS "$url")" = two ]
  sed -i '$d' work/page.c
  sed -i s/two/three/ work/page.c
  await '[ "$(curl -sS "$url")" = three ]'
  kill -INT $P
  wait $P
  trap - EXIT
}
try hearth --token-file "$T"
grep -q 'starting one' work/out && exit 1
h delete page

export HEARTH_URL=http://127.0.0.1:1
try "$D/prefix/bin/hearth"
grep -q 'starting one' work/out
grep -q INSECURE work/out && exit 1
[ -z "$(ls tmp)" ]

try setpriv --reuid=65534 --regid=65534 --clear-groups "$D/prefix/bin/hearth"
grep -q 'INSECURE: without the layer "cgroup"' work/out
grep -q 'for trying out only' work/out
[ -z "$(ls tmp)" ]
hearth dev 2>err && exit 1
grep -q 'usage: hearth dev' err
hearth dev none.c 2>err && exit 1
grep -q 'cannot find none.c' err
