# vi:ft=
# Files that the app passes open, along with its response (t/apps/passing.py, which names what
# it does).
#
# `story` is Perl that runs before the request of the block; passing() starts the app. /dl/NAME asks it by
# a grant, /app/NAME is its own response, intercepted, /plain/NAME its own. `descriptors` is what
# download_descriptors says, else "on".
use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use File::Basename qw(dirname);
use Time::HiRes qw(sleep time);
use Got;
use Wire;

our $text = join '', map { sprintf "%07d\n", $_ } 0 .. 12_499;
our $small = '0123456789';
our $date = 'Tue, 02 Jan 2024 03:04:05 GMT';        # of the files with a name
our $apps = dirname(__FILE__) . '/apps';

master_on();
worker_connections(1024);

sub app_ends { stop($main::app) if defined $main::app; undef $main::app }

add_block_preprocessor(sub {
    my $block = shift;
    app_ends();       # that of the block before
    my $mistake = defined $block->must_die;
    my $sock = 'unix:$TEST_NGINX_SERVER_ROOT/html';
    my $on = $block->descriptors // 'on';
    $block->set_value(http_config => <<"END" . ($block->http_config // '')) unless $mistake;
types { text/html html; text/plain txt; }
upstream app { server $sock/app.sock; keepalive 4; download_descriptors $on; }
upstream off { server $sock/app.sock; }
upstream twice { server $sock/app.sock; server $sock/second.sock backup; download_descriptors on; }
upstream fcgi { server $sock/fcgi.sock; download_descriptors on; keepalive 2; }
upstream uwsgi { least_conn; download_descriptors on; server $sock/uwsgi.sock; }
upstream scgi { download_descriptors on; server $sock/scgi.sock; ip_hash; }
download_cache_zone zone=grants:1m;
proxy_http_version 1.1;
proxy_set_header Connection "";
proxy_read_timeout 2s;
END
    $block->set_value(config => <<"END" . ($block->config // '')) unless $mistake;
location = /ready { return 200 ready; }
location /dl/ { download object /_ask\$uri; }
location /kept/ { download object /_ask\$uri; download_cache grants; download_cache_key \$uri; download_cache_valid 1m; add_header X-Grant \$download_grant always; }
location = /revoke { download_revoke; }
location /none/ { download object /_none\$uri; }
location /twice/ { download object /_twice\$uri; }
location /fcgi/ { download object /_fcgi; }
location /uwsgi/ { download object /_uwsgi; }
location /scgi/ { download object /_scgi; }
location /app/ { download_intercept all; proxy_pass http://app; }
location /plain/ { proxy_pass http://app; }
location /unbuffered/ { proxy_pass http://app; proxy_buffering off; }
location /_ask/ { internal; proxy_pass http://app; }
location /_none/ { internal; proxy_pass http://off; }
location /_twice/ { internal; proxy_pass http://twice; proxy_next_upstream error timeout; }
location = /_fcgi { internal; fastcgi_pass fcgi; fastcgi_param REQUEST_METHOD GET; }
location = /_uwsgi { internal; uwsgi_pass uwsgi; uwsgi_param REQUEST_METHOD GET; }
location = /_scgi { internal; scgi_pass scgi; scgi_param REQUEST_METHOD GET; }
END
    $block->set_value(init => 'package main; our ($text, $small, $date, $apps); ' . ($block->story // ''));
    $block->set_value(request => 'GET /ready') unless defined $block->request || $mistake;
    $block->set_value(no_error_log => "[alert]\n[emerg]\n") unless defined $block->no_error_log || $mistake;
    if ($mistake) {
        $block->set_value(suppress_stderr => '');
        $block->set_value(request => 'GET /');
        $block->set_value(config => ' ') unless ($block->config // '') =~ /\S/;
    }
});

sub passing {
    my $html = servroot() . '/html';
    unlink map { "$html/$_" } qw(app.sock second.sock fcgi.sock uwsgi.sock scgi.sock notes);
    $main::app = fork_off(sub { exec 'python3', "$apps/passing.py", $html or die "python3: $!" });
    my $there = wait_for { !grep { !-S "$html/$_.sock" } qw(app second fcgi uwsgi scgi) } 20;
    ok($there, 'the app is there') or die 'the app does not start';
    logged();
}

# How many files the workers have open that the app passed: these have no name, or a private one. (So has
# what valgrind opens.)
sub passed_files {
    return scalar grep { m{memfd:|\(deleted\)|/private/} && !m{/valgrind_proc_} } map { readlink($_) // '' } map { glob "/proc/$_/fd/*" } workers_of(master());
}

sub all_closed { files_open(0, "@_: all is closed") }

# nginx closes a file a moment after the client has all of it.
sub files_open {
    my ($n, $what) = @_;
    ok(wait_for(sub { passed_files() == $n }, 5), $what) or diag(passed_files() . ' are open');
}

# What nginx has logged since the last call; what it logs once the response is there may take a while.
my $read = 0;
sub logged {
    my $wanted = shift // qr//;
    my $new;
    wait_for {
        my $log = slurp(servroot() . '/logs/error.log');
        $read = 0 if $read > length $log;       # that of another block
        $new = substr $log, $read;
        $new =~ $wanted;
    } 2;
    $read += length $new;
    return $new;
}

# Says a warning so, once?
sub warned {
    my ($warning, $what) = @_;
    is(scalar(() = logged(qr/$warning/) =~ /\[warn\].* $warning/g), 1, "$what: said so, once");
}

no_long_string();
run_tests();

__DATA__

=== sent before the head, with it, and in pieces
--- story
passing();
got('before the head', fetch('/dl/first'), 200, $text, 'Content-Type: text/csv', 'Content-Length: 100000', 'Content-Disposition: attachment; filename="report.txt"', 'Accept-Ranges: bytes', '! ETag', '! Last-Modified');
got($_, fetch("/dl/$_"), 200, $text) for qw(with-head with-all amid-head bytes slowly close offset nameless unlinked file-rw);
got('small', fetch('/dl/small'), 200, $small);
got('empty', fetch('/dl/empty'), 200, '', 'Content-Length: 0');
got('one after the other', fetch('/dl/first'), 200, $text) for 1 .. 20;
all_closed('after');
unlike(logged(), qr/\[(?:warn|error|crit|alert|emerg)\]/, 'nothing to complain about');



=== a file with a name has the file's version, one without has the grant's
--- story
passing();
my $r = got('file', fetch('/dl/file'), 200, $text, "Last-Modified: $date");
my $etag = field($r, 'ETag');
like($etag, qr/^"6593[0-9a-f]+-186a0"$/, 'as nginx makes it');
got('not modified', fetch('/dl/file', "If-None-Match: $etag"), 304, '');
got('not modified since', fetch('/dl/file', "If-Modified-Since: $date"), 304, '');
got('a range of this version', fetch('/dl/file', 'Range: bytes=0-7', "If-Range: $etag"), 206, "0000000\n");
got('versioned', fetch('/dl/versioned'), 200, $text, 'ETag: "v1"', "Last-Modified: $date");
got('versioned, not modified', fetch('/dl/versioned', 'If-None-Match: "v0", "v1"'), 304, '', 'ETag: "v1"');
got('versioned, a range', fetch('/dl/versioned', 'Range: bytes=8-15', 'If-Range: "v1"'), 206, "0000001\n", 'Content-Range: bytes 8-15/100000');
got('versioned, a range of another', fetch('/dl/versioned', 'Range: bytes=8-15', 'If-Range: "v0"'), 200, $text);
got('versioned, for another', fetch('/dl/versioned', 'If-Match: "v0"'), 412, undef);
got('no version', fetch('/dl/first', 'Range: bytes=8-15', 'If-Range: "v1"'), 200, $text);
got('no version, any', fetch('/dl/first', "If-Modified-Since: $date"), 200, $text);
got('sized', fetch('/dl/sized'), 200, $text);
like(logged(), qr/\[warn\].*\b5\b.*100000|\[warn\].*100000.*\b5\b/, 'a size that is wrong is logged');
all_closed('after');



=== ranges, HEAD and sizes beyond 32 bits
--- story
passing();
got('a range', fetch('/dl/first', 'Range: bytes=99992-'), 206, "0012499\n", 'Content-Range: bytes 99992-99999/100000');
got('of a small one', fetch('/dl/small', 'Range: bytes=3-5'), 206, '345', 'Content-Range: bytes 3-5/10');
got('the last', fetch('/dl/first', 'Range: bytes=-8'), 206, "0012499\n");
got('beyond', fetch('/dl/first', 'Range: bytes=100000-'), 416, undef, 'Content-Range: bytes */100000');
like(fetch('/dl/first', 'Range: bytes=0-6,8-14')->{body}, qr/0000000\r\n.*0000001\r\n/s, 'two ranges');
got('HEAD', fetch('HEAD /dl/first'), 200, '', 'Content-Length: 100000', 'Content-Type: text/csv');
got('HEAD of a small one', fetch('HEAD /dl/small'), 200, '', 'Content-Length: 10');
got('large', fetch('HEAD /dl/large'), 200, '', 'Content-Length: 4294967297');
got('the end of it', fetch('/dl/large', 'Range: bytes=4294967290-'), 206, "\0\0\0\0end", 'Content-Range: bytes 4294967290-4294967296/4294967297');
all_closed('after');



=== a large one passes neither by the worker's memory nor by the app
--- story
passing();
my ($worker) = workers_of(master());
my $peak = sub { slurp("/proc/$worker/status") =~ /^VmHWM:\s*(\d+) kB/m ? $1 : die 'no VmHWM' };
got('before', fetch('/dl/first'), 200, $text);
my $before = $peak->();
my $s = dial();
send_to($s, GET('/dl/gigabyte'));
sysread $s, my $data, 65536;
my ($head) = $data =~ s/^(.*?\r\n\r\n)//s;
app_ends();
my $end = substr $data, -3;
my $length = length $data;
while (sysread $s, $data, 1 << 20) {
    $length += length $data;
    $end = substr $end . substr($data, -3), -3;
}
is($length, 1 << 30, 'all of it came, though the app was gone');
is($end, 'end', 'to its end');
cmp_ok($peak->() - $before, '<', 16 << 10, 'kB of memory more');
all_closed('after');
--- timeout: 60



=== nginx's own ways to send
--- config
location /unsent/ { sendfile off; download object /_ask$uri; }
location /aio/ { aio threads; download object /_ask$uri; }
location /directio/ { directio 1k; output_buffers 1 64k; download object /_ask$uri; }
location /limited/ { limit_rate 40k; download object /_ask$uri; }
location /ssi/ { ssi on; }
--- user_files
>>> ssi/page.html
[<!--# include virtual="/dl/small" -->]
--- story
passing();
got($_, fetch("/$_/first"), 200, $text) for qw(unsent aio directio);
got('HTTP/1.0', fetch('GET /dl/first HTTP/1.0'), 200, $text);
my $start = time;
got('limited', fetch('/limited/first'), 200, $text);
cmp_ok(time - $start, '>', 1, 'limit_rate');
got('in a page', fetch('/ssi/page.html'), 200, "[$small]\n");
all_closed('after');



=== X-Sendfile-Fd
--- config
location /only/ { download_intercept x-sendfile; proxy_pass http://app; }
location /accel/ { download_intercept x-accel-redirect; proxy_pass http://app; }
location /refer/ { download_intercept x-sendfile; download object /_refer$uri; }
location /_refer/ { internal; download_intercept x-sendfile; proxy_pass http://app; }
--- story
passing();
got('intercepted', fetch('/app/field'), 200, $text, 'Content-Type: text/csv', 'X-Other: 1', 'Content-Length: 100000', '! ETag', '! Content-Disposition');
got('x-sendfile', fetch('/only/field'), 200, $text);
got('a range', fetch('/app/field', 'Range: bytes=8-15'), 206, "0000001\n");
got('the version that the app says', fetch('/app/field-etag', 'If-None-Match: "e"'), 304, '', 'ETag: "e"');
got('HEAD', fetch('HEAD /app/field'), 200, '', 'Content-Length: 100000');
got('asked', fetch('/refer/field'), 200, $text, 'X-Other: 1');
got('a grant in the body', fetch('/app/first'), 200, $text, 'Content-Disposition: attachment; filename="report.txt"');
unlike(logged(), qr/\[(?:warn|error)\]/, 'nothing to complain about');
got('not to be intercepted', fetch('/accel/field'), 200, '', '! X-Sendfile-Fd', 'X-Other: 1');
warned('a descriptor came with a response of the app that has no use for it; it was closed', 'not to be intercepted');
my %wrong = ('field-none' => 'no_descriptor', 'field-second' => 'no_descriptor', 'field-bad' => 'no_descriptor', 'field-two' => 'ambiguous');
for my $name (sort keys %wrong) {
    got($name, fetch("/app/$name"), 502, qr/502 Bad Gateway/, '! X-Other');
    like(logged(), qr/download intercept: $wrong{$name}: /, "$name: its label");
}
all_closed('after');



=== FastCGI, uwsgi and SCGI; a balancing method before or behind the directive
--- story
passing();
got($_, fetch("/$_/x"), 200, $text) for qw(fcgi uwsgi scgi fcgi);
all_closed('after');



=== what is wrong is a 502 that says why, and no descriptor stays open
--- story
passing();
my $before = descriptors();
my %wrong = (
    none => 'no_descriptor: no descriptor came',
    second => 'no_descriptor: there is no descriptor 1',
    two => 'bad_descriptor: more than one',
    three => 'bad_descriptor: descriptors .* were lost',
    many => 'bad_descriptor: descriptors .* were lost',
    'many-with-all' => 'bad_descriptor: descriptors .* were lost',
    each => 'bad_descriptor: more than one',
    'only-nul' => '(?:not_a_grant|app_unavailable)',
    'two-nuls' => '(?:not_a_grant|app_unavailable)',
    late => 'bad_descriptor: a descriptor came with the body',
    later => 'bad_descriptor: a descriptor came with the body',
    pipe => 'bad_descriptor: .* is a FIFO, not a file',
    socket => 'bad_descriptor: .* is a socket, not a file',
    folder => 'bad_descriptor: .* is a directory, not a file',
    device => 'bad_descriptor: .* is a device, not a file',
    event => 'bad_descriptor: .* is not a regular file, not a file',
    'path-only' => 'bad_descriptor: .* not opened for reading',
    writing => 'bad_descriptor: .* not opened for reading',
    'bad-grant' => 'grant_invalid',
    dies => 'app_unavailable',
    'dies-in-head' => 'app_unavailable',
    'dies-in-body' => 'answer_cut',
);
logged();
for my $name (sort keys %wrong) {
    got($name, fetch("/dl/$name"), 502, qr/502 Bad Gateway/);
    my $log = logged();
    like($log, qr/download object: $wrong{$name}/, "$name: why") or diag(grep { !/\[debug\]/ } split /^/m, $log);
    all_closed($name);
}
got('hangs', fetch('/dl/hangs'), 504, undef);
logged();
got('an upstream that takes none', fetch('/none/with-all'), 502, undef);
like(logged(), qr/no_descriptor: the app's response did not come over an upstream .* is there download_descriptors/, 'and says so');
got('and takes the NUL byte for the response', fetch('/none/close'), 502, undef);
all_closed('after');
got('and then', fetch('/dl/first'), 200, $text);
ok(wait_for(sub { descriptors() <= $before + 4 }, 5), 'no descriptor more, but for connections kept alive');



=== where none is expected it is closed, and nothing else happens
--- story
passing();
for my $where (qw(plain app unbuffered)) {
    for my $name (qw(page page-late)) {
        got("$where, $name", fetch("/$where/$name"), 200, $text, 'Content-Length: 100000');
        all_closed("$where, $name");
        warned($name eq 'page' ? 'a descriptor .* no use for it; it was closed' : 'a descriptor came with the body .* it was closed', "$where, $name");
    }
}
my @cases = (
    ['plain/page-many', 200, $small, 'were lost: too many of them.* closed'],
    ['dl/denied', 403, 'no', 'no use for it; it was closed'],
    ['dl/login', 302, undef, 'no use for it; it was closed'],
    ['dl/content', 200, 'of its own', 'no use for it; it was closed'],
);
for (@cases) {
    my ($path, $status, $body, $said) = @$_;
    got($path, fetch("/$path"), $status, $body);
    all_closed($path);
    warned($said, $path);
}
got('none', fetch('/plain/plain'), 200, $small);
unlike(logged(), qr/\[(?:warn|error)\]/, 'nothing to complain about');



=== a server that dies, and the next that does not
--- story
passing();
for my $name (qw(dies dies-in-head)) {
    got($name, fetch("/twice/$name"), 200, $small);
    all_closed($name);
}



=== of another user
--- descriptors: on uid=65533
--- story
passing();
got('first', fetch('/dl/first'), 502, undef);
like(logged(), qr/bad_descriptor: a descriptor came from a process of the user $</, 'said so');
got('none needed', fetch('/dl/plain'), 502, undef);
got('nor expected', fetch('/plain/page'), 200, $text);
all_closed('after');



=== of the right user
--- descriptors eval
"on uid=$<"
--- story
passing();
got('first', fetch('/dl/first'), 200, $text);



=== of the right user, by name
--- descriptors eval
"on uid=" . getpwuid($<)
--- story
passing();
got('first', fetch('/dl/first'), 200, $text);



=== aborts, time-outs and reloads
--- config
location /limited/ { limit_rate 20k; download object /_ask$uri; }
--- story
passing();
fetch('/dl/first') for 1 .. 10;
all_closed('before');
my $before = descriptors();
for my $round (1 .. 5) {
    for my $end (sub { close shift }, \&reset_of) {
        for my $path (qw(/limited/first /dl/slowly /dl/hangs /dl/late /plain/page-late /app/field /limited/file /twice/hangs /kept/slowly)) {
            my $s = dial(rcvbuf => 4096);
            send_to($s, GET($path));
            sleep 0.02 * ($round - 1);
            $end->($s);
        }
    }
}
# what nobody waits for any more may be remembered
fetch('POST /revoke?key=x', 'Content-Length: 0');
ok(wait_for(sub { passed_files() <= 1 }, 10), 'aborted: closed, but for one that is kept');
my $s = dial(rcvbuf => 4096);
my $open = passed_files();
send_to($s, GET('/limited/first'));
ok(wait_for(sub { passed_files() > $open }, 5), 'a transfer is under way');
ok(reload(), 'a reload');
my $r = do { local $Wire::Timeout = 15; response($s) };
ok($r->{whole} && $r->{body} eq $text, 'which it survives');
all_closed('and then');
got('with the new worker', fetch('/dl/first'), 200, $text);
all_closed('after');
ok(wait_for(sub { descriptors() <= $before + 4 }, 10), 'no descriptor more') or diag(descriptors() . " against $before");
alive('after');
--- timeout: 30



=== remembered: a worker keeps the descriptor for as long as the grant holds
--- story
passing();
got('asked', fetch('/kept/cached'), 200, $text, 'X-Grant: asked');
got('remembered', fetch('/kept/cached'), 200, $text, 'X-Grant: cached');
got('a range', fetch('/kept/cached', 'Range: bytes=8-15'), 206, "0000001\n", 'X-Grant: cached');
got('HEAD', fetch('HEAD /kept/cached'), 200, '', 'Content-Length: 100000', 'X-Grant: cached');
got('small', fetch('/kept/cached-small'), 200, $small) for 1 .. 3;
is(calls('cached'), 1, 'the app was asked once');
is(calls('cached-small'), 1, 'and once for the small one');
files_open(2, 'both are kept');
got('revoked', fetch('POST /revoke?tag=t', 'Content-Length: 0'), 200, undef);
got('asked again', fetch('/kept/cached'), 200, $text, 'X-Grant: asked');
got('remembered again', fetch('/kept/cached'), 200, $text, 'X-Grant: cached');
files_open(1, 'all that was kept before is closed');
got('for a second', fetch('/kept/cached-short'), 200, $text) for 1 .. 2;
is(calls('cached-short'), 1, 'asked once');
files_open(2, 'kept');
ok(wait_for(sub { passed_files() == 1 }, 3), 'closed in time, though nobody came');
got('not to be kept', fetch('/kept/uncached'), 200, $text) for 1 .. 2;
is(calls('uncached'), 2, 'asked each time');
files_open(1, 'and not kept');
got('wrong', fetch('/kept/two'), 502, undef) for 1 .. 2;
all_closed('revoked again') if got('revoked', fetch('POST /revoke?tag=t', 'Content-Length: 0'), 200, undef) && fetch('/kept/uncached');
--- timeout: 20



=== a transfer goes on with what is let go of
--- config
location /slow/ { limit_rate 40k; download object /_ask/cached; download_cache grants; download_cache_key $uri; download_cache_valid 1m; }
--- story
passing();
got('asked', fetch('/slow/1', 'Range: bytes=0-7'), 206, "0000000\n");
my $s = dial(rcvbuf => 4096);
send_to($s, GET('/slow/1'));
sleep 0.2;
got('revoked', fetch('POST /revoke?tag=t', 'Content-Length: 0'), 200, undef);
got('asked again', fetch('/slow/1', 'Range: bytes=0-7'), 206, "0000000\n");
is(calls('cached'), 2, 'the app was asked again');
files_open(2, 'the one that is let go of is still sent');
my $r = response($s);
ok($r->{whole} && $r->{body} eq $text, 'to its end');
ok(wait_for(sub { passed_files() == 1 }, 5), 'and closed');
ok(reload(), 'a reload');
ok(wait_for(sub { passed_files() == 0 }, 5), 'the old worker ends, and keeps nothing');
got('the new worker asks', fetch('/slow/1', 'Range: bytes=0-7'), 206, "0000000\n");
is(calls('cached'), 3, 'for itself');
--- timeout: 20



=== remembered: 64 at most, and one request asks for all that come at once
--- story
passing();
fetch("/kept/n$_/cached") for 1 .. 70;
files_open(64, '64 are kept');
is(calls('cached'), 70, 'each was asked for');
fetch("/kept/n$_/cached") for 60 .. 70;
is(calls('cached'), 70, 'the last are there');
my @r = burst(map { GET('/kept/slowly') } 1 .. 40);
is(scalar(grep { $_->{status} == 200 && $_->{body} eq $text } @r), 40, 'all have it');
is(calls('slowly'), 1, 'asked once');
--- timeout: 20



=== remembered by each worker for itself
--- workers: 2
--- story
passing();
my %seen;
for (1 .. 200) { $seen{fetch('/kept/cached-small')->{body}}++ }
is_deeply(\%seen, { $small => 200 }, 'all have it');
cmp_ok(calls('cached-small'), '<=', 2, 'each worker asked once at most');
--- timeout: 20



=== close-on-exec: no program that a worker might start has them
--- config
location /limited/ { limit_rate 20k; download object /_ask$uri; }
location /named/ { limit_rate 20k; download storage files; }
location /links/ { limit_rate 20k; download storage linked; }
--- http_config
download_storage files root=$TEST_NGINX_SERVER_ROOT/html/files;
download_storage linked root=$TEST_NGINX_SERVER_ROOT/html/files symlinks=on;
--- user_files eval
[['files/large.txt', $main::text x 3]]
--- story
passing();
got('one that is kept', fetch('/kept/cached'), 200, $text);
my @s = map { my $s = dial(rcvbuf => 4096); send_to($s, GET($_)); sysread $s, my $some, 1000; $s } qw(/limited/first /limited/file /named/large.txt /links/large.txt);
my ($worker) = workers_of(master());
my (%open, @survive);
for my $fd (map { m{(\d+)$} } glob "/proc/$worker/fd/*") {
    my $is = readlink("/proc/$worker/fd/$fd") // next;
    next unless $is =~ m{memfd:|/private/|/files/};
    my ($flags) = slurp("/proc/$worker/fdinfo/$fd") =~ /^flags:\s*(\d+)/m or next;
    $open{$is =~ s{.*/}{}r}++;
    # valgrind knows no openat2(2): there nginx opens the files of storages
    push @survive, $is unless oct($flags) & 02000000 || $is =~ m{/files/} && $ENV{TEST_NGINX_USE_VALGRIND};
}
is_deeply(\%open, { 'memfd:generated (deleted)' => 2, flags => 1, 'large.txt' => 2 }, 'the files are open') or diag(join ' ', %open);
is("@survive", '', 'none of them survives exec');



=== explained, and looked at for health
--- http_config
map $http_x_why $why { default 0; secret 1; }
--- config
location /why/ { download_explain $why; download object /_ask$uri; download_cache grants; download_cache_key $uri; download_cache_valid 1m; }
location = /health { download_health ask=/_ask/first; }
location = /sick { download_health ask=/_ask/pipe; }
location = /missing { download_health ask=/_ask/none; }
--- story
passing();
my $explained = sub {
    my ($name, $what, $account) = @_;
    my $r = got($what, fetch("/why/$name", 'X-Why: secret'), 200, $account);
    unlike($r->{body}, qr/0000001/, "$what: not the file");
    return $r;
};
like($explained->('first', 'explained', qr/"miss"/)->{body}, qr/"Content-Length"[^{}]*"100000"/, 'with its size');
all_closed('explained');
got('asked', fetch('/why/first'), 200, $text);
$explained->('first', 'explained, kept', qr/"hit: this worker keeps the descriptor"/);
is(calls('first'), 2, 'the app was not asked');
$explained->('pipe', 'explained, wrong', qr/bad_descriptor/);
fetch('POST /revoke?key=x', 'Content-Length: 0');
fetch('/why/none');
got('healthy', fetch('/health'), 200, undef);
got('ill', fetch('/sick'), 503, qr/is a FIFO, not a file/);
got('missing', fetch('/missing'), 503, qr/no descriptor came/);
all_closed('after');



=== a server that is no unix socket
--- http_config
upstream app { server unix:/tmp/app.sock; server 127.0.0.1:8000 backup; download_descriptors on; }
--- must_die
--- error_log
"download_descriptors" in the upstream "app": descriptors cannot be passed over "127.0.0.1:8000": its servers must be unix sockets, as in "server unix:/run/app.sock;"



=== no such user
--- http_config
upstream app { server unix:/tmp/app.sock; download_descriptors on uid=nobody-of-that-name; }
--- must_die
--- error_log
"download_descriptors" directive: there is no user "nobody-of-that-name"



=== no number of a user
--- http_config
upstream app { server unix:/tmp/app.sock; download_descriptors on uid=4294967295; }
--- must_die
--- error_log
no user has the number 4294967295



=== neither on nor off
--- http_config
upstream app { server unix:/tmp/app.sock; download_descriptors yes; }
--- must_die
--- error_log
it must be "on" or "off", not "yes"



=== off has no user
--- http_config
upstream app { server unix:/tmp/app.sock; download_descriptors off uid=root; }
--- must_die
--- error_log
"off" has no parameters



=== twice
--- http_config
upstream app { server unix:/tmp/app.sock; download_descriptors on; download_descriptors on; }
--- must_die
--- error_log
"download_descriptors" directive: is duplicate



=== another parameter
--- http_config
upstream app { server unix:/tmp/app.sock; download_descriptors on gid=0; }
--- must_die
--- error_log
"gid=0": uid=USER is expected



=== not in a location
--- config
location / { download_descriptors on; }
--- must_die
--- error_log
"download_descriptors" directive is not allowed here



=== off, where there is no unix socket
--- http_config
upstream any { server 127.0.0.1:1; download_descriptors off; }
