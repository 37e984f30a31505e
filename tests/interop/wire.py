"""A proxy that writes each request and its answer to a file, one JSON object a line, and that can refuse or delay requests.

`wire.py --listen PORT... --to PORT --log FILE [--tls CERTIFICATE.pem] [--rules FILE]`, on 127.0.0.1 only; PORT 0 is any that is free,
and the first line printed ends with the ports. It passes the client's Host on, so signatures stay valid. The rules file is read anew
for each request: a list of objects with `match` (a regular expression over "PORT METHOD path operation body") and what to do:
`delay` (seconds; said in the log as `held`), `meet` (hold the request until so many match, half a second at most, then let all go at
once), `refuse` (a status; DynamoDB's AccessDeniedException), `drop` (a key to leave out of a JSON body: what a check must notice),
`late` (seconds to keep back an answer that is a success; said in the log as `held`). `times` limits how often a rule works.
"""

import argparse
import http.client
import json
import re
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KEPT = 4000
PATIENCE = 0.5
HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}


class Rules:
    def __init__(self, path):
        self.path, self.used, self.lock, self.gates = path, {}, threading.Lock(), {}

    def apply(self, text, held):
        """After the delays: the status to refuse with, the key to drop, the rule that keeps back the answer. Or None for each."""
        rules = json.loads(Path(self.path).read_text()) if self.path and Path(self.path).exists() else []
        drop = late = None
        for rule in rules:
            if not re.search(rule["match"], text):
                continue
            if "late" in rule:
                late = rule
                continue
            if not self.works(rule):
                continue
            key = json.dumps(rule, sort_keys=True)
            with self.lock:
                gate = self.gates.setdefault(key, threading.Barrier(rule.get("meet", 1)))
            if "delay" in rule:
                held(rule)
                time.sleep(rule["delay"])
            if "refuse" in rule:
                return rule["refuse"], None, None
            drop = rule.get("drop", drop)
            if "meet" in rule:
                try:
                    gate.wait(PATIENCE)
                except threading.BrokenBarrierError:
                    with self.lock:
                        if self.gates.get(key) is gate:
                            del self.gates[key]
        return None, drop, late

    def works(self, rule):
        """Counts."""
        key = json.dumps(rule, sort_keys=True)
        with self.lock:
            self.used[key] = self.used.get(key, 0) + 1
            return self.used[key] <= rule.get("times", 10**9)


def handler(options, rules, write, port):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def exchange(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            operation = (self.headers.get("X-Amz-Target") or "").rpartition(".")[2]
            started = time.time()
            shown = body[:KEPT].decode("utf-8", "replace")
            held = lambda rule: write({"at": round(time.time(), 3), "port": port, "held": rule, "body": shown})
            text = f"{port} {self.command} {self.path} {operation} {shown}"
            status, drop, late = rules.apply(text, held)
            if status:
                name = "com.amazon.coral.service#AccessDeniedException"
                answer, headers = json.dumps({"__type": name, "message": "refused by wire.py"}).encode(), []
            else:
                upstream = http.client.HTTPConnection("127.0.0.1", options.to, timeout=60)
                if drop:
                    body = json.dumps({k: v for k, v in json.loads(body).items() if k != drop}).encode()
                # http.client counts the length anew.
                passed = {name: value for name, value in self.headers.items() if name.lower() != "content-length"}
                upstream.request(self.command, self.path, body, passed)
                response = upstream.getresponse()
                status, answer, headers = response.status, response.read(), response.getheaders()
                upstream.close()
            names = ("if-none-match", "if-match", "x-amz-copy-source", "user-agent")
            sent = {name: self.headers[name] for name in names if self.headers.get(name)}
            line = {"at": round(started, 3), "took": round(time.time() - started, 3), "port": port, "method": self.command,
                    "path": self.path, "operation": operation, "headers": sent, "body": shown, "status": status,
                    "answer": answer[:KEPT].decode("utf-8", "replace")}
            write(line)
            if late and status == 200 and rules.works(late):
                held(late)
                time.sleep(late["late"])
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in HOP_BY_HOP | {"content-length"}:
                    self.send_header(name, value)
            # The answer to HEAD has the length of what GET would send.
            length = dict((name.lower(), value) for name, value in headers).get("content-length")
            self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = exchange

        def log_message(self, *_):
            pass

    return Handler


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *client):
        # Clients are killed on purpose.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(*client)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", type=int, nargs="+", required=True)
    parser.add_argument("--to", type=int, required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("--tls")
    parser.add_argument("--rules")
    options = parser.parse_args()
    lock, rules, ports = threading.Lock(), Rules(options.rules), []
    with open(options.log, "a", encoding="utf-8") as log:
        def write(line):
            with lock:
                log.write(json.dumps(line) + "\n")
                log.flush()

        for port in options.listen:
            server = Server(("127.0.0.1", port), None)
            ports.append(server.server_port)
            server.RequestHandlerClass = handler(options, rules, write, server.server_port)
            if options.tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(options.tls)
                server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            threading.Thread(target=server.serve_forever, daemon=True).start()
        print("wire.py started", *ports, flush=True)
        threading.Event().wait()


main()
