"""techniques.py: what each way of writing costs in memory. ?way= names it, and the answer's header
X-Memory-Peak says what the call has used.

  hearth deploy techniques.py --memory 256M --recycle-calls 1
  curl -H 'X-Hearth-Report: memory' -i 'localhost:8080/function/techniques?way=list'
"""
ROWS = 100_000


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y


class SlottedPoint:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x, self.y = x, y


def rows():
    for i in range(ROWS):
        yield f"{i},{i * i},{'x' * 40}\n"


def handle(call):
    way = call.query("way")
    if way == "list":  # all of the answer at once
        return "".join(list(rows()))
    if way == "generator":  # piece by piece: it leaves as it is made
        return rows()
    if way == "keep":  # two steps, both of whose data is there at the end
        first = bytearray(20_000_000)
        second = bytearray(len(first))
        return str(len(second))
    if way == "del":  # the first is given up before the second begins
        first = bytearray(20_000_000)
        size = len(first)
        del first
        second = bytearray(size)
        return str(len(second))
    if way == "objects":
        return str(len([Point(i, i) for i in range(ROWS)]))
    if way == "slots":
        return str(len([SlottedPoint(i, i) for i in range(ROWS)]))
    if way == "copy":  # slices of bytes are copies
        data = bytes(20_000_000)
        return str(len(data[4:]) + len(data[8:]))
    if way == "view":  # slices of a memoryview are not
        data = memoryview(bytes(20_000_000))
        return str(len(data[4:]) + len(data[8:]))
    return "way is list, generator, keep, del, objects, slots, copy or view\n"
