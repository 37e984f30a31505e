"""deploy/terraform/apply_connectors.py against a server that answers as Connect's REST interface does."""

import http.server
import importlib.util
import json
import os
import threading
import urllib.parse
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[2] / "deploy/terraform/apply_connectors.py"


class FakeConnect(http.server.BaseHTTPRequestHandler):
    connectors, requests, rebalances = {}, [], 0

    def answer(self):
        cls = type(self)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name = urllib.parse.unquote(self.path.removeprefix("/connectors/").removesuffix("/config"))
        cls.requests.append(f"{self.command} {self.path}")
        if cls.rebalances:
            cls.rebalances -= 1
            return self.reply(409, {"error_code": 409, "message": "a rebalance is expected"})
        if self.command == "GET":
            about = {name: {"info": {"name": name, "config": config, "tasks": []}} for name, config in cls.connectors.items()}
            return self.reply(200, about)
        if self.command == "DELETE":
            return self.reply(204 if cls.connectors.pop(name, None) else 404, None)
        config = json.loads(body)
        if "delta.table.uri" not in config:
            return self.reply(400, {"error_code": 400, "message": "contains the following 1 error(s)"})
        cls.connectors[name] = {**config, "name": name}
        return self.reply(200, {"name": name})

    do_GET = do_PUT = do_DELETE = answer

    def reply(self, status, body):
        self.send_response(status)
        self.end_headers()
        if body is not None:
            self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


class Context:
    def __init__(self, seconds):
        self.seconds = seconds

    def get_remaining_time_in_millis(self):
        return self.seconds * 1000


def run():
    spec = importlib.util.spec_from_file_location("apply_connectors", PROGRAM)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    program.PAUSE_SECONDS = 0.01
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeConnect)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["CONNECT_URL"] = f"http://127.0.0.1:{server.server_port}/"
    enough = Context(program.REQUEST_SECONDS + 60)

    def apply(connectors, context=enough):
        FakeConnect.requests.clear()
        return program.handler({"connectors": connectors, "reapply": ""}, context)

    good = {name: {"delta.table.uri": f"/{name}", "topics": name} for name in ("a", "b", "c.d-e")}
    FakeConnect.rebalances = 2
    assert apply(good) == {"deleted": 0, "put": 3, "unchanged": 0}, FakeConnect.requests
    assert set(FakeConnect.connectors) == set(good)
    assert apply(good) == {"deleted": 0, "put": 0, "unchanged": 3}
    assert FakeConnect.requests == ["GET /connectors?expand=info"], FakeConnect.requests

    # One gone, one changed, one refused: the refused one keeps nobody else from being put, and is named.
    changed = {"a": {**good["a"], "tasks.max": "2"}, "b": good["b"], "bad": {"topics": "bad"}, "z": good["a"]}
    try:
        apply(changed)
        raise AssertionError("a refused connector has to fail the call")
    except RuntimeError as error:
        assert str(error).startswith("bad: 400 ") and "1 error(s)" in str(error), error
    assert set(FakeConnect.connectors) == {"a", "b", "z"} and FakeConnect.connectors["a"]["tasks.max"] == "2"
    assert FakeConnect.requests[1] == "DELETE /connectors/c.d-e", FakeConnect.requests
    assert not [each for each in FakeConnect.requests if each.startswith("PUT /connectors/b/")], FakeConnect.requests

    # Nobody there: the call ends with an error, in time.
    server.shutdown()
    server.server_close()
    try:
        apply(good, Context(program.REQUEST_SECONDS + 0.1))
        raise AssertionError("without Connect the call has to fail")
    except TimeoutError:
        pass
    return "apply_connectors.py puts, deletes, leaves alone, names what is refused, and ends in time"
