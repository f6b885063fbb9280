"""Bottle as it is."""
import bottle

app = bottle.Bottle()


@app.route("/hello/<name>")
def hello(name):
    return bottle.template("<b>{{name}}</b>", name=name)


@app.post("/form")
def form():
    return {"a": bottle.request.forms.get("a"), "file": bottle.request.files.get("f").filename
            if bottle.request.files.get("f") else None}
