# The views: how a location finds its file. Storages, rules, the question to the app.
#
# Sections of this file's own:
#   app      what the app answers: the inside of a server that location /_ask leads to
#   grant    short for an app that always gives this grant
use lib 't/lib';
use Test::Nginx::Socket 'no_plan';

add_block_preprocessor(sub {
    my $block = shift;
    my $app   = $block->app;
    my $grant = $block->grant;
    chomp $grant if defined $grant;
    $app = "location / { return 200 '$grant'; }" if defined $grant;

    my $http = <<'_EOC_';
download_storage files root=$TEST_NGINX_SERVER_ROOT/html/files;
download_storage inner location=/inner/;
_EOC_
    $http .= <<"_EOC_" if defined $app;
server {
    listen 127.0.0.1:\$TEST_NGINX_RAND_PORT_1;
    default_type application/vnd.nginx-download.grant+json;
    $app
}
_EOC_
    $block->set_value('http_config', $http . ($block->http_config // ''));

    $block->set_value('config', $block->config . <<'_EOC_') unless defined $block->must_die;
location /_ask {
    internal;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
    proxy_set_header Host app;
}
_EOC_

    $block->set_value('user_files', <<'_EOC_') unless defined $block->user_files;
>>> files/hello.txt
hello
>>> files/sub/deep.txt
deep
>>> files-old/hello.txt
old
>>> secret.txt
secret
_EOC_
});

no_long_string();
run_tests();

__DATA__

=== object: the app grants a file
--- config
location /dl/ { download object /_ask; }
--- grant
{"file": {"storage": "files", "path": "hello.txt"}}
--- request
GET /dl/x
--- response_headers
Content-Length: 6
Content-Type: text/plain
Content-Disposition: attachment; filename="hello.txt"
--- response_body
hello
--- no_error_log
[error]



=== object: HEAD has the header of GET and no body
--- config
location /dl/ { download object /_ask; }
--- grant
{"file": {"storage": "files", "path": "hello.txt"}}
--- request
HEAD /dl/x
--- response_headers
Content-Length: 6
Content-Disposition: attachment; filename="hello.txt"
--- response_body:
--- no_error_log
[error]



=== object: a range of the file
--- config
location /dl/ { download object /_ask; }
--- grant
{"file": {"storage": "files", "path": "hello.txt"}}
--- request
GET /dl/x
--- more_headers
Range: bytes=1-2
--- error_code: 206
--- response_headers
Content-Range: bytes 1-2/6
--- response_body: el
--- no_error_log
[error]



=== object: other methods are not for it, and the app is not asked
--- config
location /dl/ { download object /_ask; }
--- request eval
["POST /dl/x\nbody", "PUT /dl/x\nbody", "DELETE /dl/x", "OPTIONS /dl/x"]
--- error_code eval
[405, 405, 405, 405]
--- response_headers eval
["Allow: GET, HEAD", "Allow: GET, HEAD", "Allow: GET, HEAD", "Allow: GET, HEAD"]
--- no_error_log
[error]



=== object: arguments of the ask URI, with variables
--- config
location /dl/ { download object /_ask?id=$arg_id&mode=fast; }
--- app
location / { return 200 '{"file": {"content": "$request_uri"}}'; }
--- request
GET /dl/x?id=a%20b&other=1
--- response_body: /_ask?id=a%20b&mode=fast
--- no_error_log
[error]



=== object: the arguments of the client are not passed on of themselves
--- config
location /dl/ { download object /_ask; }
--- app
location / { return 200 '{"file": {"content": "$request_uri"}}'; }
--- request
GET /dl/x?admin=1
--- response_body: /_ask
--- no_error_log
[error]



=== object: a question mark that the client encoded stays in the path
--- config
location /dl/ { download object /_ask$uri?x=$arg_x; }
--- app
location / { return 200 '{"file": {"content": "$request_uri"}}'; }
--- request
GET /dl/a%3Fadmin=1?x=2
--- response_body: /_ask/dl/a%3Fadmin=1?x=2
--- no_error_log
[error]



=== object: a percent sign that the client encoded is decoded once
--- config
location /dl/ { download object /_ask$uri; }
--- app
location / { return 200 '{"file": {"content": "$request_uri"}}'; }
--- request
GET /dl/a%252e%252e%252fb
--- response_body: /_ask/dl/a%252e%252e%252fb
--- no_error_log
[error]



=== object: a variable cannot lead the question astray
--- config
location /dl/ { download object /_ask/$arg_x; }
location = /admin { return 200 '{"file": {"content": "astray"}}'; }
--- request eval
["GET /dl/?x=../admin", "GET /dl/?x=a/../../admin"]
--- error_code eval
[404, 404]
--- response_body_unlike eval
["astray", "astray"]
--- grep_error_log: download object: bad_path
--- grep_error_log_out eval
qr/^(?:download object: bad_path\n)+$/



=== object: arguments with variables cannot bring a path
--- config
location /dl/ { download object /_ask?path=$arg_x; }
--- app
location / { return 200 '{"file": {"content": "$request_uri"}}'; }
--- request
GET /dl/?x=../admin
--- response_body: /_ask?path=../admin
--- no_error_log
[error]



=== object: the app gets GET, for HEAD too
--- config
location /dl/ { download object /_ask; }
--- app
location / {
    if ($request_method != GET) { return 500; }
    return 200 '{"file": {"storage": "files", "path": "hello.txt"}}';
}
--- request
HEAD /dl/x
--- response_headers
Content-Length: 6
--- no_error_log
[error]



=== object: the app sees no range, no condition, no coding
--- config
location /dl/ { download object /_ask; }
--- app
location / {
    return 200 '{"file": {"content": "$http_range|$http_if_range|$http_if_match|$http_if_none_match|$http_if_modified_since|$http_if_unmodified_since|$http_accept_encoding|$http_te"}, "modified": 1000000000}';
}
--- request
GET /dl/x
--- more_headers
If-Match: *
If-None-Match: "nothing"
If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT
If-Unmodified-Since: Sat, 01 Jan 2050 00:00:00 GMT
If-Range: "nothing"
Range: bytes=0-1
Accept-Encoding: gzip
TE: trailers
--- response_body: |||||||
--- no_error_log
[error]



=== object: the app sees nothing that steers a server
--- config
location /dl/ { download object /_ask; }
--- app
location / {
    return 200 '{"file": {"content": "$http_x_accel_redirect|$http_x_accel_mapping|$http_x_accel_buffering|$http_x_sendfile|$http_x_sendfile_type|$http_x_plain"}}';
}
--- request
GET /dl/x
--- more_headers
X-Accel-Redirect: /secret.txt
x-accel-mapping: /=/inner/
X-ACCEL-Buffering: no
X-Sendfile: /etc/passwd
X-Sendfile-Type: X-Accel-Redirect
X-Plain: yes
--- response_body: |||||yes
--- no_error_log
[error]



=== object: nor in its spelling with underscores
--- http_config
underscores_in_headers on;
--- config
location /dl/ { download object /_ask; }
--- app
location / {
    return 200 '{"file": {"content": "$http_x_accel_mapping|$http_x_sendfile_type|$http_x_plain"}}';
}
--- request
GET /dl/x
--- more_headers
X_Accel_Mapping: /=/inner/
X_Sendfile-Type: X-Accel-Redirect
X_Plain: yes
--- response_body: ||yes
--- no_error_log
[error]



=== object: all other fields of the client arrive, repeated ones once each
--- config
proxy_http_version 1.0;
proxy_set_header Host app;
proxy_set_header Connection close;
location /dl/ { download object /_ask; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_query eval
"GET /_ask HTTP/1.0\r\nHost: app\r\nConnection: close\r\n"
. "Cookie: a=1\r\nX-Foo: 1\r\nCookie: b=2\r\nX-Foo: 2\r\nAuthorization: Basic eA==\r\nX-Foo: 3\r\n\r\n"
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"file\": {\"content\": \"ok\"}}"
--- request
GET /dl/x
--- more_headers
Cookie: a=1
X-Foo: 1
Cookie: b=2
X-Foo: 2
Authorization: Basic eA==
X-Foo: 3
--- response_body: ok
--- no_error_log
[error]



=== object: the app sees no body of a GET, nor its length
--- config
proxy_http_version 1.0;
proxy_set_header Host app;
proxy_set_header Connection close;
location /dl/ { download object /_ask; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_query eval
"GET /_ask HTTP/1.0\r\nHost: app\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n"
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"file\": {\"content\": \"ok\"}}"
--- request
GET /dl/x
a body of 20 bytes..
--- more_headers
Content-Type: text/plain
--- response_body: ok
--- no_error_log
[error]



=== object: the body of a GET is not taken for the next request
--- config
location /dl/ { download object /_ask; }
--- grant
{"file": {"storage": "files", "path": "hello.txt"}}
--- pipelined_requests eval
["GET /dl/x\nGET /secret.txt HTTP/1.1", "GET /dl/y"]
--- response_body eval
["hello\n", "hello\n"]
--- no_error_log
[error]



=== object: nor is a chunked one
--- config
lingering_close off;
location /dl/ { download object /_ask; }
--- grant
{"file": {"storage": "files", "path": "hello.txt"}}
--- raw_request eval
"GET /dl/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
. "GET /dl/y HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
--- ignore_response
--- access_log eval
[qr{"GET /dl/x HTTP/1.1" 200}, qr{"GET /dl/y HTTP/1.1" 200}]
--- no_error_log
[error]



=== object: the asked location may answer by itself, with the variables of the client's request
--- config
location /dl/ { download object /_ask; }
location = /_ask {
    internal;
    return 200 '{"file": {"content": "$request_uri $remote_addr $http_host"}}';
    default_type application/json;
}
--- request
GET /dl/x?y=1
--- more_headers
Host: example
--- response_body: /dl/x?y=1 127.0.0.1 example
--- no_error_log
[error]



=== storage: the rest of the URI after the prefix
--- config
location /dl/ { download storage files; }
--- request eval
["GET /dl/hello.txt", "GET /dl/sub/deep.txt"]
--- response_body eval
["hello\n", "deep\n"]
--- response_headers eval
['Content-Disposition: attachment; filename="hello.txt"', 'Content-Disposition: attachment; filename="deep.txt"']
--- no_error_log
[error]



=== storage: PATH with variables
--- config
location /dl { download storage files sub/$arg_name; }
--- request
GET /dl?name=deep.txt
--- response_body
deep
--- no_error_log
[error]



=== storage: PATH in a regex location
--- config
location ~ ^/dl/(?<name>.+)$ { download storage files $name; }
--- request
GET /dl/sub/deep.txt
--- response_body
deep
--- no_error_log
[error]



=== storage: PATH that leads out is not found
--- config
location = /dl { download storage files $arg_name; }
--- request eval
["GET /dl?name=../secret.txt", "GET /dl?name=sub/../../secret.txt", "GET /dl?name=/etc/passwd", "GET /dl?name=", "GET /dl?name=.."]
--- error_code eval
[404, 404, 404, 404, 404]
--- response_body_unlike eval
["secret", "secret", "root:", "secret", "secret"]
--- no_error_log
[error]



=== storage: the URI is decoded and normalised once, by nginx
--- config
location /dl/ { download storage files; }
--- request eval
["GET /dl/sub/%2e%2e/%68ello.txt", "GET /dl/%252e%252e/secret.txt", "GET /dl/%2568ello.txt"]
--- error_code eval
[200, 404, 404]
--- response_body_like eval
["^hello\$", "404 Not Found", "404 Not Found"]



=== storage: without a file name, or with a directory's
--- config
location /dl/ { download storage files; }
--- request eval
["GET /dl/", "GET /dl/sub", "GET /dl/sub/"]
--- error_code eval
[404, 404, 404]
--- response_body_unlike eval
["deep", "deep", "deep"]



=== storage: %00 in the URI
--- config
location /dl/ { download storage files; }
--- request
GET /dl/hello.txt%00.png
--- error_code: 400
--- response_body_unlike: hello



=== storage: a prefix without a slash at its end does not take its neighbours
--- config
location /i { download storage files; }
--- request eval
["GET /i/hello.txt", "GET /i../secret.txt", "GET /ifoo/hello.txt", "GET /i-old/hello.txt", "GET /i", "GET /ihello.txt"]
--- error_code eval
[200, 404, 404, 404, 404, 404]
--- response_body_like eval
["^hello\$", "404 Not Found", "404 Not Found", "404 Not Found", "404 Not Found", "404 Not Found"]



=== storage: a nested location names the file from the prefix that declares the view
--- config
location /dl/ {
    download storage files;
    location /dl/sub/ { expires 1h; }
    location ~ \.txt$ { add_header X-Text yes; }
}
--- request
GET /dl/sub/deep.txt
--- response_headers
X-Text: yes
--- response_body
deep
--- no_error_log
[error]



=== storage: a nested location with a view of its own has its own prefix
--- config
location /dl/ {
    download storage files;
    location /dl/sub/ { download storage files; }
}
--- request
GET /dl/sub/hello.txt
--- response_body
hello
--- no_error_log
[error]



=== storage: an internal redirect comes with its own rest of the URI
--- config
location /old/ { rewrite ^/old/(.*) /dl/$1; }
location /dl/ { internal; download storage files; }
--- request
GET /old/sub/deep.txt
--- response_body
deep
--- no_error_log
[error]



=== storage: the root may end in a slash
--- http_config
download_storage slash root=$TEST_NGINX_SERVER_ROOT/html/files/;
--- config
location /dl/ { download storage slash; }
--- request
GET /dl/hello.txt
--- response_body
hello
--- no_error_log
[error]



=== storage: a root that is relative is below nginx's prefix
--- http_config
download_storage relative root=html/files;
--- config
location /dl/ { download storage relative; }
--- request
GET /dl/hello.txt
--- response_body
hello
--- no_error_log
[error]



=== storage with location=: the internal location sends the file
--- config
location /dl/ { download storage inner; }
location /inner/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/files/; add_header X-Inner $uri; }
--- request
GET /dl/sub/deep.txt
--- response_headers
X-Inner: /inner/sub/deep.txt
Content-Disposition: attachment; filename="deep.txt"
--- response_body
deep
--- no_error_log
[error]



=== storage with location=: a special character is part of the path
--- config
location /dl/ { download storage inner; }
location /inner/ { internal; return 200 "$uri|$args"; }
--- request
GET /dl/a%3Fb%25
--- response_body: /inner/a?b%|
--- no_error_log
[error]



=== storage with location=: no file there is no file here
--- config
location /dl/ { download storage inner; }
location /inner/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/files/; }
--- request
GET /dl/none.txt
--- error_code: 404
--- response_headers
! Content-Disposition



=== path: a literal root and a variable
--- config
location /dl/ { download path $TEST_NGINX_SERVER_ROOT/html/files/$arg_f; }
--- request eval
["GET /dl/?f=hello.txt", "GET /dl/?f=sub/deep.txt"]
--- response_body eval
["hello\n", "deep\n"]
--- no_error_log
[error]



=== path: no variable at all
--- config
location = /dl { download path $TEST_NGINX_SERVER_ROOT/html/files/hello.txt; }
--- request
GET /dl
--- response_headers
Content-Disposition: attachment; filename="hello.txt"
--- response_body
hello
--- no_error_log
[error]



=== path: text between the root and the variable
--- config
location = /dl { download path $TEST_NGINX_SERVER_ROOT/html/files/hel${arg_f}.txt; }
--- request
GET /dl?f=lo
--- response_body
hello
--- no_error_log
[error]



=== path: the variable cannot leave the root
--- config
location /dl/ { download path $TEST_NGINX_SERVER_ROOT/html/files/$arg_f; }
--- request eval
["GET /dl/?f=../secret.txt", "GET /dl/?f=sub/../../secret.txt", "GET /dl/?f=..", "GET /dl/?f="]
--- error_code eval
[404, 404, 404, 404]
--- response_body_unlike eval
["secret", "secret", "secret", "secret"]



=== path: the root is up to the last slash before the variable
--- config
location /dl/ { download path $TEST_NGINX_SERVER_ROOT/html/files$arg_f; }
--- request eval
["GET /dl/?f=/hello.txt", "GET /dl/?f=-old/hello.txt", "GET /dl/?f=/../secret.txt"]
--- error_code eval
[200, 200, 404]



=== path: a variable that is absolute stays below the root
--- config
location /dl/ { download path $TEST_NGINX_SERVER_ROOT/html/files/$arg_f; }
--- request
GET /dl/?f=/etc/passwd
--- error_code: 404
--- response_body_unlike: root:



=== path: arguments are not decoded
--- config
location /dl/ { download path $TEST_NGINX_SERVER_ROOT/html/files/$arg_f; }
--- request eval
["GET /dl/?f=%2e%2e/secret.txt", "GET /dl/?f=hello.txt%00", "GET /dl/?f=%68ello.txt"]
--- error_code eval
[404, 404, 404]



=== path: %00 in the URI
--- config
location ~ ^/dl/(?<f>.*)$ { download path $TEST_NGINX_SERVER_ROOT/html/files/$f; }
--- request
GET /dl/hello.txt%00.png
--- error_code: 400
--- response_body_unlike: hello



=== path: a link out of the root is not followed
--- config
location /dl/ { download path $TEST_NGINX_SERVER_ROOT/html/files/$arg_f; }
--- init
symlink '../secret.txt', "$ENV{TEST_NGINX_SERVER_ROOT}/html/files/link.txt";
--- request
GET /dl/?f=link.txt
--- error_code: 404
--- response_body_unlike: secret



=== off: a nested location is served by nginx as ever
--- config
location /dl/ {
    download object /_ask;
    location /dl/open/ { download off; alias $TEST_NGINX_SERVER_ROOT/html/files/; }
}
--- request
GET /dl/open/hello.txt
--- response_headers
! Content-Disposition
--- response_body
hello
--- no_error_log
[error]



=== off: in an if block
--- config
location /files/ {
    download object /_ask;
    root $TEST_NGINX_SERVER_ROOT/html;
    if ($arg_open) { download off; }
}
--- app
location / { return 403; }
--- request eval
["GET /files/hello.txt", "GET /files/hello.txt?open=1"]
--- error_code eval
[403, 200]
--- no_error_log
[error]



=== off: nested in it, a view again
--- config
location /a/ {
    download off;
    location /a/b/ { download storage files; }
}
--- request
GET /a/b/hello.txt
--- response_headers
Content-Disposition: attachment; filename="hello.txt"
--- response_body
hello



=== a view in an if block
--- config
location /files/ {
    root $TEST_NGINX_SERVER_ROOT/html;
    if ($arg_f) { download storage files $arg_f; }
}
--- request eval
["GET /files/hello.txt", "GET /files/hello.txt?f=sub/deep.txt"]
--- response_body eval
["hello\n", "deep\n"]
--- no_error_log
[error]



=== an if block that says nothing of downloads leaves the view in force
--- config
location /files/ {
    root $TEST_NGINX_SERVER_ROOT/html;
    download object /_ask;
    if ($arg_x) { set $dummy 1; }
}
--- app
location / { return 403; }
--- request eval
["GET /files/hello.txt", "GET /files/hello.txt?x=1"]
--- error_code eval
[403, 403]
--- no_error_log
[error]



=== a nested location that only sets expires is still protected
--- config
location /files/ {
    root $TEST_NGINX_SERVER_ROOT/html;
    download object /_ask;
    location ~ \.txt$ { expires 1h; }
    location = /files/sub/deep.txt { expires 1h; }
}
--- app
location / { return 403; }
--- request eval
["GET /files/hello.txt", "GET /files/sub/deep.txt"]
--- error_code eval
[403, 403]
--- no_error_log
[error]



=== so is one with limit_except
--- config
location /files/ {
    root $TEST_NGINX_SERVER_ROOT/html;
    download object /_ask;
    limit_except GET { deny all; }
}
--- app
location / { return 403; }
--- request
GET /files/hello.txt
--- error_code: 403
--- response_body_unlike: hello



=== and the block of a limit_except
--- config
location /files/ {
    root $TEST_NGINX_SERVER_ROOT/html;
    download object /_ask;
    limit_except POST { deny 192.0.2.1; }
}
--- app
location / { return 404; }
--- request
GET /files/hello.txt
--- error_code: 404
--- response_body_unlike: hello



=== proxy_pass in a nested location is its own answer
--- config
location /dl/ {
    download object /_ask;
    location /dl/api/ { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
}
--- app
location / { return 200 "app $uri"; }
--- request
GET /dl/api/x
--- response_body: app /dl/api/x
--- no_error_log
[error]



=== return in a nested location is its own answer
--- config
location /dl/ {
    download object /_ask;
    location /dl/teapot { return 418; }
}
--- request
GET /dl/teapot
--- error_code: 418
--- no_error_log
[error]



=== an index file is not served beside the view
--- config
location /files/ {
    root $TEST_NGINX_SERVER_ROOT/html;
    index hello.txt;
    autoindex on;
    download object /_ask;
}
--- app
location / { return 403; }
--- request
GET /files/
--- error_code: 403
--- response_body_unlike: hello
--- no_error_log
[error]



=== rules: the first that matches, then the rest of the path
--- http_config
download_storage deep root=$TEST_NGINX_SERVER_ROOT/html/files/sub;
--- config
location /dl/ {
    download object /_ask;
    download_rule /app/deep/ deep;
    download_rule /app/      files;
    download_rule /app/late/ deep;
}
--- grant
{"file": {"path": "/app/deep/deep.txt"}}
--- request
GET /dl/x
--- response_body
deep
--- no_error_log
[error]



=== rules: what a rule does not cover goes to the next
--- http_config
download_storage deep root=$TEST_NGINX_SERVER_ROOT/html/files/sub;
--- config
location /dl/ {
    download object /_ask;
    download_rule /app/deep/ deep;
    download_rule /app/      files;
}
--- grant
{"file": {"path": "/app/hello.txt"}}
--- request
GET /dl/x
--- response_body
hello
--- no_error_log
[error]



=== rules: the first decides, also where it has no such file
--- http_config
download_storage deep root=$TEST_NGINX_SERVER_ROOT/html/files/sub;
--- config
location /dl/ {
    download object /_ask;
    download_rule /app/ deep;
    download_rule /app/ files;
}
--- grant
{"file": {"path": "/app/hello.txt"}}
--- request
GET /dl/x
--- error_code: 404



=== rules: a directory in the storage
--- config
location /dl/ {
    download object /_ask;
    download_rule /app/ files:sub;
}
--- grant
{"file": {"path": "/app/deep.txt"}}
--- request
GET /dl/x
--- response_body
deep
--- no_error_log
[error]



=== rules: to a storage with location=
--- config
location /dl/ {
    download object /_ask;
    download_rule /app/ inner:sub;
}
location /inner/ { internal; return 200 "$uri"; }
--- grant
{"file": {"path": "/app/deep.txt"}}
--- request
GET /dl/x
--- response_body: /inner/sub/deep.txt
--- no_error_log
[error]



=== rules: a neighbour with the same beginning is not covered
--- config
location /dl/ {
    download object /_ask;
    download_rule /srv/files files;
}
--- grant
{"file": {"path": "/srv/files-old/hello.txt"}}
--- request
GET /dl/x
--- error_code: 404
--- error_log
no download_rule covers "/srv/files-old/hello.txt"



=== rules: no way up
--- config
location /dl/ {
    download object /_ask;
    download_rule /app/ files:sub;
}
--- grant
{"file": {"path": "/app/../hello.txt"}}
--- request
GET /dl/x
--- error_code: 404
--- response_body_unlike: hello



=== rules: inherited from http and server
--- http_config
download_rule /http/ files;
--- config
location /dl/ { download object /_ask; }
--- grant
{"file": {"path": "/http/hello.txt"}}
--- request
GET /dl/x
--- response_body
hello
--- no_error_log
[error]



=== rules: those of the server replace those of http
--- http_config
download_rule /http/ files;
--- config
download_rule /server/ files;
location /dl/ { download object /_ask; }
--- grant
{"file": {"path": "/http/hello.txt"}}
--- request
GET /dl/x
--- error_code: 404
--- error_log
no download_rule covers "/http/hello.txt"



=== rules: those of a location replace those of the server
--- config
download_rule /server/ files;
location /dl/ {
    download object /_ask;
    download_rule /location/ files;
}
--- grant
{"file": {"path": "/location/hello.txt"}}
--- request
GET /dl/x
--- response_body
hello
--- no_error_log
[error]



=== rules: none at all
--- config
location /dl/ { download object /_ask; }
--- grant
{"file": {"path": "/srv/hello.txt"}}
--- request
GET /dl/x
--- error_code: 404
--- grep_error_log eval: qr/\[error\].*?no_rule: no download_rule covers "[^"]*"/
--- grep_error_log_out eval
qr{^\[error\].*no_rule: no download_rule covers "/srv/hello.txt"\n$}



=== in a page: SSI includes a download
--- config
location /dl/ { download object /_ask; }
location = /page { ssi on; default_type text/html; return 200 '<<!--# include virtual="/dl/x" --><!--# include virtual="/dl/y" -->>'; }
--- grant
{"file": {"storage": "files", "path": "hello.txt"}}
--- request
GET /page
--- response_body eval
"<hello\nhello\n>"
--- no_error_log
[error]



=== in a request that has asked already: error_page asks elsewhere
--- config
location /dl/ { download object /_down; error_page 502 = @second; }
location = /_down { internal; proxy_pass http://127.0.0.1:1; }
location @second { download object /_ask; }
--- grant
{"file": {"storage": "files", "path": "hello.txt"}}
--- request
GET /dl/x
--- response_body
hello



=== beside auth_request, which denies
--- config
location /dl/ { auth_request /auth; download storage files; }
location = /auth { internal; return 403; }
--- request
GET /dl/hello.txt
--- error_code: 403
--- response_body_unlike: hello
