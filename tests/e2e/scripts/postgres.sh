# PostgreSQL itself, on loopback and on a unix socket: the example, its kept connection, a restart.
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
install -d -o postgres $D/pg
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
as_postgres() { runuser -u postgres -- "$@"; }
(cd / && as_postgres $bin/initdb -D $D/pg/data -A trust -U hearth >/dev/null)
start_postgres() { (cd / && as_postgres $bin/pg_ctl -w -D $D/pg/data -l $D/pg/log \
  -o "-p $port -k $D/pg -c listen_addresses=127.0.0.1 -c fsync=off" "$@" start >/dev/null </dev/null); }
stop_postgres() { (cd / && as_postgres $bin/pg_ctl -w -D $D/pg/data -m fast stop >/dev/null </dev/null); }
trap 'stop_postgres || true' EXIT
start_postgres
connections() { curl -sS -H "$A" $U/v1/functions/$1/instances | python3 -c "import json, sys
for i in json.load(sys.stdin)['instances']:
  for c in i['connections']: print(c['destination'], c['calls'], c['sent'], c['received'])"; }

# TCP, by name
h deploy $HEARTH_EXAMPLES/postgres.c --name pg --libs pq --max 1 --network localhost:$port \
  --env "{\"DATABASE\": \"host=localhost port=$port user=hearth dbname=postgres\"}"
[ "$(h call 'pg?name=Ada')" = "visit 1 of Ada" ]
for i in 2 3 4 5 6 7 8 9; do h call 'pg?name=Ada'; done
[ "$(h call 'pg?name=Ada')" = "visit 10 of Ada" ]
[ "$(connections pg | wc -l)" = 1 ]
connections pg | grep -E "^localhost:$port 10 [0-9]{3,} [0-9]{3,}$"
curl -sS -H "$A" $U/metrics | grep -F 'hearth_function_connections{function="pg"} 1'
curl -sS -H "$A" $U/metrics | grep -F 'hearth_connects_total{function="pg",result="opened"} 1'

# the server is restarted: the next call connects anew; stopped: a clear error
stop_postgres
[ "$(h call 'pg?name=Ada')" = "the database does not answer" ] || true
[ "$(curl -sS -o answer -w '%{http_code}' "$U/function/pg?name=Ada")" = 503 ]
h logs pg | grep -E 'Connection refused|terminating connection|closed the connection'
start_postgres
[ "$(h call 'pg?name=Ada')" = "visit 11 of Ada" ]

# its unix socket, with the peer's user; a password is not needed here
h deploy $HEARTH_EXAMPLES/postgres.c --name pg-unix --libs pq --max 1 --network unix:$D/pg/.s.PGSQL.$port \
  --env "{\"DATABASE\": \"host=$D/pg port=$port user=hearth dbname=postgres\"}"
[ "$(h call 'pg-unix?name=Eve')" = "visit 1 of Eve" ]
[ "$(h call 'pg-unix?name=Eve')" = "visit 2 of Eve" ]
connections pg-unix | grep -E "^unix:$D/pg/.s.PGSQL.$port 2 None None$"

# removed from the list while it is open: gone at once; listed again: back at once
curl -sS -H "$A" -X PATCH -d '{"network": ["localhost:1"]}' $U/v1/functions/pg >patched
grep -E '"network": "at once; 1 open connection to removed destinations ended"' patched
[ "$(curl -sS -o answer -w '%{http_code}' "$U/function/pg?name=Ada")" = 503 ]
h logs pg | grep "connecting to .*:$port was refused with EACCES\|connecting to localhost"
curl -sS -H "$A" -X PATCH -d "{\"network\": [\"localhost:$port\"]}" $U/v1/functions/pg >patched
[ "$(h call 'pg?name=Ada')" = "visit 12 of Ada" ]
[ "$(curl -sS -H "$A" $U/v1/functions/pg/instances | grep -c '"pid"')" = 1 ]
