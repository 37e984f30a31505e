"""Makes the connectors of a Connect cluster those that it is given.

What is not given is deleted, what differs is put, the rest is left alone, paused ones too: so it may be called again at any time.
Each connector is tried; then an error names those that Connect refused, with Connect's words.
"""

import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request

PAUSE_SECONDS = 3
# The last request may take as long as Connect's own limit.
REQUEST_SECONDS = 90


class Refused(Exception):
    """Connect has answered, and to ask again would not help."""


class Connect:
    def __init__(self, url, until):
        self.url = url.rstrip("/")
        self.until = until

    def ask(self, method, path, body=None):
        """Asks again while there are no workers yet, the group rebalances, or a worker is at a loss, as long as there is time."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        while True:
            request = urllib.request.Request(self.url + path, data, headers, method=method)
            try:
                with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as reply:
                    return json.loads(reply.read() or "null")
            except urllib.error.HTTPError as error:
                said = error.read().decode(errors="replace")
                if error.code != 409 and error.code < 500:
                    raise Refused(f"{error.code} {said}") from error
                failure = f"{error.code} {said}"
            except OSError as error:
                failure = str(error)
            if time.monotonic() + PAUSE_SECONDS > self.until:
                raise TimeoutError(f"{method} {path}: {failure}")
            print(f"again: {method} {path}: {failure}")
            time.sleep(PAUSE_SECONDS)

    def connectors(self):
        """Names and settings, as they were put."""
        return {name: about["info"]["config"] for name, about in self.ask("GET", "/connectors?expand=info").items()}


def path_of(name):
    return "/connectors/" + urllib.parse.quote(name, safe="")


def apply(connect, wanted):
    """What was done with which names, and what was refused by name."""
    done = {"deleted": [], "put": [], "unchanged": []}
    refused = {}
    there = connect.connectors()
    # First, for one that takes over another's table under a new name.
    for name in sorted(there.keys() - wanted.keys()):
        try:
            connect.ask("DELETE", path_of(name))
        except Refused as error:
            if not str(error).startswith("404"):
                refused[name] = str(error)
                continue
        done["deleted"].append(name)
    for name, config in sorted(wanted.items()):
        if there.get(name) == {**config, "name": name}:
            done["unchanged"].append(name)
            continue
        try:
            connect.ask("PUT", path_of(name) + "/config", config)
            done["put"].append(name)
        except Refused as error:
            refused[name] = str(error)
    return done, refused


def handler(event, context):
    seconds = context.get_remaining_time_in_millis() / 1000
    connect = Connect(os.environ["CONNECT_URL"], time.monotonic() + seconds - REQUEST_SECONDS)
    done, refused = apply(connect, event["connectors"])
    print(json.dumps(done))
    if refused:
        raise RuntimeError("\n".join(f"{name}: {why}" for name, why in refused.items()))
    return {what: len(names) for what, names in done.items()}
