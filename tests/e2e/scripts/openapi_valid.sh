# /v1/openapi.json is valid, and needs the token.
curl -sS -H "$A" "$U/v1/openapi.json" >openapi.json
node "$SCRIPTS/openapi_valid.mjs"
grep -q '"openapi": "3.1.0"' openapi.json
[ "$(curl -sS -o out -w '%{http_code}' "$U/v1/openapi.json")" = 401 ]
