# Without root: only with --insecure, which is said everywhere; what can be walled off still is.
cp -r "$HEARTH_PREFIX" prefix
mkdir nobody
chown 65534:65534 nobody
as_nobody="setpriv --reuid=65534 --regid=65534 --clear-groups"

$as_nobody prefix/bin/hearthd --listen 127.0.0.1:0 --state "$D/nobody/state" 2>err && exit 1
grep -q 'must be started as root' err
grep -q -- '--insecure=cgroup,users' err
prefix/bin/hearthd --check --insecure=seccomp 2>err && exit 1
grep -q 'any of cgroup, users' err

$as_nobody prefix/bin/hearthd --listen 127.0.0.1:0 --state "$D/nobody/state" --insecure=cgroup,users 2>log &
P=$!
trap 'kill $P' EXIT
await "grep -q 'ready on' log"
grep -q 'INSECURE: without the layer "cgroup"' log
grep -q 'INSECURE: without the layer "users"' log
HEARTH_URL=$(grep -o 'http://127[^,]*' log | tail -1)
[ "$(curl -sS "$HEARTH_URL/readyz")" = 'ready, INSECURE, without: cgroup,users' ]
HEARTH_TOKEN=$(cat nobody/state/token)
export HEARTH_TOKEN HEARTH_URL
curl -sS -H "Authorization: Bearer $HEARTH_TOKEN" "$HEARTH_URL/v1/host" >host
python3 - <<'Q'
import json
h = json.load(open("host"))
assert h["insecure"] == ["cgroup", "users"] and h["cgroup"] == "none", h
assert h["walls"][:2] == ["namespaces", "seccomp"], h
Q
hearth new plain
hearth deploy plain.c
[ "$(hearth call 'plain?name=Ada')" = 'hello, Ada' ]
cat >curious.c <<'Q'
#include <errno.h>
#include <fcntl.h>
#include <hearth.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
int hearth_handle(hearth_call *c)
{
    const char *how = hearth_query(c, "how");
    if (how != NULL && strcmp(how, "read") == 0)
        return hearth_printf(c, "%d", open("/etc/shadow", O_RDONLY) >= 0 || open("/home", O_RDONLY) >= 0);
    if (how != NULL && strcmp(how, "socket") == 0)
        return hearth_printf(c, "%d", socket(AF_INET, SOCK_STREAM, 0) >= 0);
    return hearth_printf(c, "%d", (int)getpid());
}
Q
hearth deploy curious.c
[ "$(hearth call 'curious?how=read')" = 0 ]
[ "$(hearth call 'curious?how=socket')" = 0 ]
[ "$(hearth call curious)" = 1 ]
for name in hearth-gateway hearth-worker; do
  for pid in $(pgrep -u 65534 $name); do
    grep -q 'CapEff:.*0000000000000000' "/proc/$pid/status"
    grep -q 'CapPrm:.*0000000000000000' "/proc/$pid/status"
    grep -q 'CapInh:.*0000000000000000' "/proc/$pid/status"
    grep -q 'NoNewPrivs:.*1' "/proc/$pid/status"
    grep -q 'Seccomp:.*2' "/proc/$pid/status"
  done
done
[ "$(pgrep -u 65534 -c hearth-worker)" -ge 1 ]
kill $P
wait $P || true
trap - EXIT

# what the launcher could inherit is not inherited; traces are sent here, too
$as_nobody unshare -Ur setpriv --inh-caps=+all prefix/bin/hearthd --listen 127.0.0.1:0 \
  --state "$D/nobody/state" --insecure=cgroup,users --otlp=http://127.0.0.1:9 2>log2 &
P=$!
trap 'kill $P' EXIT
await "grep -q 'ready on' log2"
HEARTH_URL=$(grep -o 'http://127[^,]*' log2 | tail -1)
hearth call plain
await "pgrep -u 65534 hearth-exporter"
for pid in $(pgrep -u 65534 hearth-worker) $(pgrep -u 65534 hearth-exporter); do
  grep -q 'CapEff:.*0000000000000000' "/proc/$pid/status"
  grep -q 'CapInh:.*0000000000000000' "/proc/$pid/status"
done
