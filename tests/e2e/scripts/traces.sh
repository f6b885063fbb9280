python3 "$SCRIPTS/traces.py"
