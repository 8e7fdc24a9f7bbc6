# vi:ft=
# The same downloads over TLS, HTTP/2 and HTTP/1.0, and from apps that speak FastCGI, uwsgi
# and SCGI. HTTP/2 is spoken by curl, the apps in t/apps by real servers; a block whose
# program is not installed (see `needs`) is skipped.
use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Cwd ();
use File::Basename ();
use File::Temp ();
use Time::HiRes qw(sleep time);
use Wire;

our $ten = '0123456789';
our $large = join '', map { "line $_\n" } 1 .. 200_000;
our $apps = File::Basename::dirname(Cwd::abs_path(__FILE__)) . '/apps';

master_on();
worker_connections(1024);

my %has = (
    fcgi => sub { system(qq($^X -MFCGI -e 1 2>/dev/null)) == 0 },                    # libfcgi-perl
    uwsgi => sub { system('uwsgi_python3 --version >/dev/null 2>&1') == 0 },         # uwsgi-core, uwsgi-plugin-python3
    python3 => sub { system('python3 -c pass >/dev/null 2>&1') == 0 },
    curl => sub { `curl --version 2>/dev/null` =~ /\bHTTP2\b/ },
    openssl => sub { system('openssl version >/dev/null 2>&1') == 0 },
);

add_block_preprocessor(sub {
    my $block = shift;
    my $html  = '$TEST_NGINX_SERVER_ROOT/html';
    my ($crt, $key) = certificate();
    my @lacks = grep { !$has{$_}->() } split ' ', $block->needs // '';
    if (@lacks) {
        diag($block->name . ": skipped, not installed: @lacks");
        $block->set_value(skip_eval => '3: 1');
    }
    $block->set_value(http_config => <<"END" . ($block->http_config // ''));
download_storage files root=$html/files;
upstream app { server unix:$html/app.sock; }
server {
    listen 127.0.0.1:\$TEST_NGINX_RAND_PORT_1 ssl http2;
    listen 127.0.0.1:\$TEST_NGINX_RAND_PORT_2 http2;
    listen unix:$html/ports.sock;
    ssl_certificate $crt; ssl_certificate_key $key;
    http2_max_concurrent_streams 256;
    location = /ports { return 200 "\$TEST_NGINX_RAND_PORT_1 \$TEST_NGINX_RAND_PORT_2"; }
    location /dl/ { download object /_ask\$uri; }
    location /storage/ { download storage files; }
    location /limited/ { download storage files; limit_rate 50k; }
    location /_ask/ { internal; proxy_pass http://app; }
}
END
    $block->set_value(config => <<"END" . ($block->config // ''));
location = /ready { return 200 ready; }
location = /ports { proxy_pass http://unix:$html/ports.sock; }
location /dl/ { download object /_ask\$uri; }
location /_ask/ { internal; proxy_pass http://app; }
END
    $block->set_value(user_files => [['files/ten.txt', $ten, '202401020304.05'], ['files/large.txt', $large], ['files/empty', '']]);
    $block->set_value(init => 'package main; our ($ten, $large, $apps); app(app => \&app_answers); ' . ($block->story // ''));
    $block->set_value(request => 'GET /ready') unless defined $block->request;
    $block->set_value(no_error_log => "[alert]\n[crit]\n[emerg]\n") unless defined $block->no_error_log;
});

sub app_answers {
    my $request = shift;
    my ($kind, $name) = $request =~ m{^GET /_ask/[^/]+/(\w+)/(\S*)} or return answer(500, 'what?');
    note("asked $kind");
    return answer(403, 'no', 'Content-Type: text/plain') if $kind eq 'no';
    sleep 1 if $kind eq 'slow';
    return grant(qq({"file":{"storage":"files","path":"$name"}}));
}

# A certificate of this run's own; those of an nginx that lacks openssl are never read.
my $place;
sub certificate {
    my $first = !$place;
    $place //= File::Temp->newdir;
    my ($crt, $key) = ("$place/crt.pem", "$place/key.pem");
    system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout $key -out $crt 2>/dev/null") == 0
        || bail_out('openssl, of the package openssl, makes no certificate') if $first;
    return ($crt, $key);
}

# The ports of the server that speaks TLS and HTTP/2, and of the one that speaks HTTP/2 alone.
sub ports { split ' ', fetch('/ports')->{body} }

# What curl gets: its own words about it, and the body.
sub curl {
    my @args = @_;
    my ($head, $body) = ("$place/head", "$place/body");
    unlink $head, $body;
    my $pid = open my $out, '-|';
    defined $pid or die "fork: $!";
    if (!$pid) {
        exec 'curl', '-sk', '--noproxy', '*', '-m', 10, '-D', $head, '-o', $body, '-w', '%{http_version} %{http_code} %{size_download}', @args
            or POSIX::_exit(127);
    }
    my $said = do { local $/; <$out> };
    close $out;
    return { said => $said, exit => $? >> 8, head => slurp($head), body => slurp($body) };
}

# Many at once on one connection: the words about each. By TLS, since curl 7.88 loses all
# but one where it knows beforehand that HTTP/2 is spoken.
sub curl_parallel {
    my ($count, @args) = @_;
    my $longest = 20 * ($ENV{TEST_NGINX_SLOW} || 1);
    my $config = "$place/config";
    make_file($config, join "next\n", map {
        qq(url = "$_"\noutput = "/dev/null"\nwrite-out = "%{http_version} %{http_code} %{size_download}\\n"\n)
            . qq(insecure\nsilent\nnoproxy = "*"\nhttp2\nmax-time = $longest\n)
    } @args);
    my @lines = split /\n/, `curl -s --parallel --parallel-max $count -K $config 2>/dev/null`;
    return @lines;
}

# Starts a program that listens on html/NAME.sock, and waits until it does.
sub serve {
    my ($name, @command) = @_;
    my $socket = servroot() . "/html/$name.sock";
    fork_off(sub {
        open STDERR, '>', servroot() . "/logs/$name.txt";
        open STDOUT, '>&', \*STDERR;
        exec map { s/SOCKET/$socket/r } @command or die "$command[0]: $!";
    });
    wait_for { -S $socket };
    chmod 0777, $socket;
}

no_long_string();
run_tests();

__DATA__

=== HTTP/1.0: a granted file, a range of it, a denial
--- request eval
["GET /dl/ok/ten.txt HTTP/1.0", "GET /dl/ok/ten.txt HTTP/1.0", "GET /dl/no/x HTTP/1.0", "HEAD /dl/ok/ten.txt HTTP/1.0"]
--- more_headers eval
["", "Range: bytes=2-5", "", ""]
--- error_code eval
[200, 206, 403, 200]
--- response_body eval
["0123456789", "2345", "no", ""]



=== HTTP/1.0 without a Host, kept alive
--- story
my $s = dial();
for (1 .. 3) {
    send_to($s, "GET /dl/ok/ten.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    is(response($s)->{body}, $ten, 'the file');
}



=== HTTP/0.9
--- story
is(raw("GET /dl/ok/ten.txt\r\n"), $ten, 'the file, and nothing else');
is(raw("GET /dl/no/x\r\n"), 'no', 'the denial');



=== TLS
--- needs: curl
--- story
my ($port) = ports();
for my $sendfile ('dl/ok', 'storage') {
    my $r = curl('--http1.1', "https://127.0.0.1:$port/$sendfile/large.txt");
    is($r->{said}, '1.1 200 ' . length $large, "$sendfile: whole");
    ok($r->{body} eq $large, "$sendfile: right");
    $r = curl('--http1.1', '-r', '100000-199999', "https://127.0.0.1:$port/$sendfile/large.txt");
    is($r->{said}, '1.1 206 100000', "$sendfile: a range");
    ok($r->{body} eq substr($large, 100_000, 100_000), "$sendfile: the right one");
}
is(curl('--http1.1', "https://127.0.0.1:$port/dl/no/x")->{said}, '1.1 403 2', 'denied');



=== HTTP/2 over TLS
--- needs: curl
--- story
my ($port) = ports();
my $r = curl('--http2', "https://127.0.0.1:$port/dl/ok/large.txt");
is($r->{said}, '2 200 ' . length $large, 'whole');
ok($r->{body} eq $large, 'right');
is(curl('--http2', "https://127.0.0.1:$port/dl/no/x")->{said}, '2 403 2', 'denied');



=== HTTP/2: methods, conditions, ranges
--- needs: curl
--- story
my (undef, $port) = ports();
my $url = "http://127.0.0.1:$port/dl/ok";
my @h2 = '--http2-prior-knowledge';
is(curl(@h2, "$url/ten.txt")->{body}, $ten, 'GET');
is(join('|', curl(@h2, "$url/ten.txt")->{head} =~ /^last-modified: (.*?)\r?$/mig), 'Tue, 02 Jan 2024 03:04:05 GMT', 'its date, once');
is(curl(@h2, "$url/empty")->{said}, '2 200 0', 'empty');
is(curl(@h2, '-I', "$url/ten.txt")->{said}, '2 200 0', 'HEAD');
is(curl(@h2, "$url/missing")->{said} =~ s/ \d+$//r, '2 404', 'missing');
# without a body: curl takes the RST_STREAM that ends an unread one for an error, now and then
is(curl(@h2, '-X', 'DELETE', "$url/ten.txt")->{said} =~ s/ \d+$//r, '2 405', 'DELETE');
is(curl(@h2, '-r', '2-5', "$url/ten.txt")->{body}, '2345', 'a range');
is(curl(@h2, '-r', '-3', "$url/ten.txt")->{body}, '789', 'the end');
like(curl(@h2, '-r', '0-1,4-5', "$url/ten.txt")->{body}, qr/multipart|Content-Range: bytes 0-1\/10.*Content-Range: bytes 4-5\/10/s, 'two ranges');
is(curl(@h2, '-r', '20-', "$url/ten.txt")->{said} =~ s/ \d+$//r, '2 416', 'beyond the end');
is(curl(@h2, '-H', 'If-None-Match: "65937d25-a"', "$url/ten.txt")->{said}, '2 304 0', 'not modified');
is(curl(@h2, '-H', 'If-Match: "x"', "$url/ten.txt")->{said} =~ s/ \d+$//r, '2 412', 'another version');



=== HTTP/2: a hundred streams on one connection, while the app is slow
--- needs: curl
--- story
my ($port) = ports();
my $start = time;
my @got = curl_parallel(100, ("https://127.0.0.1:$port/dl/slow/ten.txt", "https://127.0.0.1:$port/dl/no/x", "https://127.0.0.1:$port/storage/large.txt",
    "https://127.0.0.1:$port/dl/slow/large.txt") x 25);
my %times;
$times{$_}++ for @got;
is_deeply(\%times, { '2 200 10' => 25, '2 403 2' => 25, '2 200 ' . length $large => 50 }, 'all are answered');
cmp_ok(time - $start, '<', 8 * ($ENV{TEST_NGINX_SLOW} || 1), 'together');



=== HTTP/2: the client goes away, with streams that wait for the app and streams that send
--- needs: curl
--- story
my ($port) = ports();
curl('--http2', "https://127.0.0.1:$port/dl/ok/ten.txt");
sleep 0.3;
my $before = descriptors();
for (1 .. 3) {
    my $pid = fork_off(sub {
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', '/dev/null';
        my @urls = map { "https://127.0.0.1:$port/$_" } ('dl/slow/ten.txt', 'limited/large.txt', 'dl/ok/ten.txt') x 10;
        exec 'curl', '-s', '--noproxy', '*', '-k', '--http2', '--parallel', '--parallel-max', 30, map { ('-o', '/dev/null', $_) } @urls;
    });
    sleep 0.4;
    stop($pid);
}
sleep 1.2;
is(curl('--http2', "https://127.0.0.1:$port/dl/ok/ten.txt")->{body}, $ten, 'the worker is alive and well');
wait_for { descriptors() <= $before };
cmp_ok(descriptors(), '<=', $before, 'no descriptor more');



=== HTTP/2: frames by hand: streams reset while the app thinks and while the file is sent
--- story
my (undef, $port) = ports();
my $frame = sub { my ($type, $flags, $stream, $data) = @_; pack('CnCCN', 0, length $data, $type, $flags, $stream) . $data };
my $headers = sub {
    my ($stream, $path) = @_;
    # :method GET and :scheme http from the static table; :path and :authority literally
    my $block = "\x82\x86" . "\x04" . pack('C', length $path) . $path . "\x01\x01a";
    return $frame->(1, 5, $stream, $block);
};
my $s = dial(port => $port);
send_to($s, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . $frame->(4, 0, 0, '') . $frame->(8, 0, 0, pack 'N', 1 << 30));
for my $i (0 .. 39) {
    my $stream = 1 + 2 * $i;
    send_to($s, $headers->($stream, $i % 2 ? '/dl/slow/ten.txt' : '/limited/large.txt'));
    sleep 0.01 if $i % 4 < 2;
    send_to($s, $frame->(3, 0, $stream, pack 'N', 8));
}
sleep 1.2;
send_to($s, $headers->(1001, '/dl/ok/ten.txt'));
my $got = '';
my $end = time + 3;
while ($got !~ /$ten/ && time < $end) { IO::Select->new($s)->can_read(0.2) and (sysread $s, $got, 65536, length $got or last) }
like($got, qr/$ten/, 'a stream after those that were reset');
close $s;



=== FastCGI: an app by FCGI.pm on a unix socket
--- needs: fcgi
--- config
location /fcgi/ { download object /_fcgi$uri; }
location /_fcgi/ { internal; fastcgi_pass unix:$TEST_NGINX_SERVER_ROOT/html/fcgi.sock;
    fastcgi_param REQUEST_METHOD $request_method; fastcgi_param REQUEST_URI $uri; fastcgi_param QUERY_STRING $args; }
--- story
serve(fcgi => $^X, "$apps/download.fcgi", 'SOCKET');
--- request eval
["GET /fcgi/ten.txt", "HEAD /fcgi/ten.txt", "GET /fcgi/ten.txt", "GET /fcgi/denied", "GET /fcgi/missing", "GET /fcgi/ten.txt"]
--- more_headers eval
["", "", "Range: bytes=2-5", "", "", "Content-Length: 0\nCookie: a=b"]
--- error_code eval
[200, 200, 206, 403, 404, 200]
--- response_body_like eval
['^0123456789$', '^$', '^2345$', '^no$', '404 Not Found', '^0123456789$']
--- raw_response_headers_like eval
['filename="?by-fcgi.txt"?.*Set-Cookie: app=fcgi|Set-Cookie: app=fcgi.*filename="?by-fcgi.txt', '200', '206', '403', '404', '200']



=== uwsgi: a WSGI app by uWSGI on a unix socket
--- needs: uwsgi
--- config
location /uwsgi/ { download object /_uwsgi$uri; }
location /_uwsgi/ { internal; uwsgi_pass unix:$TEST_NGINX_SERVER_ROOT/html/uwsgi.sock;
    uwsgi_param REQUEST_METHOD $request_method; uwsgi_param REQUEST_URI $uri; uwsgi_param PATH_INFO $uri; uwsgi_param QUERY_STRING $args;
    uwsgi_param SERVER_PROTOCOL $server_protocol; uwsgi_param SERVER_NAME $server_name; uwsgi_param SERVER_PORT $server_port; }
--- story
serve(uwsgi => 'uwsgi_python3', '--uwsgi-socket', 'SOCKET', '--wsgi-file', "$apps/download_wsgi.py", '--processes', 1, '--need-app');
--- request eval
["GET /uwsgi/ten.txt", "HEAD /uwsgi/ten.txt", "GET /uwsgi/ten.txt", "GET /uwsgi/denied", "GET /uwsgi/missing"]
--- more_headers eval
["", "", "Range: bytes=2-5", "", ""]
--- error_code eval
[200, 200, 206, 403, 404]
--- response_body_like eval
['^0123456789$', '^$', '^2345$', '^no$', '404 Not Found']
--- raw_response_headers_like eval
['by-uwsgi.txt', '200', '206', '403', '404']



=== SCGI: an app on a unix socket
--- needs: python3
--- config
location /scgi/ { download object /_scgi$uri; }
location /_scgi/ { internal; scgi_pass unix:$TEST_NGINX_SERVER_ROOT/html/scgi.sock;
    scgi_param REQUEST_METHOD $request_method; scgi_param REQUEST_URI $uri; scgi_param QUERY_STRING $args; }
--- story
serve(scgi => 'python3', "$apps/download_scgi.py", 'SOCKET');
--- request eval
["GET /scgi/ten.txt", "HEAD /scgi/ten.txt", "GET /scgi/ten.txt", "GET /scgi/denied", "GET /scgi/missing"]
--- more_headers eval
["", "", "Range: bytes=2-5", "", ""]
--- error_code eval
[200, 200, 206, 403, 404]
--- response_body_like eval
['^0123456789$', '^$', '^2345$', '^no$', '404 Not Found']
--- raw_response_headers_like eval
['by-scgi.txt', '200', '206', '403', '404']



=== an app that is not there: FastCGI, uwsgi, SCGI
--- config
location /f/ { download object /_f; }
location /_f { internal; fastcgi_pass unix:$TEST_NGINX_SERVER_ROOT/html/nobody.sock; }
location /u/ { download object /_u; }
location /_u { internal; uwsgi_pass unix:$TEST_NGINX_SERVER_ROOT/html/nobody.sock; }
location /s/ { download object /_s; }
location /_s { internal; scgi_pass unix:$TEST_NGINX_SERVER_ROOT/html/nobody.sock; }
--- request eval
["GET /f/x", "GET /u/x", "GET /s/x"]
--- error_code eval
[502, 502, 502]
--- error_log
[crit]
--- no_error_log
[alert]
[emerg]
