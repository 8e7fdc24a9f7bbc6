# clients/python: apps that pass open files to nginx over a unix socket, by clients/descriptors.conf.

use strict;
use warnings;
use feature 'state';
use lib 't/lib';
use Digest::SHA ();
use IO::Select;
use Test::More;
use Apps;
use Page;
use Wire qw(dial GET send_to response reset_of wait_for workers_of slurp);

my $bin = Apps::installed('python') . '/bin';
Apps::installed('client-python/made-from');
my $conf = '../clients/descriptors.conf';
my @alice = @Apps::Alice;
my ($secret, $large) = ("of the app only\n", 3_276_800);        # 16 bytes each: 50 MiB
my $lines = sub { join '', map { "line $_\n" } 0 .. $_[0] - 1 };

# no proxy is to see what these tests ask of 127.0.0.1
delete @ENV{grep { /_proxy$/i } keys %ENV};

for my $how (['sync'], ['gthread', '--threads', 4]) {
    my $site = site('gunicorn ' . $how->[0]);
    gunicorn($site, 'django_app', '--worker-class', @$how);
    django($site);
}
busy();
others();
elsewhere();
done_testing();

# As the configuration stands, with a folder that the app may enter, and nginx may not.
sub site {
    my ($what, $change) = @_;
    my $site = Apps->new($conf, $what, sub {
        s{^(    server \{\n.*?\n)\n}{$1\n        location /direct/ { download path /srv/private/\$arg_name; }\n\n}ms or die 'no server';
        $change->() if $change;
    });
    $site->put('srv/private/q3.pdf', $secret);
    $site->{socket} = "$site->{srv}/run/app.sock";
    if ($> == 0) {
        my $group = getgrgid((getpwnam('nobody'))[3]);
        $site->put('descriptors.conf', slurp($site->{conf}) =~ s/^user root;/user nobody $group;/r);
        (my $above = $site->dir) =~ s{/[^/]+\z}{};
        chmod 0755, $above, $site->dir, $site->{srv}, "$site->{srv}/run" or die "chmod: $!";
    }
    chmod 0700, "$site->{srv}/private" or die "chmod: $!";
    return $site;
}

# The name of the socket stands alone for start() to see.
sub start {
    my ($site, @command) = @_;
    $site->start({}, 'sh', '-c', 'exec "$@"', $site->{socket}, @command);
}

sub gunicorn {
    my ($site, $app, @more) = @_;
    my $name = $app =~ /django/ ? 'application' : 'app';
    start($site, "$bin/gunicorn", '--bind', "unix:$site->{socket}", '--umask', 0, '--workers', 1, '--worker-tmp-dir', $site->dir,
        '--no-control-socket', '--access-logfile', $site->dir . '/logs/gunicorn', '--access-logformat', '%(U)s %(B)s', '--chdir',
        Apps::app('client-descriptors'), @more, "$app:$name");
}

# --- Django in gunicorn -----------------------------------------------------------------------

sub django {
    my $site = shift;
    $site->start_nginx;
    is($site->ask('/direct/?name=q3.pdf')->{status}, 404, "$site->{what}: nginx may not enter the folder") if $> == 0;
    # by download_intercept, and by download object
    for my $where ('', '/files') {
        virtual($site, $where);
        private($site, $where);
        versions($site, $where);
        my $r = $site->ask("$where/response", @alice);
        $site->is_file($r, 'hello', "$where: FileResponse");
        is(Apps::header($r, 'Content-Disposition'), 'attachment; filename="hello.txt"', "$site->{what}: $where: FileResponse: its name");
        $site->is_file($site->ask("$where/stored/q3.pdf", @alice), $Apps::Files{'q3.pdf'}, "$where: a storage's file");
        is($site->ask("$where/virtual/generator/9")->{status}, 403, "$site->{what}: $where: a stranger");
        is($site->ask("$where/private/missing.txt", @alice)->{status}, 404, "$site->{what}: $where: a file that is not there");
    }
    $site->is_file($site->ask('/stream', @alice), $lines->(9000), 'what the middleware does not know is streamed');
    unlike($site->log, qr/\[warn\]|descriptor came/, "$site->{what}: each descriptor is used");
    failing($site);
    large($site);
    leaks($site);
    by_descriptor($site);
    $site->end;
}

sub virtual {
    my ($site, $where) = @_;
    my %made = (stringio => $lines, generator => $lines, content => sub { join('', map { chr } 0 .. 255) x $_[0] });
    for my $kind (sort keys %made) {
        for my $number (0, 20, 9000) {
            my $r = $site->ask("$where/virtual/$kind/$number", @alice);
            $site->is_file($r, $made{$kind}->($number), "$where: $kind, $number");
            my $name = $kind eq 'content' ? 'made.bin' : 'made.txt';
            is(Apps::header($r, 'Content-Disposition'), qq(attachment; filename="$name"), "$site->{what}: $where: $kind, $number: its name");
            is(Apps::header($r, 'X-Of-The-App') . Apps::header($r, 'Set-Cookie') =~ s/;.*//r, 'keptseen=1',
                "$site->{what}: $where: $kind, $number: header and cookie");
        }
    }
}

sub private {
    my ($site, $where) = @_;
    for my $view ('private', 'sent') {
        my $r = $site->ask("$where/$view/q3.pdf", @alice);
        $site->is_file($r, $secret, "$where/$view: a file of the app's");
        is($site->ask("$where/$view/q3.pdf", @alice, 'Range: bytes=3-5')->{body}, 'the', "$site->{what}: $where/$view: a range");
        next if $view eq 'private';
        is(Apps::header($r, 'ETag') . Apps::header($r, 'Content-Disposition'), q("own"attachment; filename="Gro_e.txt"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.txt),
            "$site->{what}: $where: sendfile(): what the view says of it");
    }
}

# The version is the one that the app tells, and ranges are nginx's.
sub versions {
    my ($site, $where) = @_;
    my $get = sub { $site->ask("$where/virtual/generator/9000", @alice, @_) };
    my $all = $lines->(9000);
    my $r = $get->();
    is(join(' ', map { Apps::header($r, $_) } 'ETag', 'Last-Modified', 'Accept-Ranges'), '"v1" Fri, 02 Jan 2026 00:00:00 GMT bytes',
        "$site->{what}: $where: the app's ETag and Last-Modified");
    for (['Range: bytes=5-8'], ['Range: bytes=5-8', 'If-Range: "v1"'], ['Range: bytes=5-8', 'If-Range: Fri, 02 Jan 2026 00:00:00 GMT']) {
        $r = $get->(@$_);
        is(join(' ', $r->{status}, Apps::header($r, 'Content-Range'), $r->{body}), '206 bytes 5-8/' . length($all) . " 0\nli", "$site->{what}: $where: @$_");
    }
    ok($get->('Range: bytes=-70000')->{body} eq substr($all, -70000), "$site->{what}: $where: the end of it");
    is($get->('Range: bytes=5-8', 'If-Range: "v2"')->{status}, 200, "$site->{what}: $where: If-Range, another version");
    is($get->('Range: bytes=999999-')->{status}, 416, "$site->{what}: $where: a range beyond the end");
    for ('If-None-Match: "v1"', 'If-Modified-Since: Fri, 02 Jan 2026 00:00:00 GMT') {
        $r = $get->($_);
        is("$r->{status} $r->{body}", '304 ', "$site->{what}: $where: $_");
    }
    is($get->('If-Match: "v2"')->{status}, 412, "$site->{what}: $where: If-Match");
    $r = $site->ask("HEAD $where/virtual/generator/9000", @alice);
    is("$r->{status} " . Apps::header($r, 'Content-Length') . Apps::header($r, 'ETag'), '200 ' . length($all) . '"v1"', "$site->{what}: $where: HEAD");
}

# The app thinks better of it when the file is on its way already.
sub failing {
    my $site = shift;
    my $before = length $site->log;
    my $r = $site->ask('/stopped', @alice);
    is($r->{status}, 500, "$site->{what}: an error after the file was passed");
    unlike($r->{body}, qr/\0|xxx/, "$site->{what}: nothing of the file");
    is($site->ask('/files/stopped', @alice)->{status}, 502, "$site->{what}: so too by download object");
    ok(wait_for(sub { 2 == (() = substr($site->log, $before) =~ /\[warn\].* a descriptor came with a response of the app that has no use for it; it was closed/g) }),
        "$site->{what}: nginx says so") or $site->show('error.log');
    $site->is_file($site->ask('/virtual/stringio/3', @alice), $lines->(3), 'the next one');
}

# What is generated goes nowhere but into memory, or onto the disk.
sub large {
    my $site = shift;
    state $expected = digest_of_large();
    my ($s, $digest, $size) = (dial(port => $site->{port}), Digest::SHA->new(256), 0);
    send_to($s, GET("/files/large/$large", @alice));
    my $r = response($s, head => 1);
    my $rest = ${*$s}{wire_rest};
    do { $digest->add($rest); $size += length $rest } while IO::Select->new($s)->can_read(20) && sysread $s, $rest, 1 << 20;
    is("$r->{status} $size", '200 ' . 16 * $large, "$site->{what}: 50 MiB");
    is($digest->hexdigest, $expected, "$site->{what}: its SHA-256");
    is($site->ask("/large/$large", @alice, 'Range: bytes=-16')->{body}, sprintf("%015d\n", $large - 1), "$site->{what}: 50 MiB: the end of them");
}

sub digest_of_large {
    my $digest = Digest::SHA->new(256);
    for (my $at = 0; $at < $large; $at += 4096) { $digest->add(join '', map { sprintf "%015d\n", $_ } $at .. $at + 4095) }
    return $digest->hexdigest;
}

# After downloads that were broken off and others no file stays open, neither in the app nor in nginx.
sub leaks {
    my $site = shift;
    my $counts = sub {
        my ($app) = map { (split)[1] } $site->ask('/page', @alice)->{body};
        my $nginx = 0;
        for my $pid (workers_of($site->{nginx})) { $nginx += () = glob "/proc/$pid/fd/*" }
        return "$app $nginx";
    };
    $site->ask('/virtual/generator/9', @alice);
    my $before = $counts->();
    my $bad = 0;
    for my $n (1 .. 200) {
        my $s = dial(port => $site->{port}, $n % 5 < 2 ? (rcvbuf => 4096) : ());
        my $where = $n % 2 ? '' : '/files';
        send_to($s, GET("$where/" . ('large/65536', 'virtual/generator/9000', 'private/q3.pdf', 'large/1')[$n % 4], @alice));
        if ($n % 5 == 0) { reset_of($s); next }
        if ($n % 5 == 1) { response($s, head => 1); reset_of($s); next }
        my $r = response($s);
        $bad++ unless $r->{status} == 200 && $r->{whole};
        close $s;
    }
    is($bad, 0, "$site->{what}: 200 downloads, some broken off: the others arrive");
    my $after;
    ok(wait_for(sub { ($after = $counts->()) eq $before }), "$site->{what}: nothing stays open") or diag("before $before, after $after");
}

# What the app wrote to its socket: heads and grants.
sub by_descriptor {
    my $site = shift;
    my %written;
    for (split /\n/, slurp($site->dir . '/logs/gunicorn')) {
        my ($path, $bytes) = m{^(/\S+) (\d+)$} or next;
        my ($kind) = $path =~ m{^(?:/files)?/(\w+)};
        $written{$kind} = $bytes if $bytes > ($written{$kind} // 0);
    }
    ok($written{$_} && $written{$_} < 500, "$site->{what}: $_: the app writes a grant only") or diag("$_: $written{$_}")
        for qw(virtual private sent large response stored);
    cmp_ok($written{stream}, '>', 80_000, "$site->{what}: but what it streams");
}

# One worker, which does one thing at a time, is free while clients are slow.
sub busy {
    my $site = site('one worker');
    gunicorn($site, 'django_app');
    $site->start_nginx;
    my @slow = map { my $s = dial(port => $site->{port}, rcvbuf => 4096); send_to($s, GET("/files/large/$large", @alice)); $s } 1 .. 3;
    my @begun = grep { response($_, head => 1)->{status} == 200 } @slow;
    is(scalar @begun, 3, 'one worker: three slow downloads begin');
    like($site->ask('/page', @alice)->{body}, qr/^\d+ \d+$/, 'one worker: it answers the next');
    my @alive = grep { my $s = $_; sysread($s, my $more, 65536) } @slow;
    is(scalar @alive, 3, 'one worker: the slow ones go on');
    reset_of($_) for @slow;
    $site->end;
}

# --- other servers ------------------------------------------------------------------------------

sub others {
    my $apps = Apps::app('client-descriptors');
    my $site = site('Flask in gunicorn');
    gunicorn($site, 'flask_app');
    made($site);

    SKIP: {
        my ($uwsgi) = grep { -x } map { ("$_/uwsgi", "$_/uwsgi-core") } split /:/, $ENV{PATH};
        my ($plugin) = glob '/usr/lib/uwsgi/plugins/python3*_plugin.so';
        skip('uWSGI or its plugin python3 is not installed', 1) unless $uwsgi && $plugin;
        my ($packages) = glob "$bin/../lib/python3*/site-packages";
        for my $protocol ('http', 'uwsgi') {
            my $params = join '', map { "uwsgi_param $_;\n" } 'REQUEST_METHOD GET', 'REQUEST_URI $request_uri', 'PATH_INFO $document_uri',
                'QUERY_STRING $args', 'SERVER_PROTOCOL $server_protocol', 'SERVER_NAME $server_name', 'SERVER_PORT $server_port',
                'HTTP_X_DOWNLOAD_TOKEN "a token of your own"';
            $site = site("uWSGI, $protocol", sub {
                return if $protocol eq 'http';
                s{proxy_pass http://app\$request_uri;}{uwsgi_pass app;\n$params} or die 'no proxy_pass';
                s{location = /_ask \{}{location /_ask/ \{} and s{object /_ask;}{object /_ask\$uri;};
                s{PATH_INFO \$document_uri}{PATH_INFO \$asked};
                s{^(http \{\n)}{$1    map \$uri \$asked { ~^/_ask(?<rest>.*)\$ \$rest; }\n}m;
            });
            start($site, $uwsgi, '--die-on-term', '--plugin', 'python3', $protocol eq 'http' ? '--http-socket' : '--socket', $site->{socket},
                '--chmod-socket=666', '--pythonpath', $packages, '--pythonpath', $apps, '--module', 'flask_app:app', '--need-app');
            made($site);
        }
    }

    page();

    my @uvicorn = ("$bin/uvicorn", '--app-dir', $apps, '--http', 'nginx_download.uvicorn:Protocol', '--uds');
    $site = site('Starlette in uvicorn');
    start($site, @uvicorn, $site->{socket}, 'starlette_app:app');
    made($site);

    $site = site('Django in uvicorn');
    start($site, @uvicorn, $site->{socket}, 'django_app:asgi');
    $site->start_nginx;
    virtual($site, $_) for '', '/files';
    versions($site, '/files');
    unlike($site->log, qr/\[warn\]/, 'Django in uvicorn: each descriptor is used');
    $site->end;
}

# docs/descriptors.md: its app.py.
sub page {
    my ($app) = grep { /^# app\.py\n/ } map { $_->[1] } Page::blocks(slurp('docs/descriptors.md'));
    my $site = site('descriptors.md');
    $site->put('page/app.py', $app);
    $site->put('page/private/q3.txt', $secret);
    gunicorn($site, 'app', '--chdir', $site->dir . '/page');
    $site->start_nginx;
    my $r = $site->ask('/files/squares-20000.csv', @alice);
    $site->is_file($r, join('', map { "$_," . $_ * $_ . "\r\n" } 0 .. 19_999), 'squares');
    is(Apps::header($r, 'ETag') . Apps::header($r, 'Content-Disposition'), '"20000"attachment; filename="squares.csv"', 'descriptors.md: what it says of them');
    $site->is_file($site->ask('/files/private.txt', @alice), $secret, "a file of the app's");
    is($site->ask('/files/private.txt')->{status}, 403, 'descriptors.md: a stranger');
    unlike($site->log, qr/\[warn\]/, 'descriptors.md: each descriptor is used');
    $site->end;
}

sub made {
    my $site = shift;
    $site->start_nginx;
    for my $number (0, 20, 9000, 100_000) {
        my $r = $site->ask("/files/made/$number", @alice);
        $site->is_file($r, $lines->($number), "$number lines");
        is(join(' ', map { Apps::header($r, $_) } 'ETag', 'X-Of-The-App', 'Set-Cookie', 'Content-Disposition'),
            '"v1" kept seen=1 attachment; filename="made.txt"', "$site->{what}: $number lines: what the app says of them");
    }
    my $r = $site->ask('/files/made/9000', @alice, 'Range: bytes=5-8', 'If-Range: "v1"');
    is("$r->{status} $r->{body}", "206 0\nli", "$site->{what}: a range");
    is($site->ask('/files/made/9000', @alice, 'If-None-Match: "v1"')->{status}, 304, "$site->{what}: 304");
    $r = $site->ask('HEAD /files/made/9000', @alice);
    is("$r->{status} " . Apps::header($r, 'Content-Length'), '200 ' . length $lines->(9000), "$site->{what}: HEAD");
    $site->is_file($site->ask('/files/private/q3.pdf', @alice), $secret, "a file of the app's");
    $site->is_status($site->ask('/files/made/9'), 403, qr/^not for you$/, 'a stranger');
    unlike($site->log, qr/\[warn\]/, "$site->{what}: each descriptor is used");
    $site->end;
}

# --- where nothing may be passed ----------------------------------------------------------------

# The same apps where a NUL byte would be garbage: small files are in the grant, large ones from the app.
sub elsewhere {
    my @cases = (
        ['over TCP', 'django_app', sub { s{unix:/srv/run/app\.sock}{127.0.0.1:8000}g; s{^\s+download_descriptors on;\n}{}m }],
        ['without the token', 'django_app', sub { s{^\s+proxy_set_header\s+X-Download-Token.*\n}{}m or die; s{^\s+download_descriptors on;\n}{}m }],
        ['uvicorn as it is', 'starlette_app', sub { s{^\s+download_descriptors on;\n}{}m }],
    );
    for (@cases) {
        my ($what, $app, $change) = @$_;
        my $site = site($what, $change);
        if ($what eq 'over TCP') {
            $site->start({}, "$bin/gunicorn", '--bind', "127.0.0.1:$site->{app_port}", '--worker-tmp-dir', $site->dir, '--no-control-socket', '--chdir',
                Apps::app('client-descriptors'), "$app:application");
        }
        elsif ($app eq 'django_app') { gunicorn($site, $app) }
        else { start($site, "$bin/uvicorn", '--app-dir', Apps::app('client-descriptors'), '--uds', $site->{socket}, "$app:app") }
        $site->start_nginx;
        if ($app eq 'django_app') {
            $site->is_file($site->ask("/virtual/generator/$_", @alice), $lines->($_), "a generator, $_") for 20, 9000;
            $site->is_file($site->ask('/sent/q3.pdf', @alice), $secret, "a file of the app's");
        }
        else {
            $site->is_file($site->ask('/files/made/20', @alice), $lines->(20), 'a generator');
            is($site->ask('/files/made/9000', @alice)->{status}, 502, "$what: a large one is no grant");
        }
        unlike($site->log, qr/descriptor/, "$what: nothing is passed");
        $site->end;
    }
}
