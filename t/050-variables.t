# The $download_* variables, and the line in the error log of each failure.
#
# Sections of this file's own:
#   app      what the app answers: the inside of a server that location /_ask leads to
#   grant    short for an app that always gives this grant
#   failure  label, level and status that the request fails with
#   says     what the line in the error log has after them
use lib 't/lib';
use Test::Nginx::Socket 'no_plan';

add_block_preprocessor(sub {
    my $block = shift;
    my $app   = $block->app;
    my $grant = $block->grant;
    chomp $grant if defined $grant;
    $app = "location / { return 200 '$grant'; }" if defined $grant;

    my $http = <<'_EOC_';
download_storage media root=$TEST_NGINX_SERVER_ROOT/html/media;
download_storage inner location=/inner/;
download_rule /app/ media;
_EOC_
    $http .= <<"_EOC_" if defined $app;
server {
    listen 127.0.0.1:\$TEST_NGINX_RAND_PORT_1;
    default_type application/vnd.nginx-download.grant+json;
    $app
}
_EOC_
    $block->set_value('http_config', $http . ($block->http_config // ''));

    my $config = $block->config // 'location /dl/ { download object /_ask; }';
    $config .= <<'_EOC_' unless $config =~ m{location = /_ask};
location = /_ask { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
_EOC_
    $block->set_value('config', $config);
    $block->set_value('request', 'GET /dl/x') unless defined $block->request;
    $block->set_value('user_files', ">>> media/a.txt\nthe file\n") unless defined $block->user_files;

    # Exactly one line speaks of the failure, and the variable has its label.
    if (defined $block->failure) {
        my ($label, $level, $status) = split ' ', $block->failure;
        my $says = $block->says;
        chomp $says;
        $config = $block->config;
        $config =~ s/(download (?:object|storage|path) )/add_header X-Failure \$download_failure always; $1/;
        $block->set_value('config',             $config);
        $block->set_value('error_code',         $status);
        $block->set_value('response_headers',   "X-Failure: $label\n! Content-Disposition") unless defined $block->response_headers;
        $block->set_value('grep_error_log',     qr/\[\w+\] .*? download \w+: .*/);
        $block->set_value('grep_error_log_out', qr/^\[$level\] [^\n]* download \w+: $label: [^\n]*\Q$says\E[^\n]*, client: [^\n]*\n$/);
    }
});

no_long_string();
run_tests();

__DATA__

=== object: all variables, in a header
--- config
location /dl/ {
    download object /_ask;
    add_header X-Vars "$download_view|$download_source|$download_storage|$download_file|$download_basename|$download_grant|$download_failure" always;
}
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "basename": "b.txt"}
--- response_headers_like
X-Vars: object\|storage\|media\|/.*/html/media/a\.txt\|b\.txt\|asked\|
--- no_error_log
[error]



=== storage: all variables
--- config
location /dl/ {
    download storage media;
    add_header X-Vars "$download_view|$download_source|$download_storage|$download_file|$download_basename|$download_grant|$download_failure" always;
}
--- request
GET /dl/a.txt
--- response_headers_like
X-Vars: storage\|storage\|media\|/.*/html/media/a\.txt\|a\.txt\|none\|



=== path: all variables
--- config
location /dl/ {
    download path $TEST_NGINX_SERVER_ROOT/html/media/$arg_f;
    add_header X-Vars "$download_view|$download_source|$download_storage|$download_file|$download_basename|$download_grant|$download_failure" always;
}
--- request
GET /dl/?f=a.txt
--- response_headers_like
X-Vars: path\|path\|\|/.*/html/media/a\.txt\|a\.txt\|none\|



=== a location's file: variables in that location
--- config
location /dl/ { download object /_ask; }
location /inner/ {
    internal;
    add_header X-Vars "$download_view|$download_source|$download_storage|$download_file|$download_basename|$download_grant|$download_failure" always;
    return 200 "x";
}
--- grant
{"file": {"location": "/inner/a.txt?b"}}
--- response_headers
X-Vars: object|location|inner|/inner/a.txt|a.txt|asked|



=== content: variables
--- config
location /dl/ {
    download object /_ask;
    add_header X-Vars "$download_source|$download_storage|$download_file|$download_basename" always;
}
--- grant
{"file": {"content": "x"}, "basename": "c.txt"}
--- response_headers
X-Vars: content|||c.txt



=== a path by a rule: variables
--- config
location /dl/ {
    download object /_ask;
    add_header X-Vars "$download_source|$download_storage" always;
}
--- grant
{"file": {"path": "/app/a.txt"}}
--- response_headers
X-Vars: path|media



=== outside of downloads they are empty
--- config
location /plain { return 200 "[$download_view$download_source$download_storage$download_file$download_basename$download_grant$download_failure$download_grant_time$download_bytes_sent]"; }
--- request
GET /plain
--- response_body: []
--- no_error_log
[error]



=== in the location that asks: the view is known, the decision is not
--- config
location /dl/ { download object /_ask; }
location = /_ask {
    internal;
    proxy_set_header X-View "$download_view|$download_grant|$download_file";
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
}
--- app
location / { return 200 '{"file": {"content": "$http_x_view"}}'; }
--- response_body: object|none|



=== $download_failure survives error_page
--- config
location /dl/ { download object /_ask; error_page 502 /oops; }
location = /oops { internal; return 200 "$download_view $download_failure"; }
--- error_code: 502
--- response_body: object app_unavailable



=== and a named location
--- config
location /dl/ { download object /_ask; error_page 404 = @oops; }
location @oops { return 200 "$download_failure"; }
--- grant
{"file": {"storage": "media", "path": "none"}}
--- response_body: missing



=== in the access log
--- http_config
log_format dl '$request_uri view=$download_view source=$download_source storage=$download_storage name=$download_basename grant=$download_grant time=$download_grant_time sent=$download_bytes_sent failure=$download_failure';
--- config
access_log $TEST_NGINX_SERVER_ROOT/logs/access.log dl;
location /dl/ { download object /_ask; }
--- grant
{"file": {"storage": "media", "path": "a.txt"}}
--- wait: 0.1
--- access_log eval
qr{^/dl/x view=object source=storage storage=media name=a\.txt grant=asked time=0\.\d{3} sent=9 failure=-$}
--- no_error_log
[error]



=== in the access log, of a denial
--- http_config
log_format dl '$request_uri view=$download_view source=$download_source grant=$download_grant failure=$download_failure sent=$download_bytes_sent';
--- config
access_log $TEST_NGINX_SERVER_ROOT/logs/access.log dl;
location /dl/ { download object /_ask; }
--- app
location / { return 403 "no"; }
--- error_code: 403
--- wait: 0.1
--- access_log eval
qr{^/dl/x view=object source=- grant=none failure=denied sent=2$}



=== $download_bytes_sent is the body that went out: a range, and none for HEAD
--- http_config
log_format dl '$request_method $status $download_bytes_sent';
--- config
access_log $TEST_NGINX_SERVER_ROOT/logs/access.log dl;
location /dl/ { download storage media; }
--- request eval
["GET /dl/a.txt", "HEAD /dl/a.txt"]
--- more_headers eval
["Range: bytes=1-3", ""]
--- error_code eval
[206, 200]
--- wait: 0.1
--- access_log eval
qr/^GET 206 3$/



=== $download_bytes_sent of HEAD
--- http_config
log_format dl '$request_method $status $download_bytes_sent';
--- config
access_log $TEST_NGINX_SERVER_ROOT/logs/access.log dl;
location /dl/ { download storage media; }
--- request
HEAD /dl/a.txt
--- wait: 0.1
--- access_log eval
qr/^HEAD 200 0$/



=== $download_grant_time is how long the app took
--- http_config
log_format dl '$download_grant_time';
--- config
access_log $TEST_NGINX_SERVER_ROOT/logs/access.log dl;
location /dl/ { download object /_ask; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply_delay: 0.3
--- tcp_reply eval
"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
--- error_code: 403
--- wait: 0.1
--- access_log eval
qr/^0\.[3-9]\d\d$/



=== a volatile map that was read before the failure is read anew
--- http_config
map $download_failure $why { volatile; default "because of $download_failure"; "" fine; }
--- config
location /dl/ {
    set $before "$why";
    download object /_ask;
    add_header X-Why $why always;
}
--- grant
{"file": {"storage": "media", "path": "none"}}
--- error_code: 404
--- response_headers
X-Why: because of missing



=== failure: method
--- request
DELETE /dl/x
--- failure: method info 405
--- says: only GET and HEAD are answered



=== failure: bad_path
--- config
location /dl/ { download storage media $arg_f; }
--- request
GET /dl/?f=../x
--- failure: bad_path info 404
--- says: "../x":



=== failure: denied
--- app
location / { return 403; }
--- failure: denied info 403
--- says: the app answered 403



=== failure: redirected
--- app
location / { return 302 /login; }
--- failure: redirected info 302
--- says: the app answered 302



=== failure: app_error
--- app
location / { return 500; }
--- failure: app_error error 502
--- says: the app answered 500



=== failure: app_timeout
--- config
location /dl/ { download object /_ask; }
location = /_ask { internal; proxy_read_timeout 100ms; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply_delay: 0.5
--- tcp_reply: late
--- failure: app_timeout error 504
--- says: the app did not answer in time



=== failure: app_unavailable
--- failure: app_unavailable error 502
--- says: no answer from the app



=== failure: answer_cut
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
--- failure: answer_cut error 502
--- says: the app's answer broke off



=== failure: not_a_grant
--- app
location / { default_type text/html; return 200 "<html>"; }
--- failure: not_a_grant error 502
--- says: the app answered 200 with Content-Type "text/html", a grant has application/vnd.nginx-download.grant+json



=== failure: grant_too_large
--- config
location /dl/ { download object /_ask; download_grant_max_size 10; }
--- grant
{"file": {"storage": "media", "path": "a.txt"}}
--- failure: grant_too_large error 502
--- says: the grant is larger than download_grant_max_size, 10 bytes



=== failure: grant_invalid
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "name": "b.txt"}
--- failure: grant_invalid error 502
--- says: unknown field "name"; did you mean "basename"?



=== failure: grant_invalid, one line whatever the grant holds
--- config
location /dl/ { download object /_ask; }
--- app
location / { return 200 '{"[alert] 1#1: evil\nline": 1}'; }
--- failure: grant_invalid error 502
--- says: control character



=== failure: unknown_storage
--- grant
{"file": {"storage": "other", "path": "a.txt"}}
--- failure: unknown_storage error 502
--- says: the storage "other" is declared by no download_storage



=== failure: no_descriptor
--- grant
{"file": {"descriptor": 0}}
--- failure: no_descriptor error 502
--- says: the app's response did not come over an upstream that descriptors are taken from



=== failure: no_rule
--- grant
{"file": {"path": "/etc/passwd"}}
--- failure: no_rule error 404
--- says: no download_rule covers "/etc/passwd"



=== failure: outside_root
--- grant
{"file": {"storage": "media", "path": "../secret"}}
--- failure: outside_root error 404
--- says: "../secret":



=== failure: symlink
--- init
symlink 'a.txt', "$ENV{TEST_NGINX_SERVER_ROOT}/html/media/link.txt";
--- grant
{"file": {"storage": "media", "path": "link.txt"}}
--- failure: symlink error 404
--- says: is behind a symbolic link, and none is followed (see symlinks=)



=== failure: outside_root, by a link that may be followed
--- http_config
download_storage linked root=$TEST_NGINX_SERVER_ROOT/html/media symlinks=on;
--- init
symlink '../secret.txt', "$ENV{TEST_NGINX_SERVER_ROOT}/html/media/link.txt";
--- user_files
>>> media/a.txt
the file
>>> secret.txt
secret
--- grant
{"file": {"storage": "linked", "path": "link.txt"}}
--- failure: outside_root error 404
--- says: leads out of it



=== failure: missing
--- grant
{"file": {"storage": "media", "path": "none.txt"}}
--- failure: missing error 404
--- says: "none.txt" in storage "media"



=== failure: not_a_file, a directory
--- user_files
>>> media/dir/a.txt
--- grant
{"file": {"storage": "media", "path": "dir"}}
--- failure: not_a_file error 404
--- says: is a directory, not a file



=== failure: not_a_file, a FIFO, and nobody waits for it
--- init
require POSIX; POSIX::mkfifo("$ENV{TEST_NGINX_SERVER_ROOT}/html/media/fifo", 0600);
--- grant
{"file": {"storage": "media", "path": "fifo"}}
--- failure: not_a_file error 404
--- says: not a file



=== failure: target_error
--- config
location /dl/ { download object /_ask; }
location /inner/ { internal; return 500; }
--- grant
{"file": {"location": "/inner/a.txt"}}
--- response_headers
! Content-Disposition
--- failure: target_error error 502
--- says: the internal location "/inner/a.txt" answered 500



=== failure: bad_option
--- config
location /dl/ { download storage media; download_mimetype $arg_t; }
--- request
GET /dl/a.txt?t=pdf
--- failure: bad_option error 500
--- says: download_mimetype came out as "pdf"
