# download_intercept grant: grants in the bodies of ordinary responses.
#
# Sections of this file's own:
#   app      the app's locations, below /app/ and others that the block passes on
use lib 't/lib';
use Test::Nginx::Socket 'no_plan';

add_block_preprocessor(sub {
    my $block = shift;
    my $app   = $block->app // '';
    my $http  = $block->http_config // '';
    $block->set_value('http_config', <<"END");
download_storage media root=\$TEST_NGINX_SERVER_ROOT/html;
upstream app { server 127.0.0.1:\$TEST_NGINX_RAND_PORT_1; keepalive 2; }
proxy_http_version 1.1;
proxy_set_header Connection "";
types { application/pdf pdf; text/plain txt; }
$http
server {
    listen 127.0.0.1:\$TEST_NGINX_RAND_PORT_1;
    default_type application/vnd.nginx-download.grant+json;
$app
    location /app/file { return 200 '{"file":{"storage":"media","path":"a.txt"},"basename":"b.pdf"}'; }
}
END
    $block->set_value('config', $block->config // 'location / { download_intercept grant; proxy_pass http://app; }');
    $block->set_value('user_files', ">>> a.txt\nwhole\n>>> large.bin\n" . 'x' x 400_000) if !defined $block->user_files;
    $block->set_value('no_error_log', "[error]\n[alert]\n[crit]") if !defined $block->error_log && !defined $block->no_error_log;
});

no_long_string();
no_root_location();
run_tests();

__DATA__

=== the file is sent in place of the grant
--- request
GET /app/file
--- response_headers
Content-Type: application/pdf
Content-Disposition: attachment; filename="b.pdf"
Content-Length: 6
Accept-Ranges: bytes
--- response_body
whole



=== a range of it
--- request
GET /app/file
--- more_headers
Range: bytes=1-3
--- error_code: 206
--- response_headers
Content-Range: bytes 1-3/6
--- response_body: hol



=== no change since
--- request
GET /app/file
--- more_headers
If-None-Match: *
--- error_code: 304



=== the app's other fields are kept, what is about the grant is not
--- app
location /app/fields {
    add_header Set-Cookie a=1;
    add_header Set-Cookie b=2;
    add_header X-Frame-Options DENY;
    add_header Cache-Control private;
    add_header ETag of-the-grant;
    return 200 '{"file":{"storage":"media","path":"a.txt"},"headers":{"X-Mine":"1"}}';
}
--- config
location / { download_intercept grant; proxy_pass http://app; expires 1h; etag off; }
--- request
GET /app/fields
--- response_headers
Set-Cookie: a=1, b=2
X-Frame-Options: DENY
X-Mine: 1
Cache-Control: private
! ETag
! Expires
--- response_body
whole



=== a grant that is refused is a 502
--- app
location /app/wrong { return 200 '{"fil":1}'; }
--- request
GET /app/wrong
--- error_code: 502
--- error_log
download intercept: grant_invalid: unknown field "fil"



=== other JSON is none of our business
--- app
location /app/json { default_type application/json; return 200 '{"file":1}'; }
--- request
GET /app/json
--- response_headers
Content-Type: application/json
--- response_body: {"file":1}



=== a denial passes
--- app
location /app/no { return 403 '{"file":{"content":"abc"}}'; }
--- request
GET /app/no
--- error_code: 403
--- response_body: {"file":{"content":"abc"}}



=== without the word it is an ordinary response
--- config
location / { download_intercept x-sendfile x-accel-redirect; proxy_pass http://app; }
--- request
GET /app/file
--- response_headers
Content-Type: application/vnd.nginx-download.grant+json
--- response_body: {"file":{"storage":"media","path":"a.txt"},"basename":"b.pdf"}



=== all of them means grants too
--- config
location / { download_intercept all; proxy_pass http://app; }
--- request
GET /app/file
--- response_body
whole



=== a missing file: nothing of the app's
--- app
location /app/missing { add_header Set-Cookie a=1; return 200 '{"file":{"storage":"media","path":"none"},"basename":"b.pdf"}'; }
--- request
GET /app/missing
--- error_code: 404
--- response_headers
! Set-Cookie
! Content-Disposition
--- error_log
download intercept: missing:



=== too large
--- config
location / { download_intercept grant; download_grant_max_size 20; proxy_pass http://app; }
--- request
GET /app/file
--- error_code: 502
--- error_log
download intercept: grant_too_large:



=== in pieces, not buffered, and the connection goes on
--- config
location / { download_intercept grant; proxy_buffering off; proxy_pass http://app; }
--- pipelined_requests eval
["GET /app/file", "GET /app/file", "GET /app/file"]
--- response_body eval
["whole\n", "whole\n", "whole\n"]



=== chunked by the app
--- app
location /app/chunked { ssi on; ssi_types *; return 200 '{"file":{"content":"abc"}}'; }
--- request
GET /app/chunked
--- response_body: abc



=== cut off by the app
--- tcp_listen: $TEST_NGINX_RAND_PORT_2
--- config
location / { download_intercept grant; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_2; }
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.nginx-download.grant+json\r\nContent-Length: 500\r\n\r\n{\"file\":"
--- request
GET /app/cut
--- error_code: 502
--- error_log
upstream prematurely closed connection



=== from a cache: never
--- http_config
proxy_cache_path $TEST_NGINX_SERVER_ROOT/cache keys_zone=grants:1m;
--- config
location /cached/ { proxy_cache grants; proxy_cache_valid 1m; proxy_pass http://app/app/; }
location /app/ { download_intercept grant; proxy_cache grants; proxy_cache_key http://app/app/file; proxy_pass http://app; }
--- request eval
["GET /cached/file", "GET /app/file"]
--- error_code eval
[200, 502]
--- no_error_log
[alert]
--- grep_error_log eval: qr/download intercept: \w+/
--- grep_error_log_out eval
qr/^(?:download intercept: unsupported\n)?$/



=== by another location
--- app
location /app/location { return 200 '{"file":{"location":"/inner/a.txt"},"basename":"b.pdf"}'; }
--- http_config
download_storage inner location=/inner/;
--- config
location / { download_intercept grant; proxy_pass http://app; }
location /inner/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/; }
--- pipelined_requests eval
["GET /app/location", "GET /app/location"]
--- response_body eval
["whole\n", "whole\n"]



=== a large file by another location, whole
--- app
location /app/location { return 200 '{"file":{"location":"/inner/large.bin"}}'; }
--- http_config
download_storage inner location=/inner/;
--- config
location / { download_intercept grant; proxy_pass http://app; }
location /inner/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/; }
--- pipelined_requests eval
["GET /app/location", "GET /app/location"]
--- response_body eval
["x" x 400_000, "x" x 400_000]



=== HEAD, with the app asked by GET
--- config
location / { download_intercept grant; proxy_method GET; proxy_pass http://app; }
--- request
HEAD /app/file
--- response_headers
Content-Length: 6
Content-Disposition: attachment; filename="b.pdf"
--- response_body:



=== a POST that is answered by a file
--- request
POST /app/file
a=b
--- response_body
whole



=== variables
--- config
location / {
    download_intercept grant;
    proxy_pass http://app;
    add_header X-Said $download_view|$download_source|$download_storage|$download_grant;
}
--- request
GET /app/file
--- response_headers
X-Said: intercept|storage|media|asked



=== a compressed grant
--- app
location /app/coded { add_header Content-Encoding gzip; return 200 '{"file":{"storage":"media","path":"a.txt"}}'; }
--- request
GET /app/coded
--- error_code: 502
--- error_log
not_a_grant: the app's grant has Content-Encoding "gzip", which is not undone



=== HEAD, with the app asked by HEAD
--- request
HEAD /app/file
--- error_code: 502
--- error_log
not_a_grant: the answer to HEAD has no body for a grant
