# SPDX-License-Identifier: GPL-2.0
"""Web requests at a steady pace, each over its own connection, and the server for them."""

import http.client
import http.server
import os

from common import Output, add_client, add_server, attempts, family_of, plain, serve

MAX_BYTES = 1 << 30
CHUNK = os.urandom(1 << 16)


def add_commands(commands):
    add_server(commands, "http-server", 80, serve_http, "GET /N answers with N bytes")
    parser = add_client(commands, "http-client", 80, 20, request, "requests, each over its own connection")
    parser.add_argument("--size", type=int, default=1000, metavar="BYTES")


class Handler(http.server.BaseHTTPRequestHandler):
    """/N: N bytes. The client is told by a header the address it was seen with."""

    def do_GET(self):
        name = self.path[1:]
        if not name.isdigit() or int(name) > MAX_BYTES:
            self.send_error(404)
            return
        left = int(name)
        self.send_response(200)
        self.send_header("Content-Length", name)
        self.send_header("X-Client-Address", plain(self.client_address[0]))
        self.end_headers()
        while left > 0:
            left -= self.wfile.write(CHUNK[:left])

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):  # a client gone in mid-answer is everyday life here
        pass


def serve_http(args):
    Server.address_family = family_of(args.bind)
    serve(Server((args.bind, args.port), Handler), Output(), args.duration)


def request(args):
    source = (args.source, 0) if args.source else None

    def attempt(timeout_s):
        connection = http.client.HTTPConnection(args.to, args.port, timeout_s, source)
        try:
            connection.request("GET", f"/{args.size}")
            answer = connection.getresponse()
            if answer.status != 200 or len(answer.read()) != args.size:
                raise ValueError("wrong answer")
            return answer.headers["X-Client-Address"]
        except http.client.HTTPException as error:
            raise ValueError(str(error)) from error
        finally:
            connection.close()

    attempts(args, attempt)
