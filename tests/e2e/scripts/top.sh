# hearth top: sorted by keys, one function inside, in terminals of several sizes.
for name in alpha beta; do
  hearth new $name
  h deploy $name.c
  h call $name
done
python3 "$SCRIPTS/top.py"
h top 2>err && exit 1
grep -q 'needs a terminal' err
