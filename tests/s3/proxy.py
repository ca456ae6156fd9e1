"""A proxy in front of an S3 emulator, which breaks connections and answers with errors as a test tells it to."""

import http.client
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Faults:
    """What the proxy does to the requests that come. A test sets it, and reads what came."""

    def __init__(self):
        self.lock = threading.Lock()
        self.reset()

    def reset(self):
        self.requests = []
        self.cut_after = None  # bytes of each answer to GET that are sent before the connection breaks
        self.errors = []  # [method, status, code, how many times, after how many], in order
        self.before = None  # called with the number of a GET, from 1, before it is passed on

    def error_for(self, method):
        with self.lock:
            for error in self.errors:
                if error[0] != method:
                    continue
                if error[4] > 0:
                    error[4] -= 1
                elif error[3] > 0:
                    error[3] -= 1
                    return error[1], error[2]
        return None

    def fail(self, method, status, code, times=1_000, after=0):
        self.errors.append([method, status, code, times, after])

    def gets(self):
        return [request for request in self.requests if request[0] == "GET"]


def serve(faults, upstream_port):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def handle_any(self):
            method = self.command
            with faults.lock:
                faults.requests.append((method, self.headers.get("Range"), self.headers.get("If-Match")))
                number = sum(request[0] == "GET" for request in faults.requests)
            body = self.body()
            error = faults.error_for(method)
            if error:
                return self.answer_error(*error)
            if method == "GET" and faults.before:
                faults.before(number)
            upstream = http.client.HTTPConnection("127.0.0.1", upstream_port, timeout=20)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "transfer-encoding"}
            upstream.request(method, self.path, body=body, headers=headers)
            answer = upstream.getresponse()
            content = answer.read()
            upstream.close()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "transfer-encoding", "content-length", "server"):
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if method == "HEAD" else None
            self.send_header("Content-Length", length or str(len(content)))
            self.end_headers()
            if method == "HEAD":
                return
            if method == "GET" and faults.cut_after is not None and len(content) > faults.cut_after:
                self.wfile.write(content[: faults.cut_after])
                self.wfile.flush()
                self.close_connection = True
                return
            self.wfile.write(content)

        def body(self):
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                parts = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def answer_error(self, status, code):
            content = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            self.send_response_only(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def range_start(request):
    return int(re.match(r"bytes=(\d+)-", request[1]).group(1))
