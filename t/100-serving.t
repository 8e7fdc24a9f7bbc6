# vi:ft=
# A download location sends a file as nginx's own static module would: each request is
# made twice, of /download/ and of /static/, which have the same files and the directives
# of the block's `both`, and all that comes back has to be the same, but for Date and the
# order of the header's fields.
#
# `same` lists the requests: expected status, method, file and header lines, with an empty
# line between two. `then` is Perl that runs after them; they are made once more then.
use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Wire;

add_block_preprocessor(sub {
    my $block = shift;
    my $html  = '$TEST_NGINX_SERVER_ROOT/html';
    my $both  = $block->both // '';
    my $storage = $block->storage // '';
    chomp $storage;
    $block->set_value(http_config => ($block->http_config // '') . "download_storage files root=$html $storage;\n");
    $block->set_value(config => <<"END" . ($block->config // ''));
location /download/ { download storage files; download_attachment off; $both }
location /static/ { alias $html/; $both }
location = /ready { return 200; }
END
    my $date = '202401020304.05';       # ETag "65937d25-SIZE"
    $block->set_value(user_files => [
        ['ten.txt', '0123456789', $date], ['one', '1', $date], ['empty', '', $date], ['page.html', "<p>\xe4</p>", $date],
        ['picture.JPG', 'jpg', $date], ['.html', 'hidden', $date], ['a.b/noextension', 'x', $date], ['trailing.', 'x', $date],
        ['page.8191', 'a' x 8191, $date], ['page.8192', 'b' x 8192, $date], ['page.8193', 'c' x 8193, $date],
        ['large.txt', join('', map { "line $_\n" } 1 .. 30_000), $date],
    ]) unless defined $block->user_files;
    $block->set_value(init => "package main; " . ($block->init // ''));
    $block->set_value(request => 'GET /ready') unless defined $block->request;
    $block->set_value(no_error_log => "[alert]\n[crit]\n[emerg]\n") unless defined $block->no_error_log;
});

add_response_body_check(sub {
    my $block = shift;
    return unless defined $block->same;
    my @requests = split /\n{2,}/, $block->same;
    compare($block->name, $_) for @requests;
    return unless defined $block->then;
    eval 'package main; ' . $block->then . '; 1' or bail_out($block->name . " - then: $@");
    compare($block->name . ', then', $_) for @requests;
});

sub compare {
    my ($name, $request) = @_;
    my ($first, @lines) = split /\n/, $request;
    my ($status, $method, $file, $version) = $first =~ /^(\d+) ([A-Z]+) (\S+)(?: (\S+))?$/ or bail_out("$name - not a request: $first");
    my $short = substr join(', ', $first, @lines), 0, 100;
    my ($download, $static);
    for (1 .. 3) {      # the second that Expires counts from may end between the two
        ($download, $static) = map { without_chance(raw(GET(join(' ', $method, "$_/$file", $version // ()), @lines))) } '/download', '/static';
        last if $download eq $static;
    }
    like($static, qr/^HTTP\/1.1 $status /, "$name - static: $short") or diag(substr $static, 0, 1000);
    ok($download eq $static, "$name - $short") or diag(sprintf "download: %.1000s\nstatic: %.1000s", $download, $static);
}

# What differs from one response to the next.
sub without_chance {
    my $raw = shift;
    $raw =~ s/^Date: [^\r]*\r\n//m;
    $raw =~ s/\b\d{20}\b/BOUNDARY/g;
    my ($header, $body) = split /\r\n\r\n/, $raw, 2;
    return $raw unless defined $body;
    my ($status, @fields) = split /\r\n/, $header;
    return join("\r\n", $status, sort @fields) . "\r\n\r\n$body";
}

# Files of these sizes, which take no room; their end says so.
sub sparse {
    for my $size (@_) {
        open my $file, '>', servroot() . "/html/sparse.$size" or die $!;
        seek $file, $size - 3, 0;
        print $file 'end';
        close $file or die $!;
    }
}

# A text of which each 16 bytes say where they are, roughly: 64 KiB have one number.
sub numbered { return join '', map { sprintf("%015d\n", $_) x 4096 } 0 .. shift() - 1 }

# A request of which some of the response has come, while most of it is still nginx's to send.
sub begun {
    my ($target, @lines) = @_;
    my $s = dial(rcvbuf => 4096);
    send_to($s, GET($target, @lines));
    my $start = '';
    while (length $start < 200_000) { sysread $s, $start, 65536, length $start or last }
    ${*$s}{wire_rest} = $start;
    return $s;
}

# Hundredths of a second that the worker has computed for.
sub computed {
    my ($pid) = workers_of(master());
    my @stat = split ' ', slurp("/proc/$pid/stat") =~ s/.*\) //sr;
    return $stat[11] + $stat[12];
}

no_long_string();
run_tests();

__DATA__

=== whole files
--- same
200 GET ten.txt

200 HEAD ten.txt

200 GET ten.txt HTTP/1.0

200 HEAD ten.txt HTTP/1.0

200 GET one

200 GET empty

200 HEAD empty

200 GET large.txt

200 GET a.b/noextension

404 GET missing

404 HEAD missing

404 GET missing/too

404 GET ten.txt/too



=== one range
--- same
206 GET ten.txt
Range: bytes=0-0

206 GET ten.txt
Range: bytes=2-5

206 GET ten.txt
Range: bytes=5-

206 GET ten.txt
Range: bytes=-3

206 GET ten.txt
Range: bytes=-10

206 GET ten.txt
Range: bytes=-11

206 GET ten.txt
Range: bytes=5-99

206 HEAD ten.txt
Range: bytes=2-5

206 GET ten.txt HTTP/1.0
Range: bytes=2-5

206 GET ten.txt
Range:   bytes=   2  -  5

206 GET one
Range: bytes=0-0

206 GET large.txt
Range: bytes=100000-299999



=== ranges that cannot be satisfied
--- same
416 GET ten.txt
Range: bytes=10-

416 GET ten.txt
Range: bytes=10-20

416 HEAD ten.txt
Range: bytes=10-20

416 GET ten.txt
Range: bytes=5-2

416 GET one
Range: bytes=1-

200 GET empty
Range: bytes=0-0

200 GET empty
Range: bytes=-1



=== ranges that are none
--- same
200 GET ten.txt
Range: bytes=

416 GET ten.txt
Range: bytes=a-b

416 GET ten.txt
Range: bytes=1

416 GET ten.txt
Range: bytes=-

416 GET ten.txt
Range: bytes=1-2x

416 GET ten.txt
Range: bytes=1-2,

416 GET ten.txt
Range: bytes=--2

200 GET ten.txt
Range: lines=1-2

200 GET ten.txt
Range: 1-2

200 GET ten.txt
Range:



=== many ranges
--- same
206 GET ten.txt
Range: bytes=0-1,4-5

206 HEAD ten.txt
Range: bytes=0-1,4-5

206 GET ten.txt
Range: bytes=0-0,-1

206 GET ten.txt
Range: bytes=8-9,0-1

206 GET ten.txt
Range: bytes=0-5,3-6

206 GET ten.txt
Range: bytes=0-1,20-30

200 GET ten.txt
Range: bytes=0-9,0-9

206 GET page.html
Range: bytes=0-0,2-3

206 GET large.txt
Range: bytes=0-9,150000-250000,-10



=== range ends near 2^63
--- same
206 GET ten.txt
Range: bytes=0-9223372036854775806

206 GET ten.txt
Range: bytes=0-9223372036854775807

416 GET ten.txt
Range: bytes=0-9223372036854775808

416 GET ten.txt
Range: bytes=9223372036854775807-

416 GET ten.txt
Range: bytes=9223372036854775808-

206 GET ten.txt
Range: bytes=-9223372036854775807

416 GET ten.txt
Range: bytes=-9223372036854775808

416 GET ten.txt
Range: bytes=-18446744073709551617

200 GET ten.txt
Range: bytes=-9223372036854774808,-9223372036854774808



=== 10,000 ranges
--- config
large_client_header_buffers 4 128k;
--- same eval
# a part of each byte; of each other byte; all of the file again and again (CVE-2011-3192); of each second
my $each = CORE::join ',', map { "$_-$_" } 0 .. 9_999;
my $other = CORE::join ',', map { 2 * $_ . '-' . 2 * $_ } 0 .. 9_999;
my $more = CORE::join ',', '0-', map { "5-$_" } 5 .. 9_999;
my $last = CORE::join ',', map { "-$_" } 1 .. 10_000;
CORE::join "\n\n", map({ "206 GET large.txt\nRange: bytes=$_" } $each, $other), map({ "200 GET large.txt\nRange: bytes=$_" } $more, $last), map({ "200 GET ten.txt\nRange: bytes=$_" } $more, $last)



=== 10,000 ranges are not taken unless nginx.conf lets such a header in
--- same eval
"400 GET large.txt\nRange: bytes=" . CORE::join ',', map { "$_-$_" } 0 .. 9_999



=== max_ranges 0
--- both
max_ranges 0;
--- same
200 GET ten.txt

200 GET ten.txt
Range: bytes=2-5

200 HEAD ten.txt
Range: bytes=2-5



=== max_ranges 1
--- both
max_ranges 1;
--- same
206 GET ten.txt
Range: bytes=2-5

200 GET ten.txt
Range: bytes=2-5,7-8



=== If-Range
--- same
206 GET ten.txt
Range: bytes=2-5
If-Range: "65937d25-a"

200 GET ten.txt
Range: bytes=2-5
If-Range: W/"65937d25-a"

200 GET ten.txt
Range: bytes=2-5
If-Range: "another"

206 GET ten.txt
Range: bytes=2-5
If-Range: Tue, 02 Jan 2024 03:04:05 GMT

200 GET ten.txt
Range: bytes=2-5
If-Range: Tue, 02 Jan 2024 03:04:06 GMT

200 GET ten.txt
Range: bytes=2-5
If-Range: Tue, 02 Jan 2023 03:04:05 GMT

200 GET ten.txt
Range: bytes=2-5
If-Range: nonsense



=== If-None-Match
--- same
304 GET ten.txt
If-None-Match: "65937d25-a"

304 HEAD ten.txt
If-None-Match: "65937d25-a"

304 GET ten.txt
If-None-Match: W/"65937d25-a"

304 GET ten.txt
If-None-Match: "x", W/"y", "65937d25-a"

304 GET ten.txt
If-None-Match: *

200 GET ten.txt
If-None-Match: "x", W/"y"

304 GET ten.txt
If-None-Match: "65937d25-a"
Range: bytes=2-5

200 GET ten.txt
If-None-Match: "x"
If-Modified-Since: Tue, 02 Jan 2024 03:04:05 GMT



=== If-Match
--- same
200 GET ten.txt
If-Match: "65937d25-a"

200 GET ten.txt
If-Match: "x", "65937d25-a"

200 GET ten.txt
If-Match: *

412 GET ten.txt
If-Match: "x"

412 HEAD ten.txt
If-Match: "x"

412 GET ten.txt
If-Match: W/"65937d25-a"

412 GET ten.txt
If-Match: "x"
Range: bytes=2-5



=== If-Modified-Since
--- same
304 GET ten.txt
If-Modified-Since: Tue, 02 Jan 2024 03:04:05 GMT

304 GET ten.txt HTTP/1.0
If-Modified-Since: Tue, 02 Jan 2024 03:04:05 GMT

200 GET ten.txt
If-Modified-Since: Tue, 02 Jan 2024 03:04:06 GMT

200 GET ten.txt
If-Modified-Since: Tue, 02 Jan 2024 03:04:04 GMT

200 GET ten.txt
If-Modified-Since: nonsense



=== if_modified_since before
--- both
if_modified_since before;
--- same
304 GET ten.txt
If-Modified-Since: Tue, 02 Jan 2024 03:04:06 GMT

200 GET ten.txt
If-Modified-Since: Tue, 02 Jan 2024 03:04:04 GMT



=== if_modified_since off
--- both
if_modified_since off;
--- same
200 GET ten.txt
If-Modified-Since: Tue, 02 Jan 2024 03:04:05 GMT



=== If-Unmodified-Since
--- same
200 GET ten.txt
If-Unmodified-Since: Tue, 02 Jan 2024 03:04:05 GMT

412 GET ten.txt
If-Unmodified-Since: Tue, 02 Jan 2024 03:04:04 GMT

412 GET ten.txt
If-Unmodified-Since: nonsense



=== files of 2^32-1, 2^32 and 2^32+1 bytes
--- init
sparse(2**32 - 1, 2**32, 2**32 + 1);
--- same eval
our @sparse = (map({
    my ($size, $name) = (2**32 + $_, 'sparse.' . (2**32 + $_));
    my ($last, $near) = ($size - 1, $size - 7);
    ("200 HEAD $name", "206 GET $name\nRange: bytes=$near-", "206 GET $name\nRange: bytes=-3", "206 GET $name\nRange: bytes=$last-$last", "206 GET $name\nRange: bytes=$last-4294967299",
        "206 GET $name\nRange: bytes=2147483640-2147483655,$near-4294967299", "416 GET $name\nRange: bytes=$size-", "416 GET $name\nRange: bytes=$size-4294967299")
} -1, 0, 1));
CORE::join "\n\n", @sparse



=== the same with sendfile and with directio
--- both
sendfile on; directio 1;
--- init
sparse(2**32 - 1, 2**32, 2**32 + 1);
--- same eval
CORE::join "\n\n", grep { !/,/ } our @sparse



=== etag off
--- both
etag off;
--- same
200 GET ten.txt

206 GET ten.txt
Range: bytes=2-5

200 GET ten.txt
If-None-Match: "65937d25-a"

200 GET ten.txt
Range: bytes=2-5
If-Range: "65937d25-a"



=== gzip
--- both
gzip on; gzip_min_length 1; gzip_types text/plain; gzip_vary on;
--- same
200 GET large.txt
Accept-Encoding: gzip

200 HEAD large.txt
Accept-Encoding: gzip

200 GET large.txt

200 GET large.txt HTTP/1.0
Accept-Encoding: gzip

200 GET ten.txt
Accept-Encoding: gzip
Range: bytes=2-5

304 GET large.txt
Accept-Encoding: gzip
If-None-Match: W/"65937d25-4ddae"

200 GET picture.JPG
Accept-Encoding: gzip






=== expires
--- both
expires 1h;
--- same
200 GET ten.txt

206 GET ten.txt
Range: bytes=2-5

304 GET ten.txt
If-None-Match: *

404 GET missing



=== expires epoch
--- both
expires epoch;
--- same
200 GET ten.txt



=== expires by the file's date
--- both
expires modified +1d;
--- same
200 GET ten.txt



=== add_header
--- both
add_header Cache-Control "public, max-age=5"; add_header X-Type $sent_http_content_type; add_header X-Length $content_length always;
--- same
200 GET ten.txt

206 GET ten.txt
Range: bytes=2-5

304 GET ten.txt
If-None-Match: *

404 GET missing



=== types by extension
--- both
types { text/x-ten txt; image/x-jpg jpg; text/x-hidden html; } default_type application/x-other;
--- same
200 GET ten.txt

200 GET picture.JPG

200 GET page.html

200 GET .html

200 GET one

200 GET a.b/noextension

200 GET trailing.



=== no type at all
--- both
types { } default_type "";
--- same
200 GET ten.txt

206 GET ten.txt
Range: bytes=0-1,4-5



=== charset
--- both
charset utf-8; charset_types text/plain;
--- same
200 GET ten.txt

200 GET page.html

200 GET picture.JPG

206 GET ten.txt
Range: bytes=2-5



=== charset, converted
--- http_config
charset_map windows-1251 utf-8 { E4 D0B4; }
--- both
charset utf-8; source_charset windows-1251;
--- same
200 GET page.html

200 HEAD page.html

200 GET page.html
Range: bytes=2-5



=== sendfile
--- both
sendfile on; tcp_nopush on;
--- same
200 GET large.txt

206 GET large.txt
Range: bytes=100000-299999

206 GET large.txt
Range: bytes=0-9,150000-250000,-10

200 GET empty



=== sendfile in small pieces
--- both
sendfile on; sendfile_max_chunk 4k;
--- same
200 GET large.txt



=== directio
--- both
directio 1;
--- same
200 GET large.txt

206 GET large.txt
Range: bytes=100000-299999

206 GET large.txt
Range: bytes=1-9,150001-250000,-10

200 GET ten.txt

200 GET empty



=== aio threads
--- both
aio threads;
--- same
200 GET large.txt

206 GET large.txt
Range: bytes=100000-299999

206 GET large.txt
Range: bytes=1-9,150001-250000,-10

200 GET empty



=== aio threads with sendfile
--- both
aio threads; sendfile on;
--- same
200 GET large.txt

206 GET large.txt
Range: bytes=100000-299999



=== aio threads with directio
--- both
aio threads; directio 1;
--- same
200 GET large.txt

206 GET large.txt
Range: bytes=100000-299999



=== small output buffers
--- both
output_buffers 1 512;
--- same
200 GET large.txt

206 GET large.txt
Range: bytes=100000-299999



=== read_ahead
--- both
read_ahead 64k;
--- same
200 GET large.txt



=== limit_rate gives the same bytes
--- both
limit_rate 200k; limit_rate_after 100k;
--- same
200 GET large.txt



=== limit_rate slows down
--- both
limit_rate 200k;
--- init
my $start = Time::HiRes::time();
fetch('/download/large.txt');
my $seconds = Time::HiRes::time() - $start;
cmp_ok($seconds, '>', 0.9, "330 kB at 200 kB/s: $seconds s");



=== open_file_cache
--- both
open_file_cache max=10 inactive=60s; open_file_cache_valid 60s; open_file_cache_errors on;
--- same
200 GET ten.txt

206 GET ten.txt
Range: bytes=2-5

200 GET large.txt

404 GET missing
--- then
# the same once more, now from the cache



=== open_file_cache, the file replaced within valid
--- both
open_file_cache max=10 inactive=60s; open_file_cache_valid 60s;
--- same
200 GET ten.txt

206 GET ten.txt
Range: bytes=2-5
--- then
make_file('new', 'new content'); rename servroot() . '/html/new', servroot() . '/html/ten.txt' or die $!;



=== open_file_cache, the file replaced after valid
--- both
open_file_cache max=10 inactive=60s; open_file_cache_valid 1s;
--- same
200 GET ten.txt
--- then
make_file('new', 'new content'); rename servroot() . '/html/new', servroot() . '/html/ten.txt' or die $!; sleep 3;



=== open_file_cache with sendfile, directio and aio
--- both
open_file_cache max=10; directio 1; sendfile on; aio threads;
--- same
200 GET large.txt

206 GET large.txt
Range: bytes=100000-299999
--- then



=== open_file_cache with symlinks=on
--- storage: symlinks=on
--- both
open_file_cache max=10 inactive=60s; open_file_cache_valid 60s;
--- init
symlink 'ten.txt', servroot() . '/html/link.txt' or die $!;
symlink servroot() . '/html/ten.txt', servroot() . '/html/absolute.txt' or die $!;
--- same
200 GET link.txt

206 GET link.txt
Range: bytes=2-5

200 GET absolute.txt

200 GET ten.txt
--- then



=== error_page
--- both
error_page 404 /static/ten.txt; error_page 416 412 =200 /sorry;
--- config
location = /sorry { return 200 sorry; }
--- same
404 GET missing

404 HEAD missing

416 GET ten.txt
Range: bytes=20-

412 GET ten.txt
If-Match: "x"



=== as the page of an error
--- config
location /gone/download { error_page 404 /download/ten.txt; return 404; }
location /gone/static { error_page 404 /static/ten.txt; return 404; }
location /sorry/download { error_page 404 =200 /download/ten.txt; return 404; }
location /sorry/static { error_page 404 =200 /static/ten.txt; return 404; }
--- init
for my $page ('/gone', '/sorry') {
    my ($download, $static) = map { without_chance(raw(GET("$page/$_"))) } 'download', 'static';
    like($static, qr/\r\n\r\n0123456789\z/, "$page: the file");
    is($download, $static, "$page: the same");
}



=== keepalive and server_tokens of the location
--- both
keepalive_timeout 0; server_tokens off;
--- same
200 GET ten.txt
Connection: keep-alive

404 GET missing
Connection: keep-alive



=== small files, which are read at once
--- same
200 GET page.8191

200 GET page.8192

200 GET page.8193

206 GET page.8191
Range: bytes=8000-8190

206 GET page.8192
Range: bytes=8000-8190

206 GET page.8193
Range: bytes=8000-8190

206 GET page.8191
Range: bytes=0-0,10-19

206 GET page.8192
Range: bytes=0-0,10-19

206 GET page.8193
Range: bytes=0-0,10-19

304 GET page.8191
If-None-Match: *

304 GET page.8192
If-None-Match: *

304 GET page.8193
If-None-Match: *

200 GET page.8191
If-None-Match: "other"

200 GET page.8192
If-None-Match: "other"

200 GET page.8193
If-None-Match: "other"

200 GET page.8191
If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT

200 GET page.8192
If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT

200 GET page.8193
If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT

200 HEAD page.8191

200 HEAD page.8192

416 GET page.8192
Range: bytes=8192-

200 GET page.8192
If-Unmodified-Since: Tue, 02 Jan 2024 03:04:05 GMT

412 GET page.8192
If-Match: "other"

200 GET page.8192 HTTP/1.0



=== small files and sendfile
--- both
sendfile on; tcp_nopush on;
--- same
200 GET page.8191

200 GET page.8192

200 GET page.8193

200 GET ten.txt

200 GET empty



=== small files and open_file_cache
--- both
open_file_cache max=10; open_file_cache_valid 60s;
--- same
200 GET page.8191

200 GET page.8192

200 GET page.8193

200 GET ten.txt

200 GET empty
--- then
# the same once more, now from the cache



=== small files and aio threads
--- both
aio threads;
--- same
200 GET page.8191

200 GET page.8192

200 GET page.8193

200 GET ten.txt

200 GET empty



=== small files and directio
--- both
directio 8192;
--- same
200 GET page.8191

200 GET page.8192

200 GET page.8193

200 GET ten.txt

200 GET empty



=== small files and limit_rate
--- both
limit_rate 50k; limit_rate_after 4k;
--- same
200 GET page.8191

200 GET page.8192

200 GET page.8193

200 GET ten.txt

200 GET empty



=== small files and a header that is not held back
--- both
postpone_output 0;
--- same
200 GET page.8191

200 GET page.8192

200 GET page.8193

200 GET ten.txt

200 GET empty



=== small files and filters that write to what they send
--- both
ssi on; ssi_types *;
--- same
200 GET page.8191

200 GET page.8192

200 GET page.8193

200 GET ten.txt

200 GET empty



=== small files and gzip
--- both
gzip on; gzip_min_length 1; gzip_types *;
--- same
200 GET page.8191
Accept-Encoding: gzip

200 GET page.8192
Accept-Encoding: gzip

200 GET page.8193
Accept-Encoding: gzip

200 GET ten.txt
Accept-Encoding: gzip

200 GET empty
Accept-Encoding: gzip



=== small files as parts of a page
--- config
location /page/ { ssi on; default_type text/html; return 200 '<!--# include virtual="$arg_of/page.8192" -->|<!--# include virtual="$arg_of/empty" -->|<!--# include virtual="$arg_of/ten.txt" -->'; }
--- init
my ($download, $static) = map { without_chance(raw(GET("/page/?of=$_"))) } '/download', '/static';
like($static, qr/b{8192}/, 'the parts are there');
is($download, $static, 'the same page');



=== a file that is truncated, replaced or removed while it is on its way
--- config
location /plain/ { download storage files; }
location /sendfile/ { download storage files; sendfile on; sendfile_max_chunk 512k; }
location /threads/ { download storage files; aio threads; }
location /thread-sendfile/ { download storage files; aio threads; sendfile on; }
location /directio/ { download storage files; directio 1; output_buffers 2 128k; }
location /limited/ { download storage files; sendfile on; limit_rate 16m; }
location /cached/ { download storage files; sendfile on; open_file_cache max=10; open_file_cache_valid 60s; }
--- init
my $text = numbered(256);
my $path = servroot() . '/html/changing';
my %changes = (
    # beyond what can be on its way already, of which the kernel would wipe out some
    truncated => sub { truncate $path, 12 << 20 or die $! },
    emptied => sub { truncate $path, 0 or die $! },
    replaced => sub { make_file('new', 'x' x 1_000_000); rename servroot() . '/html/new', $path or die $! },
    removed => sub { unlink $path or die $! },
);
for my $where (qw(plain sendfile threads thread-sendfile directio limited cached)) {
    for my $change (sort keys %changes) {
        my $what = "$where, $change";
        # the one before is in the cache still
        my $name = 'changing';
        if ($where eq 'cached') { $path = servroot() . '/html/' . ($name = "changing-$change") }
        else { $path = servroot() . '/html/changing' }
        make_file($name, $text);
        my $s = begun("/$where/$name");
        $changes{$change}->();
        my $r = response($s);
        my $got = length $r->{body};
        like($r->{head}, qr/^Content-Length: @{[length $text]}\r$/m, "$what: the length of before");
        ok($r->{body} eq substr($text, 0, $got), "$what: the bytes of before, and no others");
        if ($change =~ /^r/) { ok($r->{whole}, "$what: all of them") or diag($got) }
        else {
            ok(!$r->{whole} && $got >= 190_000, "$what: broken off") or diag($got);
            ok(closed($s), "$what: the connection is closed");
        }
    }
}
my $computed = computed();
sleep 1;
cmp_ok(computed() - $computed, '<', 20, 'and the worker is at rest');
--- no_error_log: [emerg]
--- error_log
[alert]
changing
--- timeout: 60



=== a small file that shrinks while it is in the open_file_cache
--- both
open_file_cache max=10; open_file_cache_valid 60s;
--- init
for my $part ('/download', '/static') {
    make_file('shrinks', 'x' x 100);
    like(raw(GET("$part/shrinks")), qr/\r\n\r\nx{100}\z/, 'whole');
    truncate(servroot() . '/html/shrinks', 10) or die $!;
    is(raw(GET("$part/shrinks")), '', 'nothing, rather than what is not true');
    unlink servroot() . '/html/shrinks';
}
--- no_error_log: [emerg]
--- error_log
[alert]
read only 10 of 100



=== a small file that grows while it is in the open_file_cache
--- both
open_file_cache max=10; open_file_cache_valid 60s;
--- same
200 GET ten.txt
--- then
open my $file, '>>', servroot() . '/html/ten.txt' or die $!; print $file 'more'; close $file;



=== a directory is a 404, whatever index and autoindex say
--- both
autoindex on; index ten.txt;
--- request eval
["GET /download/", "GET /download/a.b", "GET /download/a.b/", "GET /download"]
--- error_code eval
[404, 404, 404, 404]



=== arguments have no part in the file's name
--- same
200 GET ten.txt?a=b

404 GET missing?/ten.txt
