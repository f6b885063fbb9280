"""Flask as it is."""
import flask

app = flask.Flask(__name__)


@app.route("/hello/<name>")
def hello(name):
    return flask.render_template_string("<b>{{ name }}</b>", name=name)


@app.route("/json", methods=["POST"])
def json():
    return flask.jsonify(got=flask.request.get_json(), url=flask.url_for("hello", name="x"))


@app.route("/stream")
def stream():
    return flask.Response((f"{i}\n" for i in range(3)), mimetype="text/plain")


@app.route("/raise")
def fail():
    raise RuntimeError("of flask")
