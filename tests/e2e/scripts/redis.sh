# Redis itself, on loopback and on a unix socket.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir -p r && (cd r && exec redis-server --port $port --bind 127.0.0.1 --unixsocket $D/r/redis.sock \
  --unixsocketperm 777 --save '' >$D/redis-log 2>&1) &
server=$!
trap 'kill $server; wait $server || true' EXIT
await '[ -S $D/r/redis.sock ]'
h deploy $HEARTH_EXAMPLES/redis.c --libs hiredis --max 1 --network 127.0.0.1:$port \
  --env "{\"REDIS_HOST\": \"127.0.0.1\", \"REDIS_PORT\": \"$port\"}"
for i in 1 2 3 4 5 6 7; do h call 'redis?name=Ada'; done
[ "$(h call 'redis?name=Ada')" = "visit 8 of Ada" ]
curl -sS -H "$A" $U/v1/functions/redis/instances | grep -F "\"destination\": \"127.0.0.1:$port\""
# the connection is cut from the server's side: once more
redis-cli -p $port client kill type normal || true
[ "$(h call 'redis?name=Ada')" = "visit 9 of Ada" ]
# not listed: EACCES, named in the log
h limits redis --network 127.0.0.1:1 2>/dev/null || curl -sS -H "$A" -X PATCH -d '{"network": ["127.0.0.1:1"]}' $U/v1/functions/redis >patched
[ "$(curl -sS -o answer -w '%{http_code}' "$U/function/redis?name=Ada")" = 503 ]
h logs redis | grep -F "connecting to 127.0.0.1:$port was refused with EACCES"
h logs redis | grep -F "Permission denied"
