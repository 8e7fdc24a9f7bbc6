# vi:ft=
# What becomes of a request in all the places it can be in: clients that go away, requests
# that share a connection, reloads, and locations where other modules have their say too.
#
# `story` is Perl that runs before the request of the block. /dl/KIND/NAME asks the app below
# about the file NAME; KIND says how the app answers.
use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Time::HiRes qw(sleep time);
use Got qw(no_descriptor_more);
use Wire;

our $ten = '0123456789';
our $large = join '', map { "line $_\n" } 1 .. 100_000;

add_block_preprocessor(sub {
    my $block = shift;
    my $html  = '$TEST_NGINX_SERVER_ROOT/html';
    master_on();
    workers($block->worker_processes // 1);
    $block->set_value(http_config => <<"END" . ($block->http_config // ''));
download_storage files root=$html/files;
download_storage internal location=/internal/;
upstream app { server unix:$html/app.sock; }
END
    $block->set_value(config => <<"END" . ($block->config // ''));
location = /ready { return 200 ready; }
location /dl/ { download object /_ask\$uri; }
location /_ask/ { internal; proxy_pass http://app; }
END
    $block->set_value(user_files => [
        ['files/ten.txt', $ten, '202401020304.05'], ['files/large.txt', $large], ['files/page.html', '<p>page</p>'], @{ $block->user_files // [] },
    ]);
    $block->set_value(init => 'package main; our ($ten, $large); app(app => \&app_answers); ' . ($block->story // ''));
    $block->set_value(request => 'GET /ready') unless defined $block->request || defined $block->pipelined_requests || defined $block->raw_request;
    $block->set_value(no_error_log => "[alert]\n[crit]\n[emerg]\n") unless defined $block->no_error_log;
});

sub app_answers {
    my ($request, $connection) = @_;
    my ($kind, $name) = $request =~ m{^GET /_ask/[^/]+/(\w+)/(\S*)} or return answer(500, 'what?');
    my $grant = grant(qq({"file":{"storage":"files","path":"$name"}}), 'Set-Cookie: fresh=1');
    note("asked $kind");
    return $grant if $kind eq 'ok';
    return answer(403, 'no', 'Content-Type: text/plain') if $kind eq 'no';
    return answer(500, 'broken') if $kind eq 'broken';
    return grant(qq({"file":{"location":"/internal/$name"},"basename":"granted.txt","etag":"\\"v1\\"","headers":{"X-Granted":"yes"}})) if $kind eq 'at';
    return answer(200, '', "X-Accel-Redirect: /dl/ok/$name") if $kind eq 'accel';
    return grant('{') if $kind eq 'junk';
    return undef if $kind eq 'silent';      # and the connection closes
    if ($kind eq 'slow') {
        if (IO::Select->new($connection)->can_read(1)) { note('closed by nginx'); return undef }
        return $grant;
    }
    if ($kind eq 'cut') { send_to($connection, substr $grant, 0, -5); return undef }
    return answer(500, "no such kind: $kind");
}

sub alive {
    my $r = fetch('/dl/ok/ten.txt');
    is("$r->{status} $r->{body}", "200 $ten", "@_: the worker is alive and well");
}

# A connection of which some was read of a long response that goes on.
sub amid {
    my $s = dial(rcvbuf => 4096);
    send_to($s, GET(shift));
    sysread $s, my $head, 1000;
    return $s;
}

sub kept { GET(@_, 'Connection: keep-alive') }

no_long_string();
run_tests();

__DATA__

=== the client goes away while the app thinks
--- story
my $before = do { alive('before'); descriptors() };
for my $end (sub { close shift }, \&reset_of) {
    my $s = dial();
    send_to($s, GET('/dl/slow/ten.txt'));
    ok(wait_for { notes() =~ /asked slow/ } , 'the app is asked');
    $end->($s);
    ok(wait_for { notes() =~ /closed by nginx/ } , 'nginx closes its connection to the app');
    unlink servroot() . '/html/notes';
}
alive('after');
no_descriptor_more($before, 'after');



=== the client goes away while the app thinks, and the app answers all the same
--- config
location /stubborn/ { download object /_stubborn$uri; }
location /_stubborn/ { internal; proxy_pass http://app/_ask/; proxy_ignore_client_abort on; }
--- story
my $before = do { alive('before'); descriptors() };
for my $end (sub { close shift }, \&reset_of) {
    my $s = dial();
    send_to($s, GET('/stubborn/slow/ten.txt'));
    wait_for { notes() =~ /asked slow/ };
    $end->($s);
}
sleep 1.3;
unlike(notes(), qr/closed by nginx/, 'nginx waited for the app');
alive('after');
no_descriptor_more($before, 'after');



=== the client goes away amid a file
--- config
location /limited/ { download storage files; limit_rate 20k; }
location /threads/ { download storage files; aio threads; limit_rate 20k; }
location /thread-sendfile/ { download storage files; aio threads; sendfile on; limit_rate 20k; }
location /directio/ { download storage files; directio 1; limit_rate 20k; }
location /direct-threads/ { download storage files; directio 1; aio threads; output_buffers 2 4k; limit_rate 20k; }
location /sendfile/ { download storage files; sendfile on; limit_rate 20k; }
location /plain/ { download storage files; }
location /plain-threads/ { download storage files; aio threads; }
location /cached/ { download storage files; open_file_cache max=10; limit_rate 20k; }
location /asked/ { download object /_ask$uri; limit_rate 20k; }
--- story
fetch("/$_/large.txt", 'Range: bytes=0-9') for qw(limited cached);
my $before = do { alive('before'); descriptors() };
for my $where (qw(limited threads thread-sendfile directio direct-threads sendfile plain plain-threads cached asked/ok)) {
    for my $end (sub { close shift }, \&reset_of) {
        my @s = map { amid("/$where/large.txt") } 1 .. 4;
        $end->($_) for @s;
    }
    alive($where);
    no_descriptor_more($before, $where);
}



=== a hundred requests on one connection: granted, denied, missing, broken
--- story
my $s = dial();
my @kinds = (['ok/ten.txt', 200, $ten], ['no/x', 403, 'no'], ['ok/missing', 404], ['junk/x', 502], ['ok/page.html', 200, '<p>page</p>']);
my $wrong = 0;
for my $i (0 .. 99) {
    my ($path, $status, $body) = @{ $kinds[$i % @kinds] };
    send_to($s, kept("/dl/$path"));
    my $r = response($s);
    next if $r->{status} == $status && (!defined $body || $r->{body} eq $body);
    $wrong++;
    is("$r->{status} $r->{body}", "$status " . ($body // '...'), "request $i: $path");
}
is($wrong, 0, 'all answers are right');



=== pipelined requests
--- pipelined_requests eval
["GET /dl/ok/ten.txt", "GET /dl/no/x", "GET /dl/slow/ten.txt", "GET /dl/ok/missing", "GET /dl/ok/page.html"]
--- error_code eval
[200, 403, 200, 404, 200]
--- response_body_like eval
['^0123456789$', '^no$', '^0123456789$', '404', '^<p>page</p>$']



=== pipelined requests, HEAD among them
--- story
my $s = dial();
send_to($s, kept('HEAD /dl/ok/large.txt') . kept('/dl/ok/ten.txt') . kept('HEAD /dl/no/x') . GET('/dl/ok/page.html'));
like(response($s, head => 1)->{head}, qr/^Content-Length: @{[length $large]}\r$/m, 'HEAD');
is(response($s)->{body}, $ten, 'GET');
is(response($s, head => 1)->{status}, 403, 'HEAD, denied');
is(response($s)->{body}, '<p>page</p>', 'GET');
ok(closed($s), 'and no more');



=== a body that the module has no use for does not become the next request
--- story
my $body = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
my $length = length $body;
my %how = (
    'POST, length' => ["POST /dl/ok/ten.txt", 405, $body, "Content-Length: $length"],
    'POST, chunked' => ["POST /dl/ok/ten.txt", 405, sprintf("%x\r\n%s\r\n0\r\n\r\n", $length, $body), 'Transfer-Encoding: chunked'],
    'GET, length' => ["GET /dl/ok/ten.txt", 200, $body, "Content-Length: $length"],
    'GET, chunked' => ["GET /dl/ok/ten.txt", 200, sprintf("%x\r\n%s\r\n0\r\n\r\n", $length, $body), 'Transfer-Encoding: chunked'],
    'GET, denied' => ["GET /dl/no/x", 403, $body, "Content-Length: $length"],
    'GET, app is slow' => ["GET /dl/slow/ten.txt", 200, $body, "Content-Length: $length"],
    'GET, app is broken' => ["GET /dl/broken/ten.txt", 502, $body, "Content-Length: $length"],
    'HEAD, length' => ["HEAD /dl/ok/ten.txt", 200, $body, "Content-Length: $length"],
    'DELETE, length' => ["DELETE /dl/ok/ten.txt", 405, $body, "Content-Length: $length"],
);
for my $name (sort keys %how) {
    my ($request, $status, $sent, @lines) = @{ $how{$name} };
    for my $pause (0, 0.2) {
        my $s = dial();
        send_to($s, kept($request, @lines) . ($pause ? '' : $sent . GET('/dl/ok/page.html')));
        if ($pause) { sleep $pause; send_to($s, $sent . GET('/dl/ok/page.html')) }
        my $first = response($s, head => $request =~ /^HEAD/ ? 1 : 0);
        is($first->{status}, $status, "$name, body " . ($pause ? 'later' : 'at once'));
        like($first->{head}, qr/^Allow: GET, HEAD\r$/m, "$name: what is allowed") if $status == 405;
        my $second = response($s);
        is($second->{body}, '<p>page</p>', "$name, body " . ($pause ? 'later' : 'at once') . ': the next request');
        ok(closed($s), "$name: and no third");
    }
}



=== a long body, while the file is on its way
--- story
for my $kind (qw(ok no slow)) {
    my $s = dial();
    send_to($s, kept("/dl/$kind/ten.txt", 'Content-Length: 1000000'));
    for (1 .. 10) { send_to($s, 'x' x 100_000); sleep 0.02 }
    send_to($s, GET('/dl/ok/page.html'));
    is(response($s)->{status}, $kind eq 'no' ? 403 : 200, "$kind: answered");
    is(response($s)->{body}, '<p>page</p>', "$kind: so is the next request");
}



=== the client goes away amid its body
--- config
# nginx takes such a connection for one that is kept alive
keepalive_timeout 1s;
--- story
my $before = do { alive('before'); descriptors() };
for my $kind (qw(ok no slow)) {
    for my $end (sub { close shift }, \&reset_of) {
        my $s = dial();
        send_to($s, kept("/dl/$kind/ten.txt", 'Content-Length: 1000') . 'x' x 10);
        sleep 0.1;
        $end->($s);
    }
}
sleep 1.2;
alive('after');
no_descriptor_more($before, 'after');



=== Expect: 100-continue
--- story
for my $kind (qw(ok no slow)) {
    my $s = dial();
    send_to($s, kept("/dl/$kind/ten.txt", 'Content-Length: 5', 'Expect: 100-continue'));
    my $r = response($s);
    is($r->{status}, 100, "$kind: go on");
    send_to($s, 'xxxxx' . GET('/dl/ok/page.html'));
    is(response($s)->{status}, $kind eq 'no' ? 403 : 200, "$kind: answered");
    is(response($s)->{body}, '<p>page</p>', "$kind: so is the next request");
}



=== reload while the app thinks and while files are on their way
--- config
location /limited/ { download storage files; limit_rate 600k; limit_rate_after 100k; }
--- story
my @slow = map { my $s = dial(); send_to($s, GET('/dl/slow/ten.txt')); $s } 1 .. 5;
my @long = map { my $s = dial(); send_to($s, GET('/limited/large.txt')); $s } 1 .. 5;
wait_for { my @asked = notes() =~ /asked slow/g; @asked == 5 };
ok(reload(), 'reloaded') for 1 .. 2;
alive('after the reload');
is(response($_)->{body}, $ten, 'asked before the reload') for @slow;
ok(response($_)->{body} eq $large, 'on its way during the reload') for @long;



=== two workers
--- worker_processes: 2
--- story
my @seen = map { "$_->{status} $_->{body}" } map { burst((GET('/dl/ok/ten.txt'), GET('/dl/no/x'), GET('/dl/ok/missing')) x 5) } 1 .. 10;
is(scalar(grep { $_ eq "200 $ten" } @seen), 50, 'granted');
is(scalar(grep { $_ eq '403 no' } @seen), 50, 'denied');
is(scalar(grep { /^404/ } @seen), 50, 'missing');



=== no descriptor is lost in 500 requests of all kinds
--- config
location /storage/ { download storage files; }
location /internal/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/files/; }
--- story
my @all = map { GET($_) } qw(/dl/ok/ten.txt /dl/ok/large.txt /dl/no/x /dl/ok/missing /dl/junk/x /dl/cut/x /dl/silent/x /dl/broken/x /dl/at/ten.txt
    /dl/at/missing /storage/ten.txt /storage/missing /storage/../x), GET('POST /dl/ok/ten.txt'), GET('/dl/ok/ten.txt', 'Range: bytes=2-3'),
    GET('HEAD /dl/ok/large.txt'), GET('/dl/ok/ten.txt', 'If-None-Match: *');
burst(@all);
my $before = do { sleep 0.2; descriptors() };
for (1 .. 30) {
    burst(@all);
    reset_of($_) for map { amid($_) } qw(/dl/ok/large.txt /storage/large.txt);
    my $s = dial();
    send_to($s, GET('/dl/slow/ten.txt'));
    reset_of($s);
}
no_descriptor_more($before, 'after');
alive('after');



=== SSI: a page of two downloads
--- user_files eval
[["ssi.html" => qq([<!--#include virtual="/dl/ok/ten.txt" -->][<!--#include virtual="/storage/page.html" -->])]]
--- config
location = /ssi.html { ssi on; }
location /storage/ { download storage files; }
--- request
GET /ssi.html
--- response_body chop
[0123456789][<p>page</p>]



=== SSI: two downloads that the app is asked about
--- user_files eval
[["ssi.html" => qq([<!--#include virtual="/dl/slow/ten.txt" -->][<!--#include virtual="/dl/ok/page.html" -->])]]
--- config
location = /ssi.html { ssi on; }
--- request
GET /ssi.html
--- response_body chop
[0123456789][<p>page</p>]



=== SSI: what is denied and what is missing shows nothing of a file
--- user_files eval
[["ssi.html" => qq([<!--#include virtual="/dl/no/x" -->][<!--#include virtual="/dl/ok/missing" -->][<!--#include virtual="/dl/ok/ten.txt" -->])]]
--- config
location = /ssi.html { ssi on; }
--- request
GET /ssi.html
--- response_body_like: ^\[no\]\[<html>.*404 Not Found.*\]\[0123456789\]$



=== SSI: a download that an internal location sends
--- user_files eval
[["ssi.html" => qq([<!--#include virtual="/dl/at/ten.txt" -->][<!--#include virtual="/dl/ok/page.html" -->])]]
--- config
location = /ssi.html { ssi on; }
location /internal/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/files/; }
--- request
GET /ssi.html
--- response_body chop
[0123456789][<p>page</p>]
--- response_headers
! X-Granted
! Content-Disposition



=== SSI: an empty download
--- user_files eval
[["ssi.html" => qq([<!--#include virtual="/dl/ok/empty" -->][<!--#include virtual="/storage/empty" -->])], ["files/empty" => ""]]
--- config
location = /ssi.html { ssi on; }
location /storage/ { download storage files; }
--- request
GET /ssi.html
--- response_body chop
[][]



=== SSI: an empty download after one that takes longer
--- user_files eval
[["ssi.html" => qq([<!--#include virtual="/dl/slow/ten.txt" -->][<!--#include virtual="/dl/ok/empty" -->])], ["files/empty" => ""]]
--- config
location = /ssi.html { ssi on; }
--- request
GET /ssi.html
--- response_body chop
[0123456789][]



=== SSI: an empty download, without an app, after one that takes longer
--- user_files eval
[["ssi.html" => qq([<!--#include virtual="/dl/slow/ten.txt" -->][<!--#include virtual="/storage/empty" -->])], ["files/empty" => ""]]
--- config
location = /ssi.html { ssi on; }
location /storage/ { download storage files; }
--- request
GET /ssi.html
--- response_body chop
[0123456789][]



=== SSI: an empty download that the app grants, after another that it grants
--- user_files eval
[["ssi.html" => qq([<!--#include virtual="/dl/ok/ten.txt" -->][<!--#include virtual="/dl/ok/empty" -->])], ["files/empty" => ""]]
--- config
location = /ssi.html { ssi on; }
--- request
GET /ssi.html
--- response_body chop
[0123456789][]



=== SSI in a page that is itself a download
--- user_files eval
[["files/ssi.html" => qq([<!--#include virtual="/dl/ok/ten.txt" -->][<!--#include virtual="/dl/ok/page.html" -->])]]
--- config
location /pages/ { ssi on; download object /_ask$uri; }
--- request
GET /pages/ok/ssi.html
--- response_body chop
[0123456789][<p>page</p>]



=== mirror in a download location
--- config
location /mirrored/ { mirror /_mirror; download object /_ask$uri; }
location = /_mirror { internal; proxy_pass http://app/_ask/mirror/ok/ten.txt; }
--- request
GET /mirrored/slow/ten.txt
--- response_body chop
0123456789



=== mirror to a location with a storage view
--- config
location = /original { mirror /storage/large.txt; proxy_pass http://app/_ask/x/ok/ten.txt; }
location /storage/ { download storage files; }
--- request
GET /original
--- response_body_like: "path":"ten.txt"



=== mirror to a location with an object view
--- config
location = /original { mirror /dl/ok/ten.txt; proxy_pass http://app/_ask/x/ok/ten.txt; }
--- request
GET /original
--- response_body_like: "path":"ten.txt"



=== mirror to a location with an object view that is denied
--- config
location = /original { mirror /dl/no/x; proxy_pass http://app/_ask/x/ok/ten.txt; }
--- request
GET /original
--- response_body_like: "path":"ten.txt"



=== slice in a download location
--- config
location /sliced/ { slice 4; download object /_ask$uri; }
--- request eval
["GET /sliced/ok/ten.txt", "HEAD /sliced/ok/ten.txt"]
--- error_code eval
[200, 200]
--- response_body eval
["0123456789", ""]



=== slice in the target of a grant
--- config
location /internal/ { internal; slice 4; proxy_set_header Range $slice_range; proxy_http_version 1.1; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- http_config
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1; location /internal/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; } }
--- request
GET /dl/at/ten.txt
--- response_body chop
0123456789
--- response_headers
X-Granted: yes



=== sub_filter in a download location
--- config
location /subbed/ { sub_filter page leaf; sub_filter_once off; download object /_ask$uri; }
--- request
GET /subbed/ok/page.html
--- response_body chop
<p>leaf</p>



=== gzip in a download location
--- config
location /zipped/ { gzip on; gzip_types *; gzip_min_length 1; gunzip off; download object /_ask$uri; }
--- request eval
["GET /zipped/ok/large.txt", "GET /zipped/no/x", "GET /zipped/ok/missing"]
--- more_headers eval
["Accept-Encoding: gzip", "Accept-Encoding: gzip", "Accept-Encoding: gzip"]
--- error_code eval
[200, 403, 404]
--- raw_response_headers_like eval
['Content-Encoding: gzip', '403', '404']



=== charset in a download location, converted
--- http_config
charset_map windows-1251 utf-8 { E4 D0B4; }
--- user_files eval
[["files/ru.html" => "<p>\xe4</p>"]]
--- config
location /ru/ { charset utf-8; source_charset windows-1251; download object /_ask$uri; }
--- request
GET /ru/ok/ru.html
--- response_body eval
"<p>\xd0\xb4</p>"
--- response_headers
Content-Type: text/html; charset=utf-8



=== addition in a download location
--- config
location /added/ { add_before_body /before; add_after_body /after/ok/ten.txt; addition_types *; download object /_ask$uri; }
location = /before { return 200 "before "; }
location /after/ { download object /_ask$uri; }
--- request
GET /added/ok/page.html
--- response_body chop
before <p>page</p>0123456789



=== sub_filter, gzip, ssi and addition of the whole server leave the app's answer alone
--- config
gzip on; gzip_types *; gzip_min_length 1; add_after_body /after; addition_types *; ssi on; ssi_types *; charset utf-8;
location = /after { return 200 " after"; }
--- request
GET /dl/ok/ten.txt
--- response_body chop
0123456789 after



=== auth_request: denied, the app is not asked
--- config
location /guarded/ { auth_request /_auth; download object /_ask$uri; }
location = /_auth { internal; return 401; }
--- request
GET /guarded/ok/ten.txt
--- error_code: 401
--- response_body_unlike: 0123456789
--- no_error_log
/_ask
[alert]



=== auth_request: allowed, the app is asked
--- config
location /guarded/ { auth_request /_auth; download object /_ask$uri; }
location = /_auth { internal; proxy_pass http://app/_ask/auth/ok/ten.txt; }
--- request eval
["GET /guarded/ok/ten.txt", "GET /guarded/no/ten.txt"]
--- error_code eval
[200, 403]
--- response_body eval
["0123456789", "no"]



=== auth_request that asks a download location
--- config
location = /in { auth_request /_auth; error_page 404 = @in; }
location = /out { auth_request /_auth-no; error_page 404 = @in; }
location @in { return 200 in; }
location = /_auth { internal; download object /_ask/x/ok/ten.txt; }
location = /_auth-no { internal; download object /_ask/x/no/ten.txt; }
--- request eval
["GET /in", "GET /out"]
--- error_code eval
[200, 403]
--- response_body_like eval
['^in$', '403 Forbidden']



=== satisfy any: the address is not enough, the subrequest is
--- config
location /any/ { satisfy any; deny all; auth_request /_auth; download object /_ask$uri; }
location /none/ { satisfy any; deny all; auth_request /_auth-no; download object /_ask$uri; }
location = /_auth { internal; return 204; }
location = /_auth-no { internal; return 403; }
--- request eval
["GET /any/ok/ten.txt", "GET /any/no/ten.txt", "GET /none/ok/ten.txt"]
--- error_code eval
[200, 403, 403]
--- response_body_like eval
['^0123456789$', '^no$', '403 Forbidden']



=== deny all also holds where a view is
--- config
location /denied/ { deny all; download object /_ask$uri; }
location /denied-storage/ { deny all; download storage files; }
--- request eval
["GET /denied/ok/ten.txt", "GET /denied-storage/ten.txt"]
--- error_code eval
[403, 403]



=== limit_req
--- http_config
limit_req_zone $server_name zone=req:1m rate=1r/s;
--- config
location /rare/ { limit_req zone=req; limit_req_status 429; download object /_ask$uri; }
--- request eval
["GET /rare/ok/ten.txt", "GET /rare/ok/ten.txt"]
--- error_code eval
[200, 429]



=== limit_req with a delay
--- http_config
limit_req_zone $server_name zone=req:1m rate=5r/s;
--- config
location /rare/ { limit_req zone=req burst=5; download object /_ask$uri; }
--- request eval
["GET /rare/ok/ten.txt", "GET /rare/ok/ten.txt"]
--- response_body eval
["0123456789", "0123456789"]



=== limit_conn
--- http_config
limit_conn_zone $server_name zone=conn:1m;
--- config
location /single/ { limit_conn conn 1; limit_conn_status 429; download object /_ask$uri; }
--- story
my $s = dial();
send_to($s, GET('/single/slow/ten.txt'));
wait_for { notes() =~ /asked slow/ };
is(fetch('/single/ok/ten.txt')->{status}, 429, 'a second one');
is(response($s)->{body}, $ten, 'the first one');
is(fetch('/single/ok/ten.txt')->{status}, 200, 'one after the other');



=== error_page of a denial and of a failure to a download location
--- config
location /paged/ { error_page 403 404 502 /storage/page.html; proxy_intercept_errors on; download object /_ask$uri; }
location /storage/ { download storage files; }
--- request eval
["GET /paged/ok/missing", "GET /paged/junk/x", "GET /paged/ok/ten.txt"]
--- error_code eval
[404, 502, 200]
--- response_body eval
["<p>page</p>", "<p>page</p>", "0123456789"]



=== error_page to a location that asks again
--- config
location /paged/ { error_page 404 = /dl/ok/page.html; download object /_ask$uri; }
--- request
GET /paged/ok/missing
--- response_body chop
<p>page</p>



=== error_page to a named location with a view
--- config
location /paged/ { error_page 404 = @again; download object /_ask$uri; }
location @again { download storage files page.html; }
location /paged-object/ { error_page 404 = @ask; download object /_ask$uri; }
location @ask { download object /_ask/x/ok/ten.txt; }
location /paged-keep/ { error_page 404 @again; download object /_ask$uri; }
--- request eval
["GET /paged/ok/missing", "GET /paged-object/ok/missing", "GET /paged-keep/ok/missing"]
--- error_code eval
[200, 200, 404]
--- response_body eval
["<p>page</p>", "0123456789", "<p>page</p>"]



=== error_page cannot turn a denial into the file
--- config
location /paged/ { error_page 401 403 404 502 =200 @sorry; download object /_ask$uri; }
location @sorry { return 200 sorry; }
--- request eval
["GET /paged/no/ten.txt", "GET /paged/ok/missing", "GET /paged/junk/x", "GET /paged/cut/ten.txt"]
--- error_code_like eval
['403|200', 200, 200, 200]
--- response_body_like eval
['^(?:no|sorry)$', '^sorry$', '^sorry$', '^sorry$']



=== error_page that leads back to where it came from
--- config
location /circle/ { error_page 404 502 = /circle/ok/missing; recursive_error_pages on; download object /_ask$uri; }
--- request
GET /circle/ok/missing
--- error_code_like: ^(?:404|500)$
--- response_body_unlike: 0123456789



=== try_files falls into a view
--- config
location /tried/ { root $TEST_NGINX_SERVER_ROOT/html; try_files $uri @ask; }
location @ask { download object /_ask$uri; }
--- user_files eval
[["tried/here.txt" => "here"]]
--- request eval
["GET /tried/here.txt", "GET /tried/ok/ten.txt", "GET /tried/no/ten.txt"]
--- error_code eval
[200, 200, 403]
--- response_body eval
["here", "0123456789", "no"]



=== post_action of a download
--- config
location /after/ { post_action @then; download object /_ask$uri; }
location @then { rewrite ^ /_ask/post/ok/done break; proxy_pass http://app; }
--- story
is(fetch('/after/ok/ten.txt')->{body}, $ten, 'the file');
ok(wait_for { my @asked = notes() =~ /asked ok/g; @asked == 2 } , 'the action');
alive('after');



=== post_action that is a download
--- config
location = /first { post_action /dl/ok/ten.txt; return 200 first; }
--- story
is(fetch('/first')->{body}, 'first', 'the response');
wait_for { notes() =~ /asked ok/ };
alive('after');



=== rewrite into a view
--- config
location /old/ { rewrite ^/old/(.*) /dl/ok/$1 last; }
--- request
GET /old/ten.txt
--- response_body chop
0123456789



=== X-Accel-Redirect of an app leads into a view
--- config
location = /elsewhere { rewrite ^ /_ask/x/accel/ten.txt break; proxy_pass http://app; }
--- request eval
["GET /elsewhere", "GET /elsewhere?x"]
--- error_code eval
[200, 200]
--- response_body eval
["0123456789", "0123456789"]



=== the location that is asked is a download location: its file is no grant
--- config
location /outer/ { download object /inner$uri; }
location /inner/ { internal; download object /_ask/x/ok/ten.txt; }
--- request
GET /outer/ok/ten.txt
--- error_code: 502
--- response_body_unlike: 0123456789



=== the location that is asked is a download location whose file is a grant
--- config
location /outer/ { download object /inner; }
location /inner { internal; download storage files grant.json; }
--- user_files eval
[["files/grant.json" => '{"file":{"storage":"files","path":"ten.txt"}}']]
--- http_config
types { application/json json; text/plain txt; }
--- request
GET /outer/x
--- error_code: 200
--- response_body chop
0123456789



=== a location that asks itself
--- config
location /itself/ { download object $uri; }
--- request
GET /itself/x
--- error_code_like: ^5\d\d$
--- response_body_unlike: 0123456789



=== two locations that ask each other
--- config
location /ping { download object /pong; }
location /pong { download object /ping; }
--- request
GET /ping
--- error_code_like: ^5\d\d$



=== a storage of which the location is a download location
--- config
location /internal/ { internal; download storage files; }
--- request eval
["GET /dl/at/ten.txt", "GET /dl/at/missing"]
--- error_code eval
[200, 404]
--- response_body_like eval
['^0123456789$', '404 Not Found']



=== a storage of which the location is the one that asked
--- http_config
download_storage itself location=/itself/;
--- config
location /itself/ { download storage itself; }
--- request
GET /itself/ten.txt
--- error_code_like: ^5\d\d$



=== a location that grants itself
--- config
location /internal/ { download object /_ask/x/at/ten.txt; }
--- request
GET /internal/ten.txt
--- error_code_like: ^5\d\d$



=== a target that is missing: nothing of the grant is in the 404
--- config
location /internal/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/files/; }
--- request
GET /dl/at/missing
--- error_code: 404
--- response_headers
! X-Granted
! Content-Disposition
! ETag
! Set-Cookie



=== a target without a location
--- config
location = /internal/other { internal; return 200; }
--- request
GET /dl/at/ten.txt
--- error_code: 404
--- response_headers
! X-Granted
! Content-Disposition
! ETag



=== a target with headers of its own: the grant's win, the others stay
--- config
location /internal/ { internal; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- http_config
server { listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1; location / {
    add_header Content-Disposition 'attachment; filename="theirs"'; add_header Set-Cookie theirs=1; add_header X-Granted theirs;
    add_header ETag '"theirs"'; add_header X-Theirs kept; return 200 theirs; } }
--- request
GET /dl/at/ten.txt
--- response_body chop
theirs
--- response_headers
X-Granted: yes
X-Theirs: kept
ETag: "v1"
Content-Disposition: attachment; filename="granted.txt"



=== a target that fails
--- config
location /internal/ { internal; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/html/nobody.sock; }
--- request
GET /dl/at/ten.txt
--- error_code: 502
--- response_headers
! X-Granted
! Content-Disposition
! ETag
--- no_error_log
[alert]
[emerg]
--- error_log
[crit]



=== a target that denies looks like one that is missing
--- config
location /internal/ { internal; return 403; }
--- request
GET /dl/at/ten.txt
--- error_code: 404
--- response_headers
! X-Granted
! Content-Disposition
! ETag



=== a target with an error page that says 200
--- config
location /internal/ { internal; error_page 404 =200 /sorry; alias $TEST_NGINX_SERVER_ROOT/html/files/; }
location = /sorry { return 200 sorry; }
--- request
GET /dl/at/missing
--- response_body chop
sorry
--- response_headers
! X-Granted
! Content-Disposition
! ETag



=== a target with a named error page that says 200
--- config
location /internal/ { internal; error_page 404 = @sorry; alias $TEST_NGINX_SERVER_ROOT/html/files/; }
location @sorry { return 200 sorry; }
--- request
GET /dl/at/missing
--- response_body chop
sorry
--- response_headers
! X-Granted
! Content-Disposition
! ETag



=== ranges and conditions of a file that a target sends
--- config
location /internal/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/files/; }
--- request eval
["GET /dl/at/ten.txt", "GET /dl/at/ten.txt", "GET /dl/at/ten.txt"]
--- more_headers eval
["Range: bytes=2-5", 'If-None-Match: "v1"', qq(Range: bytes=2-5\nIf-Range: "v1")]
--- error_code eval
[206, 304, 206]
--- response_body eval
["2345", "", "2345"]
--- raw_response_headers_like eval
['X-Granted: yes', 'ETag: "v1"', 'X-Granted: yes']



=== the client goes away while a target is asked
--- config
location /internal/ { internal; proxy_pass http://app/_ask/x/slow/; }
--- story
my $before = do { alive('before'); descriptors() };
my $s = dial();
send_to($s, GET('/dl/at/ten.txt'));
wait_for { notes() =~ /asked slow/ };
reset_of($s);
ok(wait_for { notes() =~ /closed by nginx/ } , 'nginx closes its connection to the target');
alive('after');
no_descriptor_more($before, 'after');
