# The far side of the sessions' connections, on the private loopback interface: an HTTP server on port 8000 that hands out
# `agent` and takes uploads, and two listeners that type commands into whatever shell connects to them.
import http.server

import socketserver
import threading
import time

COMMANDS = [b'id\n', b'uname -s\n', b'cat /etc/passwd\n', b'ls -l /root\n', b'exit\n']

class Files(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = open('agent', 'rb').read() if self.path == '/agent' else b'up to date\n'
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers['Content-Length']))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass

class Operator(socketserver.BaseRequestHandler):
    def handle(self):
        for command in COMMANDS:
            time.sleep(0.2)
            self.request.sendall(command)
        while self.request.recv(4096):
            pass

for port, handler, server in (
    (8000, Files, http.server.ThreadingHTTPServer),
    (4444, Operator, socketserver.ThreadingTCPServer),
    (4445, Operator, socketserver.ThreadingTCPServer),
):
    threading.Thread(target=server(('127.0.0.1', port), handler).serve_forever).start()
