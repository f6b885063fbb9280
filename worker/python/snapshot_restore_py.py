"""The names under which AWS Lambda has the hooks of a snapshot: a template is one."""

import hearth as _hearth

_before = []


def register_before_snapshot(func, *args, **kwargs):
    """Calls func once init has ended, in the last order in which they were registered."""
    _before.append(lambda: func(*args, **kwargs))
    return func


def register_after_restore(func, *args, **kwargs):
    """Calls func in each instance before its first call."""
    _hearth.after_fork(lambda: func(*args, **kwargs))
    return func
