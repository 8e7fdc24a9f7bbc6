"""The app of the rows by descriptor: it opens the file and passes it to nginx (docs/descriptors.md).

    passing.py FILES SOCKET
"""

import contextlib
import os
import socket
import sys
import threading

files, path = sys.argv[1:]
BODY = b'{"file":{"descriptor":0},"basename":"file"}'
GRANT = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.nginx-download.grant+json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
FIELD = b"HTTP/1.1 200 OK\r\nX-Sendfile-Fd: 0\r\nContent-Disposition: attachment; filename=file\r\nContent-Length: 0\r\n\r\n"


def serve(connection):
    # nginx closes connections whenever it likes
    with contextlib.suppress(OSError), connection, connection.makefile("rb") as requests:
        while line := requests.readline():
            while requests.readline() != b"\r\n":
                pass
            uri = line.split()[1].decode()
            fd = os.open(os.path.join(files, os.path.basename(uri)), os.O_RDONLY)
            # with the head, since it is all there
            socket.send_fds(connection, [GRANT if uri.startswith("/grant/") else FIELD], [fd])
            os.close(fd)


listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
os.chmod(path, 0o666)
listener.listen(1024)
while True:
    threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()
