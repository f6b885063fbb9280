# GET /v1/host: the daemon and its host.
curl -sS -H "$A" "$U/v1/host" >host
python3 - <<'P'
import json
h = json.load(open("host"))
assert h["version"] and h["uptime"] > 0 and "seccomp" in h["walls"], h
assert h["cgroup"] in ("v1", "v2") and h["memory"]["budget"] > 0, h
assert h["loops"]["configured"] >= 1 and h["shared_listener"] is True, h
P
