"""AWS Lambda's form, with the event of a function URL, version 2.0."""
import base64
import json

import snapshot_restore_py

restored = []
snapshot_restore_py.register_before_snapshot(lambda: restored.append("before"))
snapshot_restore_py.register_after_restore(restored.append, "after")


def handler(event, context):
    path = event["rawPath"]
    if path == "/plain":
        return {"plain": True}
    if path == "/text":
        return "text"
    if path == "/binary":
        return {"statusCode": 200, "isBase64Encoded": True, "body": base64.b64encode(b"\0\1").decode(),
                "headers": {"Content-Type": "application/octet-stream"}}
    if path == "/restored":
        return restored
    return {
        "statusCode": 202, "headers": {"X-Three": "3"}, "cookies": ["a=1; Path=/", "b=2"],
        "body": json.dumps({
            "event": event, "limit": context.memory_limit_in_mb, "id": context.aws_request_id,
            "name": context.function_name, "version": context.function_version,
            "left": 0 < context.get_remaining_time_in_millis() <= 5000,
        }),
    }
