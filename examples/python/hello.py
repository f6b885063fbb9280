"""hello.py: the smallest function.

  hearth deploy hello.py
  hearth call 'hello?name=Ada'
"""


def handle(call):
    return "hello, " + (call.query("name") or "world") + "\n"
