# export and import: to a second daemon, which must then serve the same.
code() { sed -n 's/.*"code": *"\([a-z_]*\)".*/\1/p'; }
settings_of() { python3 -c 'import json,sys; print(json.dumps({f["name"]: f["settings"] for f in json.load(sys.stdin)["functions"] if f["name"] in ("a", "b", "hello")}, indent=1, sort_keys=True))'; }
created_of() { python3 -c 'import json,sys; print([(v["version"], v["created"], v["live"]) for v in json.load(sys.stdin)["versions"]])'; }
start2() {
    "$HEARTH_PREFIX/bin/hearthd" --listen 127.0.0.1:0 --state "$D/state2" 2>log2 &
    P2=$!
    trap 'kill $P2' EXIT
    await "grep -q 'ready on' log2"
    U2=$(grep -o 'http://127[^,]*' log2 | tail -1)
}
stop2() { kill "$P2"; wait "$P2"; trap - EXIT; }
mkdir b && cat >b/main.c <<'END'
#include <hearth.h>
int hearth_handle(hearth_call *c) { size_t n; const void *p = hearth_file("data/text", &n); return hearth_write(c, p, n); }
END
mkdir b/data && printf 'text of %s' v1 >b/data/text
mk() { printf '#include <hearth.h>\nint hearth_handle(hearth_call *c) { return hearth_printf(c, "%s %%s", hearth_env("KEY") ? hearth_env("KEY") : "-"); }\n' "$1" >a.c; }
mk one; h deploy a.c --memory 16M
mk two; h deploy a.c
mk three; h deploy a.c
h limits a --timeout 7s --env '{"KEY":"secret"}'
h rollback a 2
h deploy b --memory 24M
h deploy $HEARTH_EXAMPLES/hello.c --memory 16M
test "$(h call a)" = "two secret"
h export a b hello >all.tar
tar tf all.tar | head -1 | grep -x hearth.json
h export >every.tar # others too, of whoever uses this daemon
tar tf every.tar | grep -c '^functions/\(a\|b\|hello\)/' | grep -x 5
h export a hello >some.tar
tar tf some.tar | grep -c tar.gz | grep -x 4
tar xOf all.tar | strings | grep -qF "$(cat $T)" && exit 1
h export nosuch >none.tar && exit 1
test "$(curl -s -o one.tar.gz -w '%{http_code} %{content_type}' -H "$A" $U/v1/functions/a/versions/2)" = "200 application/gzip"
tar tzf one.tar.gz | sort | tr '\n' ' ' | grep -x 'build function.so source/function.c version.json '
test "$(curl -s -H "$A" $U/v1/functions/a/versions/9 | code)" = version_not_found
test "$(curl -s -H "$A" $U/v1/functions/a/versions/x | code)" = version_not_found
h import all.tar 2>err && exit 1
grep -q "a exists already, and nothing was imported" err
h import all.tar --skip-existing >out 2>err
grep -q "imported 0 functions with 0 versions" out
# the second daemon
start2
h2() { hearth --url $U2 --token-file $D/state2/token "$@"; }
A2="Authorization: Bearer $(cat $D/state2/token)"
h2 import all.tar >out
grep -x "imported 3 functions with 5 versions" out
test "$(h2 call a)" = "two secret"
test "$(h2 call b)" = "text of v1"
test "$(h2 call 'hello?name=Ada')" = "hello, Ada"
diff <(h --json list | settings_of) <(h2 --json list | settings_of)
diff <(h --json versions a | created_of) <(h2 --json versions a | created_of)
h2 rollback a 3 && test "$(h2 call a)" = "three secret"
h2 rollback a 1 && test "$(h2 call a)" = "one secret"
mk four; h2 deploy a.c && test "$(h2 --json describe a | sed -n 's/^ *"version": \([0-9]*\),/\1/p' | head -1)" = 4
# it is there after a start
stop2
start2
test "$(h2 call a)" = "four secret"
h2 rollback a 2 && test "$(h2 call a)" = "two secret"
test "$(curl -s -X PUT -H "$A2" --data-binary @one.tar.gz -H 'Content-Type: application/gzip' $U2/v1/functions/a/versions/2 | code)" = version_exists
# numbers: one that failed, and the last ones
raw() { curl -s -o out -w '%{http_code}' -X PUT -H "$A2" --data-binary @$1 -H 'Content-Type: application/gzip' $U2/v1/functions/$2; }
test "$(raw a.c a/versions/1000)" = 400
h2 deploy a.c && test "$(h2 --json describe a | sed -n 's/^ *"version": \([0-9]*\),/\1/p' | head -1)" = 5
test "$(raw a.c a/versions/4294967295)" = 404
test "$(raw one.tar.gz a/versions/01)" = 404
test "$(raw one.tar.gz a/versions/4294967294)" = 404
test "$(raw one.tar.gz a/versions/4294967293)" = 201
h2 deploy a.c # the last number
h2 deploy a.c 2>err && exit 1
grep -q "used up all numbers" err
test "$(h2 call a)" = "four secret"
# names in other letters, and as much as a bundle may have
mkdir -p big/d && cp a.c big/main.c && echo x >"big/d/grüße.txt"
python3 - <<'P'
import os
for i in range(4093):
    folder = f"big/d/{i % 50:03}" + "x" * 100
    os.makedirs(folder, exist_ok=True)
    open(f"{folder}/{i}", "w").write("x")
P
LC_ALL=C h2 deploy big >out
curl -sf -o big.tar.gz -H "$A2" $U2/v1/functions/big/versions/1
tar tzf big.tar.gz | grep -c '^source/' | grep -x 4095
test "$(raw big.tar.gz copy/versions/1)" = 201
h2 delete copy; h2 delete big
# a version beside the live one is tried too
mkdir w && (cd w && tar xzf ../one.tar.gz && echo x >function.so)
tar -C w -czf w.tar.gz $(ls w)
test "$(raw w.tar.gz a/versions/77)" = 422
# of an edited archive nothing is taken that it does not name, and the live version must come first
mkdir -p e && tar -C e -xf some.tar
sed -i 's/"name": "hello"/"name": "other"/' e/hearth.json
for name in a b hello; do h2 delete $name; done
(cd e && tar cf ../edited.tar hearth.json functions/a/2.tar.gz functions/a/1.tar.gz functions/a/3.tar.gz functions/hello/1.tar.gz)
h2 import edited.tar 2>err && exit 1
grep -q "is no part of an export" err
h2 delete a
(cd e && tar cf ../edited.tar hearth.json functions/a/1.tar.gz functions/a/2.tar.gz)
h2 import edited.tar 2>err && exit 1
grep -q "the live version of a must come first" err
# what was removed while it was exported is left out, and the others are imported
mkdir g && tar -C g -xf all.tar && mv g/functions/a/2.tar.gz g/functions/a/2.gone && : >g/functions/a/2.gone
(cd g && tar cf ../gone.tar hearth.json functions/a/2.gone functions/a/3.tar.gz functions/a/1.tar.gz functions/b functions/hello)
for name in $(h2 --json list | sed -n 's/^ *"name": "\(.*\)",/\1/p'); do h2 delete $name; done
tar tf gone.tar | grep -v '/$' >names && (cd g && tar cf ../gone.tar --no-recursion $(cat ../names))
h2 import gone.tar >out 2>err && exit 1
grep -q "it was removed while it was exported" err
test "$(h2 call 'hello?name=Ada')" = "hello, Ada"
h2 delete b; h2 delete hello
h export hello hello | tar tf - | grep -c tar.gz | grep -x 1
HEARTH_TOKEN=wrong hearth --url $U2 import all.tar 2>err && exit 1
h2 import all.tar
# what is no export is refused and changes nothing
for name in a b hello; do h2 delete $name; done
head -c 3000 all.tar >cut.tar
h2 import cut.tar 2>err && exit 1
grep -qE "damaged|cut off" err
for name in $(h2 --json list | sed -n 's/^ *"name": "\(.*\)",/\1/p'); do h2 delete $name; done
h2 import a.c 2>err && exit 1
echo '{"format": 2, "functions": []}' >hearth.json && tar cf later.tar hearth.json
h2 import later.tar 2>err && exit 1
grep -q "a later Hearth wrote it, in format 2" err
put2() { curl -s -X PUT -H "$A2" --data-binary @$1 -H 'Content-Type: application/gzip' $U2/v1/functions/x/versions/${2:-1}; }
test "$(put2 a.c | code)" = bad_bundle
test "$(put2 one.tar.gz 0 | code)" = version_not_found
mkdir v && (cd v && tar xzf ../one.tar.gz)
repack() { tar -C v -czf v.tar.gz $(ls v); }
sed -i 's/"format": 1/"format": 2/' v/version.json; repack; put2 v.tar.gz | grep -q "a later Hearth saved it, in format 2"
sed -i 's/"format": 2/"format": 1/; s/"memory": [0-9]*/"memory": 1/' v/version.json; repack; test "$(put2 v.tar.gz | code)" = bad_setting
sed -i 's/"memory": 1/"memory": 16777216/' v/version.json; mv v/function.so f.so; repack; put2 v.tar.gz | grep -q "there is no function.so"
head -c 2000 /dev/urandom >v/function.so; repack; test "$(put2 v.tar.gz | code)" = init_failed
cp f.so v/function.so; echo x >v/more; repack; test "$(put2 v.tar.gz | code)" = bad_bundle; rm v/more
sed -i 's|"files": \[\]|"files": {}|' v/version.json; repack; test "$(put2 v.tar.gz | code)" = bad_bundle; sed -i 's|"files": {}|"files": []|' v/version.json
sed -i 's|"created": |"created": -|' v/version.json; repack; test "$(put2 v.tar.gz | code)" = bad_bundle; sed -i 's|"created": -|"created": |' v/version.json
sed -i 's|"files": \[\]|"files": ["../../version.json"]|' v/version.json; repack; test "$(put2 v.tar.gz | code)" = bad_bundle
test "$(h2 --json list | grep -c '"name"')" = 0
ls $D/state2/functions | wc -l | grep -x 0
sed -i 's|"files": \[.*\]|"files": []|' v/version.json; repack; put2 v.tar.gz 7 | grep -q '"version": 7'
test "$(curl -s $U2/function/x)" = "two secret"
stop2
# the format of the folder
test "$(cat $D/state2/format)" = 2
rm $D/state2/format # as it was before there was a number
start2
test "$(curl -s $U2/function/x)" = "two secret"
test "$(cat $D/state2/format)" = 2
stop2
for odd in -1 2x '' 0; do
    echo "$odd" >$D/state2/format
    $HEARTH_PREFIX/bin/hearthd --listen 127.0.0.1:0 --state $D/state2 2>log2 && exit 1
    grep -q "holds no number" log2
done
echo 3 >$D/state2/format
$HEARTH_PREFIX/bin/hearthd --listen 127.0.0.1:0 --state $D/state2 2>log2 && exit 1
grep -q "the state folder has format 3, of a later Hearth" log2
