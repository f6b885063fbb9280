"""What a function in Python may import from the platform."""

_after_fork = []


def after_fork(function):
    """Calls the function, without arguments, in each instance before its first call: it opens what
    instances must not share, such as connections. A decorator, or called with a function."""
    _after_fork.append(function)
    return function
