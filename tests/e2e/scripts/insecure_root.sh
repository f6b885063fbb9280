# As root the layers can be set up, and are: the option changes nothing.
mkdir state
hearthd --listen 127.0.0.1:0 --state "$D/state" --insecure=cgroup,users 2>root_log &
P=$!
trap 'kill $P' EXIT
await "grep -q 'ready on' root_log"
grep -q INSECURE root_log && exit 1
[ "$(curl -sS "$(grep -o 'http://127[^,]*' root_log | tail -1)/readyz")" = ready ]
