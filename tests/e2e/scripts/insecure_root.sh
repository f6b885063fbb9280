# As root the layers can be set up, and are: the option changes nothing.
mkdir state
hearthd --listen 127.0.0.1:0 --state "$D/state" --insecure=cgroup,users 2>log &
P=$!
trap 'kill $P' EXIT
await "grep -q 'ready on' log"
grep -q INSECURE log && exit 1
[ "$(curl -sS "$(grep -o 'http://127[^,]*' log | tail -1)/readyz")" = ready ]
