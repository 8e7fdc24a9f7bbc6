# The grant: what each of its fields does, and what makes a grant be refused.
#
# Sections of this file's own:
#   grant    what the app answers with
#   type     its Content-Type, if it is not the grant's own
use lib 't/lib';
use Test::Nginx::Socket 'no_plan';

my $jpeg = "\xff\xd8\xff\x00binary";

add_block_preprocessor(sub {
    my $block = shift;
    my $type  = $block->type // 'application/vnd.nginx-download.grant+json';
    chomp $type;

    $block->set_value('http_config', ($block->http_config // '') . <<"_EOC_");
download_storage media root=\$TEST_NGINX_SERVER_ROOT/html/media;
download_storage inner location=/inner/;
download_rule /app/media/ media;
server {
    listen 127.0.0.1:\$TEST_NGINX_RAND_PORT_1;
    location / {
        root \$TEST_NGINX_SERVER_ROOT/html;
        types { }
        default_type "$type";
        try_files /grant.json =404;
    }
}
_EOC_

    $block->set_value('config', ($block->config // '') . <<'_EOC_');
location /dl/ { download object /_ask; }
location /_ask { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location /inner/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/media/; }
_EOC_
    $block->set_value('request', 'GET /dl/x') unless defined $block->request;

    my $grant = $block->grant;
    $block->set_value('user_files', [
        ['media/a.txt'       => "0123456789\n", '202401020304.05'],
        ['media/sub/é b.txt' => "accent\n"],
        ['media/page.html'   => "<p>page</p>\n"],
        ['media/photo.bin'   => $jpeg],
        ['grant.json'        => $grant],
    ]);

    # A grant that is refused: nothing of it, a 502, one line in the log.
    if (defined $block->refused) {
        my $why = $block->refused;
        chomp $why;
        $block->set_value('error_code',           502);
        $block->set_value('response_body_like',   '502 Bad Gateway');
        $block->set_value('response_headers',     "! Content-Disposition\n! X-Fine");
        $block->set_value('grep_error_log',       qr/\[error\].*?, client/);
        $block->set_value('grep_error_log_out',   qr/^\[error\] [^\n]*download object: \Q$why\E[^\n]*\n$/);
    }
});

no_long_string();
run_tests();

__DATA__

=== file: storage and path
--- grant
{"file": {"storage": "media", "path": "a.txt"}}
--- response_headers
Content-Type: text/plain
Content-Length: 11
Content-Disposition: attachment; filename="a.txt"
Last-Modified: Tue, 02 Jan 2024 03:04:05 GMT
ETag: "65937d25-b"
Accept-Ranges: bytes
--- response_body
0123456789
--- no_error_log
[error]



=== file: a path in a storage is taken as it is written
--- grant
{"file": {"storage": "media", "path": "sub/\u00e9 b.txt"}}
--- response_headers
Content-Disposition: attachment; filename="e b.txt"; filename*=UTF-8''%C3%A9%20b.txt
--- response_body
accent
--- no_error_log
[error]



=== file: a path in a storage is not percent-decoded
--- grant
{"file": {"storage": "media", "path": "%61.txt"}}
--- error_code: 404
--- grep_error_log: download object: missing
--- grep_error_log_out
download object: missing



=== file: a path in a storage cannot lead out of it
--- grant
{"file": {"storage": "media", "path": "../grant.json"}}
--- error_code: 404
--- response_body_unlike: storage
--- grep_error_log: download object: outside_root
--- grep_error_log_out
download object: outside_root



=== file: an absolute path in a storage
--- grant
{"file": {"storage": "media", "path": "/a.txt"}}
--- error_code: 404
--- grep_error_log: download object: outside_root
--- grep_error_log_out
download object: outside_root



=== file: a path that a rule covers
--- grant
{"file": {"path": "/app/media/a.txt"}}
--- response_headers
Content-Disposition: attachment; filename="a.txt"
--- response_body
0123456789
--- no_error_log
[error]



=== file: a path that is relative
--- grant
{"file": {"path": "app/media/a.txt"}}
--- error_code: 404
--- grep_error_log: download object: outside_root
--- grep_error_log_out
download object: outside_root



=== file: a path that no rule covers
--- grant
{"file": {"path": "/etc/passwd"}}
--- error_code: 404
--- response_body_unlike: root:
--- grep_error_log: no_rule: no download_rule covers "/etc/passwd"
--- grep_error_log_out
no_rule: no download_rule covers "/etc/passwd"



=== file: a location below that of a storage
--- grant
{"file": {"location": "/inner/a.txt"}, "basename": "b.pdf", "mimetype": "application/pdf", "etag": "\"v1\""}
--- response_headers
Content-Type: application/pdf
Content-Disposition: attachment; filename="b.pdf"
ETag: "v1"
Content-Length: 11
--- response_body
0123456789
--- no_error_log
[error]



=== file: a location with arguments, passed on raw
--- config
location /inner/echo { internal; return 200 "$uri|$args"; }
--- grant
{"file": {"location": "/inner/echo?a=%20b?c=d&e"}}
--- response_body: /inner/echo|a=%20b?c=d&e
--- no_error_log
[error]



=== file: a range of what a location sends
--- request
GET /dl/x
--- more_headers
Range: bytes=2-4
--- grant
{"file": {"location": "/inner/a.txt"}, "etag": "\"v1\""}
--- error_code: 206
--- response_headers
Content-Range: bytes 2-4/11
ETag: "v1"
--- response_body: 234
--- no_error_log
[error]



=== file: a location with a view of its own keeps what the grant says
--- config
location /inner/view/ { internal; download storage media; }
--- grant
{"file": {"location": "/inner/view/a.txt"}, "basename": "b.pdf", "headers": {"X-Fine": "yes"}}
--- response_headers
Content-Disposition: attachment; filename="b.pdf"
X-Fine: yes
--- response_body
0123456789
--- no_error_log
[error]



=== file: a location that no storage declares
--- config
location /private/ { internal; return 200 "private"; }
--- grant
{"file": {"location": "/private/x"}}
--- error_code: 404
--- response_body_unlike: private
--- error_log
no_rule: the grant's location "/private/x" is below no download_storage location=



=== file: a location beside that of a storage
--- config
location /inner-old/ { internal; return 200 "old"; }
--- grant
{"file": {"location": "/inner-old/x"}}
--- error_code: 404
--- response_body_unlike: old
--- error_log
no_rule: the grant's location "/inner-old/x" is below no download_storage location=



=== file: a location cannot lead out
--- config
location /private/ { internal; return 200 "private"; }
--- grant
{"file": {"location": "/inner/../private/x"}}
--- error_code: 404
--- response_body_unlike: private
--- grep_error_log: download object: outside_root
--- grep_error_log_out
download object: outside_root



=== file: a named location
--- config
location @inner { return 200 "named"; }
--- grant
{"file": {"location": "@inner"}}
--- error_code: 404
--- response_body_unlike: named



=== file: content
--- grant
{"file": {"content": "caf\u00e9\n"}, "basename": "c.txt", "mimetype": "text/plain", "charset": "utf-8"}
--- response_headers
Content-Type: text/plain; charset=utf-8
Content-Length: 6
Content-Disposition: attachment; filename="c.txt"
--- response_body eval
"caf\xc3\xa9\n"
--- no_error_log
[error]



=== file: content that is empty
--- grant
{"file": {"content": ""}, "basename": "c.txt"}
--- response_headers
Content-Length: 0
--- response_body:
--- no_error_log
[error]



=== file: a range of content
--- request
GET /dl/x
--- more_headers
Range: bytes=-3
--- grant
{"file": {"content": "0123456789"}, "basename": "c.txt"}
--- error_code: 206
--- response_headers
Content-Range: bytes 7-9/10
--- response_body: 789
--- no_error_log
[error]



=== file: content without a name is still to be saved
--- grant
{"file": {"content": "x"}}
--- response_headers
Content-Disposition: attachment
--- response_body: x
--- no_error_log
[error]



=== file: base64
--- grant
{"file": {"base64": "/9j/AGJpbmFyeQ=="}, "basename": "p.jpg"}
--- response_headers
Content-Length: 10
Content-Disposition: attachment; filename="p.jpg"
--- response_body eval
"\xff\xd8\xff\x00binary"
--- no_error_log
[error]



=== basename: in place of the file's name
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "basename": "Q3 report.txt"}
--- response_headers
Content-Disposition: attachment; filename="Q3 report.txt"
--- no_error_log
[error]



=== basename: UTF-8
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "basename": "naïve \u20ac.txt"}
--- response_headers
Content-Disposition: attachment; filename="naive _.txt"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.txt
--- no_error_log
[error]



=== basename: quotes
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "basename": "a\";x=.bat"}
--- response_headers
Content-Disposition: attachment; filename="a\";x=.bat"
--- no_error_log
[error]



=== basename: its extension tells the type
--- http_config
types { text/plain txt; text/html html; }
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "basename": "a.html"}
--- response_headers
Content-Type: text/html
--- no_error_log
[error]



=== attachment: false is inline, under the name of the URL
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "attachment": false}
--- response_headers
! Content-Disposition
--- response_body
0123456789
--- no_error_log
[error]



=== attachment: false with a name
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "attachment": false, "basename": "b.txt"}
--- response_headers
Content-Disposition: inline; filename="b.txt"
--- no_error_log
[error]



=== attachment: true
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "attachment": true}
--- response_headers
Content-Disposition: attachment; filename="a.txt"
--- no_error_log
[error]



=== mimetype
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "mimetype": "application/x-thing"}
--- response_headers
Content-Type: application/x-thing
--- no_error_log
[error]



=== mimetype with a charset of its own
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "mimetype": "text/html; charset=koi8-r"}
--- response_headers
Content-Type: text/html; charset=koi8-r
--- no_error_log
[error]



=== charset: of a type that is told from the name
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "charset": "utf-8"}
--- response_headers
Content-Type: text/plain; charset=utf-8
--- no_error_log
[error]



=== charset: wins over that in the mimetype
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "mimetype": "text/html; charset=koi8-r", "charset": "utf-8"}
--- response_headers
Content-Type: text/html; charset=utf-8
--- no_error_log
[error]



=== charset: nothing is recoded
--- http_config
charset koi8-r;
source_charset windows-1251;
charset_map windows-1251 koi8-r { C0 E1; }
--- grant
{"file": {"base64": "wA=="}, "mimetype": "text/html", "charset": "koi8-r"}
--- response_headers
Content-Type: text/html; charset=koi8-r
--- response_body eval
"\xc0"
--- no_error_log
[error]



=== encoding: the file is coded already
--- config
gzip on;
gzip_min_length 0;
--- request
GET /dl/x
--- more_headers
Accept-Encoding: gzip
--- grant
{"file": {"storage": "media", "path": "page.html"}, "mimetype": "text/html", "encoding": "br"}
--- response_headers
Content-Encoding: br
Content-Length: 12
--- response_body
<p>page</p>
--- no_error_log
[error]



=== encoding: identity is not said
--- grant
{"file": {"storage": "media", "path": "page.html"}, "encoding": "identity"}
--- response_headers
! Content-Encoding
--- no_error_log
[error]



=== nginx's gzip works on what a grant sends
--- config
gzip on;
gzip_min_length 0;
--- request
GET /dl/x
--- more_headers
Accept-Encoding: gzip
--- grant
{"file": {"storage": "media", "path": "page.html"}, "mimetype": "text/html"}
--- response_headers
Content-Encoding: gzip
! Content-Length
--- no_error_log
[error]



=== etag: in place of the file's
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "etag": "W/\"v17\""}
--- response_headers
ETag: W/"v17"
--- no_error_log
[error]



=== etag: answers If-None-Match
--- request
GET /dl/x
--- more_headers
If-None-Match: "v17"
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "etag": "\"v17\""}
--- error_code: 304
--- response_headers
ETag: "v17"
--- response_body:
--- no_error_log
[error]



=== etag: the file's own matches no more
--- request
GET /dl/x
--- more_headers
If-None-Match: "65937d25-b"
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "etag": "\"v17\""}
--- response_body
0123456789
--- no_error_log
[error]



=== etag: If-Match that fails
--- request
GET /dl/x
--- more_headers
If-Match: "v16"
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "etag": "\"v17\""}
--- error_code: 412
--- response_body_unlike: 0123
--- no_error_log
[error]



=== etag: If-Range
--- request eval
["GET /dl/x", "GET /dl/x"]
--- more_headers eval
["Range: bytes=0-1\nIf-Range: \"v17\"", "Range: bytes=0-1\nIf-Range: \"v16\""]
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "etag": "\"v17\""}
--- error_code eval
[206, 200]
--- response_body eval
["01", "0123456789\n"]
--- no_error_log
[error]



=== modified: in place of the file's
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "modified": 1764000000}
--- response_headers
Last-Modified: Mon, 24 Nov 2025 16:00:00 GMT
--- no_error_log
[error]



=== modified: answers If-Modified-Since
--- request
GET /dl/x
--- more_headers
If-Modified-Since: Mon, 24 Nov 2025 16:00:00 GMT
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "modified": 1764000000}
--- error_code: 304
--- response_body:
--- no_error_log
[error]



=== modified: of content
--- grant
{"file": {"content": "x"}, "modified": 0}
--- response_headers
Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT
--- no_error_log
[error]



=== size: that of the file
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "size": 11}
--- response_headers
Content-Length: 11
--- response_body
0123456789
--- no_error_log
[warn]
[error]



=== size: contradicts the file, loses and is logged
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "size": 4}
--- response_headers
Content-Length: 11
--- response_body
0123456789
--- grep_error_log eval: qr/\[warn\].*?(?=,)/
--- grep_error_log_out eval
qr/^\[warn\].*the grant says 4 bytes\n$/
--- error_log
has 11



=== size: contradicts content
--- grant
{"file": {"content": "abc"}, "size": 4}
--- response_headers
Content-Length: 3
--- response_body: abc
--- error_log
the grant says 4 bytes



=== size: contradicts what a location sends
--- grant
{"file": {"location": "/inner/a.txt"}, "size": 4}
--- response_headers
Content-Length: 11
--- response_body
0123456789
--- error_log
the grant says 4 bytes



=== headers
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "headers": {"Cache-Control": "private, no-store", "X-Fine": "caf\u00e9", "X-Empty": ""}}
--- raw_response_headers_like eval
qr/Cache-Control: private, no-store\r\n/
--- response_headers eval
"Cache-Control: private, no-store\nX-Fine: caf\xc3\xa9"
--- no_error_log
[error]



=== headers: Content-Disposition of the app's own making
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "headers": {"Content-Disposition": "inline; filename=x"}}
--- response_headers
Content-Disposition: inline; filename=x
--- no_error_log
[error]



=== headers: of a file that a location sends
--- config
location /inner/own { internal; add_header X-Other 1; add_header Cache-Control no-cache; return 200 "own"; }
--- grant
{"file": {"location": "/inner/own"}, "headers": {"Cache-Control": "private", "X-Fine": "yes"}}
--- response_headers_like
X-Fine: yes
X-Other: 1
Cache-Control: .*private.*
--- response_body: own
--- no_error_log
[error]



=== limit_rate: bytes a second
--- http_config
log_format timed $request_time;
--- config
access_log $TEST_NGINX_SERVER_ROOT/logs/access.log timed;
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "limit_rate": 200}
--- response_body
0123456789
--- wait: 0.1
--- access_log eval
qr/^(?:0\.[5-9]|[1-9])/
--- no_error_log
[error]



=== limit_rate_after: bytes that go out at once
--- http_config
log_format timed $request_time;
--- config
access_log $TEST_NGINX_SERVER_ROOT/logs/access.log timed;
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "limit_rate": 200, "limit_rate_after": 1000}
--- response_body
0123456789
--- wait: 0.1
--- access_log eval
$ENV{TEST_NGINX_SLOW} ? qr/^\d/ : qr/^0\.[0-4]/
--- no_error_log
[error]



=== limit_rate_after: as large as a grant takes, which is more than nginx can add up
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "limit_rate": 1000000000, "limit_rate_after": 9223372036854775807}
--- response_body
0123456789
--- no_error_log
[error]



=== limit_rate: 0 lifts the location's own
--- http_config
log_format timed $request_time;
--- config
limit_rate 200;
access_log $TEST_NGINX_SERVER_ROOT/logs/access.log timed;
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "limit_rate": 0}
--- response_body
0123456789
--- wait: 0.1
--- access_log eval
$ENV{TEST_NGINX_SLOW} ? qr/^\d/ : qr/^0\.[0-4]/
--- no_error_log
[error]



=== cache is taken note of
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "cache": {"ttl": 30, "tags": ["user:7", "doc:12"]}}
--- response_body
0123456789
--- no_error_log
[error]



=== null is absent
--- grant
{"file": {"storage": "media", "path": "a.txt", "url": null}, "basename": null, "attachment": null,
 "mimetype": null, "charset": null, "encoding": null, "etag": null, "modified": null, "size": null,
 "headers": null, "limit_rate": null, "limit_rate_after": null, "cache": null}
--- response_headers
Content-Type: text/plain
Content-Disposition: attachment; filename="a.txt"
Last-Modified: Tue, 02 Jan 2024 03:04:05 GMT
ETag: "65937d25-b"
--- response_body
0123456789
--- no_error_log
[error]



=== application/json will do
--- type: application/json; charset=utf-8
--- grant
{"file": {"storage": "media", "path": "a.txt"}}
--- response_body
0123456789
--- no_error_log
[error]



=== another type will not
--- type: text/html
--- grant
{"file": {"storage": "media", "path": "a.txt"}}
--- refused: not_a_grant: the app answered 200 with Content-Type "text/html"



=== nor none at all
--- type:
--- grant
{"file": {"storage": "media", "path": "a.txt"}}
--- refused: not_a_grant: the app answered 200 with Content-Type ""



=== refused: an unknown field
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "filename": "b.txt"}
--- refused: grant_invalid: unknown field "filename"; did you mean "basename"?



=== refused: an unknown field in file
--- grant
{"file": {"storage": "media", "path": "a.txt", "root": "/"}}
--- refused: grant_invalid: file: unknown field "root"



=== refused: a field that comes twice
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "basename": "a", "basename": "b"}
--- refused: grant_invalid: the field "basename" comes twice



=== refused: a second file
--- grant
{"file": {"storage": "media", "path": "a.txt"}, "file": {"content": "x"}}
--- refused: grant_invalid: the field "file" comes twice



=== refused: a header that comes twice
--- grant
{"file": {"content": "x"}, "headers": {"X-Fine": "1", "x-fine": "2"}}
--- refused: grant_invalid: headers:



=== refused: two kinds of file
--- grant
{"file": {"content": "x", "location": "/inner/a.txt"}}
--- refused: grant_invalid: file: give exactly one of



=== refused: no file
--- grant
{"basename": "a.txt"}
--- refused: grant_invalid: the field "file" is missing



=== refused: a number as a string
--- grant
{"file": {"content": "x"}, "size": "1"}
--- refused: grant_invalid: size: invalid type: string "1", expected a whole number



=== refused: a boolean as a string
--- grant
{"file": {"content": "x"}, "attachment": "true"}
--- refused: grant_invalid: attachment: invalid type: string "true"



=== refused: a number below zero
--- grant
{"file": {"content": "x"}, "limit_rate": -1}
--- refused: grant_invalid: limit_rate:



=== refused: an etag without quotes
--- grant
{"file": {"content": "x"}, "etag": "v1"}
--- refused: grant_invalid: etag:



=== refused: a type that is none
--- grant
{"file": {"content": "x"}, "mimetype": "pdf"}
--- refused: grant_invalid: mimetype: "pdf": not a media type



=== refused: CR and LF in a basename
--- grant
{"file": {"content": "x"}, "basename": "a\r\nX-Evil: 1"}
--- refused: grant_invalid: basename: must not contain CR, LF or NUL



=== refused: NUL in a path
--- grant
{"file": {"storage": "media", "path": "a.txt\u0000.png"}}
--- refused: grant_invalid: file: path: must not contain CR, LF or NUL



=== refused: LF in a header
--- grant
{"file": {"content": "x"}, "headers": {"X-Fine": "1\nX-Evil: 1"}}
--- refused: grant_invalid: headers: "X-Fine":



=== refused: LF in a mimetype
--- grant
{"file": {"content": "x"}, "mimetype": "text/plain\nX-Evil: 1"}
--- refused: grant_invalid: mimetype:



=== refused: framing
--- grant
{"file": {"content": "x"}, "headers": {"X-Fine": "1", "Content-Length": "2"}}
--- refused: grant_invalid: headers: "Content-Length": the server sets this, an app must not



=== refused: hop-by-hop
--- grant
{"file": {"content": "x"}, "headers": {"X-Fine": "1", "connection": "close"}}
--- refused: grant_invalid: headers: "connection": the server sets this, an app must not



=== refused: what steers a server
--- grant
{"file": {"content": "x"}, "headers": {"X-Fine": "1", "X-Accel-Redirect": "/inner/a.txt"}}
--- refused: grant_invalid: headers: "X-Accel-Redirect": this is for servers, never for a client



=== refused: a header with a field of its own
--- grant
{"file": {"content": "x"}, "headers": {"X-Fine": "1", "Content-Type": "text/html"}}
--- refused: grant_invalid: headers: "Content-Type": use the grant's field "mimetype"



=== refused: a header name that is none
--- grant
{"file": {"content": "x"}, "headers": {"X Fine": "1"}}
--- refused: grant_invalid: headers: "X Fine": not a header name



=== refused: JSON that breaks off
--- grant
{"file": {"storage": "media", "path": "a.txt"}
--- refused: grant_invalid: EOF while parsing an object



=== refused: something after the grant
--- grant
{"file": {"storage": "media", "path": "a.txt"}} {}
--- refused: grant_invalid: trailing characters



=== refused: an array
--- grant
[{"file": {"storage": "media", "path": "a.txt"}}]
--- refused: grant_invalid: invalid type: sequence, expected an object



=== refused: nothing
--- grant
--- refused: grant_invalid: EOF while parsing a value



=== refused: HTML that is called JSON
--- type: application/json
--- grant
<html>Log in</html>
--- refused: grant_invalid: expected value



=== refused: base64 that is none
--- grant
{"file": {"base64": "not*base64"}}
--- refused: grant_invalid: file: base64: not Base64



=== refused: a storage that is not declared
--- grant
{"file": {"storage": "medai", "path": "a.txt"}}
--- refused: unknown_storage: the storage "medai" is declared by no download_storage



=== refused: a URL below no declared origin
--- grant
{"file": {"url": "https://files.example/a.txt"}}
--- error_code: 404
--- error_log
download object: no_rule: "https://files.example/a.txt": the URL is below no declared url=



=== refused: a descriptor that cannot have come
--- grant
{"file": {"descriptor": 0}}
--- refused: no_descriptor: the app's response did not come over an upstream that descriptors are taken from: is there download_descriptors in the upstream of the app?
