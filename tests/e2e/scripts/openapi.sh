python3 "$SCRIPTS/openapi.py"
