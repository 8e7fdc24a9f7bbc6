# vi:ft=
# That t/lib's stand-in for Test::Nginx::Socket reads the data format as the real one
# does, on a stock nginx without any module; and what it does on its own.
use lib 't/lib';
use Test::Nginx::Socket 'no_plan';

no_long_string();
run_tests();
run_standin_tests() if $Test::Nginx::Socket::StandIn;

# --- what only the stand-in does ---------------------------------------------

# Starts a .t file made of these blocks, in a process of its own; settings are
# environment variables, nothing of ours is passed on. Its output comes later.
sub start_file {
    my ($blocks, %env) = @_;
    my ($lib) = $INC{'Test/Nginx/Socket.pm'} =~ m{(.*)/Test/Nginx/Socket\.pm$};
    my $head = delete $env{HEAD} // '';
    my $file = File::Temp->new(SUFFIX => '.t');
    $blocks =~ s/^\|//mg;
    print $file "use Test::Nginx::Socket 'no_plan';\n$head\nrun_tests();\n__DATA__\n\n$blocks";
    close $file;
    local %ENV = (%ENV, %env);
    for (grep { /^TEST_NGINX_/ && !/^TEST_NGINX_(?:BINARY|SLOW|USE_VALGRIND)$/ && !exists $env{$_} } keys %ENV) { delete $ENV{$_} }
    my $pid = open my $out, '-|';
    defined $pid or bail_out("fork: $!");
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec $^X, '-I' . Cwd::abs_path($lib), $file->filename or POSIX::_exit(127);
    }
    return { file => $file, out => $out };
}

# (output, exit status)
sub finish_file {
    my $run = shift;
    my $text = do { local $/; my $fh = $run->{out}; <$fh> };
    close $run->{out};
    return ($text, $? >> 8);
}

sub run_file { finish_file(start_file(@_)) }

sub kept_servroot {
    my $text = shift;
    my ($dir) = $text =~ /^# servroot kept: (\S+)/m;
    return $dir;
}

# A block that passes but for what init does to nginx or to its log.
sub block {
    my ($init, $more) = @_;
    return "=== a block\n|--- config\n|location = /hi { return 200 \"hi\\n\"; }\n|--- init\n|$init\n"
        . "|--- request\n|GET /hi\n|--- response_body\n|hi\n" . ($more // '');
}

sub logs {
    my $line = shift;
    return 'open my $f, ">>", "$ENV{TEST_NGINX_SERVER_ROOT}/logs/error.log"; print $f ' . "qq{$line\\n}; close \$f;";
}

sub fails_with {
    my ($what, $pattern, $count, $text, $status) = @_;
    like($text, qr/^not ok \d+ - .*$pattern/m, "$what: fails the block");
    isnt($status, 0, "$what: fails the file");
    my $ran = () = $text =~ /^(?:not )?ok /mg;
    is($ran, $count, "$what: one test more") or diag($text);
    my $dir = kept_servroot($text);
    ok(defined $dir && -e "$dir/logs/error.log", "$what: the servroot is kept, and named");
    File::Path::remove_tree($dir) if defined $dir;
}

sub passes {
    my ($what, $count, $text, $status) = @_;
    is($status, 0, "$what: passes") or diag($text);
    my $ran = () = $text =~ /^ok /mg;
    is($ran, $count, "$what: no test more");
    is(kept_servroot($text), undef, "$what: no servroot kept");
}

sub run_standin_tests {
    require Cwd; require File::Path; require File::Temp; require POSIX;
    test_log_levels();
    test_reports();
    test_ends_of_nginx();
    test_places();
}

sub test_log_levels {
    my $stamp = '2024/01/02 03:04:05';
    for my $level (qw(alert crit emerg)) {
        my $init = logs("$stamp [$level] 1#1: *1 something bad");
        fails_with("an [$level] line", 'no \[alert\], \[crit\] or \[emerg\]', 3, run_file(block($init)));
        passes("an [$level] line that error_log speaks of", 3, run_file(block($init, "|--- error_log\n|[$level]\n")));
        passes("an [$level] line in a pattern of error_log", 3,
            run_file(block($init, "|--- error_log eval\n|qr/\\[$level\\] .* bad/\n")));
    }
    passes('an [error] line', 2, run_file(block(logs("$stamp [error] 1#1: *1 something bad"))));
    passes('a level that is not one, inside a line', 2, run_file(block(logs("$stamp [info] 1#1: *1 GET /[alert]"))));
    fails_with('another level than the one error_log speaks of', 'no \[alert\]', 4,
        run_file(block(logs("$stamp [crit] 1#1: *1 a\\n$stamp [alert] 1#1: *1 b"), "|--- error_log\n|[crit]\n")));
    passes('must_die', 2, run_file("=== a\n|--- config\n|no_such on;\n|--- must_die\n|--- error_log\n|unknown directive\n"));
}

# As a sanitizer leaves it, which an nginx without one does not read.
sub test_reports {
    my $says = sub { qq{open my \$f, ">", "\$ENV{TEST_NGINX_SERVER_ROOT}/logs/report.7"; print \$f "$_[0]"; close \$f;} };
    fails_with('a report', 'no report of a sanitizer', 3, run_file(block($says->('==7==ERROR'))));
    passes('an empty report', 2, run_file(block($says->(''))));
}

sub test_ends_of_nginx {
    my $pid = 'open my $f, "<", "$ENV{TEST_NGINX_SERVER_ROOT}/logs/nginx.pid"; my ($pid) = <$f> =~ /(\d+)/; ';
    my $worker = $pid . 'open my $c, "<", "/proc/$pid/task/$pid/children"; my ($w) = <$c> =~ /(\d+)/; ';
    my $hold = 'our $held = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $ENV{TEST_NGINX_CLIENT_PORT});'
        . ' print $held "GET /hi HTTP/1.1\r\nHo"; $held->flush;';
    SKIP: {
        skip('no list of children in /proc', 4) unless -e "/proc/$$/task/$$/children";
        fails_with('a worker that dies by a signal', 'no \[alert\]', 3,
            run_file(block("$worker kill 'ABRT', \$w; select undef, undef, undef, 0.3;"), HEAD => 'master_on();'));
    }
    fails_with('an nginx that does not end in time', 'nginx did not end within \d+ s', 3,
        run_file(block($hold), HEAD => 'master_on();', TEST_NGINX_TIMEOUT => 1));
    my ($text) = run_file(block("$pid kill 'KILL', \$pid;"), TEST_NGINX_TIMEOUT => 1);
    like($text, qr{^not ok .* nginx ended (?:before it was told to|badly), by signal 9}m, 'an nginx that dies: fails the block');
    if (my $dir = kept_servroot($text)) { File::Path::remove_tree($dir) }
    passes('an nginx with a master', 2, run_file(block(''), HEAD => 'master_on(); workers(2);'));
}

sub test_places {
    my $tell = 'Test::More::diag("at $ENV{TEST_NGINX_SERVER_PORT} $ENV{TEST_NGINX_CLIENT_PORT} $ENV{TEST_NGINX_SERVER_ROOT}"); sleep 1;';
    my @run = map { start_file(block($tell)) } 1 .. 4;
    my (%port, %root);
    for (@run) {
        my ($text, $status) = finish_file($_);
        is($status, 0, 'files at the same time: passes') or diag($text);
        my ($listen, $port, $root) = $text =~ /^# at 127\.0\.0\.1:(\d+) (\d+) (\S+)/m;
        is($port, $listen, 'files at the same time: one port for both sides');
        ($port{ $port // '' }, $root{ $root // '' }) = (1, 1);
        ok(defined $root && !-e $root, 'files at the same time: the servroot is gone');
    }
    is(keys %port, 4, 'files at the same time: a port each');
    is(keys %root, 4, 'files at the same time: a servroot each');

    my %seen;
    $seen{ Standin::Place::free_port() }++ for 1 .. 200;
    is(keys %seen, 200, 'no port is given out twice');
    ok(!$seen{ server_port_for_client() }, 'nor the one of the server');

    my $dir  = File::Temp::tempdir(CLEANUP => 1);
    my $port = Standin::Place::free_port();
    my ($text) = run_file(block($tell), TEST_NGINX_SERVROOT => "$dir/root", TEST_NGINX_SERVER_PORT => "127.0.0.1:$port");
    like($text, qr{^# at 127\.0\.0\.1:$port $port \Q$dir\E/root$}m, 'a port and a servroot that are given are used');
    ok(-e "$dir/root/logs/error.log", 'a servroot that is given stays');
}

__DATA__

=== TEST 1: a location returning 200, with headers
--- config
location = /hi {
    default_type text/plain;
    add_header X-Foo "bar baz";
    return 200 "hi $http_x_in\n";
}
--- request
GET /hi
--- more_headers
X-In: there
--- response_headers
X-Foo: bar baz
Content-Type: text/plain
! X-Absent
--- response_body
hi there
--- no_error_log
[error]
[alert]



=== TEST 2: static file from user_files, ETag, ranges
--- user_files
>>> d/hello.txt 202401020304.05
0123456789
--- config
location /d/ { }
--- request
GET /d/hello.txt
--- more_headers
Range: bytes=2-5
--- error_code: 206
--- response_headers
Content-Range: bytes 2-5/11
Content-Length: 4
Last-Modified: Tue, 02 Jan 2024 03:04:05 GMT
--- response_body: 2345
--- no_error_log
[error]



=== TEST 3: error_code and a like check on raw headers
--- config
location = /no { return 404; }
--- request
GET /no
--- error_code: 404
--- raw_response_headers_like: ^HTTP/1\.1 404 Not Found\r\nServer: nginx
--- response_body_like: 404 Not Found



=== TEST 4: HEAD
--- config
location = /h { return 200 "abcdef"; }
--- request
HEAD /h
--- response_headers
Content-Length: 6
--- response_body:



=== TEST 5: main_config + http_config
--- main_config
worker_rlimit_nofile 512;
--- http_config
map $arg_a $mapped { default none; 1 one; }
--- config
location = /m { return 200 "$mapped\n"; }
--- request
GET /m?a=1
--- response_body
one



=== TEST 6: pipelined requests
--- config
location /p { return 200 "$uri\n"; }
--- pipelined_requests eval
["GET /p/1", "GET /p/2", "HEAD /p/3"]
--- response_body eval
["/p/1\n", "/p/2\n", ""]



=== TEST 7: several requests in one block
--- config
location /p { if ($arg_x) { return 403; } return 200 "$uri $http_x_n\n"; }
--- request eval
["GET /p/1", "GET /p/2?x=1"]
--- more_headers eval
["X-N: 1", "X-N: 2"]
--- error_code eval
[200, 403]
--- response_body_like eval
[qr{/p/1 1}, qr{403 Forbidden}]



=== TEST 8: raw_request, timeout, X-Accel-Redirect through a second server
--- http_config
server {
    listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
    location / {
        add_header X-Accel-Redirect /_int$uri;
        add_header Content-Disposition 'attachment; filename="a.txt"';
        return 200 "";
    }
}
--- config
location /dl/ { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1/; }
location /_int/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/; }
--- user_files
>>> a.txt
body of a
--- raw_request eval
"GET /dl/a.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
--- timeout: 5
--- response_headers
Content-Disposition: attachment; filename="a.txt"
--- response_body
body of a
--- no_error_log
[error]



=== TEST 9: names with spaces need the array form of user_files
--- user_files eval
[["d/a b.txt" => "spaced\n"], ["d/caf\xc3\xa9.txt" => "utf8\n"], ["d/empty.bin" => ""]]
--- config
location /d/ { }
--- request eval
["GET /d/a%20b.txt", "GET /d/caf%C3%A9.txt", "GET /d/empty.bin"]
--- response_body eval
["spaced\n", "utf8\n", ""]



=== TEST 10: error_log pattern, grep_error_log
--- config
location /d/ { }
--- request
GET /d/missing
--- error_code: 404
--- error_log eval
qr/open\(\) ".*?missing" failed/
--- grep_error_log eval: qr/\(2: No such file or directory\)/
--- grep_error_log_out
(2: No such file or directory)



=== TEST 11: big body through a filter, chunked
--- user_files eval
[["big.bin" => "x" x 300000]]
--- config
location /big.bin { sub_filter_once off; gzip off; sub_filter_types *; sub_filter y z; }
--- request
GET /big.bin
--- response_body_filters
length
--- response_body: 300000



=== TEST 12: a config that must not start
--- config
location / { no_such_directive on; }
--- must_die
--- error_log
unknown directive "no_such_directive"
--- suppress_stderr



=== TEST 13: skip_nginx, HTTP/1.0, abort on a slow reader
--- skip_nginx
2: < 1.18.0
--- config
location = /hi { return 200 "old\n"; }
--- request
GET /hi HTTP/1.0
--- response_body
old



=== TEST 14: a scripted backend: accel header, a length it does not keep, Latin-1 in a name
--- config
location /dl/ { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
location /_int/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/; }
--- user_files
>>> a.txt
body of a
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Length: 999\r\nX-Accel-Redirect: /_int/a.txt\r\nContent-Disposition: attachment; filename=\"caf\xe9\"\r\n\r\n"
--- request
GET /dl/x HTTP/1.0
--- more_headers
Host: h
Connection: close
--- response_headers
Content-Length: 10
--- raw_response_headers_like eval
qr/filename="caf\xe9"/
--- response_body
body of a
--- no_error_log
[error]
[alert]



=== TEST 15: load_module by absolute path, of a module that is not there
--- main_config
load_module $TEST_NGINX_SERVER_ROOT/html/none.so;
--- config
location = /hi { return 200 "ok\n"; }
--- must_die
--- error_log eval
qr/dlopen\(\) ".*?none\.so" failed/
--- suppress_stderr



=== TEST 16: what the app was sent; it ends amid its answer
--- config
location /app/ {
    proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
    proxy_set_header Host h;
    proxy_set_header X-In a;
    # the default before nginx 1.29.7
    proxy_http_version 1.0;
    proxy_set_header Connection close;
}
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_query eval
"GET /app/x HTTP/1.0\r\nHost: h\r\nX-In: a\r\nConnection: close\r\n\r\n"
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nConte"
--- request
GET /app/x
--- error_code: 502
--- error_log
upstream prematurely closed connection
