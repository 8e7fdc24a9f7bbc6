# Options: what a location says of a file where the grant does not.
#
# Sections of this file's own:
#   grant    what the app answers with; without it there is no app
use lib 't/lib';
use Test::Nginx::Socket 'no_plan';

add_block_preprocessor(sub {
    my $block = shift;
    my $grant = $block->grant // '';
    chomp $grant;

    $block->set_value('http_config', <<"_EOC_" . ($block->http_config // ''));
download_storage media root=\$TEST_NGINX_SERVER_ROOT/html/media;
download_storage inner location=/inner/;
server {
    listen 127.0.0.1:\$TEST_NGINX_RAND_PORT_1;
    default_type application/vnd.nginx-download.grant+json;
    location / { return 200 '$grant'; }
}
_EOC_

    $block->set_value('config', $block->config . <<'_EOC_');
location /_ask { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
_EOC_
    $block->set_value('request', 'GET /dl/a.txt') unless defined $block->request;
    $block->set_value('user_files', [['media/a.txt' => "the file\n"], ['media/é.txt' => "accent\n"], ['media/noext' => "x\n"]]);
});

no_long_string();
run_tests();

__DATA__

=== defaults: an attachment under the file's name, typed by its extension
--- config
location /dl/ { download storage media; types { text/x-demo txt; } }
--- response_headers
Content-Type: text/x-demo
Content-Disposition: attachment; filename="a.txt"
! Content-Encoding
! Cache-Control
--- response_body
the file
--- no_error_log
[error]



=== defaults: default_type where no extension tells
--- config
location /dl/ { download storage media; default_type application/x-none; }
--- request
GET /dl/noext
--- response_headers
Content-Type: application/x-none
--- no_error_log
[error]



=== download_attachment off: shown under the name of its URL
--- config
location /dl/ { download storage media; download_attachment off; }
--- response_headers
! Content-Disposition
--- no_error_log
[error]



=== download_attachment off, with a name
--- config
location /dl/ { download storage media; download_attachment off; download_basename b.txt; }
--- response_headers
Content-Disposition: inline; filename="b.txt"
--- no_error_log
[error]



=== download_attachment: inherited, and set back
--- config
download_attachment off;
location /dl/ { download storage media; }
location /save/ { download storage media; download_attachment on; }
--- request eval
["GET /dl/a.txt", "GET /save/a.txt"]
--- response_headers eval
['! Content-Disposition', 'Content-Disposition: attachment; filename="a.txt"']



=== download_attachment: the grant wins, both ways
--- config
location /dl/ { download object /_ask; download_attachment off; }
--- grant
{"file": {"content": "x"}, "basename": "x.txt", "attachment": true}
--- response_headers
Content-Disposition: attachment; filename="x.txt"



=== download_attachment: a grant's false wins over on
--- config
location /dl/ { download object /_ask; download_attachment on; }
--- grant
{"file": {"content": "x"}, "basename": "x.txt", "attachment": false}
--- response_headers
Content-Disposition: inline; filename="x.txt"



=== download_attachment: in an if block
--- config
location /dl/ {
    download storage media;
    if ($arg_inline) { download_attachment off; }
}
--- request eval
["GET /dl/a.txt", "GET /dl/a.txt?inline=1"]
--- response_headers eval
['Content-Disposition: attachment; filename="a.txt"', '! Content-Disposition']



=== download_basename: with variables
--- config
location /dl/ { download storage media; download_basename "$arg_n copy.txt"; }
--- request
GET /dl/a.txt?n=my
--- response_headers
Content-Disposition: attachment; filename="my copy.txt"
--- no_error_log
[error]



=== download_basename: of a client's making is quoted
--- config
location /dl/ { download storage media; download_basename $http_x_name; }
--- request
GET /dl/a.txt
--- more_headers
X-Name: a";x=.bat
--- response_headers
Content-Disposition: attachment; filename="a\";x=.bat"



=== download_basename: directories are dropped
--- config
location /dl/ { download storage media; download_basename $arg_n; }
--- request eval
['GET /dl/a.txt?n=../../x.txt', 'GET /dl/a.txt?n=C:\x.txt', 'GET /dl/a.txt?n=/etc/x.txt']
--- response_headers eval
[('Content-Disposition: attachment; filename="x.txt"') x 3]



=== download_basename: empty is not set
--- config
location /dl/ { download storage media; download_basename $arg_n; }
--- response_headers
Content-Disposition: attachment; filename="a.txt"



=== download_basename: nothing is left of it
--- config
location /dl/ { download storage media; download_basename ..; }
--- response_headers
Content-Disposition: attachment
--- no_error_log
[error]



=== download_basename: the grant wins
--- config
location /dl/ { download object /_ask; download_basename b.txt; }
--- grant
{"file": {"content": "x"}, "basename": "x.txt"}
--- response_headers
Content-Disposition: attachment; filename="x.txt"



=== download_basename: inherited from http
--- http_config
download_basename http.txt;
--- config
location /dl/ { download storage media; }
--- response_headers
Content-Disposition: attachment; filename="http.txt"



=== Content-Disposition: the file's own name, accented
--- config
location /dl/ { download storage media; }
--- request
GET /dl/%C3%A9.txt
--- response_headers
Content-Disposition: attachment; filename="e.txt"; filename*=UTF-8''%C3%A9.txt
--- response_body
accent



=== Content-Disposition: quotes
--- config
location /dl/ { download storage media; download_basename 'say "hi".txt'; }
--- response_headers
Content-Disposition: attachment; filename="say \"hi\".txt"



=== Content-Disposition: a drive
--- config
location /dl/ { download object /_ask; }
--- grant
{"file": {"content": "x"}, "basename": "C:x.txt"}
--- response_headers
Content-Disposition: attachment; filename="x.txt"



=== Content-Disposition: right-to-left override
--- config
location /dl/ { download object /_ask; }
--- grant
{"file": {"content": "x"}, "basename": "invoice‮fdp.exe"}
--- response_headers
Content-Disposition: attachment; filename="invoicefdp.exe"



=== Content-Disposition: percent signs
--- config
location /dl/ { download object /_ask; }
--- grant
{"file": {"content": "x"}, "basename": "100%25.txt"}
--- response_headers
Content-Disposition: attachment; filename="100_25.txt"; filename*=UTF-8''100%2525.txt



=== Content-Disposition: 300 characters
--- config
location /dl/ { download storage media; download_basename $arg_n; }
--- request eval
"GET /dl/a.txt?n=" . "n" x 300
--- response_headers eval
'Content-Disposition: attachment; filename="' . "n" x 300 . '"'



=== Content-Disposition: emoji
--- config
location /dl/ { download object /_ask; }
--- grant
{"file": {"content": "x"}, "basename": "😀.txt"}
--- response_headers
Content-Disposition: attachment; filename="_.txt"; filename*=UTF-8''%F0%9F%98%80.txt



=== download_mimetype: with a variable
--- config
location /dl/ { download storage media; download_mimetype application/$arg_t; }
--- request
GET /dl/a.txt?t=pdf
--- response_headers
Content-Type: application/pdf



=== download_mimetype: empty is not set
--- config
location /dl/ { download storage media; download_mimetype $arg_t; default_type text/x-default; }
--- response_headers
Content-Type: text/x-default



=== download_mimetype: inherited, and overridden
--- config
download_mimetype application/x-server;
location /dl/ { download storage media; location /dl/n { download_mimetype application/x-nested; } }
--- request eval
["GET /dl/a.txt", "GET /dl/noext"]
--- response_headers eval
["Content-Type: application/x-server", "Content-Type: application/x-nested"]



=== download_mimetype: the grant wins
--- config
location /dl/ { download object /_ask; download_mimetype application/x-location; }
--- grant
{"file": {"content": "x"}, "mimetype": "application/x-grant"}
--- response_headers
Content-Type: application/x-grant



=== download_mimetype: malformed
--- config
location /dl/ { download storage media; download_mimetype $arg_t; }
--- request
GET /dl/a.txt?t=pdf
--- error_code: 500
--- response_headers
! Content-Disposition
--- grep_error_log eval: qr/\[error\].*?(?=, client| while)/
--- grep_error_log_out eval
qr/^\[error\] .*bad_option: download_mimetype came out as "pdf": not a media type[^\n]*\n$/



=== download_charset
--- config
location /dl/ { download storage media; download_charset utf-8; }
--- response_headers
Content-Type: text/plain; charset=utf-8
--- no_error_log
[error]



=== download_charset: with a variable, and empty
--- config
location /dl/ { download storage media; download_charset $arg_c; }
--- request eval
["GET /dl/a.txt?c=koi8-r", "GET /dl/a.txt"]
--- response_headers eval
["Content-Type: text/plain; charset=koi8-r", "Content-Type: text/plain"]



=== download_charset: the grant wins
--- config
location /dl/ { download object /_ask; download_charset koi8-r; }
--- grant
{"file": {"content": "x"}, "charset": "utf-8"}
--- response_headers
Content-Type: text/plain; charset=utf-8



=== download_charset: does not stand against a mimetype of the grant with a charset of its own
--- config
location /dl/ { download object /_ask; download_charset koi8-r; }
--- grant
{"file": {"content": "x"}, "mimetype": "text/html; charset=utf-8"}
--- response_headers
Content-Type: text/html; charset=utf-8



=== download_charset: malformed
--- config
location /dl/ { download storage media; download_charset $arg_c; }
--- request
GET /dl/a.txt?c=a;b
--- error_code: 500
--- error_log
bad_option: download_charset came out as "a;b": not a charset such as utf-8



=== nginx's own charset works on what is sent
--- config
location /dl/ { download storage media; charset utf-8; }
--- response_headers
Content-Type: text/plain; charset=utf-8
--- no_error_log
[error]



=== download_encoding
--- config
location /dl/ { download storage media; download_encoding $arg_e; }
--- request eval
["GET /dl/a.txt?e=gzip", "GET /dl/a.txt", "GET /dl/a.txt?e=identity"]
--- response_headers eval
["Content-Encoding: gzip", "! Content-Encoding", "! Content-Encoding"]
--- no_error_log
[error]



=== download_encoding: a grant's identity wins
--- config
location /dl/ { download object /_ask; download_encoding gzip; }
--- grant
{"file": {"content": "x"}, "encoding": "identity"}
--- response_headers
! Content-Encoding



=== download_encoding: malformed
--- config
location /dl/ { download storage media; download_encoding $arg_e; }
--- request
GET /dl/a.txt?e=gzip,br
--- error_code: 500
--- error_log
bad_option: download_encoding came out as "gzip,br": not one content coding



=== download_header: several, with variables; empty is not sent
--- config
location /dl/ {
    download storage media;
    download_header X-A "a $arg_a";
    download_header X-B $arg_b;
    download_header X-C c;
}
--- request
GET /dl/a.txt?a=1
--- response_headers
X-A: a 1
X-C: c
! X-B
--- no_error_log
[error]



=== download_header: one name twice is sent twice
--- config
location /dl/ { download storage media; download_header Link "<a>"; download_header Link "<b>"; }
--- raw_response_headers_like eval
qr/Link: <a>\r\n(?:.*\r\n)?Link: <b>\r\n/s



=== download_header: the list is inherited whole
--- config
download_header X-A a;
download_header X-B b;
location /dl/ { download storage media; }
--- response_headers
X-A: a
X-B: b



=== download_header: or replaced whole
--- config
download_header X-A a;
download_header X-B b;
location /dl/ { download storage media; download_header X-B c; }
--- response_headers
X-B: c
! X-A



=== download_header: the grant wins, name by name
--- config
location /dl/ {
    download object /_ask;
    download_header X-A location;
    download_header X-B location;
}
--- grant
{"file": {"content": "x"}, "headers": {"x-a": "grant", "X-C": "grant"}}
--- response_headers
X-A: grant
X-B: location
X-C: grant



=== download_header: not on errors
--- config
location /dl/ { download storage media; download_header X-A a; }
--- request
GET /dl/none
--- error_code: 404
--- response_headers
! X-A



=== download_header: not on denials of the app
--- config
location /dl/ { download object /_ask; download_header X-A a; }
location = /_ask { internal; return 403; }
--- error_code: 403
--- response_headers
! X-A



=== download_header: Content-Disposition in place of the module's own
--- config
location /dl/ { download storage media; download_header Content-Disposition "inline; filename=own"; }
--- response_headers
Content-Disposition: inline; filename=own



=== download_header: a grant's basename wins over Content-Disposition
--- config
location /dl/ { download object /_ask; download_header Content-Disposition inline; }
--- grant
{"file": {"content": "x"}, "basename": "x.txt"}
--- response_headers
Content-Disposition: attachment; filename="x.txt"



=== download_header: one Cache-Control, past the location's expires
--- config
location /dl/ { download storage media; expires 1h; download_header Cache-Control "private, no-store"; }
--- response_headers
Cache-Control: private, no-store
--- raw_response_headers_unlike: Expires:



=== a grant's Cache-Control beats expires as well
--- config
location /dl/ { download object /_ask; expires 1h; }
--- grant
{"file": {"content": "x"}, "headers": {"Cache-Control": "no-store"}}
--- response_headers
Cache-Control: no-store
--- raw_response_headers_unlike: Expires:



=== a grant's Expires beats expires
--- config
location /dl/ { download object /_ask; expires 1h; }
--- grant
{"file": {"content": "x"}, "headers": {"Expires": "0"}}
--- response_headers
Expires: 0
! Cache-Control



=== expires of the location where nobody says otherwise
--- config
location /dl/ { download storage media; expires 1h; }
--- response_headers
Cache-Control: max-age=3600
--- raw_response_headers_like: Expires:



=== download_header of a file that a location sends: one Cache-Control
--- config
location /dl/ { download storage inner; download_header Cache-Control private; }
location /inner/ { internal; expires 1h; return 200 "x"; }
--- response_headers
Cache-Control: private



=== add_header of the location is kept
--- config
location /dl/ { download storage media; add_header X-Added yes; add_header Cache-Control public; }
--- response_headers
X-Added: yes
Cache-Control: public



=== download_header: a line feed in the value
--- config
location ~ ^/dl/(?<v>[^/]*)$ { download storage media a.txt; download_header X-V $v; }
--- request
GET /dl/a%0d%0aX-Evil:1
--- error_code: 500
--- response_headers
! X-Evil
! X-V
--- error_log
bad_option: download_header came out as "a\r\nX-Evil:1":



=== add_header with always, on an error of the module
--- config
location /dl/ { download storage media; add_header X-Added yes always; }
--- request
GET /dl/none
--- error_code: 404
--- response_headers
X-Added: yes
