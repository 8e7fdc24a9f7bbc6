# vi:ft=
# Responses of ordinary proxied locations that refer to a file, by X-Accel-Redirect, X-Sendfile
# or one of their kin: the client gets the file, and all else that the app said.
#
# `story` is Perl that runs before the request of the block. `says_app` starts the app behind
# http://app with its answers, by the last part of the path that it is asked for: header lines
# in one string (200, no body), [status, body, header lines ...], or a sub that gets the request
# and the connection. `got` checks a response: status, body (or undef), and header fields: 'Name:
# value', all values of that name joined by ' | ', or '! Name'.
use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use File::Path qw(make_path);
use File::Temp ();
use Time::HiRes qw(sleep time);
use Got;
use Wire;

our $ten = '0123456789';
our $large = join '', map { "line $_\n" } 1 .. 200_000;
our $date = 'Tue, 02 Jan 2024 03:04:05 GMT';        # of the files
our $place = File::Temp->newdir;

master_on();
worker_connections(256);

my $app;

add_block_preprocessor(sub {
    my $block = shift;
    stop($app) if $app;     # that of the block before
    my $html  = '$TEST_NGINX_SERVER_ROOT/html';
    if (($block->needs // '') =~ /curl/ && `curl --version 2>/dev/null` !~ /\bHTTP2\b/) {
        diag($block->name . ': skipped, not installed: curl');
        $block->set_value(skip_eval => '3: 1');
    }
    $block->set_value(http_config => <<"END" . ($block->http_config // ''));
types { text/html html; text/plain txt; application/pdf pdf; application/gzip gz; }
download_storage files root=$html/files;
download_storage other root=$html/other;
download_storage linked root=$html/files symlinks=on;
download_storage within location=/within/;
download_rule /protected/ files;
download_rule /app/media/ files;
download_rule /app/other other:sub;
download_rule /app/linked/ linked;
download_rule /app/within/ within;
upstream app { server unix:$html/app.sock; keepalive 4; }
proxy_http_version 1.1;
proxy_set_header Connection "";
END
    $block->set_value(config => <<"END" . ($block->config // ''));
location = /ready { return 200 ready; }
location /app/ { download_intercept all; proxy_pass http://app; }
location /accel/ { download_intercept x-accel-redirect; proxy_pass http://app; }
location /sendfile/ { download_intercept x-sendfile; proxy_pass http://app; }
location /off/ { download_intercept off; proxy_pass http://app; }
location /raw/ { download_intercept all decode=off; proxy_pass http://app; }
location /decoded/ { download_intercept all decode=on; proxy_pass http://app; }
location /inner/ { internal; alias $html/files/; }
location /within/ { internal; alias $html/files/; }
location /args { internal; return 200 "\$request_method \$uri \$args"; }
location \@named { return 200 "named \$request_method \$uri"; }
END
    $block->set_value(user_files => [
        ['files/ten.txt', $ten, '202401020304.05'], ['files/large.txt', $large], ['files/empty.txt', ''], ['files/page.html', '<p>page</p>'],
        ['files/report.pdf', 'pdf'], ['files/archive.tar.gz', 'gzipped'], ['files/sub/deep.txt', 'deep'], ['other/sub/o.txt', 'other'], ['other/o.txt', 'above'],
        ['secret.txt', 'secret'], @{ $block->user_files // [] },
    ]);
    $block->set_value(init => 'package main; our ($ten, $large, $date, %says); ' . ($block->story // ''));
    $block->set_value(request => 'GET /ready') unless defined $block->request;
    $block->set_value(no_error_log => "[alert]\n[emerg]\n") unless defined $block->no_error_log || defined $block->must_die;
});

# --- the app -------------------------------------------------------------------

sub says_app {
    our %says = @_;
    stop($app) if $app;
    $app = app(app => \&app_answers);
}

sub app_answers {
    my ($request, $connection) = @_;
    my ($method, $target) = $request =~ m{([A-Z]+) (\S+) HTTP/1\.[01]\r\n} or return answer(500, 'what?');
    note("$$ $method $target");
    my ($name) = $target =~ m{([^/?]*)(?:\?.*)?$};
    our %says;
    my $said = $says{$name} // return answer(404, "no such answer: $name");
    my $answer = ref $said eq 'CODE' ? $said->($request, $connection) : ref $said ? answer(@$said) : answer(200, '', split /\n/, $said);
    $answer =~ s/(\r\n\r\n).*/$1/s if defined $answer && $method eq 'HEAD';
    return $answer;
}

# How many connections nginx has made to the app.
sub connections {
    my %seen = map { $_ => 1 } notes() =~ /^(\d+) /mg;
    return scalar keys %seen;
}

# An app behind fastcgi_pass, uwsgi_pass or scgi_pass, on html/KIND.sock: one answer to each request.
# The parameters that it got are left in the notes.
sub gateway {
    my ($kind, $head, $body) = @_;
    my $path = servroot() . "/html/$kind.sock";
    unlink $path;
    my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 16) or die "$path: $!";
    chmod 0777, $path;
    my %whole = (
        scgi => sub { $_[0] =~ /^(\d+):/ && length $_[0] >= length($1) + 2 + $1 },
        uwsgi => sub { length $_[0] >= 4 && length $_[0] >= 4 + unpack 'xv', $_[0] },
        fastcgi => sub { $_[0] =~ /\x01\x05\x00\x01\x00\x00..\z/s },
    );
    my $record = sub { my ($type, $data) = @_; pack('CCnnCC', 1, $type, 1, length $data, 0, 0) . $data };
    fork_off(sub {
        while (1) {
            my $c = $listener->accept or next;
            my $in = '';
            until ($whole{$kind}->($in)) { sysread $c, $in, 65536, length $in or last }
            note($in =~ s/[^ -~]/ /gr);
            my $answer = join("\r\n", @$head, '', '') . $body;
            $answer = "HTTP/1.1 200 OK\r\n$answer" if $kind eq 'uwsgi';
            $answer = $record->(6, $answer) . $record->(6, '') . $record->(3, pack 'NCx3', 0, 0) if $kind eq 'fastcgi';
            send_to($c, $answer);
            close $c;
        }
    });
}

# --- checks --------------------------------------------------------------------

sub no_descriptor_more {
    my ($before, $what) = @_;
    my $kept = 4;                                      # by keepalive of upstream app
    wait_for { descriptors() <= $before + $kept } 15;  # a lingering close takes 5
    cmp_ok(descriptors(), '<=', $before + $kept, "$what: no descriptor more");
}

# A connection of which some was read of a long response that goes on.
sub amid {
    my $s = dial(rcvbuf => 4096);
    send_to($s, GET(shift));
    sysread $s, my $head, 1000;
    return $s;
}

sub memory { slurp('/proc/' . (workers_of(master()))[0] . '/status') =~ /^VmRSS:\s*(\d+)/m ? $1 : 0 }

sub put_file {
    my ($path, $data) = @_;
    make_path(servroot() . "/html/$1") if $path =~ m{(.*)/};
    make_file($path, $data);
}

no_long_string();
run_tests();

__DATA__

=== each convention
--- story
says_app(
    rule => 'X-Accel-Redirect: /protected/ten.txt', path => 'X-Accel-Redirect: /app/media/sub/deep.txt',
    inner => 'X-Accel-Redirect: /inner/ten.txt', args => 'X-Accel-Redirect: /args?a=%20b&c=?d', named => 'X-Accel-Redirect: @named',
    sendfile => 'X-Sendfile: /app/media/ten.txt', lower => 'x-sendfile: /app/media/ten.txt', lighttpd => 'X-LIGHTTPD-send-file: /app/media/ten.txt',
    subdir => 'X-Sendfile: /app/other/o.txt', within => 'X-Sendfile: /app/within/ten.txt', linked => 'X-Sendfile: /app/linked/ten.txt',
    by_uri => 'X-Sendfile: /protected/ten.txt', empty => 'X-Sendfile: /app/media/empty.txt', large => 'X-Sendfile: /app/media/large.txt',
);
my %want = (rule => $ten, path => 'deep', inner => $ten, args => 'GET /args a=%20b&c=?d', named => 'named GET /app/named', (map { $_ => $ten } qw(sendfile lower lighttpd
    within linked by_uri)), subdir => 'other', empty => '', large => $large);
for my $name (sort keys %want) {
    got($name, fetch("/app/$name"), 200, $want{$name}, 'Content-Length: ' . length $want{$name});
    got("$name, HEAD", fetch("HEAD /app/$name"), 200, '', $name =~ /args|named/ ? () : 'Content-Length: ' . length $want{$name});
}
got('HEAD stays HEAD', fetch('HEAD /app/args'), 200, '', 'Content-Length: ' . length 'HEAD /args a=%20b&c=?d');
--- no_error_log
[error]
[alert]
[emerg]
[warn]



=== a POST that is answered by a file; what it leads to is asked by GET
--- story
says_app(rule => 'X-Accel-Redirect: /protected/ten.txt', args => 'X-Accel-Redirect: /args', named => 'X-Accel-Redirect: @named', sendfile => 'X-Sendfile: /app/media/ten.txt');
for my $method (qw(POST PUT DELETE)) {
    for my $case (['rule', $ten], ['sendfile', $ten], ['args', 'GET /args '], ['named', 'named GET /app/named']) {
        my $s = dial();
        send_to($s, GET("$method /app/$case->[0]", 'Content-Length: 5', 'Connection: keep-alive') . 'a=b&c');
        got("$method $case->[0]", response($s), 200, $case->[1]);
        send_to($s, GET('/ready'));
        is(response($s)->{body}, 'ready', "$method $case->[0]: the next request on the connection");
    }
}
--- no_error_log
[error]
[alert]
[emerg]



=== a body that still arrives does not become the next request
--- config
location /unbuffered/ { download_intercept all; proxy_pass http://app; proxy_request_buffering off; }
--- story
says_app(sendfile => 'X-Sendfile: /app/media/ten.txt', inner => 'X-Accel-Redirect: /inner/ten.txt', missing => 'X-Sendfile: /app/media/missing');
my $body = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n" x 3;
for my $where (qw(app unbuffered)) {
    for my $name (qw(sendfile inner missing)) {
        my $s = dial();
        my $status = $name eq 'missing' ? 404 : 200;
        # The app of these tests takes a body that it has not read for requests. nginx closes a
        # kept connection on which it then answers them, when it has the time to see it.
        sleep 0.2;
        send_to($s, GET("POST /$where/$name", 'Content-Length: ' . length $body, 'Connection: keep-alive') . substr $body, 0, 10);
        sleep 0.2;
        send_to($s, substr($body, 10) . GET('/ready'));
        my $r = response($s);
        is($r->{status}, $status, "$where/$name: answered");
        is($r->{body}, $ten, "$where/$name: the file") if $status == 200;
        my $next = response($s);
        ok($next->{status} == 0 || $next->{body} eq 'ready', "$where/$name: and then the next request, or the end")
            or diag("$next->{status} $next->{body}");
    }
}
alive('after');



=== X-Sendfile-Temporary: the file is gone when it was sent, and also when HEAD was asked
--- story
put_file("files/tmp/$_", $ten) for qw(get head part kept denied);
put_file('files/tmp/large', $large);
symlink 'kept', servroot() . '/html/files/tmp/link';
says_app((map { $_ => "X-Sendfile-Temporary: /app/media/tmp/$_" } qw(get head part large link missing)),
    denied => [403, 'no', 'X-Sendfile-Temporary: /app/media/tmp/denied'], outside => 'X-Sendfile-Temporary: /app/media/../secret.txt',
    no_rule => 'X-Sendfile-Temporary: ' . servroot() . '/html/secret.txt', directory => 'X-Sendfile-Temporary: /app/media/tmp');
my $there = sub { -e servroot() . "/html/$_[0]" ? 1 : 0 };
got('GET', fetch('/app/get'), 200, $ten);
ok(wait_for { !$there->('files/tmp/get') }, 'GET: gone');
got('GET again', fetch('/app/get'), 404, undef);
got('HEAD', fetch('HEAD /app/head'), 200, '', 'Content-Length: 10');
ok(wait_for { !$there->('files/tmp/head') }, 'HEAD: gone');
got('a range', fetch('/app/part', 'Range: bytes=2-3'), 206, '23');
ok(wait_for { !$there->('files/tmp/part') }, 'a range: gone');
got('large', fetch('/app/large'), 200, $large);
ok(wait_for { !$there->('files/tmp/large') }, 'large: gone');
got('denied', fetch('/app/denied'), 403, 'no');
ok($there->('files/tmp/denied'), 'denied: kept');
got('link', fetch('/app/link'), 404, undef);
ok($there->('files/tmp/link') && $there->('files/tmp/kept'), 'a link: kept, and what it leads to');
got($_, fetch("/app/$_"), 404, undef) for qw(outside no_rule directory missing);
ok($there->('secret.txt'), 'outside: kept');
ok($there->('files/tmp'), 'a directory: kept');



=== X-Sendfile-Temporary: a new file of the same name, with open_file_cache; links that a storage follows
--- config
location /filecache/ { download_intercept all; proxy_pass http://app; open_file_cache max=10; open_file_cache_valid 60s; }
--- story
put_file('files/tmp/one', 'first');
put_file('files/tmp/two', 'two');
symlink 'tmp', servroot() . '/html/files/by-link';
says_app(one => 'X-Sendfile-Temporary: /app/media/tmp/one', two => 'X-Sendfile-Temporary: /app/linked/by-link/two');
got('first', fetch('/filecache/one'), 200, 'first');
ok(wait_for { !-e servroot() . '/html/files/tmp/one' }, 'gone');
put_file('files/tmp/one', 'second');
got('second', fetch('/filecache/one'), 200, 'second');
ok(wait_for { !-e servroot() . '/html/files/tmp/one' }, 'gone again');
got('no third', fetch('/filecache/one'), 404, undef);
got('by a link', fetch('/app/two'), 200, 'two');
ok(wait_for { !-e servroot() . '/html/files/tmp/two' }, 'by a link: gone');



=== X-Sendfile-Temporary: the client goes away amid the file
--- config
location /limited/ { download_intercept all; proxy_pass http://app; limit_rate 20k; }
--- story
put_file('files/tmp/large', $large);
says_app(large => 'X-Sendfile-Temporary: /app/media/tmp/large');
my $before = do { alive('before'); descriptors() };
reset_of(amid('/limited/large'));
ok(wait_for { !-e servroot() . '/html/files/tmp/large' }, 'gone');
no_descriptor_more($before, 'after');



=== X-Sendfile2: parts of files
--- story
put_file('files/a, b.txt', 'comma');
my $m = '/app/media';
says_app(
    one => "X-Sendfile2: $m/ten.txt 0-4", whole => "X-Sendfile2: $m/ten.txt 0-", two => "X-Sendfile2: $m/ten.txt 0-1, $m/ten.txt 8-",
    three => "X-Sendfile2: $m/sub/deep.txt 1-2,$m/ten.txt 9-9 , /app/other/o.txt 0-", comma => "X-Sendfile2: $m/a%2c%20b.txt 0-", space => "X-Sendfile2: $m/a%2c b.txt 1-",
    last => "X-Sendfile2: $m/ten.txt 9-9", beyond => "X-Sendfile2: $m/ten.txt 5-10", far => "X-Sendfile2: $m/ten.txt 11-", second => "X-Sendfile2: $m/ten.txt 0-4, $m/ten.txt 0-99",
    backwards => "X-Sendfile2: $m/ten.txt 5-4", huge => "X-Sendfile2: $m/ten.txt 0-9223372036854775807", overflow => "X-Sendfile2: $m/ten.txt 0-18446744073709551616",
    junk => "X-Sendfile2: $m/ten.txt", missing => "X-Sendfile2: $m/ten.txt 0-, $m/missing 0-", outside => "X-Sendfile2: $m/ten.txt 0-, $m/%2e%2e/secret.txt 0-",
    no_rule => 'X-Sendfile2: /etc/passwd 0-', directory => "X-Sendfile2: $m/sub 0-", many => 'X-Sendfile2: ' . join(', ', ("$m/ten.txt 3-5") x 100), location => 'X-Sendfile2: /app/within/ten.txt 0-1',
    large => "X-Sendfile2: $m/large.txt 0-, $m/large.txt 100000-",
);
my %want = (one => '01234', whole => $ten, two => '0189', three => 'ee9other', comma => 'comma', space => 'omma', last => '9', many => '345' x 100, large => $large . substr $large, 100_000);
got($_, fetch("/app/$_"), 200, $want{$_}, 'Content-Length: ' . length $want{$_}) for sort keys %want;
got("$_, HEAD", fetch("HEAD /app/$_"), 200, '', 'Content-Length: ' . length $want{$_}) for sort keys %want;
got($_, fetch("/app/$_"), 404, undef, '! Content-Disposition') for qw(beyond far second backwards huge overflow junk missing outside no_rule directory);
got('a location', fetch('/app/location'), 502, undef);
alive('after');



=== X-Sendfile2: empty parts
--- story
my $m = '/app/media';
says_app(empty => "X-Sendfile2: $m/empty.txt 0-", end => "X-Sendfile2: $m/ten.txt 10-", amid => "X-Sendfile2: $m/ten.txt 0-1, $m/empty.txt 0-, $m/ten.txt 2-3", last => "X-Sendfile2: $m/ten.txt 0-1, $m/empty.txt 0-",
    first => "X-Sendfile2: $m/empty.txt 0-, $m/ten.txt 0-1", none => "X-Sendfile2: $m/empty.txt 0-, $m/empty.txt 0-");
my %want = (empty => '', end => '', amid => '0123', last => '01', first => '01', none => '');
got($_, fetch("/app/$_"), 200, $want{$_}, 'Content-Length: ' . length $want{$_}) for sort keys %want;
alive('after');



=== X-Sendfile2: ranges of the parts together
--- config
location /limited/ { download_intercept all; proxy_pass http://app; sendfile on; limit_rate 10m; }
--- story
my $m = '/app/media';
says_app(two => "X-Sendfile2: $m/ten.txt 0-4, $m/ten.txt 0-4\nETag: \"two\"", large => "X-Sendfile2: $m/large.txt 0-, $m/large.txt 0-");
for my $case (['0-3', '0123', '0-3'], ['3-6', '3401', '3-6'], ['-2', '34', '8-9'], ['5-5', '0', '5-5'], ['0-', '0123401234', '0-9']) {
    got($case->[0], fetch('/app/two', "Range: bytes=$case->[0]"), 206, $case->[1], "Content-Range: bytes $case->[2]/10");
}
got('beyond', fetch('/app/two', 'Range: bytes=10-'), 416, undef, 'Content-Range: bytes */10');
got('If-None-Match', fetch('/app/two', 'If-None-Match: "two"'), 304, undef);
my $several = fetch('/app/two', 'Range: bytes=0-1,6-7');
ok($several->{whole} && ($several->{status} == 200 && $several->{body} eq '0123401234'
    || $several->{status} == 206 && $several->{body} =~ /Content-Range: bytes 0-1\/10\r\n\r\n01\r\n.*Content-Range: bytes 6-7\/10\r\n\r\n12\r\n/s), 'two ranges')
    or diag("$several->{status} $several->{body}");
my $across = fetch('/app/two', 'Range: bytes=0-1,3-6');
ok($across->{whole} && ($across->{status} == 200 && $across->{body} eq '0123401234'
    || $across->{status} == 206 && $across->{body} =~ /Content-Range: bytes 0-1\/10\r\n\r\n01\r\n.*Content-Range: bytes 3-6\/10\r\n\r\n3401\r\n/s), 'two ranges, one across the parts')
    or diag("$across->{status} $across->{body}");
my $at = length($large) - 5;
got('large, across', fetch('/limited/large', "Range: bytes=$at-" . ($at + 9)), 206, substr($large, -5) . substr $large, 0, 5);
alive('after');



=== off, and what is inherited
--- http_config
download_intercept x-sendfile;
--- config
location /inherited/ { proxy_pass http://app; location /inherited/off/ { download_intercept off; proxy_pass http://app; } location /inherited/nested/ { proxy_pass http://app; } }
location /if/ { proxy_pass http://app; if ($arg_off) { proxy_pass http://app; } }
--- story
says_app(sendfile => [200, 'stand-in', 'X-Sendfile: /app/media/ten.txt'], inner => [200, 'stand-in', 'X-Accel-Redirect: /inner/ten.txt', 'X-Own: 1', 'ETag: "own"']);
got($_, fetch("$_/sendfile"), 200, $ten) for '/inherited', '/inherited/nested', '/if';
got('in if', fetch('/if/sendfile?off=1'), 200, $ten);
for my $where ('/inherited/off', '/off') {
    my $r = fetch("$where/sendfile");
    is("$r->{status} $r->{body}", '200 stand-in', "$where: nginx as it is without us");
    is(field($r, 'X-Sendfile'), '/app/media/ten.txt', "$where: and the field is none of our business");
}
got('off: as nginx does it', fetch('/off/inner'), 200, $ten, '! X-Own', 'ETag: "65937d25-a"');
got('only x-sendfile: as nginx does it', fetch('/inherited/inner'), 200, $ten, '! X-Own');
got('all', fetch('/app/inner'), 200, $ten, 'X-Own: 1', 'ETag: "own"');



=== only what is enabled is taken
--- story
says_app((map { my ($name, $value) = @$_; lc $name => [200, 'stand-in', "$name: $value"] } ['X-Sendfile', '/app/media/ten.txt'], ['X-Sendfile-Temporary', '/app/media/ten.txt'],
    ['X-Sendfile2', '/app/media/ten.txt 0-'], ['X-LIGHTTPD-send-file', '/app/media/ten.txt'], ['X-Accel-Redirect', '/protected/ten.txt']), named => 'X-Accel-Redirect: @named', plain => [200, 'plain', 'X-Own: 1']);
got("x-accel-redirect: $_", fetch("/accel/$_"), 200, 'stand-in') for qw(x-sendfile x-sendfile-temporary x-sendfile2 x-lighttpd-send-file);
got('x-accel-redirect: its own', fetch('/accel/x-accel-redirect'), 200, $ten);
got('x-accel-redirect: named', fetch('/accel/named'), 200, 'named GET /accel/named');
got("x-sendfile: $_", fetch("/sendfile/$_"), 200, $ten) for qw(x-sendfile x-sendfile2 x-lighttpd-send-file);
got('x-sendfile: X-Accel-Redirect is for nginx, which finds no such location', fetch('/sendfile/x-accel-redirect'), 404, undef);
got("$_: a response that refers to no file", fetch("/$_/plain"), 200, 'plain', 'X-Own: 1', 'Content-Length: 5') for qw(app accel sendfile raw);
ok(-e servroot() . '/html/files/ten.txt', 'and nothing was deleted');
got('temporary', fetch('/sendfile/x-sendfile-temporary'), 200, $ten);



=== statuses: 200 and 206 are intercepted, all others passed on, without what was meant for the server
--- story
my @statuses = ("000", 201, 202, 203, 204, 301, 302, 303, 304, 307, 400, 401, 403, 404, 410, 416, 418, 429, 500, 502, 503, 504, 999);
my @fields = ('X-Own: 1', 'X-Accel-Expires: 0', 'X-Accel-Limit-Rate: 100', 'X-Accel-Charset: utf-8', 'X-Accel-Buffering: no', 'X-Sendfile-Type: X-Sendfile', 'Location: https://a.example/', 'Set-Cookie: a=1');
my %answers;
for my $status (@statuses) {
    my $body = $status =~ /^(?:204|304)$/ ? '' : "body $status";
    $answers{"s$status"} = [$status, $body, 'X-Sendfile: /app/media/ten.txt', @fields];
    $answers{"a$status"} = [$status, $body, 'X-Accel-Redirect: /protected/ten.txt', @fields];
    $answers{"i$status"} = [$status, $body, 'X-Accel-Redirect: /inner/ten.txt', @fields];
    next if length $body;
    for my $kind (qw(s a i)) {
        my $said = $answers{"$kind$status"};
        $answers{"$kind$status"} = sub { answer(@$said) =~ s/Content-Length: 0\r\n//r };
    }
}
says_app(%answers);
for my $status (@statuses) {
    for my $kind (qw(s a i)) {
        my $body = $status =~ /^(?:204|304)$/ ? undef : "body $status";
        got("$kind $status", fetch("/app/$kind$status"), $status, $body, 'X-Own: 1', 'Set-Cookie: a=1', $status =~ /^30[1237]/ ? 'Location: https://a.example/' : ());
    }
}



=== what is meant for the server is taken out of all responses, though an admin lets it pass
--- config
location /passed/ { download_intercept all; proxy_pass http://app; proxy_pass_header X-Accel-Redirect; proxy_pass_header X-Accel-Expires; proxy_pass_header X-Accel-Limit-Rate; }
--- story
says_app(plain => [200, 'plain', 'X-Accel-Expires: 0', 'X-Accel-Buffering: no', 'X-Sendfile-Type: x', 'X-Accel-Mapping: /a=/b'], denied => [403, 'no', 'X-Accel-Redirect: /protected/ten.txt', 'X-Accel-Expires: 5'],
    rule => "X-Accel-Redirect: /protected/ten.txt\nX-Accel-Expires: 1\nX-Accel-Buffering: no", inner => "X-Accel-Redirect: /inner/ten.txt\nX-Accel-Expires: 1\nX-Sendfile-Type: x");
got('plain', fetch('/passed/plain'), 200, 'plain');
got('denied', fetch('/passed/denied'), 403, 'no');
got($_, fetch("/passed/$_"), 200, $ten) for qw(rule inner);



=== 206 of the app: its range of a body that it did not send is set aside
--- story
my @said = (206, 'x', 'Content-Range: bytes 0-0/999', 'Accept-Ranges: bytes');
says_app(sendfile => [@said, 'X-Sendfile: /app/media/ten.txt'], inner => [@said, 'X-Accel-Redirect: /inner/ten.txt'], rule => [@said, 'X-Accel-Redirect: /protected/ten.txt']);
for my $name (qw(sendfile inner rule)) {
    got("$name: no range asked for", fetch("/app/$name"), 200, $ten, '! Content-Range', 'Content-Length: 10', 'Accept-Ranges: bytes');
    got("$name: a range", fetch("/app/$name", 'Range: bytes=2-4'), 206, '234', 'Content-Range: bytes 2-4/10', 'Content-Length: 3');
}



=== the app's header fields are kept, each once
--- config
location /more/ { download_intercept all; proxy_pass http://app; expires 1h; add_header X-Ours 1; }
location /hop/ { internal; proxy_pass http://app/; }
--- story
my @fields = ("Content-Security-Policy: default-src 'none'; sandbox", 'X-Content-Type-Options: nosniff', 'X-Frame-Options: DENY', 'Vary: Cookie', 'Link: </a>; rel=preload', 'Set-Cookie: a=1; HttpOnly', 'Set-Cookie: b=2',
    'ETag: "app"', 'Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT', 'Cache-Control: private, no-store', 'X-Request-Id: 7', 'Content-Type: text/html; charset=koi8-r', q(Content-Disposition: attachment; filename="x; y.pdf"),
    'Content-Language: de', 'Strict-Transport-Security: max-age=1', 'Accept-Ranges: bytes', 'X-Empty: ');
my @want = grep { !/^(Set-Cookie|X-Empty)/ } @fields;
my @ours = ('Content-Type: application/x-target', 'ETag: "target"', 'Last-Modified: Sun, 31 Dec 2023 00:00:00 GMT', 'Content-Disposition: inline', 'Set-Cookie: c=3', 'Cache-Control: public', 'Vary: Accept', 'X-Target: 1');
says_app((map { my ($name, $line) = @$_; $name => [200, 'stand-in', $line, @fields, 'Connection: x-hop', 'Keep-Alive: timeout=5', 'X-Accel-Expires: 3'] } ['sendfile', 'X-Sendfile: /app/media/ten.txt'], ['rule', 'X-Accel-Redirect: /protected/ten.txt'],
    ['inner', 'X-Accel-Redirect: /inner/ten.txt'], ['parts', 'X-Sendfile2: /app/media/ten.txt 0-'], ['within', 'X-Sendfile: /app/within/ten.txt'], ['proxied', 'X-Accel-Redirect: /hop/target'], ['named', 'X-Accel-Redirect: @named']),
    target => [200, $ten, @ours]);
for my $name (qw(sendfile rule inner parts within proxied named)) {
    my $body = $name eq 'named' ? qr/^named GET/ : $ten;
    # whether there are ranges of what another location makes, is for that location to say
    my @want = grep { $name !~ /named|proxied/ || !/^Accept-Ranges/ } @want;
    got($name, fetch("/app/$name"), 200, $body, @want, 'Set-Cookie: a=1; HttpOnly | b=2', '! Keep-Alive', 'Content-Length: ' . ($name eq 'named' ? 20 : 10), '! Content-Encoding', $name eq 'proxied' ? 'X-Target: 1' : ());
    got("$name, with expires", fetch("/more/$name"), 200, $body, @want, 'Set-Cookie: a=1; HttpOnly | b=2') unless $name =~ /named|inner|proxied|within/;
}
my $r = fetch('/more/sendfile');
is(field($r, 'X-Ours'), '1', 'add_header of the location');
is(field($r, 'Server') =~ tr/|//, 0, 'Server once');
is(field($r, 'Date') =~ tr/|//, 0, 'Date once');



=== what the app does not say is told from the file
--- config
location /expires/ { download_intercept all; proxy_pass http://app; expires 1h; }
--- story
says_app(txt => [200, 'x', 'X-Sendfile: /app/media/ten.txt'], pdf => 'X-Sendfile: /app/media/report.pdf', gz => 'X-Sendfile: /app/media/archive.tar.gz', typed => "X-Sendfile: /app/media/report.pdf\nContent-Type: text/html; charset=utf-8",
    inner => 'X-Accel-Redirect: /inner/ten.txt', weak => "X-Sendfile: /app/media/ten.txt\nETag: W/\"a\"", bad => "X-Sendfile: /app/media/ten.txt\nETag: unquoted");
got('text', fetch('/app/txt'), 200, $ten, 'Content-Type: text/plain', 'ETag: "65937d25-a"', "Last-Modified: $date", 'Accept-Ranges: bytes', '! Content-Disposition', 'Content-Length: 10');
got('pdf', fetch('/app/pdf'), 200, 'pdf', 'Content-Type: application/pdf');
got('gz', fetch('/app/gz'), 200, 'gzipped', 'Content-Type: application/gzip', '! Content-Encoding');
got('the app is believed', fetch('/app/typed'), 200, 'pdf', 'Content-Type: text/html; charset=utf-8');
got('by a location', fetch('/app/inner'), 200, $ten, 'Content-Type: text/plain', 'ETag: "65937d25-a"', "Last-Modified: $date");
got('a weak ETag', fetch('/app/weak'), 200, $ten, 'ETag: W/"a"');
got('an ETag that is none', fetch('/app/bad'), 200, $ten);
got('expires', fetch('/expires/txt'), 200, $ten, 'Cache-Control: max-age=3600');



=== Content-Encoding: that of a body that was not sent goes, that of the file stays
--- story
says_app(standin => [200, "\x1f\x8b gzipped stand-in", 'Content-Encoding: gzip', 'X-Sendfile: /app/media/ten.txt'], archive => "Content-Encoding: gzip\nX-Sendfile: /app/media/archive.tar.gz",
    accel => "Content-Encoding: gzip\nX-Accel-Redirect: /protected/archive.tar.gz", inner => [200, 'stand-in', 'Content-Encoding: gzip', 'X-Accel-Redirect: /inner/ten.txt'],
    chunked => sub { "HTTP/1.1 200 OK\r\nX-Sendfile: /app/media/ten.txt\r\nContent-Encoding: br\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" });
got($_, fetch("/app/$_"), 200, $ten, '! Content-Encoding', 'Content-Length: 10', '! Transfer-Encoding') for qw(standin inner chunked);
got($_, fetch("/app/$_"), 200, 'gzipped', 'Content-Encoding: gzip', 'Content-Length: 7') for qw(archive accel);



=== ranges and conditions: what the app says of the version counts
--- story
my $said = "ETag: \"app\"\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT";
says_app(sendfile => "X-Sendfile: /app/media/ten.txt\n$said", rule => "X-Accel-Redirect: /protected/ten.txt\n$said", inner => "X-Accel-Redirect: /inner/ten.txt\n$said", file => "X-Sendfile: /app/media/ten.txt");
for my $name (qw(sendfile rule inner)) {
    got("$name: range", fetch("/app/$name", 'Range: bytes=2-4'), 206, '234', 'Content-Range: bytes 2-4/10', 'ETag: "app"');
    got("$name: ranges", fetch("/app/$name", 'Range: bytes=0-0,-1'), 206, qr/bytes 0-0\/10.*bytes 9-9\/10/s);
    got("$name: HEAD, range", fetch("HEAD /app/$name", 'Range: bytes=2-4'), 206, '', 'Content-Length: 3');
    got("$name: 416", fetch("/app/$name", 'Range: bytes=10-'), 416, undef, 'Content-Range: bytes */10', '! Content-Disposition');
    got("$name: If-Range", fetch("/app/$name", 'Range: bytes=2-4', 'If-Range: "app"'), 206, '234');
    got("$name: If-Range of the file's own ETag", fetch("/app/$name", 'Range: bytes=2-4', 'If-Range: "65937d25-a"'), 200, $ten);
    got("$name: If-Range, date", fetch("/app/$name", 'Range: bytes=2-4', 'If-Range: Mon, 01 Jan 2024 00:00:00 GMT'), 206, '234');
    got("$name: If-Range, another date", fetch("/app/$name", 'Range: bytes=2-4', "If-Range: $date"), 200, $ten);
    got("$name: If-None-Match", fetch("/app/$name", 'If-None-Match: "x", "app"'), 304, undef, 'ETag: "app"', '! Content-Length');
    got("$name: If-None-Match, weak", fetch("/app/$name", 'If-None-Match: W/"app"'), 304, undef);
    got("$name: If-None-Match, HEAD", fetch("HEAD /app/$name", 'If-None-Match: "app"'), 304, undef);
    got("$name: If-None-Match of the file's own ETag", fetch("/app/$name", 'If-None-Match: "65937d25-a"'), 200, $ten);
    got("$name: If-Modified-Since", fetch("/app/$name", 'If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT'), 304, undef);
    got("$name: If-Match", fetch("/app/$name", 'If-Match: "app"'), 200, $ten);
    got("$name: If-Match of another", fetch("/app/$name", 'If-Match: "65937d25-a"'), 412, undef);
    got("$name: If-Unmodified-Since", fetch("/app/$name", 'If-Unmodified-Since: Sun, 31 Dec 2023 00:00:00 GMT'), 412, undef);
}
got("the file's own", fetch('/app/file', 'If-None-Match: "65937d25-a"'), 304, undef);



=== names with any character; decode=on and off
--- story
my %names = (space => 'a b.txt', percent => '50%.txt', literal => 'x%20y.txt', question => 'what?.txt', hash => 'a#b.txt', quotes => q(q"q'.txt), backslash => 'back\slash.txt', utf8 => "\xc3\xa9.txt", latin1 => "caf\xe9.txt",
    semicolon => 'a;b=c&d.txt', plus => 'a+b.txt', colon => 'c:d.txt', at => '@at.txt', dots => '..dots..', slash2 => 'zz%2Fz.txt', long => 'n' x 250, many => 'a%25%41.txt');
my %answers;
for my $key (keys %names) {
    my $name = $names{$key};
    put_file("files/$name", "this is $key");
    (my $encoded = $name) =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ge;
    $answers{"s-$key"} = "X-Sendfile: /app/media/$name";
    $answers{"es-$key"} = "X-Sendfile: /app/media/$encoded";
    $answers{"a-$key"} = "X-Accel-Redirect: /protected/$name";
    $answers{"ea-$key"} = "X-Accel-Redirect: /protected/$encoded";
    $answers{"ei-$key"} = "X-Accel-Redirect: /inner/$encoded";
    $answers{"i-$key"} = "X-Accel-Redirect: /inner/$name";
    $answers{"p-$key"} = 'X-Sendfile2: /app/media/' . ($encoded =~ s/%20/ /gr) . ' 0-';
}
put_file('files/d/e.txt', 'in a folder');
says_app(%answers, 's-folder' => 'X-Sendfile: /app/media/d%2Fe.txt', 'a-folder' => 'X-Accel-Redirect: /protected/d%2Fe.txt', 'a-twice' => 'X-Accel-Redirect: /protected/x%2520y.txt', 'bad' => 'X-Accel-Redirect: /protected/50%zz');
for my $key (sort keys %names) {
    my $want = "this is $key";
    got("X-Sendfile, $key", fetch("/app/s-$key"), 200, $want);
    got("X-Sendfile, $key, encoded, decode=on", fetch("/decoded/es-$key"), 200, $want);
    got("X-Accel-Redirect, $key", fetch("/app/ea-$key"), 200, $want);
    got("X-Accel-Redirect, $key, decode=on", fetch("/decoded/ea-$key"), 200, $want);
    got("X-Accel-Redirect, $key, decode=off", fetch("/raw/a-$key"), 200, $want);
    got("X-Accel-Redirect, $key, by a location", fetch("/app/ei-$key"), 200, $want);
    got("X-Accel-Redirect, $key, by a location, decode=off", fetch("/raw/i-$key"), 200, $want);
    got("X-Sendfile2, $key", fetch("/app/p-$key"), 200, $want);
}
got('a slash, encoded', fetch('/app/a-folder'), 200, 'in a folder');
got('a slash, encoded, decode=off', fetch('/raw/a-folder'), 404, undef);
got('a slash, encoded, X-Sendfile', fetch('/app/s-folder'), 404, undef);
got('a slash, encoded, X-Sendfile, decode=on', fetch('/decoded/s-folder'), 200, 'in a folder');
got('decoded once', fetch('/app/a-twice'), 200, 'this is literal');
got('no encoding', fetch('/app/bad'), 404, undef);
alive('after');



=== rules
--- config
location /own/ { download_intercept all; proxy_pass http://app; download_rule /only/ files; }
location /root/ { download_intercept all; proxy_pass http://app; download_rule / other:sub; }
location /first/ { download_intercept all; proxy_pass http://app; download_rule /a/b/ other:sub; download_rule /a files; }
--- story
says_app(sibling => 'X-Sendfile: /app/media-old/ten.txt', none => 'X-Sendfile: /app/mediaten.txt', prefix => 'X-Sendfile: /app/media/', bare => 'X-Sendfile: /app/media', other => 'X-Sendfile: /app/other/o.txt', above => 'X-Sendfile: /app/other/../o.txt',
    only => 'X-Sendfile: /only/ten.txt', ours => 'X-Sendfile: /app/media/ten.txt', root => 'X-Sendfile: /o.txt', ab => 'X-Sendfile: /a/b/o.txt', a => 'X-Sendfile: /a/ten.txt', abc => 'X-Accel-Redirect: /a/bc', accel => 'X-Accel-Redirect: /protectedx/ten.txt');
got($_, fetch("/app/$_"), 404, undef) for qw(sibling none prefix bare above only accel);
log_has(qr/\[error\].*download intercept: no_rule: /, 'and the log says why');
got('a storage of its own', fetch('/app/other'), 200, 'other');
got('own rules replace', fetch('/own/only'), 200, $ten);
got('those of above', fetch('/own/ours'), 404, undef);
got('everything', fetch('/root/root'), 200, 'other');
got('the first', fetch('/first/ab'), 200, 'other');
got('the second', fetch('/first/a'), 200, $ten);
got('no such file', fetch('/first/abc'), 404, undef);



=== references that lead nowhere: a plain 404
--- user_files eval
[['files/.hidden/x', 'x']]
--- story
my $root = servroot() . '/html';
symlink "$root/secret.txt", "$root/files/link.txt";
symlink "$root", "$root/files/up";
POSIX::mkfifo("$root/files/fifo", 0666);
my @lines = ('Content-Disposition: attachment; filename="x"', 'Cache-Control: max-age=9', "Expires: $date", 'Set-Cookie: a=1', 'ETag: "x"', "Last-Modified: $date", 'X-Own: 1', 'Content-Type: text/x-own', 'Content-Encoding: gzip', 'Link: </a>',
    'Vary: X', 'Accept-Ranges: bytes', 'Content-Language: de');
my %sendfile = (missing => '/app/media/missing', dotdot => '/app/media/../secret.txt', deeper => '/app/media/sub/../../secret.txt', within => '/app/media/sub/../ten.txt', dot => '/app/media/./ten.txt/', relative => 'ten.txt', relative2 => 'app/media/ten.txt', empty => '',
    directory => '/app/media/sub', directory2 => '/app/media/sub/', passwd => '/etc/passwd', link => '/app/media/link.txt', up => '/app/media/up/secret.txt', outside => '/app/linked/link.txt', outside2 => '/app/linked/up/secret.txt', fifo => '/app/media/fifo',
    through => '/app/media/ten.txt/x', long => '/app/media/' . 'x' x 300, url => 'http://127.0.0.1/x', by_location => '/app/within/missing', by_location2 => '/app/within/sub', escaped => '/app/media/%2e%2e/secret.txt', tab => "/app/media/a\tb", at => '@named');
my %accel = (missing => '/protected/missing', dotdot => '/protected/../secret.txt', encoded => '/protected/%2e%2e/secret.txt', half => '/protected/.%2E/secret.txt', twice => '/protected/%252e%252e/secret.txt', slash => '/protected/..%2fsecret.txt', nul => '/protected/ten.txt%00',
    nul2 => '/protected/a%00b', inner_nul => '/inner/ten.txt%00', inner_dotdot => '/inner/../secret.txt', inner_encoded => '/inner/%2e%2e/secret.txt', inner_slash => '/inner/..%2fsecret.txt', inner_i => '/inner../secret.txt', empty => '', args => '?a=b', relative => 'ten.txt',
    directory => '/protected/sub', directory2 => '/protected/sub/', inner_directory => '/inner/sub', inner_directory2 => '/inner/sub/', inner_missing => '/inner/missing', no_location => '/nowhere/x', backslash => '/protected/..\\..\\secret.txt', url => 'http://127.0.0.1/x',
    trailing => '/protected/ten.txt/', crlf => '/protected/a%0d%0aX-Injected:%201', inner_crlf => '/inner/a%0d%0aX-Injected:%201', slashes => '//protected/ten.txtx', fragment => '/inner/ten.txt%23', just_slash => '/protected/', inner_root => '/inner/');
says_app((map { ("s-$_" => [200, 'stand-in', "X-Sendfile: $sendfile{$_}", @lines], "t-$_" => [200, 'stand-in', "X-Sendfile-Temporary: $sendfile{$_}", @lines]) } keys %sendfile), map { ("a-$_" => [200, 'stand-in', "X-Accel-Redirect: $accel{$_}", @lines]) } keys %accel);
my $plain = sub {
    my ($what, $r, $status) = @_;
    got($what, $r, $status, qr{^<html>.*</html>}s, (map { "! $_" } qw(Content-Disposition Cache-Control Expires Set-Cookie ETag Last-Modified X-Own Content-Encoding Location Link Vary Content-Language X-Injected Content-Range)), 'Content-Type: text/html');
    unlike($r->{body}, qr/secret$|stand-in|root:/, "$what: nothing of any file");
};
for my $key (sort keys %sendfile) {
    $plain->("X-Sendfile $key", fetch("/app/s-$key"), 404);
    got("X-Sendfile $key, HEAD", fetch("HEAD /app/s-$key"), 404, '', '! Set-Cookie', '! Content-Disposition');
}
for my $key (sort keys %accel) {
    $plain->("X-Accel-Redirect $key", fetch("/app/a-$key"), 404);
    $plain->("X-Accel-Redirect $key, with a range and a condition", fetch("/app/a-$key", 'Range: bytes=0-1', 'If-None-Match: "x"'), 404);
}
$plain->("decode=on $_", fetch("/decoded/s-$_"), 404) for sort keys %sendfile;
$plain->("decode=off $_", fetch("/raw/a-$_"), 404) for grep { !/args/ } sort keys %accel;
$plain->("temporary $_", fetch("/app/t-$_"), 404) for sort keys %sendfile;
ok(-e "$root/$_", "$_ is still there") for qw(secret.txt files/sub files/fifo files/ten.txt);
ok(-l "$root/files/$_", "$_ is still there") for qw(link.txt up);
alive('after');



=== a named location that is not there, and a target that denies or fails
--- config
location /denied/ { internal; deny all; }
location /away/ { internal; return 302 /elsewhere; }
location /broken/ { internal; return 500 broken; }
location /gone/ { internal; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/html/nobody.sock; }
location /made/ { internal; return 404 "internal words"; }
--- story
my @lines = ('Content-Disposition: attachment', 'Set-Cookie: a=1', 'Cache-Control: max-age=9', 'X-Own: 1');
says_app(map { my ($name, $uri) = @$_; $name => [200, 'stand-in', "X-Accel-Redirect: $uri", @lines] } ['named', '@nobody'], ['denied', '/denied/x'], ['away', '/away/x'], ['broken', '/broken/x'], ['gone', '/gone/x'], ['made', '/made/x']);
my @none = map { "! $_" } qw(Content-Disposition Set-Cookie Cache-Control X-Own Location);
got('named', fetch('/app/named'), 502, undef, @none);
got('denied', fetch('/app/denied'), 404, undef, @none);
got('away', fetch('/app/away'), 404, undef, @none);
got('broken', fetch('/app/broken'), 502, undef, @none);
got('gone', fetch('/app/gone'), 502, undef, @none);
got('made', fetch('/app/made'), 404, undef, @none);
alive('after');
--- no_error_log
[alert]
[emerg]
--- error_log
[crit]



=== more than one reference
--- story
my ($s, $a, $t) = ('X-Sendfile: /app/media/ten.txt', 'X-Accel-Redirect: /protected/ten.txt', 'X-Sendfile-Temporary: /app/media/ten.txt');
says_app(both => "$s\n$a\nSet-Cookie: a=1", twice => "$s\n$s", twice_accel => "$a\n$a", temporary => "$s\n$t", two => "$a\nX-Sendfile2: /app/media/ten.txt 0-", lighttpd => "$s\nX-LIGHTTPD-send-file: /app/media/large.txt",
    empty => "$s\nX-Accel-Redirect: ", denied => [403, 'no', $s, $a]);
got($_, fetch("/app/$_"), 502, undef, '! Set-Cookie') for qw(both twice twice_accel temporary two lighttpd empty);
got('denied', fetch('/app/denied'), 403, 'no');
log_has(qr/\[error\].*download intercept: ambiguous: /, 'and the log says why');
ok(-e servroot() . '/html/files/ten.txt', 'nothing is deleted');
# where only one of the two is enabled, it is not ambiguous
got('X-Sendfile among others', fetch('/accel/both'), 200, $ten);



=== large headers
--- config
location /large/ { download_intercept all; proxy_pass http://app; proxy_buffer_size 32k; proxy_buffers 8 32k; proxy_busy_buffers_size 64k; }
--- story
my ($policy, $deep) = ('x' x 6000, '');
$deep .= 'd' x 100 . '/' for 1 .. 30;
put_file("files/${deep}file.txt", 'far down');
my $args = 'a' x 7000;
says_app(policy => "X-Sendfile: /app/media/ten.txt\nContent-Security-Policy: $policy", long => 'X-Sendfile: /app/media/' . 'a/' x 3500 . 'x', accel => 'X-Accel-Redirect: /protected/' . 'a' x 7000, args => "X-Accel-Redirect: /args?$args",
    deep => "X-Sendfile: /app/media/${deep}file.txt", many => join("\n", 'X-Sendfile: /app/media/ten.txt', map { "X-Own-$_: $_" } 1 .. 500), parts => 'X-Sendfile2: ' . join ',', ('/app/media/ten.txt 0-1') x 800);
got('policy', fetch('/large/policy'), 200, $ten, "Content-Security-Policy: $policy");
got($_, fetch("/large/$_"), 404, undef) for qw(long accel);
got('arguments', fetch('/large/args'), 200, "GET /args $args");
got('deep', fetch('/large/deep'), 200, 'far down');
got('many fields', fetch('/large/many'), 200, $ten, 'X-Own-1: 1', 'X-Own-500: 500');
got('many parts', fetch('/large/parts'), 200, '01' x 800);
got('too large for proxy_buffer_size', fetch('/app/policy'), 502, undef);
alive('after');



=== X-Accel-Limit-Rate, X-Accel-Charset
--- config
location /limited/ { download_intercept all; proxy_pass http://app; limit_rate 1k; }
--- story
put_file('files/page.txt', 'x' x 5000);
my $s = 'X-Sendfile: /app/media/page.txt';
says_app((map { my ($name, $value) = @$_; $name => "$s\nX-Accel-Limit-Rate: $value", "i-$name" => "X-Accel-Redirect: /inner/page.txt\nX-Accel-Limit-Rate: $value" } ['off', 'off'], ['zero', 0], ['number', 2500], ['fast', 100000000], ['junk', 'fast'], ['minus', -1], ['large', '99999999999999999999999']),
    charset => "$s\nX-Accel-Charset: koi8-r", over => "$s\nContent-Type: text/html; charset=utf-8\nX-Accel-Charset: koi8-r", charset_off => "$s\nContent-Type: text/html; charset=utf-8\nX-Accel-Charset: off", bad => "$s\nX-Accel-Charset: a b");
my $time = sub { my $start = time; got($_[0], fetch($_[0]), 200, 'x' x 5000); time - $start };
my $quick = $ENV{TEST_NGINX_SLOW} ? 3 : 0.7;
cmp_ok($time->("/app/$_"), '<', $quick, "$_: no limit") for qw(off zero fast junk minus large i-off i-zero i-fast);
cmp_ok($time->("/limited/$_"), '<', $quick, "$_: instead of the location's") for qw(off zero fast);
cmp_ok($time->("/app/$_"), '>', 0.9, "$_: limited") for qw(number i-number);
log_has(qr/\[warn\].*X-Accel-Limit-Rate "$_"/, "$_: the log says so") for qw(fast -1);
got('charset', fetch('/app/charset'), 200, undef, 'Content-Type: text/plain; charset=koi8-r');
got('instead of another', fetch('/app/over'), 200, undef, 'Content-Type: text/html; charset=koi8-r');
got('off', fetch('/app/charset_off'), 200, undef, 'Content-Type: text/html; charset=utf-8');
got('bad', fetch('/app/bad'), 200, undef);



=== what clients may not say to the app
--- config
underscores_in_headers on;
location /typed/ { download_intercept all; proxy_pass http://app; proxy_set_header X-Sendfile-Type X-Accel-Redirect; proxy_set_header X-Accel-Mapping /a=/b; }
location /subrequest/ { download_intercept all; auth_request /auth; proxy_pass http://app; }
location = /auth { internal; download_intercept all; proxy_pass http://app/echo_note; proxy_pass_request_body off; proxy_set_header Content-Length ""; }
--- story
says_app(echo => sub { answer(200, shift) }, echo_note => sub { note(split /\r\n/, shift); answer(200, '') });
my @from_client = ('X-Accel-Mapping: /=/etc/', 'X_Accel_Mapping: /=/etc/', 'x-accel-mapping: y', 'X-Sendfile-Type: X-Sendfile', 'X_Sendfile_Type: a', 'X-Accel-Redirect: /etc', 'X-Sendfile: x', 'X-LIGHTTPD-send-file: x', 'X-Accel_Mapping: z', 'X-Fine: 1', 'Range: bytes=0-');
my $r = fetch('/app/echo', @from_client);
unlike($r->{body}, qr/^x[-_](accel|sendfile|lighttpd)/mi, 'none of it reaches the app');
like($r->{body}, qr/^X-Fine: 1\r$/m, 'others do');
$r = fetch('/typed/echo', @from_client);
is(join('|', sort map { lc } $r->{body} =~ /^(x[-_](?:accel|sendfile|lighttpd).*)\r$/mig), 'x-accel-mapping: /a=/b|x-sendfile-type: x-accel-redirect', 'what the admin says does');
$r = fetch('/off/echo', 'X-Sendfile-Type: x');
like($r->{body}, qr/^X-Sendfile-Type: x/m, 'off: nginx as it is');
fetch('/subrequest/echo', @from_client);
unlike(notes(), qr/^x[-_](accel|sendfile|lighttpd)/mi, 'nor by a subrequest');



=== download object, and the app answers as it would to any server
--- config
download_intercept all;
location /dl/ { download object /_ask$uri; expires 1h; }
location /_ask/ { internal; proxy_pass http://app; }
location /outer/ { download_intercept off; download object /_ask$uri; }
location /only/ { download_intercept x-sendfile; download object /_ask$uri; }
location /asked-only/ { download_intercept off; download object /_ask$uri; }
--- story
my @lines = ('X-Own: 1', 'ETag: "app"', 'Cache-Control: no-store', 'Set-Cookie: a=1', 'Set-Cookie: b=2', 'Content-Type: text/html; charset=utf-8', 'Content-Disposition: attachment; filename="n"');
my $grant = '{"file":{"storage":"files","path":"ten.txt"}}';
put_file('files/tmp/x', $ten);
says_app((map { my ($name, $line) = @$_; $name => [200, 'stand-in', $line, @lines] } ['sendfile', 'X-Sendfile: /app/media/ten.txt'], ['rule', 'X-Accel-Redirect: /protected/ten.txt'], ['inner', 'X-Accel-Redirect: /inner/ten.txt'], ['parts', 'X-Sendfile2: /app/media/ten.txt 0-'],
    ['missing', 'X-Sendfile: /app/media/missing'], ['passwd', 'X-Sendfile: /etc/passwd'], ['inner_missing', 'X-Accel-Redirect: /inner/missing'], ['temporary', 'X-Sendfile-Temporary: /app/media/tmp/x'], ['dotdot', 'X-Accel-Redirect: /protected/../x']), named => [200, '', 'X-Accel-Redirect: @named', @lines],
    both => "X-Sendfile: /app/media/ten.txt\nX-Accel-Redirect: /protected/ten.txt", denied => [403, 'no', 'X-Sendfile: /app/media/ten.txt', 'X-Own: 1'], grant => [200, $grant, 'Content-Type: application/json', 'X-Own: 1'], neither => [200, 'stand-in'],
    with => [200, $grant, 'Content-Type: application/json', 'X-Sendfile: /app/media/sub/deep.txt'], partial => [206, 'stand-in', 'X-Sendfile: /app/media/ten.txt'], status => [204, '', 'X-Sendfile: /app/media/ten.txt']);
for my $name (qw(sendfile rule inner parts temporary)) {
    got($name, fetch("/dl/$name"), 200, $ten, @lines[0 .. 2], 'Set-Cookie: a=1 | b=2', @lines[5, 6], 'Content-Length: 10');
}
ok(wait_for { !-e servroot() . '/html/files/tmp/x' }, 'temporary: gone');
got('named', fetch('/dl/named'), 200, qr/^named GET/, @lines[0 .. 2]);
got('a range', fetch('/dl/sendfile', 'Range: bytes=2-4'), 206, '234');
got('HEAD', fetch('HEAD /dl/sendfile'), 200, '', 'Content-Length: 10');
got('If-None-Match', fetch('/dl/rule', 'If-None-Match: "app"'), 304, undef);
got("$_", fetch("/dl/$_"), 404, qr/<html>/, '! Set-Cookie', '! X-Own', '! Content-Disposition') for qw(missing passwd inner_missing dotdot);
got('both', fetch('/dl/both'), 502, undef);
got('denied', fetch('/dl/denied'), 403, 'no', 'X-Own: 1');
got('a grant', fetch('/dl/grant'), 200, $ten, '! X-Own');
got('neither', fetch('/dl/neither'), 502, undef);
got('206', fetch('/dl/partial'), 502, undef);
got('204', fetch('/dl/status'), 502, undef);
got('POST', fetch('POST /dl/sendfile', 'Content-Length: 0'), 405, undef);
got("off: $_", fetch("/outer/$_"), 502, undef) for qw(sendfile parts);
got('only x-sendfile', fetch('/only/sendfile'), 200, $ten);
alive('after');



=== variables
--- http_config
log_format story '$request_uri|$download_view|$download_failure|$download_bytes_sent|$status';
--- config
add_header X-Seen "$download_view|$download_source|$download_storage|$download_file|$download_basename|$download_grant|$download_failure" always;
access_log $TEST_NGINX_SERVER_ROOT/logs/story.log story;
location /one/ { download_intercept all; proxy_pass http://app; }
location /seen/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/files/; }
--- story
my $files = servroot() . '/html/files';
says_app(sendfile => 'X-Sendfile: /app/media/ten.txt', rule => 'X-Accel-Redirect: /protected/sub/deep.txt', inner => 'X-Accel-Redirect: /seen/ten.txt', missing => 'X-Sendfile: /app/media/missing', none => 'X-Sendfile: /nowhere', plain => [200, 'plain'],
    parts => 'X-Sendfile2: /app/media/ten.txt 0-3', both => "X-Sendfile: /a\nX-Accel-Redirect: /a", denied => [403, 'no', 'X-Sendfile: /app/media/ten.txt'], inner_missing => 'X-Accel-Redirect: /seen/missing');
my $seen = sub { field(fetch("/one/$_[0]"), 'X-Seen') };
is($seen->('sendfile'), "intercept|path|files|$files/ten.txt|ten.txt|asked|", 'X-Sendfile');
is($seen->('rule'), "intercept|path|files|$files/sub/deep.txt|deep.txt|asked|", 'X-Accel-Redirect');
like($seen->('inner'), qr{^intercept\|location\|\|/seen/ten.txt\|ten.txt\|asked\|$}, 'by a location');
like($seen->('parts'), qr{^intercept\|path\|.*\|ten.txt\|asked\|$}, 'parts');
like($seen->('missing'), qr{^intercept\|.*\|missing$}, 'missing');
like($seen->('none'), qr{^intercept\|.*\|no_rule$}, 'no rule');
like($seen->('both'), qr{^intercept\|.*\|ambiguous$}, 'ambiguous');
like($seen->('inner_missing'), qr{^intercept\|.*\|target_missing$}, 'missing, by a location');
is($seen->('plain') =~ tr/|//dr, '', 'a response that refers to no file');
is($seen->('denied') =~ tr/|//dr, '', 'denied');
wait_for { slurp(servroot() . '/logs/story.log') =~ m{denied} };
my $log = slurp(servroot() . '/logs/story.log');
like($log, qr{^/one/sendfile\|intercept\|-\|10\|200$}m, 'access log: X-Sendfile');
like($log, qr{^/one/inner\|intercept\|-\|10\|200$}m, 'access log: by a location');
like($log, qr{^/one/parts\|intercept\|-\|4\|200$}m, 'access log: parts');
like($log, qr{^/one/missing\|intercept\|missing\|\d+\|404$}m, 'access log: missing');



=== error_page
--- config
location /page/ { download_intercept all; proxy_pass http://app; error_page 404 /sorry.html; error_page 502 =503 /sorry.html; }
location /errors/ { download_intercept all; proxy_pass http://app; proxy_intercept_errors on; error_page 403 404 =200 /sorry.html; error_page 500 = /sorry.html; }
location = /sorry.html { return 200 sorry; }
--- story
says_app(missing => "X-Sendfile: /app/media/missing\nX-Own: 1\nSet-Cookie: a=1", inner => "X-Accel-Redirect: /inner/missing\nX-Own: 1", both => "X-Sendfile: /a\nX-Accel-Redirect: /b", none => "X-Sendfile: /nowhere",
    denied => [403, 'no', 'X-Sendfile: /app/media/ten.txt', 'X-Own: 1'], denied_accel => [403, 'no', 'X-Accel-Redirect: /protected/ten.txt', 'X-Own: 1'], absent => [404, 'no', 'X-Accel-Redirect: /inner/ten.txt'], broken => [500, 'no', 'X-Sendfile: /app/media/ten.txt'], good => 'X-Sendfile: /app/media/ten.txt');
got("$_: a page", fetch("/page/$_"), 404, 'sorry', '! X-Own', '! Set-Cookie') for qw(missing none);
got('by a location: that one has no error_page', fetch('/page/inner'), 404, undef, '! X-Own');
got('both', fetch('/page/both'), 503, 'sorry');
got('errors of the app: its file is not sent', fetch("/errors/$_"), 200, 'sorry', '! X-Own') for qw(denied denied_accel absent broken);
got('and what it allows is', fetch('/errors/good'), 200, $ten);
alive('after');



=== errors of the app that error_page replaces, where all responses are intercepted
--- config
download_intercept all;
location /errors/ { proxy_pass http://app; proxy_intercept_errors on; error_page 403 404 =200 /sorry.html; error_page 500 =200 /static/sorry.txt; error_page 502 =200 @sorry; }
location /ended/ { proxy_pass http://app; error_page 404 =200 /sorry.html; }
location = /sorry.html { return 200 sorry; }
location /static/ { alias $TEST_NGINX_SERVER_ROOT/html/files/sub/; }
location @sorry { return 200 "named sorry"; }
--- story
put_file('files/sub/sorry.txt', 'static sorry');
for my $line ('X-Sendfile: /app/media/ten.txt', 'X-Accel-Redirect: /protected/ten.txt', 'X-Accel-Redirect: /inner/ten.txt') {
    says_app(denied => [403, 'no', $line, 'X-Own: 1'], absent => [404, 'no', $line], broken => [500, 'no', $line], gateway => [502, 'no', $line], missing => "X-Sendfile: /app/media/missing\nX-Own: 1");
    got("$line, $_->[0]", fetch("/errors/$_->[0]"), 200, $_->[1], '! X-Own') for ['denied', 'sorry'], ['absent', 'sorry'], ['broken', 'static sorry'], ['gateway', 'named sorry'];
    got("$line, missing", fetch('/ended/missing'), 200, 'sorry', '! X-Own');
}
alive('after');



=== a response that nginx itself redirected, where all that is X-Sendfile is intercepted
--- config
download_intercept x-sendfile;
location /native/ { proxy_pass http://app; }
--- story
says_app(inner => "X-Accel-Redirect: /inner/ten.txt\nX-Own: 1", both => "X-Accel-Redirect: /inner/ten.txt\nX-Sendfile: /app/media/sub/deep.txt");
got('X-Accel-Redirect', fetch('/native/inner'), 200, $ten, '! X-Own');
my $r = fetch('/native/both');
unlike($r->{body}, qr/stand-in/, 'both');
alive('after');



=== a missing file does not cost the client its connection
--- story
says_app(missing => [200, 'x', 'X-Sendfile: /app/media/missing'], rule => [200, 'x', 'X-Accel-Redirect: /protected/missing'], inner => [200, 'x', 'X-Accel-Redirect: /inner/missing'], directory => [200, 'x', 'X-Accel-Redirect: /inner/sub'], both => "X-Sendfile: /a\nX-Accel-Redirect: /b", outside => 'X-Sendfile: /etc/passwd');
for my $name (qw(missing rule both outside inner directory)) {
    my $s = dial();
    send_to($s, GET("/app/$name", 'Connection: keep-alive'));
    my $r = response($s);
    is($r->{status}, $name eq 'both' ? 502 : 404, "$name: status");
    if (field($r, 'Connection') eq 'close') { ok(closed($s), "$name: closed, as announced"); next }
    send_to($s, GET('/ready'));
    is(response($s)->{body}, 'ready', "$name: the next request");
}



=== error_page that leads back to the app
--- config
location /named/ { download_intercept all; proxy_pass http://app; error_page 404 = @instead; }
location @instead { download_intercept all; rewrite ^ /x/instead break; proxy_pass http://app; }
location /named2/ { download_intercept all; proxy_pass http://app; error_page 404 = @again; }
location @again { download_intercept all; rewrite ^ /x/good break; proxy_pass http://app; }
--- story
says_app(missing => "X-Sendfile: /app/media/missing\nX-Own: 1", instead => [200, 'instead', 'X-Instead: 1'], good => 'X-Sendfile: /app/media/ten.txt');
got('a response', fetch('/named/missing'), 200, 'instead', 'X-Instead: 1', '! X-Own');
got('a response that refers to a file', fetch('/named2/missing'), 200, $ten, '! X-Own');
alive('after');



=== a chain: a file that the location refers to again, and a circle
--- config
location /hop/ { internal; download_intercept all; proxy_pass http://app/; }
location /plain-hop/ { internal; proxy_pass http://app/; }
location /circle/ { download_intercept all; proxy_pass http://app; }
--- story
says_app(start => "X-Accel-Redirect: /hop/second\nX-Own: 1\nContent-Disposition: attachment", second => "X-Accel-Redirect: /inner/ten.txt\nX-Second: 1\nContent-Disposition: inline", to_sendfile => 'X-Accel-Redirect: /hop/sendfile', sendfile => [200, 'stand-in', 'X-Sendfile: /app/media/ten.txt', 'X-Second: 1'],
    to_rule => 'X-Accel-Redirect: /hop/rule', rule => [200, 'stand-in', 'X-Accel-Redirect: /protected/ten.txt'], to_missing => 'X-Accel-Redirect: /hop/missing', missing => [200, 'stand-in', 'X-Sendfile: /app/media/missing'], to_plain => 'X-Accel-Redirect: /plain-hop/second',
    circle => 'X-Accel-Redirect: /circle/circle', to_denied => 'X-Accel-Redirect: /hop/denied', denied => [403, 'no', 'X-Sendfile: /app/media/ten.txt']);
got('X-Accel-Redirect, X-Accel-Redirect', fetch('/app/start'), 200, $ten, 'X-Own: 1', 'Content-Disposition: attachment');
got('X-Accel-Redirect, nginx\'s own', fetch('/app/to_plain'), 200, $ten);
got('X-Accel-Redirect, X-Sendfile', fetch('/app/to_sendfile'), 200, $ten);
got('X-Accel-Redirect, rule', fetch('/app/to_rule'), 200, $ten);
got('X-Accel-Redirect, missing', fetch('/app/to_missing'), 404, undef);
got('X-Accel-Redirect, denied', fetch('/app/to_denied'), 404, undef);
my $r = fetch('/circle/circle');
cmp_ok($r->{status}, '>=', 500, 'a circle ends in an error');
unlike($r->{body}, qr/stand-in/, 'without a body of an app');
alive('after');



=== a body without end behind X-Sendfile: the file comes at once, the app's connection is closed
--- config
location /unbuffered/ { download_intercept all; proxy_pass http://app; proxy_buffering off; }
--- story
my $endless = sub {
    my ($head) = @_;
    return sub {
        my (undef, $c) = @_;
        local $SIG{PIPE} = 'IGNORE';
        send_to($c, "HTTP/1.1 200 OK\r\n$head\r\n\r\n");
        my ($sent, $chunk) = (0, 'x' x 65536);
        while ($sent < 1 << 30) { my $n = syswrite $c, $chunk or last; $sent += $n }
        note('closed ' . ($sent < 100_000_000 ? 'soon' : 'late'));
        return undef;
    };
};
says_app(endless => $endless->('X-Sendfile: /app/media/ten.txt'), gigabyte => $endless->("Content-Length: 1073741824\r\nX-Sendfile: /app/media/large.txt"), accel => $endless->('X-Accel-Redirect: /inner/ten.txt'), missing => $endless->('X-Sendfile: /app/media/missing'));
fetch('/app/endless');
my ($before, $memory) = (descriptors(), memory());
for my $where (qw(app unbuffered)) {
    for my $case (['endless', 200, $ten], ['gigabyte', 200, $large], ['accel', 200, $ten], ['missing', 404, undef]) {
        unlink servroot() . '/html/notes';
        my $start = time;
        got("$where/$case->[0]", fetch("/$where/$case->[0]"), @$case[1, 2]);
        cmp_ok(time - $start, '<', 2, "$where/$case->[0]: at once");
        ok(wait_for { notes() =~ /closed/ }, "$where/$case->[0]: the connection to the app is closed");
        like(notes(), qr/closed soon/, "$where/$case->[0]: soon");
    }
}
no_descriptor_more($before, 'after');
cmp_ok(memory() - $memory, '<', 4000, 'memory stays as it was') or diag(memory() . ", $memory before");



=== an app that closes early
--- story
my $cut = sub { my @data = @_; sub { send_to($_[1], $_) for @data; undef } };
says_app(head => $cut->("HTTP/1.1 200 OK\r\nX-Sendfile: /app/media/ten.txt\r\n"), line => $cut->("HTTP/1.1 200 OK\r\nX-Sendfile: /app/med"), nothing => $cut->(''), body => $cut->("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nX-Sendfile: /app/media/ten.txt\r\n\r\nstand"),
    chunked => $cut->("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Sendfile: /app/media/ten.txt\r\n\r\n64\r\nstand"), close => $cut->("HTTP/1.1 200 OK\r\nConnection: close\r\nX-Sendfile: /app/media/ten.txt\r\n\r\n"), surplus => $cut->("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-Sendfile: /app/media/ten.txt\r\n\r\nstand-in and more"),
    junk => $cut->("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-Sendfile: /app/media/ten.txt\r\n\r\n\0\0\0HTTP/1.1 200 OK\r\n\r\n"), old => $cut->("HTTP/1.0 200 OK\r\nX-Sendfile: /app/media/ten.txt\r\n\r\nstand-in"), accel => $cut->("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nX-Accel-Redirect: /inner/large.txt\r\n\r\nstand"),
    ok => 'X-Sendfile: /app/media/ten.txt');
for (1 .. 2) {
    got("$_ in the head", fetch("/app/$_"), 502, undef) for qw(head line nothing);
    got("$_", fetch("/app/$_"), 200, $ten) for qw(body chunked close surplus junk old ok);
    got('by a location', fetch('/app/accel'), 200, $large);
}
alive('after');



=== connections to the app are kept where nothing is left on them
--- story
says_app(
    empty => 'X-Sendfile: /app/media/ten.txt', small => [200, 'stand-in', 'X-Sendfile: /app/media/ten.txt'], inner => [200, 'stand-in', 'X-Accel-Redirect: /inner/ten.txt'], missing => [200, 'stand-in', 'X-Sendfile: /app/media/missing'], plain => [200, 'plain'],
    close => "X-Sendfile: /app/media/ten.txt\nConnection: close", large => [200, 'x' x 100_000, 'X-Sendfile: /app/media/ten.txt'],
    late => sub { my (undef, $c) = @_; send_to($c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Sendfile: /app/media/ten.txt\r\n\r\n"); sleep 0.1; send_to($c, 'stand'); return undef },
    half => sub { my (undef, $c) = @_; send_to($c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Sendfile: /app/media/ten.txt\r\n\r\nst"); sleep 0.1; send_to($c, 'and'); return undef },
);
my $count = sub { my ($name, $want) = @_; unlink servroot() . '/html/notes'; fetch("/app/$name"); sleep 0.25; unlink servroot() . '/html/notes'; my @status = map { my $r = fetch("/app/$name"); sleep 0.02; "$r->{status}$r->{body}" =~ s/^404.*/404/sr } 1 .. 6; is("@status", join(' ', ($want) x 6), "$name: answered"); connections() };
is($count->(empty => "200$ten"), 1, 'empty: kept');
is($count->(small => "200$ten"), 1, 'small: kept');
is($count->(inner => "200$ten"), 1, 'by a location: kept');
is($count->(missing => '404'), 1, 'missing: kept');
is($count->(plain => '200plain'), 1, 'a response without a file: kept');
cmp_ok($count->($_ => "200$ten"), '>=', 5, "$_: not kept") for qw(close large late half);
is($count->(empty => "200$ten"), 1, 'and kept again');
my @mixed = map { my $r = fetch("/app/$_"); "$r->{status}$r->{body}" =~ s/^404.*/404/sr } (qw(small late plain half inner large empty missing plain)) x 10;
my $wrong = grep { !/^(?:200$ten|200plain|404)$/ } @mixed;
is($wrong, 0, 'mixed: nothing of one answer in another');



=== options of the location
--- http_config
proxy_cache_path $TEST_NGINX_SERVER_ROOT/app_cache keys_zone=app:1m;
--- config
location /unbuffered/ { download_intercept all; proxy_pass http://app; proxy_buffering off; }
location /gzip/ { download_intercept all; proxy_pass http://app; gzip on; gzip_types text/plain; gzip_min_length 1; gzip_vary on; }
location /limited/ { download_intercept all; proxy_pass http://app; limit_rate 1m; }
location /nosendfile/ { download_intercept all; proxy_pass http://app; sendfile off; }
location /onsendfile/ { download_intercept all; proxy_pass http://app; sendfile on; sendfile_max_chunk 64k; tcp_nopush on; }
location /threads/ { download_intercept all; proxy_pass http://app; aio threads; sendfile off; }
location /threads-sendfile/ { download_intercept all; proxy_pass http://app; aio threads; sendfile on; }
location /directio/ { download_intercept all; proxy_pass http://app; directio 1; aio threads; }
location /filecache/ { download_intercept all; proxy_pass http://app; open_file_cache max=10; }
location /sub/ { download_intercept all; proxy_pass http://app; sub_filter "line 1\n" "LINE ONE\n"; sub_filter_types *; }
location /charset/ { download_intercept all; proxy_pass http://app; charset utf-8; }
location /maxranges/ { download_intercept all; proxy_pass http://app; max_ranges 0; }
location /noetag/ { download_intercept all; proxy_pass http://app; etag off; }
location /store/ { download_intercept all; proxy_pass http://app; proxy_store on; root $TEST_NGINX_SERVER_ROOT/html/store; }
location /rewritten/ { download_intercept all; rewrite ^/rewritten/(.*) /app/$1 break; proxy_pass http://app; }
location /variable/ { download_intercept all; set $backend app; proxy_pass http://$backend; }
location /hidden/ { download_intercept all; proxy_pass http://app; proxy_hide_header X-Own; proxy_hide_header X-Sendfile; proxy_ignore_headers X-Accel-Redirect X-Accel-Limit-Rate; proxy_cookie_path / /x/; }
location ~ ^/regex/(.*)$ { download_intercept all; proxy_pass http://app/$1; }
--- story
my $said = "ETag: \"app\"\nX-Own: 1\nSet-Cookie: a=1; Path=/";
says_app(large => "X-Sendfile: /app/media/large.txt\n$said", inner => "X-Accel-Redirect: /inner/large.txt\n$said", rule => "X-Accel-Redirect: /protected/large.txt\n$said", parts => "X-Sendfile2: /app/media/large.txt 0-\n$said");
for my $where (qw(unbuffered gzip limited nosendfile onsendfile threads threads-sendfile directio filecache charset store rewritten variable hidden regex)) {
    for my $name (qw(large inner rule parts)) {
        got("$where/$name", fetch("/$where/$name"), 200, $large, 'ETag: "app"', $where eq 'hidden' ? ('! X-Own', 'Set-Cookie: a=1; Path=/x/') : ('X-Own: 1', 'Set-Cookie: a=1; Path=/'));
        got("$where/$name, range", fetch("/$where/$name", 'Range: bytes=100000-199999'), 206, substr $large, 100_000, 100_000);
    }
    got("$where, again", fetch("/$where/large"), 200, $large) for 1 .. 2;
}
my $r = got('gzip', fetch('/gzip/large', 'Accept-Encoding: gzip'), 200, undef, 'Content-Encoding: gzip', '! Content-Length', 'ETag: W/"app"', 'Vary: Accept-Encoding');
cmp_ok(length $r->{body}, '<', length($large) / 2, 'gzip: smaller');
ok($r->{whole}, 'gzip: whole');
got('sub_filter', fetch('/sub/large'), 200, "LINE ONE\n" . substr($large, length "line 1\n"), '! Content-Length');
got('charset', fetch('/charset/large'), 200, $large, 'Content-Type: text/plain; charset=utf-8');
got('max_ranges', fetch('/maxranges/large', 'Range: bytes=0-1'), 200, $large);
got('etag off', fetch('/noetag/large'), 200, $large);
ok(!-e servroot() . '/html/store/store/large', 'proxy_store keeps nothing of it');
alive('after');



=== proxy_cache
--- http_config
proxy_cache_path $TEST_NGINX_SERVER_ROOT/app_cache keys_zone=app:1m;
--- config
location /cached/ { download_intercept all; proxy_pass http://app; proxy_cache app; proxy_cache_valid any 1h; proxy_cache_key $uri; proxy_cache_lock on; proxy_cache_use_stale error; add_header X-Cache $upstream_cache_status always; }
location /before/ { download_intercept off; rewrite ^/before/(.*) /cached/$1 break; proxy_pass http://app; proxy_cache app; proxy_cache_valid any 1h; proxy_cache_key $uri; proxy_ignore_headers X-Accel-Redirect; }
location /stale/ { download_intercept all; proxy_pass http://app; proxy_cache app; proxy_cache_valid any 1s; proxy_cache_key $uri; proxy_cache_background_update on; proxy_cache_use_stale updating; proxy_cache_revalidate on; }
--- story
says_app(sendfile => [200, 'stand-in', 'X-Sendfile: /app/media/ten.txt', 'ETag: "a"'], inner => [200, 'stand-in', 'X-Accel-Redirect: /inner/ten.txt'], plain => [200, 'plain', 'ETag: "p"'], missing => [200, 'stand-in', 'X-Sendfile: /app/media/missing'],
    old => [200, 'stand-in', 'X-Sendfile: /app/media/ten.txt', 'Set-Cookie2: x'], old_accel => [200, 'stand-in', 'X-Accel-Redirect: /protected/ten.txt']);
for (1 .. 3) {
    got("$_ time: $_->[0]", fetch("/cached/$_->[0]"), @$_[1, 2]) for ['sendfile', 200, $ten], ['inner', 200, $ten], ['plain', 200, 'plain'], ['missing', 404, undef];
    got("a range", fetch('/cached/sendfile', 'Range: bytes=2-3'), 206, '23');
    got("HEAD", fetch('HEAD /cached/sendfile'), 200, '', 'Content-Length: 10');
}
got('what refers to no file is cached', fetch('/cached/plain'), 200, 'plain', 'X-Cache: HIT');
my @burst = burst((GET('/cached/sendfile')) x 20);
is(scalar(grep { $_->{status} == 200 && $_->{body} eq $ten } @burst), 20, 'many at once, with proxy_cache_lock');
for my $name (qw(old old_accel)) {
    is(fetch("/before/$name")->{body}, 'stand-in', "$name: cached before there was an intercept");
    got("$name: a cached reference", fetch("/cached/$name"), 502, undef);
}
for my $name (qw(sendfile plain sendfile plain)) {
    my $want = $name eq 'plain' ? 'plain' : $ten;
    got("stale $name", fetch("/stale/$name"), 200, $want);
    sleep 1.1;
    got("stale $name", fetch("/stale/$name"), 200, $want);
}
alive('after');



=== SSI, mirror, auth_request, addition
--- user_files eval
[["ssi.html" => qq([<!--#include virtual="/app/sendfile" -->][<!--#include virtual="/app/inner" -->][<!--#include virtual="/app/plain" -->])],
 ["ssi2.html" => qq([<!--#include virtual="/app/missing" -->][<!--#include virtual="/app/named" -->][<!--#include virtual="/app/parts" -->][<!--#include virtual="/app/large" -->])],
 ["one.html" => qq([<!--#include virtual="/app/sendfile" -->])]]
--- config
location ~ ^/\w+\.html$ { ssi on; }
location /mirrored/ { mirror /app/sendfile; return 200 x; }
location /mirrored2/ { mirror /app/large; download_intercept all; proxy_pass http://app; }
location /guarded/ { auth_request /app/sendfile; download_intercept all; proxy_pass http://app; }
location /guarded2/ { auth_request /app/denied; download_intercept all; proxy_pass http://app; }
location /wrapped/ { download_intercept all; proxy_pass http://app; add_before_body /app/inner; add_after_body /app/plain; addition_types *; }
--- story
says_app(sendfile => [200, 'stand-in', 'X-Sendfile: /app/media/ten.txt'], inner => [200, 'stand-in', 'X-Accel-Redirect: /inner/ten.txt'], plain => [200, 'plain'], missing => [200, 'stand-in', 'X-Sendfile: /app/media/missing'], named => [200, 'stand-in', 'X-Accel-Redirect: @named'],
    parts => [200, 'stand-in', 'X-Sendfile2: /app/media/ten.txt 0-1, /app/media/ten.txt 4-5'], large => [200, 'stand-in', 'X-Sendfile: /app/media/large.txt'], denied => [403, 'no', 'X-Sendfile: /app/media/ten.txt']);
for (1 .. 3) {
    got('SSI, one', fetch('/one.html'), 200, "[$ten]");
    got('SSI', fetch('/ssi.html'), 200, "[$ten][$ten][plain]");
    my $r = got('SSI, more', fetch('/ssi2.html'), 200, undef);
    ok($r->{body} =~ /\Q]\E\[named GET \S+\]\[0145\]\[\Q$large\E\]\z/, 'SSI, more: right') or diag(substr $r->{body}, 0, 300);
    unlike($r->{body}, qr/stand-in/, 'SSI: nothing of a stand-in');
    got('mirror', fetch('/mirrored2/sendfile'), 200, $ten);
    got('auth_request', fetch('/guarded/sendfile'), 200, $ten);
    got('auth_request, denied', fetch('/guarded2/sendfile'), 403, undef);
    got('addition', fetch('/wrapped/sendfile'), 200, "$ten${ten}plain");
}
alive('after');



=== SSI, and clients that go away
--- user_files eval
[["ssi.html" => CORE::join '', map { qq([<!--#include virtual="/app/large?$_" -->]) } 1 .. 5]]
--- config
location ~ ^/\w+\.html$ { ssi on; }
--- story
says_app(large => [200, 'stand-in', 'X-Sendfile: /app/media/large.txt']);
my $before = do { fetch('/ssi.html'); sleep 0.2; descriptors() };
my $r = fetch('/ssi.html');
ok($r->{whole} && $r->{body} eq "[$large]" x 5, 'all of it') or diag(length $r->{body});
for my $end (sub { close shift }, \&reset_of) { $end->(amid('/ssi.html')) for 1 .. 5 }
alive('after');
no_descriptor_more($before, 'after');



=== FastCGI, uwsgi, SCGI
--- config
underscores_in_headers on;
location /fastcgi/ { download_intercept all; fastcgi_pass unix:$TEST_NGINX_SERVER_ROOT/html/fastcgi.sock; fastcgi_param REQUEST_METHOD $request_method; }
location /uwsgi/ { download_intercept all; uwsgi_pass unix:$TEST_NGINX_SERVER_ROOT/html/uwsgi.sock; uwsgi_param REQUEST_METHOD $request_method; }
location /scgi/ { download_intercept all; scgi_pass unix:$TEST_NGINX_SERVER_ROOT/html/scgi.sock; scgi_param REQUEST_METHOD $request_method; }
--- story
for my $kind (qw(fastcgi uwsgi scgi)) {
    my $pid;
    for my $case (['X-Sendfile: /app/media/ten.txt', $ten], ['X-Accel-Redirect: /protected/ten.txt', $ten], ['X-Accel-Redirect: /inner/large.txt', $large], ['X-Accel-Redirect: @named', "named GET /$kind/x"], ['X-Sendfile2: /app/media/ten.txt 1-2, /app/media/ten.txt 4-5', '1245']) {
        for my $body ('', 'stand-in', 'x' x 60_000) {
            $pid = gateway($kind, ['Status: 200 OK', $case->[0], 'ETag: "app"', 'X-Own: 1', 'Set-Cookie: a=1', 'Set-Cookie: b=2', 'Content-Type: text/html; charset=utf-8'], $body);
            my $what = "$kind, $case->[0], a body of " . length $body;
            got($what, fetch("/$kind/x", 'X-Accel-Mapping: /=/etc/', 'X_Sendfile_Type: z'), 200, $case->[1], 'ETag: "app"', 'X-Own: 1', 'Set-Cookie: a=1 | b=2', 'Content-Type: text/html; charset=utf-8');
            next if $case->[0] =~ /named/;      # no ranges of what `return` says
            got("$what, range", fetch("/$kind/x", 'Range: bytes=1-3'), 206, substr($case->[1], 1, 3));
        }
        continue { stop($pid) }
    }
    unlike(notes(), qr/X_ACCEL|X_SENDFILE/i, "$kind: nothing of the client's that is the server's to say");
    $pid = gateway($kind, ['Status: 200 OK', 'X-Sendfile: /app/media/missing', 'Set-Cookie: a=1'], 'stand-in');
    got("$kind, missing", fetch("/$kind/x"), 404, undef, '! Set-Cookie');
    stop($pid);
    $pid = gateway($kind, ['X-Sendfile: /app/media/ten.txt'], 'stand-in');
    got("$kind, no status", fetch("/$kind/x"), 200, $ten);
    stop($pid);
    next if $kind eq 'uwsgi';       # its status line says 200
    $pid = gateway($kind, ['Status: 403 Forbidden', 'X-Sendfile: /app/media/ten.txt', 'X-Own: 1'], 'no');
    got("$kind, denied", fetch("/$kind/x"), 403, 'no', 'X-Own: 1');
    stop($pid);
}
alive('after');



=== responses that refer to no file pass untouched: chunked, upgraded, slow
--- config
location /upgrade/ { download_intercept all; proxy_pass http://app; proxy_set_header Connection upgrade; proxy_set_header Upgrade $http_upgrade; }
location /unbuffered/ { download_intercept all; proxy_pass http://app; proxy_buffering off; }
--- story
says_app(chunked => sub { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Own: 1\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n" }, large => [200, $large, 'ETag: "x"', 'Accept-Ranges: bytes'], encoded => [200, "\x1f\x8b", 'Content-Encoding: gzip'],
    slow => sub { my (undef, $c) = @_; send_to($c, "HTTP/1.1 200 OK\r\n\r\n"); for (1 .. 3) { sleep 0.1; send_to($c, "tick\n") } undef },
    upgrade => sub { my (undef, $c) = @_; send_to($c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"); while (sysread $c, my $data, 4096) { send_to($c, uc $data) } undef });
for my $where (qw(app unbuffered)) {
    got('chunked', fetch("/$where/chunked"), 200, 'abcdef', 'X-Own: 1');
    got('large', fetch("/$where/large"), 200, $large, 'ETag: "x"');
    got('encoded', fetch("/$where/encoded"), 200, "\x1f\x8b", 'Content-Encoding: gzip');
    got('slow', fetch("/$where/slow"), 200, "tick\n" x 3);
}
my $s = dial();
send_to($s, GET('/upgrade/upgrade', 'Upgrade: x', 'Connection: upgrade'));
is(response($s)->{status}, 101, 'upgraded');
send_to($s, 'hello');
Wire::more($s);
is(${*$s}{wire_rest}, 'HELLO', 'and spoken over');
close $s;
alive('after');



=== many requests on one connection, of all kinds
--- story
says_app(sendfile => [200, 'stand-in', 'X-Sendfile: /app/media/ten.txt'], inner => [200, 'stand-in', 'X-Accel-Redirect: /inner/page.html'], missing => [200, 'stand-in', 'X-Sendfile: /app/media/missing'], denied => [403, 'no', 'X-Sendfile: /app/media/ten.txt'], plain => [200, 'plain'], both => "X-Sendfile: /a\nX-Accel-Redirect: /a",
    gone => [200, 'x', 'X-Accel-Redirect: /inner/missing'], parts => 'X-Sendfile2: /app/media/ten.txt 0-1, /app/media/ten.txt 0-1');
my @kinds = (['sendfile', 200, $ten], ['inner', 200, '<p>page</p>'], ['missing', 404], ['denied', 403, 'no'], ['plain', 200, 'plain'], ['both', 502], ['gone', 404], ['parts', 200, '0101']);
my ($s, $wrong) = (dial(), 0);
for my $i (0 .. 199) {
    my ($name, $status, $body) = @{ $kinds[$i % @kinds] };
    my $head = $i % 3 == 2;
    send_to($s, GET(($head ? 'HEAD ' : '') . "/app/$name", 'Connection: keep-alive'));
    my $r = response($s, head => $head);
    next if $r->{status} == $status && ($head || !defined $body || $r->{body} eq $body);
    is("$r->{status} $r->{body}", "$status " . ($body // '...'), "request $i: $name") if ++$wrong < 5;
}
is($wrong, 0, 'all answers are right');
close $s;
# and all at once
$s = dial();
send_to($s, join '', map { GET("/app/$_->[0]", 'Connection: keep-alive') } (@kinds) x 3);
my @r = map { response($s) } 1 .. 3 * @kinds;
is(join(' ', map { $_->{status} } @r), join(' ', map { $_->[1] } (@kinds) x 3), 'pipelined');



=== no descriptor is lost, and no memory, in requests of all kinds with clients that go away
--- config
location /limited/ { download_intercept all; proxy_pass http://app; limit_rate 20k; }
location /threads/ { download_intercept all; proxy_pass http://app; aio threads; limit_rate 20k; }
--- story
my $slow = sub { my ($line) = @_; sub { sleep 0.3; answer(200, 'x', $line) } };
says_app(sendfile => [200, 'stand-in', 'X-Sendfile: /app/media/ten.txt'], large => [200, 'stand-in', 'X-Sendfile: /app/media/large.txt'], inner => [200, 'stand-in', 'X-Accel-Redirect: /inner/large.txt'], parts => 'X-Sendfile2: /app/media/large.txt 0-, /app/media/large.txt 0-, /app/media/ten.txt 0-',
    missing => [200, 'stand-in', 'X-Sendfile: /app/media/missing'], bad_parts => 'X-Sendfile2: /app/media/ten.txt 0-, /app/media/missing 0-', far => 'X-Sendfile2: /app/media/ten.txt 0-, /app/media/ten.txt 0-99', denied => [403, 'no'], both => "X-Sendfile: /a\nX-Accel-Redirect: /a", slow => $slow->('X-Sendfile: /app/media/large.txt'),
    cut => sub { send_to($_[1], "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nX-Sendfile: /app/media/ten.txt\r\n\r\nstand"); undef });
my @all = map { (GET("/app/$_"), GET("HEAD /app/$_"), GET("/app/$_", 'Range: bytes=2-3')) } qw(sendfile large inner parts missing bad_parts far denied both cut);
burst(@all) for 1 .. 3;
my ($before, $memory);
for my $round (1 .. 25) {
    burst(@all);
    for my $end (sub { close shift }, \&reset_of) { $end->(amid($_)) for map { ("/limited/$_", "/threads/$_", "/app/$_") } qw(large inner parts) }
    my $s = dial();
    send_to($s, GET('/app/slow'));
    reset_of($s);
    next unless $round == 5;
    sleep 6;
    ($before, $memory) = (descriptors(), memory());
}
no_descriptor_more($before, 'after');
# a sanitizer keeps for a while what is freed
$ENV{TEST_NGINX_SLOW} or cmp_ok(memory() - $memory, '<', 6000, 'memory') or diag(memory() . ", $memory before");
alive('after');



=== reload while files are on their way
--- config
location /limited/ { download_intercept all; proxy_pass http://app; limit_rate 600k; limit_rate_after 100k; }
--- story
says_app(large => [200, 'stand-in', 'X-Sendfile: /app/media/large.txt'], inner => [200, 'stand-in', 'X-Accel-Redirect: /inner/ten.txt'], slow => sub { sleep 0.8; answer(200, 'x', 'X-Accel-Redirect: /protected/ten.txt') });
my @long = map { my $s = dial(); send_to($s, GET('/limited/large')); $s } 1 .. 5;
my @slow = map { my $s = dial(); send_to($s, GET('/app/slow')); $s } 1 .. 5;
sleep 0.2;
ok(reload(), 'reloaded') for 1 .. 2;
got('after the reload', fetch('/app/inner'), 200, $ten);
got('asked before the reload', response($_), 200, $ten) for @slow;
got('on its way during the reload', response($_), 200, $large) for @long;



=== HTTP/2
--- needs: curl
--- http_config
server {
    listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1 http2;
    listen unix:$TEST_NGINX_SERVER_ROOT/html/port.sock;
    location = /port { return 200 $TEST_NGINX_RAND_PORT_1; }
    location /app/ { download_intercept all; proxy_pass http://app; }
    location /limited/ { download_intercept all; proxy_pass http://app; limit_rate 50k; }
    location /inner/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/files/; }
    location @named { return 200 named; }
}
--- config
location = /port { proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/html/port.sock; }
--- story
my $port = fetch('/port')->{body};
my $curl = sub {
    my @args = @_;
    my $path = pop @args;
    my ($head, $body) = ("$main::place/head", "$main::place/body");
    unlink $head, $body;
    my $said = `curl -s --noproxy '*' -m 10 --http2-prior-knowledge -D $head -o $body -w '%{http_version} %{http_code} %{size_download}' @args http://127.0.0.1:$port$path`;
    return { said => $said, head => slurp($head), body => slurp($body) };
};
says_app(sendfile => [200, 'stand-in', 'X-Sendfile: /app/media/ten.txt', 'ETag: "app"', 'Set-Cookie: a=1', 'Set-Cookie: b=2', 'Connection: keep-alive'], large => [200, 'stand-in', 'X-Sendfile: /app/media/large.txt'], inner => [200, 'stand-in', 'X-Accel-Redirect: /inner/large.txt'], named => 'X-Accel-Redirect: @named',
    missing => [200, 'x', 'X-Sendfile: /app/media/missing', 'Set-Cookie: a=1'], parts => 'X-Sendfile2: /app/media/large.txt 0-, /app/media/ten.txt 0-', denied => [403, 'no', 'X-Sendfile: /x']);
my $r = $curl->('/app/sendfile');
is($r->{said} . $r->{body}, "2 200 10$ten", 'a file');
like($r->{head}, qr/^set-cookie: a=1\r\nset-cookie: b=2\r$/m, 'its cookies');
unlike($r->{head}, qr/^(connection|x-sendfile)/m, 'and nothing else');
$r = $curl->("/app/$_->[0]"), is($r->{said}, '2 200 ' . length $_->[1], $_->[0]), ok($r->{body} eq $_->[1], "$_->[0]: right") for ['large', $large], ['inner', $large], ['named', 'named'], ['parts', $large . $ten];
is($curl->('-I', '/app/sendfile')->{said}, '2 200 0', 'HEAD');
is($curl->('-r', '2-4', '/app/sendfile')->{body}, '234', 'a range');
is($curl->('-H', q('If-None-Match: "app"'), '/app/sendfile')->{said}, '2 304 0', 'If-None-Match');
like($curl->('/app/missing')->{said}, qr/^2 404/, 'missing');
is($curl->('/app/denied')->{body}, 'no', 'denied');
my $before = descriptors();
system(qq(curl -s --noproxy '*' -m 0.5 --http2-prior-knowledge -o /dev/null http://127.0.0.1:$port/limited/$_)) for qw(large inner parts);
no_descriptor_more($before, 'clients that went away');
alive('after');



=== X-Sendfile without a proxy: other handlers' headers refer to nothing
--- config
download_intercept all;
location /static/ { alias $TEST_NGINX_SERVER_ROOT/html/files/; add_header X-Sendfile /app/media/sub/deep.txt; }
location /returned/ { add_header X-Accel-Redirect /protected/sub/deep.txt; return 200 returned; }
--- story
my $r = fetch('/static/ten.txt');
is("$r->{status} $r->{body}", "200 $ten", 'a static file');
$r = fetch('/returned/x');
is("$r->{status} $r->{body}", '200 returned', 'return');



=== nginx -t: no argument
--- config
location /x/ { download_intercept; }
--- suppress_stderr
--- must_die
--- error_log
invalid number of arguments in "download_intercept" directive



=== nginx -t: an unknown argument
--- config
location /x/ { download_intercept x-accel; }
--- suppress_stderr
--- must_die
--- error_log
"download_intercept" directive: "x-accel":



=== nginx -t: off and on
--- config
location /x/ { download_intercept off all; }
--- suppress_stderr
--- must_die
--- error_log
"download_intercept" directive: needs "off", or what to intercept



=== nginx -t: nothing to intercept
--- config
location /x/ { download_intercept decode=on; }
--- suppress_stderr
--- must_die
--- error_log
"download_intercept" directive: needs "off", or what to intercept



=== nginx -t: decode=
--- config
location /x/ { download_intercept all decode=yes; }
--- suppress_stderr
--- must_die
--- error_log
"download_intercept" directive: "decode=yes":



=== nginx -t: twice
--- config
location /x/ { download_intercept all; download_intercept off; }
--- suppress_stderr
--- must_die
--- error_log
"download_intercept" directive: is duplicate



=== nginx -t: off that decodes
--- config
location /x/ { download_intercept all decode=on decode=off; }
--- suppress_stderr
--- must_die
--- error_log
"download_intercept" directive:



=== a grant whose location keeps the request waiting, or is refused: it goes on, and ends
--- http_config
limit_req_zone $server_name zone=slow:1m rate=10r/s;
download_storage waits location=/waits/;
download_storage slow location=/slow/;
download_storage closed location=/closed/;
download_storage asks location=/asks/;
--- config
location /waits/ { internal; auth_request /_auth; alias $TEST_NGINX_SERVER_ROOT/html/files/; }
location = /_auth { internal; proxy_pass http://app/app/auth; proxy_pass_request_body off; proxy_set_header Content-Length ""; }
location /slow/ { internal; limit_req zone=slow burst=10; alias $TEST_NGINX_SERVER_ROOT/html/files/; }
location /closed/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/files/; deny all; }
location /asks/ { internal; proxy_pass http://app/app/; }
--- story
my $grant = sub { my $storage = shift; sub { grant(qq({"file":{"storage":"$storage","path":"ten.txt"}})) } };
says_app(
    (map { $_ => $grant->($_) } qw(waits slow closed asks)), 'ten.txt' => [200, $ten],
    auth => sub { select undef, undef, undef, 0.2; answer(204, '') =~ s/Content-Length: 0\r\n//r },
);
my $before = descriptors();
for my $round (1 .. 3) {
    for my $name (qw(waits slow closed asks)) {
        my $s = dial();
        send_to($s, GET("/app/$name"));
        my $r = response($s);
        is($r->{status}, $name eq 'closed' ? 404 : 200, "$name, $round");
        is($r->{body}, $ten, "$name, $round: the file") if $r->{status} == 200;
        my $start = time;
        ok(closed($s), "$name, $round: the connection is closed");
        cmp_ok(time - $start, '<', 3, "$name, $round: at once");
    }
}
is(join(' ', map { $_->{status} } burst(map { GET("/app/slow") } 1 .. 4)), '200 200 200 200', 'several that are delayed');
no_descriptor_more($before, 'after all');
