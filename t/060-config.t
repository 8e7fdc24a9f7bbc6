# Mistakes in nginx.conf: nginx does not start, and says what to do.
#
# Sections of this file's own:
#   http     directives in http {}
#   place    directives in a location of its own, /dl/
use lib 't/lib';
use Test::Nginx::Socket 'no_plan';

add_block_preprocessor(sub {
    my $block = shift;
    my $place = $block->place;
    $block->set_value('http_config', "download_storage media root=\$TEST_NGINX_SERVER_ROOT/html/media;\n" . ($block->http // ''));
    $block->set_value('config', $block->config // (defined $place ? "location /dl/ { $place }" : ' '));
    $block->set_value('user_files', ">>> media/a.txt\nthe file\n");
    $block->set_value('suppress_stderr', '');
    $block->set_value('must_die', '') unless defined $block->request;
});

no_long_string();
run_tests();

__DATA__

=== download: two views
--- place
download storage media;
download off;
--- error_log
"download" directive: is duplicate



=== download: an unknown view
--- place
download file /srv;
--- error_log
"download" directive: unknown view "file": object, storage, path, http, virtual or off is expected



=== download: no argument
--- place
download;
--- error_log
invalid number of arguments in "download" directive



=== download: too many arguments
--- place
download storage media a b;
--- error_log
invalid number of arguments in "download" directive



=== download: an argument too many for the view
--- place
download object /_ask /_tell;
--- error_log
"download" directive: wrong number of arguments for the view "object"



=== download: an argument too few for the view
--- place
download path;
--- error_log
"download" directive: wrong number of arguments for the view "path"



=== download off with an argument
--- place
download off now;
--- error_log
"download" directive: wrong number of arguments for the view "off"



=== download: in server {}
--- config
download storage media;
--- error_log
"download" directive is not allowed here



=== download: in http {}
--- http
download storage media;
--- error_log
"download" directive is not allowed here



=== download object: a relative URI
--- place
download object _ask;
--- error_log
"download" directive: "_ask" is no URI of a location: it must begin with a slash



=== download object: a URL
--- place
download object http://127.0.0.1/ask;
--- error_log
"download" directive: "http://127.0.0.1/ask" is no URI of a location



=== download object: a variable that does not exist
--- place
download object /_ask/$no_such;
--- error_log
unknown "no_such" variable



=== download object: nothing
--- place
download object "";
--- error_log
it must begin with a slash



=== download storage: unknown
--- place
download storage medai;
--- error_log
"download storage" names the storage "medai", which no download_storage declares



=== download storage: without PATH in an exact location
--- config
location = /dl { download storage media; }
--- error_log
"download" directive: needs a PATH here: only a prefix location has a rest of the URI



=== download storage: without PATH in a regex location
--- config
location ~ ^/dl { download storage media; }
--- error_log
"download" directive: needs a PATH here: only a prefix location has a rest of the URI



=== download storage: without PATH in a named location
--- config
location @dl { download storage media; }
--- error_log
"download" directive: needs a PATH here: only a prefix location has a rest of the URI



=== download storage: without PATH in an if block
--- place
if ($arg_x) { download storage media; }
--- error_log
"download" directive: needs a PATH inside an if block



=== download path: without a literal root
--- place
download path $arg_f;
--- error_log
"download" directive: "$arg_f" must begin with a literal directory, such as /srv/files/



=== download path: relative
--- place
download path media/$arg_f;
--- error_log
must begin with a literal directory, such as /srv/files/



=== download path: the whole file system
--- place
download path /$arg_f;
--- error_log
"/$arg_f" would lay open the whole file system: put a directory, with a slash at its end, before the first variable



=== download path: the whole file system, in disguise
--- place
download path /./$arg_f;
--- error_log
would lay open the whole file system



=== download path: a variable in the first directory's name
--- place
download path /srv$arg_f/x;
--- error_log
would lay open the whole file system



=== download path: a root that is not there
--- place
download path $TEST_NGINX_SERVER_ROOT/html/none/$arg_f;
--- error_log eval
qr{the directory ".*/html/none/" cannot be used: No such file or directory.*; create it or correct the path}



=== download path: a way up in the root
--- place
download path $TEST_NGINX_SERVER_ROOT/html/../$arg_f;
--- error_log eval
qr/"download" directive: .*\.\./



=== download and proxy_pass
--- place
download storage media;
proxy_pass http://127.0.0.1:1;
--- error_log
"download" and another content handler, such as proxy_pass, are both in location /dl/



=== proxy_pass and download
--- place
proxy_pass http://127.0.0.1:1;
download storage media;
--- error_log
"download" and another content handler, such as proxy_pass, are both in location /dl/



=== download and proxy_pass in a regex location
--- config
location ~ ^/dl { download storage media a.txt; proxy_pass http://127.0.0.1:1; }
--- error_log
are both in location ~ ^/dl



=== download and stub_status or the like
--- place
download storage media;
fastcgi_pass 127.0.0.1:1;
--- error_log
"download" and another content handler



=== download off and proxy_pass go together
--- place
download off;
proxy_pass http://127.0.0.1:1;
--- request
GET /dl/x
--- error_code: 502



=== download_storage: a name that is taken
--- http
download_storage media root=$TEST_NGINX_SERVER_ROOT/html;
--- error_log
"download_storage" directive: there is a storage "media" already



=== download_storage: a name that is none
--- http
download_storage my:media root=$TEST_NGINX_SERVER_ROOT/html;
--- error_log
"download_storage" directive: "my:media" is no name: letters, digits, "_", "-" and "." are



=== download_storage: nothing but a name
--- http
download_storage other;
--- error_log
invalid number of arguments in "download_storage" directive



=== download_storage: neither root nor location
--- http
download_storage other symlinks=on;
--- error_log
"download_storage" directive: needs root=DIRECTORY, location=/PREFIX/ or url=URL



=== download_storage: both root and location
--- http
download_storage other root=$TEST_NGINX_SERVER_ROOT/html location=/inner/;
--- error_log
"download_storage" directive: takes one of root=, location= and url=



=== download_storage: root twice
--- http
download_storage other root=/a root=/b;
--- error_log
"download_storage" directive: "root=/b" is given twice



=== download_storage: an empty root
--- http
download_storage other root=;
--- error_log
"download_storage" directive: "root=" is empty



=== download_storage: a word it does not know
--- http
download_storage other roto=/srv;
--- error_log
"download_storage" directive: "roto=/srv": root=, symlinks=, location=, url= or via= is expected



=== download_storage: a root without the word
--- http
download_storage other /srv;
--- error_log
"download_storage" directive: "/srv": root=, symlinks=, location=, url= or via= is expected



=== download_storage: a root that is not there
--- http
download_storage other root=$TEST_NGINX_SERVER_ROOT/html/none;
--- error_log eval
qr{the directory ".*/html/none/" cannot be used: No such file or directory.*; create it or correct the path}



=== download_storage: a root that is a file
--- http
download_storage other root=$TEST_NGINX_SERVER_ROOT/html/media/a.txt;
--- error_log eval
qr{"download_storage" directive: the directory ".*/html/media/a\.txt/" cannot be used: Not a directory}



=== download_storage: a way up in the root
--- http
download_storage other root=$TEST_NGINX_SERVER_ROOT/html/../html;
--- error_log eval
qr/"download_storage" directive: root=".*\.\./



=== download_storage: a variable in the root
--- http
download_storage other root=/srv/$host;
--- error_log eval
qr{"download_storage" directive: the directory "/srv/\$host/" cannot be used: No such file or directory}



=== download_storage: a location that is no URI
--- http
download_storage other location=inner/;
--- error_log
"download_storage" directive: location="inner/":



=== download_storage: symlinks of a location
--- http
download_storage other location=/inner/ symlinks=on;
--- error_log
"download_storage" directive: symlinks= goes with root=



=== download_storage: symlinks neither on nor off
--- http
download_storage other root=$TEST_NGINX_SERVER_ROOT/html symlinks=yes;
--- error_log
"download_storage" directive: symlinks= must be "on" or "off"



=== download_storage: in server {}
--- config
download_storage other root=$TEST_NGINX_SERVER_ROOT/html;
--- error_log
"download_storage" directive is not allowed here



=== download_rule: a storage that is not declared
--- http
download_rule /app/ medai;
--- error_log
"download_rule" names the storage "medai", which no download_storage declares



=== download_rule: not declared, in a location without a view
--- place
download_rule /app/ medai;
--- error_log
"download_rule" names the storage "medai", which no download_storage declares



=== download_rule: a prefix that is relative
--- place
download_rule app/ media;
--- error_log
"download_rule" directive: "app/":



=== download_rule: a directory that leads out
--- place
download_rule /app/ media:../x;
--- error_log
"download_rule" directive: "../x":



=== download_rule: a directory that is absolute
--- place
download_rule /app/ media:/x;
--- error_log
"download_rule" directive: "/x":



=== download_rule: an empty directory
--- place
download_rule /app/ media:;
--- error_log
"download_rule" directive: "":



=== download_rule: one argument
--- place
download_rule /app/;
--- error_log
invalid number of arguments in "download_rule" directive



=== download_rule: in an if block
--- place
if ($arg_x) { download_rule /app/ media; }
--- error_log
"download_rule" directive is not allowed here



=== a storage may be declared after its use
--- config
location /dl/ { download storage late; }
--- http
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1; location / { download storage late; } }
download_storage late root=$TEST_NGINX_SERVER_ROOT/html/media;
--- request
GET /dl/a.txt
--- response_body
the file



=== download_attachment: neither on nor off
--- place
download_attachment yes;
--- error_log
"download_attachment" directive: it must be "on" or "off", not "yes"



=== download_attachment: twice
--- place
download_attachment on;
download_attachment off;
--- error_log
"download_attachment" directive: is duplicate



=== download_basename: twice
--- place
download_basename a;
download_basename b;
--- error_log
"download_basename" directive: is duplicate



=== download_mimetype: twice
--- place
download_mimetype a/b;
download_mimetype a/c;
--- error_log
"download_mimetype" directive: is duplicate



=== download_charset: twice
--- place
download_charset a;
download_charset b;
--- error_log
"download_charset" directive: is duplicate



=== download_encoding: twice
--- place
download_encoding gzip;
download_encoding br;
--- error_log
"download_encoding" directive: is duplicate



=== download_grant_max_size: twice
--- place
download_grant_max_size 1k;
download_grant_max_size 2k;
--- error_log
"download_grant_max_size" directive: is duplicate



=== download_grant_max_size: no size
--- place
download_grant_max_size big;
--- error_log
"download_grant_max_size" directive: "big" is not a size, such as 64k



=== download_grant_max_size: below zero
--- place
download_grant_max_size -1;
--- error_log
"download_grant_max_size" directive: "-1" is not a size, such as 64k



=== download_grant_max_size: 0
--- place
download_grant_max_size 0;
--- error_log
"download_grant_max_size" directive: no grant has 0 bytes



=== download_grant_max_size: in an if block
--- place
if ($arg_x) { download_grant_max_size 1k; }
--- error_log
"download_grant_max_size" directive is not allowed here



=== download_mimetype: a variable that does not exist
--- place
download storage media;
download_mimetype $no_such;
--- error_log
unknown "no_such" variable



=== download_mimetype: malformed without any variable
--- place
download storage media;
download_mimetype pdf;
--- error_log
"download_mimetype" directive: "pdf": not a media type such as text/plain



=== download_charset: malformed without any variable
--- place
download storage media;
download_charset "utf 8";
--- error_log
"download_charset" directive: "utf 8": not a charset such as utf-8



=== download_encoding: malformed without any variable
--- place
download storage media;
download_encoding "gzip, br";
--- error_log
"download_encoding" directive: "gzip, br": not one content coding such as gzip



=== download_header: a name that is none
--- place
download_header "X A" 1;
--- error_log
"download_header" directive: "X A": not a header name



=== download_header: framing
--- place
download_header Content-Length 1;
--- error_log
"download_header" directive: "Content-Length" is not for you to set



=== download_header: hop-by-hop
--- place
download_header connection close;
--- error_log
"download_header" directive: "connection" is not for you to set



=== download_header: what steers a server
--- place
download_header X-Accel-Redirect /x;
--- error_log
"download_header" directive: "X-Accel-Redirect" is not for you to set



=== download_header: Content-Type has a directive of its own
--- place
download_header Content-Type text/plain;
--- error_log
"download_header" directive: "Content-Type": use download_mimetype instead



=== download_header: Content-Encoding has one too
--- place
download_header Content-Encoding gzip;
--- error_log
"download_header" directive: "Content-Encoding": use download_encoding instead



=== download_header: ETag is the grant's
--- place
download_header ETag '"x"';
--- error_log
"download_header" directive: "ETag": use the grant's etag and modified instead



=== download_header: one argument
--- place
download_header X-A;
--- error_log
invalid number of arguments in "download_header" directive
