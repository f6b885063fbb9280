# psycopg2 and redis-py as Debian ships them: a connection for each instance, opened in the fork and
# kept from call to call.
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
install -d -o postgres $D/ppg
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port)
as_postgres() { runuser -u postgres -- "$@"; }
(cd / && as_postgres $bin/initdb -D $D/ppg/data -A trust -U hearth >/dev/null)
start_postgres() { (cd / && as_postgres $bin/pg_ctl -w -D $D/ppg/data -l $D/ppg/log \
  -o "-p $port -k $D/ppg -c listen_addresses=127.0.0.1 -c fsync=off" start >/dev/null </dev/null); }
stop_postgres() { (cd / && as_postgres $bin/pg_ctl -w -D $D/ppg/data -m fast stop >/dev/null </dev/null); }
start_postgres
redis=$(free_port)
mkdir -p pr && (cd pr && exec redis-server --port $redis --bind 127.0.0.1 --save '' >$D/pr-log 2>&1) &
server=$!
trap 'kill $server; wait $server || true; stop_postgres || true' EXIT
await '[ "$(redis-cli -p $redis ping)" = PONG ]'
states() { curl -sS -H "$A" $U/v1/functions/$1/instances | grep -c "\"state\": \"$2\"" || true; }
connections() { curl -sS -H "$A" $U/v1/functions/$1/instances | python3 -c "import json, sys
for i in json.load(sys.stdin)['instances']:
  for c in i['connections']: print(c['destination'], c['calls'])"; }

h deploy $HEARTH_EXAMPLES/python/postgres.py --max 3 --network localhost:$port \
  --env "{\"DATABASE\": \"host=localhost port=$port user=hearth dbname=postgres\"}"
[ "$(h call 'postgres?name=Ada')" = "visit 1 of Ada" ]
await '[ "$(states postgres template)" = 1 ]'
for i in 2 3 4 5 6 7 8 9; do h call 'postgres?name=Ada'; done
[ "$(h call 'postgres?name=Ada')" = "visit 10 of Ada" ]
connections postgres | grep -E "^localhost:$port ([5-9]|10)$"
[ "$(connections postgres | wc -l)" -le 3 ]
# the server is restarted: the next call connects anew
stop_postgres
start_postgres
[ "$(h call 'postgres?name=Ada')" = "visit 11 of Ada" ]
# a database that is down keeps an instance from starting, and says why
h deploy $HEARTH_EXAMPLES/python/postgres.py --name down --network localhost:1 \
  --env "{\"DATABASE\": \"host=localhost port=1 user=hearth dbname=postgres\"}" 2>err && false
grep -F 'OperationalError' err

h deploy $HEARTH_EXAMPLES/python/redis_visits.py --max 3 --network 127.0.0.1:$redis \
  --env "{\"REDIS_PORT\": \"$redis\"}"
[ "$(h call 'redis-visits?name=Ada')" = "visit 1 of Ada" ]
await '[ "$(states redis-visits template)" = 1 ]'
for i in 2 3 4 5 6 7; do h call 'redis-visits?name=Ada'; done
[ "$(h call 'redis-visits?name=Ada')" = "visit 8 of Ada" ]
connections redis-visits | grep -F "127.0.0.1:$redis"
[ "$(redis-cli -p $redis client list type normal | grep -c -v cmd=client)" -le 3 ]
# what is not listed is refused as everywhere, in a fork too
curl -sS -H "$A" -X PATCH -d '{"network": ["127.0.0.1:1"]}' $U/v1/functions/redis-visits >patched
[ "$(curl -sS -o answer -w '%{http_code}' "$U/function/redis-visits?name=Ada")" = 500 ]
h logs redis-visits | grep -F "connecting to 127.0.0.1:$redis was refused with EACCES"
