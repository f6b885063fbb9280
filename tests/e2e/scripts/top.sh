# hearth top: sorted by keys, one function inside, in terminals of several sizes.
for name in alpha beta; do
  hearth new $name
  h deploy $name.c
  h call $name
done
python3 "$SCRIPTS/top.py"
h top 2>err && exit 1
grep -q 'needs a terminal' err
h top --json | python3 -c 'import json,sys; t = json.load(sys.stdin); assert t["host"]["uptime"] and len(t["functions"]) >= 2'
