# What the app answers, and what the client gets for it: the table of answers row by row,
# and all that can go wrong on the way.
#
# Sections of this file's own:
#   app      what the app answers: the inside of a server that location /_ask leads to
#   reply    instead: its bytes on the wire
use lib 't/lib';
use Test::Nginx::Socket 'no_plan';

add_block_preprocessor(sub {
    my $block = shift;
    my $app   = $block->app;

    my $http = "download_storage media root=\$TEST_NGINX_SERVER_ROOT/html/media;\n"
        . "download_storage inner location=/inner/;\n";
    $http .= <<"_EOC_" if defined $app;
server {
    listen 127.0.0.1:\$TEST_NGINX_RAND_PORT_1;
    default_type application/vnd.nginx-download.grant+json;
    set \$grant '{"file": {"storage": "media", "path": "a.txt"}}';
    $app
}
_EOC_
    $block->set_value('http_config', $http . ($block->http_config // ''));

    my $config = $block->config // 'location /dl/ { download object /_ask; }';
    $config .= <<'_EOC_' unless $config =~ m{location = /_ask};
location = /_ask { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
_EOC_
    $block->set_value('config', $config);

    if (defined(my $reply = $block->reply)) {
        $block->set_value('tcp_listen', '$TEST_NGINX_RAND_PORT_1');
        $block->set_value('tcp_reply',  $reply);
    }
    $block->set_value('request', 'GET /dl/x')
        unless grep { defined } scalar $block->request, scalar $block->raw_request, scalar $block->pipelined_requests;
    $block->set_value('user_files', ">>> media/a.txt\nthe file\n") unless defined $block->user_files;
});

no_long_string();
run_tests();

__DATA__

=== 200 and a grant: the file
--- app
location / { return 200 $grant; }
--- response_body
the file
--- no_error_log
[error]



=== 200 and a grant: Set-Cookie reaches the client, nothing else of the app's header does
--- app
location / {
    add_header Set-Cookie "session=1; HttpOnly";
    add_header Set-Cookie "seen=2";
    add_header X-App secret;
    add_header Cache-Control no-store;
    add_header ETag '"grant"';
    return 200 $grant;
}
--- raw_response_headers_like eval
qr/Set-Cookie: session=1; HttpOnly\r\n(?:.*\r\n)?Set-Cookie: seen=2\r\n/s
--- response_headers_like
! X-App
! Cache-Control
ETag: "[0-9a-f]+-9"
Content-Type: text/plain
--- response_body
the file
--- no_error_log
[error]



=== 200 and a grant, refused: no Set-Cookie
--- app
location / { add_header Set-Cookie session=1; return 200 '{}'; }
--- error_code: 502
--- response_headers
! Set-Cookie
--- error_log
grant_invalid



=== 200 and a grant for a file that is not there: 404, and no word of the app's
--- app
location / { return 200 '{"file": {"storage": "media", "path": "none.txt"}, "headers": {"X-Fine": "1"}}'; }
--- error_code: 404
--- response_headers
! X-Fine
! Content-Disposition
--- error_log
download object: missing:



=== 301 302 303 307 308: passed on, with Location
--- config
location /dl/ { download object /_ask?status=$arg_s; }
--- app
location / {
    if ($arg_status = 301) { return 301 https://a.example/301; }
    if ($arg_status = 302) { return 302 https://a.example/302; }
    if ($arg_status = 303) { return 303 https://a.example/303; }
    if ($arg_status = 307) { return 307 https://a.example/307; }
    if ($arg_status = 308) { return 308 https://a.example/308; }
}
--- request eval
[map { "GET /dl/?s=$_" } 301, 302, 303, 307, 308]
--- error_code eval
[301, 302, 303, 307, 308]
--- response_headers eval
[map { "Location: https://a.example/$_\n! Content-Disposition" } 301, 302, 303, 307, 308]
--- no_error_log
[error]



=== 302: with the cookies of the app, both of them
--- app
location / {
    add_header Set-Cookie "a=1; Path=/";
    add_header Set-Cookie "b=2";
    return 302 https://login.example/;
}
--- error_code: 302
--- raw_response_headers_like eval
qr/Set-Cookie: a=1; Path=\/\r\n(?:.*\r\n)?Set-Cookie: b=2\r\n/s
--- no_error_log
[error]



=== 302: a relative Location stays as it is
--- reply eval
"HTTP/1.1 302 Found\r\nLocation: /login?next=%2Fdl%2Fx\r\nContent-Length: 0\r\n\r\n"
--- error_code: 302
--- response_headers
Location: /login?next=%2Fdl%2Fx
--- no_error_log
[error]



=== 302: its body is kept
--- reply eval
"HTTP/1.1 302 Found\r\nLocation: http://a.example/\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nlogin"
--- error_code: 302
--- response_headers
Content-Type: text/plain
Location: http://a.example/
--- response_body: login
--- no_error_log
[error]



=== 300 and 305 are no answers
--- config
location /dl/ { download object /_ask?status=$arg_s; }
--- app
location / {
    if ($arg_status = 300) { return 300; }
    return 305;
}
--- request eval
["GET /dl/?s=300", "GET /dl/?s=305"]
--- error_code eval
[502, 502]
--- grep_error_log eval: qr/not_a_grant: the app answered \d+/
--- grep_error_log_out eval
qr/^(?:not_a_grant: the app answered 30[05]\n)+$/



=== 401: with WWW-Authenticate, and the body
--- app
location / { add_header WWW-Authenticate 'Basic realm="app"' always; return 401 "who are you"; }
--- error_code: 401
--- response_headers
WWW-Authenticate: Basic realm="app"
--- response_body: who are you
--- no_error_log
[error]



=== 401: two challenges
--- reply eval
"HTTP/1.1 401 U\r\nWWW-Authenticate: Basic realm=a\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\n\r\n"
--- error_code: 401
--- raw_response_headers_like eval
qr/WWW-Authenticate: Basic realm=a\r\n(?:.*\r\n)?WWW-Authenticate: Bearer\r\n/s
--- no_error_log
[error]



=== 403: with body and type
--- app
location / { default_type application/problem+json; return 403 '{"title": "no"}'; }
--- error_code: 403
--- response_headers
Content-Type: application/problem+json
Content-Length: 15
! Content-Disposition
--- response_body: {"title": "no"}
--- no_error_log
[error]



=== 404
--- app
location / { return 404 "nothing here"; }
--- error_code: 404
--- response_body: nothing here
--- no_error_log
[error]



=== 429: with Retry-After and cookies
--- app
location / { add_header Retry-After 120 always; add_header Set-Cookie a=1 always; return 429 "slow down"; }
--- error_code: 429
--- response_headers
Retry-After: 120
Set-Cookie: a=1
--- response_body: slow down
--- no_error_log
[error]



=== 403: a grant as its body grants nothing
--- app
location / { return 403 $grant; }
--- error_code: 403
--- response_body_unlike: the file
--- no_error_log
[error]



=== 403: HEAD has no body
--- request
HEAD /dl/x
--- app
location / { return 403 "no"; }
--- error_code: 403
--- response_headers
Content-Length: 2
--- response_body:
--- no_error_log
[error]



=== 403: a range of it is not asked for
--- request
GET /dl/x
--- more_headers
Range: bytes=0-0
--- app
location / { return 403 "no"; }
--- error_code: 403
--- response_body: no
--- no_error_log
[error]



=== 403: chunked
--- reply eval
"HTTP/1.1 403 No\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"
--- config
location /dl/ { download object /_ask; }
location = /_ask { internal; proxy_http_version 1.1; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- error_code: 403
--- response_headers
Content-Length: 2
! Transfer-Encoding
--- response_body: no
--- no_error_log
[error]



=== 403: gzip'd, as the location that asks forces it
--- config
location /dl/ { download object /_ask; }
location = /_ask {
    internal;
    proxy_set_header Accept-Encoding gzip;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
--- reply eval
"HTTP/1.1 403 No\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nGZIP"
--- error_code: 403
--- response_headers
Content-Encoding: gzip
--- response_body: GZIP
--- no_error_log
[error]



=== 304: stays one
--- reply eval
"HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\nCache-Control: private\r\n\r\n"
--- error_code: 304
--- response_headers
ETag: "v1"
Cache-Control: private
! Content-Disposition
--- response_body:
--- no_error_log
[error]



=== 500 and 503 of the app are a bad gateway
--- config
location /dl/ { download object /_ask?status=$arg_s; }
--- app
location / {
    if ($arg_status = 500) { return 500 "traceback"; }
    return 503 "traceback";
}
--- request eval
["GET /dl/?s=500", "GET /dl/?s=503"]
--- error_code eval
[502, 502]
--- response_body_unlike eval
["traceback", "traceback"]
--- grep_error_log eval: qr/app_error: the app answered \d+/
--- grep_error_log_out eval
qr/^(?:app_error: the app answered 50[03]\n)+$/



=== 504 of the app: somebody behind it did not answer in time
--- app
location / { return 504; }
--- error_code: 504
--- grep_error_log: app_timeout
--- grep_error_log_out
app_timeout



=== 502 of the app is its own answer
--- app
location / { return 502; }
--- error_code: 502
--- error_log
app_error: the app answered 502



=== no app
--- error_code: 502
--- response_body_like: 502 Bad Gateway
--- grep_error_log: app_unavailable
--- grep_error_log_out
app_unavailable



=== a slow app
--- config
location /dl/ { download object /_ask; }
location = /_ask {
    internal;
    proxy_read_timeout 200ms;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
--- reply: never read
--- tcp_reply_delay: 1
--- error_code: 504
--- grep_error_log: app_timeout
--- grep_error_log_out
app_timeout



=== an app that is slow in the middle of its grant
--- config
location /dl/ { download object /_ask; }
location = /_ask {
    internal;
    proxy_read_timeout 200ms;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
--- reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 47\r\n\r\n{\"file\": "
--- tcp_no_close
--- error_code_like: ^50[24]$
--- response_body_unlike: the file
--- error_log eval
qr/download object: (?:app_timeout|answer_cut)/



=== something that is not HTTP
--- reply eval
"SSH-2.0-OpenSSH_9.2\r\n"
--- error_code: 502
--- response_body_like: 502 Bad Gateway
--- error_log eval
qr/download object: (?:app_unavailable|not_a_grant)/



=== 204 and 206 grant nothing
--- config
location /dl/ { download object /_ask?status=$arg_s; }
--- app
location / {
    if ($arg_status = 204) { return 204; }
    return 206 $grant;
}
--- request eval
["GET /dl/?s=204", "GET /dl/?s=206"]
--- error_code eval
[502, 502]
--- response_body_unlike eval
["the file", "the file"]
--- grep_error_log eval: qr/not_a_grant: the app answered \d+/
--- grep_error_log_out eval
qr/^(?:not_a_grant: the app answered 20[46]\n)+$/



=== 100 and nothing more
--- reply eval
"HTTP/1.1 100 Continue\r\n\r\n"
--- error_code: 502
--- response_body_like: 502 Bad Gateway



=== 100 with a grant as its body
--- reply eval
"HTTP/1.1 100 Continue\r\nContent-Type: application/json\r\n\r\n"
. "{\"file\": {\"storage\": \"media\", \"path\": \"a.txt\"}}"
--- error_code: 502
--- response_body_unlike: the file



=== 101 with a grant behind it, to a client that would upgrade
--- config
location /dl/ { download object /_ask; }
location = /_ask {
    internal;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection upgrade;
}
--- more_headers
Upgrade: websocket
Connection: upgrade, close
--- reply eval
"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Type: application/json\r\n\r\n"
. "{\"file\": {\"storage\": \"media\", \"path\": \"a.txt\"}}"
--- error_code: 502
--- response_body_unlike: the file



=== 103 with a grant as its body
--- reply eval
"HTTP/1.1 103 Early Hints\r\nContent-Type: application/json\r\n\r\n"
. "{\"file\": {\"storage\": \"media\", \"path\": \"a.txt\"}}"
--- error_code: 502
--- response_body_unlike: the file



=== 199 with a grant as its body
--- reply eval
"HTTP/1.1 199 What\r\nContent-Type: application/json\r\n\r\n"
. "{\"file\": {\"storage\": \"media\", \"path\": \"a.txt\"}}"
--- error_code: 502
--- response_body_unlike: the file



=== 200 and HTML: a login page, say
--- app
location / { default_type text/html; return 200 "<html>log in</html>"; }
--- error_code: 502
--- response_body_unlike: log in
--- error_log
not_a_grant: the app answered 200 with Content-Type "text/html"



=== a grant that is too large, with Content-Length
--- config
location /dl/ { download object /_ask; download_grant_max_size 40; }
--- app
location / { return 200 $grant; }
--- error_code: 502
--- response_body_like: 502 Bad Gateway
--- grep_error_log: grant_too_large: the grant is larger than download_grant_max_size, 40 bytes
--- grep_error_log_out
grant_too_large: the grant is larger than download_grant_max_size, 40 bytes



=== a grant that is too large, without
--- config
location /dl/ { download object /_ask; download_grant_max_size 40; }
--- reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
. "{\"file\": {\"storage\": \"media\", \"path\": \"a.txt\"}}"
--- error_code: 502
--- grep_error_log: grant_too_large
--- grep_error_log_out
grant_too_large



=== a grant that is too large, chunked
--- config
location /dl/ { download object /_ask; download_grant_max_size 40; }
location = /_ask { internal; proxy_http_version 1.1; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
. "2f\r\n{\"file\": {\"storage\": \"media\", \"path\": \"a.txt\"}}\r\n0\r\n\r\n"
--- error_code: 502
--- grep_error_log: grant_too_large
--- grep_error_log_out
grant_too_large



=== a grant of just the greatest size
--- config
location /dl/ { download object /_ask; download_grant_max_size 47; }
--- app
location / { return 200 $grant; }
--- response_body
the file
--- no_error_log
[error]



=== after a grant that is too large the client's connection goes on
--- config
location /dl/ {
    download object /_ask;
    location /dl/large { download_grant_max_size 40; }
}
--- app
location / { return 200 $grant; }
--- pipelined_requests eval
["GET /dl/large", "GET /dl/x"]
--- error_code eval
[502, 200]
--- response_body_like eval
["502 Bad Gateway", "^the file\$"]



=== and after one that came in chunks
--- config
location /dl/ { download object /_ask; }
location = /_ask { internal; proxy_http_version 1.1; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location = /ok { return 200 "next"; }
--- reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
. sprintf("%x\r\n%s\r\n", 40000, 'x' x 40000) x 5 . "0\r\n\r\n"
--- pipelined_requests eval
["GET /dl/x", "GET /ok"]
--- error_code eval
[502, 200]
--- response_body_like eval
["502 Bad Gateway", "^next\$"]
--- error_log
grant_too_large



=== a grant of 10 MB
--- config
location /dl/ { download object /_ask; }
location = /ok { return 200 "next"; }
--- app
location / { root $TEST_NGINX_SERVER_ROOT/html; types { } try_files /big.json =404; }
--- user_files eval
[['media/a.txt' => "the file\n"], ['big.json' => '{"file": {"content": "' . 'x' x 10_000_000 . '"}}']]
--- pipelined_requests eval
["GET /dl/x", "GET /ok"]
--- error_code eval
[502, 200]
--- response_body_like eval
["502 Bad Gateway", "^next\$"]
--- grep_error_log: grant_too_large
--- grep_error_log_out eval
qr/^(?:grant_too_large\n)+$/



=== a grant of 10 MB, where that is allowed
--- config
location /dl/ { download object /_ask; download_grant_max_size 11m; }
--- app
location / { root $TEST_NGINX_SERVER_ROOT/html; types { } try_files /big.json =404; }
--- user_files eval
[['media/a.txt' => ''], ['big.json' => '{"file": {"content": "' . 'x' x 10_000_000 . '"}}']]
--- response_body_filters: length
--- response_body: 10000000
--- no_error_log
[error]



=== a denial with a body that is too large keeps its status
--- config
location /dl/ { download object /_ask; download_grant_max_size 10; }
--- app
location / { return 403 "a page with more than ten bytes"; }
--- error_code: 403
--- response_body_unlike: ten bytes



=== the app goes away in the middle of the head
--- reply eval
"HTTP/1.1 200 OK\r\nContent-Ty"
--- error_code: 502
--- response_body_like: 502 Bad Gateway
--- grep_error_log eval: qr/download object: \w+/
--- grep_error_log_out eval
qr/^download object: (?:answer_cut|app_unavailable)\n$/



=== the app goes away in the middle of the body
--- reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n"
. "{\"file\": {\"storage\": \"media\", \"path\": \"a.txt\"}}"
--- error_code: 502
--- response_body_unlike: the file
--- grep_error_log eval: qr/download object: \w+/
--- grep_error_log_out
download object: answer_cut



=== the app goes away in the middle of a chunked body
--- config
location /dl/ { download object /_ask; }
location = /_ask { internal; proxy_http_version 1.1; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
. "2f\r\n{\"file\": {\"storage\": \"media\", \"path\": \"a.txt\"}}\r\n"
--- error_code: 502
--- response_body_unlike: the file
--- grep_error_log eval: qr/download object: \w+/
--- grep_error_log_out
download object: answer_cut



=== the app goes away in the middle of an unbuffered body
--- config
location /dl/ { download object /_ask; }
location = /_ask { internal; proxy_buffering off; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n"
. "{\"file\": {\"storage\": \"media\", \"path\": \"a.txt\"}}"
--- error_code: 502
--- response_body_unlike: the file
--- grep_error_log eval: qr/download object: \w+/
--- grep_error_log_out
download object: answer_cut



=== a whole grant, unbuffered
--- config
location /dl/ { download object /_ask; }
location = /_ask { internal; proxy_buffering off; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- app
location / { return 200 $grant; }
--- response_body
the file
--- no_error_log
[error]



=== a denial that breaks off keeps its status
--- reply eval
"HTTP/1.1 403 No\r\nContent-Type: text/plain\r\nContent-Length: 60\r\n\r\nhalf a page"
--- error_code: 403
--- response_body_unlike: half a page



=== X-Accel-* and X-Sendfile of the app never reach the client
--- config
location /dl/ { download object /_ask?status=$arg_s; }
location = /_ask {
    internal;
    proxy_ignore_headers X-Accel-Redirect;
    proxy_pass_header X-Accel-Redirect;
    proxy_pass_header X-Accel-Limit-Rate;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
--- app
add_header X-Accel-Redirect /media/a.txt always;
add_header X-Accel-Limit-Rate 1000 always;
add_header X-Sendfile /srv/a.txt always;
add_header X-Sendfile-Temporary /srv/a.txt always;
location / {
    if ($arg_status = 302) { return 302 http://a.example/; }
    if ($arg_status = 404) { return 404; }
    if ($arg_status = 503) { return 503; }
    return 200 $grant;
}
--- request eval
[map { "GET /dl/?s=$_" } 200, 302, 404, 503]
--- error_code eval
[200, 302, 404, 502]
--- response_headers eval
[("! X-Accel-Redirect\n! X-Accel-Limit-Rate\n! X-Sendfile\n! X-Sendfile-Temporary") x 4]



=== hop-by-hop fields of the app do not reach the client
--- reply eval
"HTTP/1.1 403 No\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno"
--- error_code: 403
--- response_headers
! Keep-Alive
! Proxy-Authenticate
--- response_body: no



=== error_page of the location applies to a bad gateway
--- config
location /dl/ { download object /_ask; error_page 502 /50x.html; }
location = /50x.html { return 200 "sorry"; }
--- error_code: 502
--- response_body: sorry



=== error_page of the location applies to a file that is not there
--- config
location /dl/ { download object /_ask; error_page 404 /404.html; }
location = /404.html { return 200 "sorry"; }
--- app
location / { return 200 '{"file": {"storage": "media", "path": "none.txt"}}'; }
--- error_code: 404
--- response_headers
! Content-Disposition
--- response_body: sorry



=== error_page to another view
--- config
location /dl/ { download object /_ask; error_page 502 = @stale; }
location @stale { download storage media a.txt; }
--- response_headers
Content-Disposition: attachment; filename="a.txt"
--- response_body
the file



=== error_page 401 403 =200 does not reach the file
--- config
location /dl/ {
    download object /_ask;
    error_page 401 403 =200 @x;
}
location @x { return 200 "page"; }
--- app
location / { return 403 "no"; }
--- error_code: 403
--- response_body: no
--- response_headers
! Content-Disposition



=== nor does it in the location that asks
--- config
location /dl/ { download object /_ask; }
location = /_ask {
    internal;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
    proxy_intercept_errors on;
    error_page 401 403 =200 @x;
}
location @x { return 200 "page"; }
--- app
location / { return 403 "no"; }
--- error_code: 502
--- response_body_unlike: the file
--- error_log
not_a_grant



=== the location that asks: error_page keeps the app's status
--- config
location /dl/ { download object /_ask; }
location = /_ask {
    internal;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
    proxy_intercept_errors on;
    error_page 403 /403.html;
}
location = /403.html { internal; return 200 "our page"; }
--- app
location / { return 403 "no"; }
--- error_code: 403
--- response_body: our page
--- no_error_log
[error]



=== the location that asks: error_page may turn a dead app into a denial
--- config
location /dl/ { download object /_ask; }
location = /_ask {
    internal;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
    error_page 502 =403 @down;
}
location @down { return 403 "closed"; }
--- error_code: 403
--- response_body: closed



=== the location that asks: proxy_intercept_errors and a redirect
--- config
location /dl/ { download object /_ask; }
location = /_ask {
    internal;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
    proxy_intercept_errors on;
    error_page 401 = @login;
}
location @login { return 302 https://login.example/; }
--- app
location / { return 401; }
--- error_code: 302
--- response_headers
Location: https://login.example/



=== the location that asks: return
--- config
location /dl/ { download object /_ask; }
location = /_ask {
    internal;
    default_type application/json;
    return 200 '{"file": {"storage": "media", "path": "a.txt"}}';
}
--- response_body
the file
--- no_error_log
[error]



=== the location that asks: return 403
--- config
location /dl/ { download object /_ask; }
location = /_ask { internal; return 403; }
--- error_code: 403
--- response_body_unlike: the file
--- no_error_log
[error]



=== the location that asks: a file of grants
--- config
location /dl/ { download object /_ask; }
location = /_ask { internal; root $TEST_NGINX_SERVER_ROOT/html; try_files /grant.json =404; default_type application/json; }
--- user_files
>>> media/a.txt
the file
>>> grant.json
{"file": {"storage": "media", "path": "a.txt"}}
--- response_body
the file
--- no_error_log
[error]



=== the location that asks: it does not exist
--- config
location /dl/ { download object /nowhere; }
--- error_code: 404
--- response_body_unlike: the file



=== the location that asks is the location itself
--- config
location /dl/ { download object /dl/again; }
--- error_code: 502
--- timeout: 10
--- response_body_unlike: the file



=== the location that asks: another download view
--- config
location /dl/ { download object /_ask; }
location = /_ask { internal; download storage media grant.json; download_mimetype application/json; }
--- user_files
>>> media/a.txt
the file
>>> media/grant.json
{"file": {"storage": "media", "path": "a.txt"}}
--- response_body
the file
--- no_error_log
[error]



=== the location that asks: SSI in it does nothing to a grant
--- config
location /dl/ { download object /_ask; }
location = /_ask {
    internal;
    ssi on;
    ssi_types *;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
--- app
location / { return 200 $grant; }
--- response_body
the file
--- no_error_log
[error]



=== the location that asks: SSI in it runs no command of the app's answer
--- config
location /dl/ { download object /_ask; }
location = /_ask {
    internal;
    ssi on;
    ssi_types *;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
location = /part { return 200 '"media"'; }
--- app
location / { return 200 '{"file": {"storage": <!--# include virtual="/part" -->, "path": "a.txt"}}'; }
--- error_code: 502
--- response_body_unlike: the file
--- grep_error_log eval: qr/download object: \w+/
--- grep_error_log_out
download object: grant_invalid



=== the location that asks: X-Accel-Redirect of the app to a grant
--- config
location /dl/ { download object /_ask; }
location = /grants { internal; default_type application/json; return 200 '{"file": {"storage": "media", "path": "a.txt"}}'; }
--- app
location / { add_header X-Accel-Redirect /grants; return 200; }
--- response_body
the file
--- no_error_log
[error]



=== the location that asks: X-Accel-Redirect of the app to a file
--- config
location /dl/ { download object /_ask; }
location /media/ { internal; root $TEST_NGINX_SERVER_ROOT/html; }
--- app
location / { add_header X-Accel-Redirect /media/a.txt; return 200; }
--- error_code: 502
--- response_body_unlike: the file
--- error_log
download object: grant_invalid



=== the location that asks: a grant that is gzip'd
--- config
location /dl/ { download object /_ask; }
location = /_ask {
    internal;
    proxy_set_header Accept-Encoding gzip;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
--- app
gzip on;
gzip_min_length 0;
gzip_http_version 1.0;
gzip_types *;
location / { return 200 $grant; }
--- error_code: 502
--- response_body_unlike: the file
--- error_log eval
qr/download object: (?:not_a_grant|grant_invalid): .*(?:gzip|Content-Encoding)/



=== the location that asks: gzip on in nginx itself does nothing to a grant
--- config
gzip on;
gzip_min_length 0;
gzip_types *;
location /dl/ { download object /_ask; }
--- request
GET /dl/x
--- more_headers
Accept-Encoding: gzip
--- app
location / { return 200 $grant; }
--- response_headers
Content-Encoding: gzip
--- no_error_log
[error]



=== the location that asks: a kept connection to the app serves the next question
--- http_config
upstream app { server 127.0.0.1:$TEST_NGINX_RAND_PORT_1; keepalive 2; }
--- config
location /dl/ { download object /_ask; }
location = /_ask {
    internal;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_pass http://app;
}
--- app
location / { return 200 '{"file": {"content": "$connection_requests"}}'; }
--- request eval
["GET /dl/x", "GET /dl/y", "GET /dl/z"]
--- response_body eval
["1", "2", "3"]
--- no_error_log
[error]



=== the location that asks: proxy_cache
--- http_config
proxy_cache_path $TEST_NGINX_SERVER_ROOT/proxy_cache keys_zone=grants:1m;
--- config
location /dl/ { download object /_ask; }
location = /_ask {
    internal;
    proxy_cache grants;
    proxy_cache_valid 1m;
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
--- app
location / { return 200 '{"file": {"content": "$msec"}}'; }
--- request eval
["GET /dl/x", "GET /dl/y", "HEAD /dl/z"]
--- error_code eval
[200, 200, 200]
--- no_error_log
[error]



=== the location that asks: proxy_store
--- config
location /dl/ { download object /_ask; }
location = /_ask { internal; proxy_store $TEST_NGINX_SERVER_ROOT/html/stored; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- app
location / { return 200 '{"file": {"content": "of the app"}}'; }
--- request eval
["GET /dl/x", "GET /stored"]
--- response_body eval
["of the app", '{"file": {"content": "of the app"}}']
--- no_error_log
[error]



=== the location that asks: more than was announced
--- reply eval
qq(HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 23\r\n\r\n{"file":{"content":""}}more)
--- response_body:
--- error_code: 200
--- error_log
upstream sent more data than specified in "Content-Length" header



=== a file behind a location that answers with an error: nothing of the grant
--- config
location /dl/ { download object /_ask; }
location /inner/ { internal; return 403 "inner"; }
--- app
location / { return 200 '{"file": {"location": "/inner/x"}, "basename": "a.txt", "headers": {"X-Fine": "1"}}'; }
--- error_code: 404
--- response_headers
! Content-Disposition
! X-Fine
--- error_log
target_missing:



=== a body that arrives while the app thinks
--- reply eval
"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"
--- tcp_reply_delay: 0.6
--- raw_request eval
["GET /dl/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 60010\r\n\r\n01234", "56789" . "x" x 60000]
--- raw_request_middle_delay: 0.3
--- timeout: 3
--- error_code: 403
--- response_body: no
--- no_error_log
[error]



=== and one that arrives in chunks
--- reply eval
"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"
--- tcp_reply_delay: 0.6
--- raw_request eval
["GET /dl/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "ea60\r\n" . "x" x 60000 . "\r\n0\r\n\r\n"]
--- raw_request_middle_delay: 0.3
--- timeout: 3
--- error_code: 403
--- response_body: no
--- no_error_log
[error]



=== one that arrives after the file
--- config
location /dl/ { download object /_ask; lingering_close off; }
location = /ok { return 200 "next"; }
--- app
location / { return 200 $grant; }
--- raw_request eval
["GET /dl/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234", "56789GET /ok HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"]
--- raw_request_middle_delay: 0.3
--- ignore_response
--- access_log eval
[qr{"GET /dl/x HTTP/1.1" 200}, qr{"GET /ok HTTP/1.1" 200}]
--- no_error_log
[error]
