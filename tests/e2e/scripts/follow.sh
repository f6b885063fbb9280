# Logs and events as they come: what was said before, then each new line; a log ends with its function.
hearth new story
h deploy story.c
h call 'story?name=first'
h events story -f >events & E=$!
h logs story -f >logs & L=$!
await "grep -q 'greeting first' logs && grep -q deployed events"
h call 'story?name=second'
await "grep -q 'greeting second' logs"
h logs story --since 10m --level info -n 1 >out
grep -q 'greeting second' out
h logs story --level error >out
[ ! -s out ]
h logs story --level loud 2>err && exit 1
grep -q 'debug, info, warning or error' err
h limits story --memory 20M
await "grep -q settings_changed events"
kill $L
h delete story
await "grep -q deleted events && grep -q 'ended .*reason' events"
kill $E
grep -q 'started  instance' events
grep -Eq 'ended .*reason' events

h deploy story.c
hearth --token-file "$T" logs story -f >logs & L=$!
h call 'story?name=third'
await "grep -q 'greeting third' logs"
h delete story
wait $L

h events none >out
[ ! -s out ]
[ "$(h events -n 3 | wc -l)" = 3 ]
h events --since 1h --json -n 2 | python3 -c 'import json,sys; [json.loads(l) for l in sys.stdin]'
[ "$(curl -sS -o out -w '%{http_code}' -H "$A" "$U/v1/events?function=No")" = 400 ]
grep -q bad_setting out
[ "$(curl -sS -o out -w '%{http_code}' "$U/v1/events")" = 401 ]
