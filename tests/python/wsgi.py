"""PEP 3333, watched by the checker of the standard library."""
from wsgiref.validate import validator


class Body:
    def __init__(self):
        self.closed = False
        self.left = ["a", "b", "c"]

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        return self.left.pop(0).encode()

    def close(self):
        closed.append(True)


closed = []


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/echo":
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(size)
        start_response("202 Fine", [("Content-Type", "text/plain"), ("X-Two", "2")])
        return [body, b" ", environ["QUERY_STRING"].encode(), b" ",
                environ["SCRIPT_NAME"].encode(), b" ", environ["REQUEST_METHOD"].encode(), b" ",
                environ["HTTP_X_SOME"].encode(), b" ", environ["SERVER_PORT"].isdigit() and b"port"]
    if path == "/closed":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(len(closed)).encode()]
    if path == "/iterator":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Body()
    if path == "/raise":
        start_response("200 OK", [("Content-Type", "text/plain")])
        raise KeyError("x")
    if path == "/lines":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(len(list(environ["wsgi.input"]))).encode()]
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [b"nothing here"]


app = validator(application)
