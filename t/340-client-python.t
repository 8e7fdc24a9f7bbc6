# clients/python: its own tests, and apps that use it behind nginx, by clients/nginx.conf.

use strict;
use warnings;
use lib 't/lib';
use Digest::SHA qw(sha256_hex);
use Test::More;
use Apps;
use Wire qw(dial GET send_to response);

my $bin = Apps::installed('python') . '/bin';
Apps::installed('client-python/made-from');
my @alice = @Apps::Alice;
my %files = %Apps::Files;
my $token = 'X-Download-Token: a token of your own';
my $media_type = 'application/vnd.nginx-download.grant+json';

# no proxy is to see what these tests ask of 127.0.0.1
delete @ENV{grep { /_proxy$/i } keys %ENV};
$ENV{PYTHONDONTWRITEBYTECODE} = 1;

unit_tests();
django();
other('flask', 'client-wsgi', 'gunicorn');
other('starlette', 'client-asgi', 'uvicorn');
done_testing();

# What the package's own tests say, line by line.
sub unit_tests {
    my $ran = 0;
    open my $tap, '-|', 'sh', '-c', 'cd clients/python && exec timeout 60 "$@" 2>&1', 'sh', "$bin/python", '-m', 'tests' or die "tests: $!";
    while (<$tap>) {
        if (/^(ok|not ok) - (.*)/) { ok($1 eq 'ok', "python: $2"); $ran++ }
        else { s/^# ?//; diag($_) unless /^1\.\.\d+$/ }
    }
    ok(close $tap, 'python: the tests end well');
    cmp_ok($ran, '>', 50, 'python: all of them were run');
}

sub run {
    my ($site, $app, $server) = @_;
    my @address = ('127.0.0.1', $site->{app_port});
    my %env = (REMOTE => "http://127.0.0.1:$site->{remote_port}/");
    return $site->start(\%env, "$bin/uvicorn", '--app-dir', Apps::app($app), '--host', $address[0], '--port', $address[1], 'app:app')
        if $server eq 'uvicorn';
    $site->start(\%env, "$bin/gunicorn", '--bind', join(':', @address), '--workers', 1, '--threads', 4, '--worker-tmp-dir', $site->dir,
        '--no-control-socket', '--chdir', Apps::app($app), $app =~ /django/ ? 'app:application' : 'app:app');
}

sub site {
    my ($what, $app, $server) = @_;
    my $site = Apps->new('../clients/nginx.conf', $what);
    $site->put('signing.key', "a signing key of these tests, it is\n");
    run($site, $app, $server);
    $site->start_nginx;
    return $site;
}

# --- Django -----------------------------------------------------------------------------------

sub django {
    my $site = site('django', 'client-django', 'gunicorn');
    $site->start_remote;

    # by download_intercept, and by download object
    for my $where ('', '/files') {
        # what nginx sends is what Django streams to those who come around it
        $site->serves("$where/$_") for qw(storage object path);
        sent($site, $where);
        virtual($site, $where);
        remote_file($site, $where);
    }
    around($site);
    remembered($site);
    signed($site);
    health($site);
    $site->end;
}

sub sent {
    my ($site, $where) = @_;
    my $r = $site->ask("$where/sent/sp%20ace.txt", @alice);
    $site->is_file($r, $files{'sp ace.txt'}, "$where: sendfile()");
    is(Apps::header($r, 'Content-Disposition'), 'attachment; filename="sp ace.txt"', "django: $where: sendfile(): its name");
    is(Apps::header($r, 'Content-Type') . Apps::header($r, 'ETag'), 'text/x-own"of-the-app"', "django: $where: sendfile(): type and ETag");
    is(Apps::header($r, 'X-Frame-Options') . Apps::header($r, 'X-Of-The-App'), 'DENYkept', "django: $where: sendfile(): what middlewares add")
        if $where eq '';
    is($site->ask("$where/sent/sp%20ace.txt", @alice, 'If-None-Match: "of-the-app"')->{status}, 304, "django: $where: sendfile(): 304");
    is($site->ask("$where/sent/large.txt", @alice, 'Range: bytes=5-5')->{body}, '1', "django: $where: sendfile(): a range");

    my $named = q(filename="Gro_e \"7\".txt"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%227%22.txt);
    for (['shown', 'inline'], ['named', 'attachment']) {
        my ($view, $kind) = @$_;
        $r = $site->ask("$where/$view/q3.pdf", @alice);
        $site->is_file($r, $files{'q3.pdf'}, "$where/$view");
        is(Apps::header($r, 'Content-Disposition'), "$kind; $named", "django: $where/$view: by another name");
    }
}

# Small ones are in the grant, where nginx answers ranges; large ones Django sends.
sub virtual {
    my ($site, $where) = @_;
    my $lines = sub { join '', map { "line $_\n" } 0 .. $_[0] - 1 };
    my %made = (stringio => $lines, generator => $lines, content => sub { join('', map { chr } 0 .. 255) x $_[0] });
    for my $kind (sort keys %made) {
        my $r = $site->ask("$where/virtual/$kind/20", @alice);
        $site->is_file($r, $made{$kind}->(20), "$where: virtual: $kind");
        is(Apps::header($r, 'Content-Disposition'), 'attachment; filename="made.' . ($kind eq 'content' ? 'bin"' : 'txt"'),
            "django: $where: virtual: $kind: its name");
        $r = $site->ask("$where/virtual/$kind/20", @alice, 'Range: bytes=5-8');
        is("$r->{status} $r->{body}", '206 ' . substr($made{$kind}->(20), 5, 4), "django: $where: virtual: $kind: a range");
        if ($where eq '') {
            $site->is_file($site->ask("/virtual/$kind/9000", @alice), $made{$kind}->(9000), "virtual: $kind: a large one");
        }
        else {
            is($site->ask("$where/virtual/$kind/9000", @alice)->{status}, 502, "django: $where: virtual: $kind: a large one is no grant");
        }
    }
}

sub remote_file {
    my ($site, $where) = @_;
    my $r = $site->ask("$where/http/report.txt", @alice);
    $site->is_file($r, "of the remote: /report.txt\n", "$where: HTTPDownloadView");
    is(Apps::header($r, 'Content-Disposition'), 'attachment; filename="report.txt"', "django: $where: HTTPDownloadView: its name");
    is(Apps::header($r, 'X-Of-The-Remote'), 'kept', "django: $where: HTTPDownloadView: nginx fetched it");
    is(Apps::header($r, 'X-Of-The-App'), 'kept', "django: $where: HTTPDownloadView: the app's header");
    like(Apps::header($r, 'Set-Cookie'), qr/^seen=1[^|]*$/, "django: $where: HTTPDownloadView: the app's cookie only");
}

# A grant is for nginx, which has the token.
sub around {
    my $site = shift;
    for my $view (qw(storage sent)) {
        my $r = from_app($site, "/$view/q3.pdf", @alice);
        ok($r->{body} eq $files{'q3.pdf'} && Apps::header($r, 'Content-Type') ne $media_type, "django: around nginx: $view: the file");
        $r = from_app($site, "/$view/q3.pdf", @alice, $token);
        like($r->{body}, qr/^\{"file":\{"storage":"media","path":"q3\.pdf"\}/, "django: $view: with the token: the grant");
        $r = $site->ask("/$view/q3.pdf", @alice, 'X-Download-Token: a guess');
        $site->is_file($r, $files{'q3.pdf'}, "$view: a token of the client's");
    }
}

sub from_app {
    my ($site, @request) = @_;
    my $s = dial(port => $site->{app_port});
    send_to($s, GET(@request));
    return response($s);
}

sub remembered {
    my $site = shift;
    my $asked = sub { Apps::header($site->ask('/files/cached/q3.pdf', @alice), 'X-Asked') };
    my $first = $asked->();
    my $r = $site->ask('/files/cached/q3.pdf', @alice);
    $site->is_file($r, $files{'q3.pdf'}, 'remembered');
    is(Apps::header($r, 'X-Asked') . Apps::header($r, 'Cache-Control'), "${first}private, no-store", 'django: the app is asked once');
    my $revoke = sub { python("from nginx_download.revoke import *; import sys\nprint(revoke(sys.argv[1], $_[0]))", "http://127.0.0.1:$site->{port}$_[1]") };
    is($revoke->('tags=["user:alice"]', '/revoke'), "1\n", 'django: revoke(): one decision');
    is($asked->(), $first + 1, 'django: revoke(): the app is asked again');
    is($revoke->('key=["/files/cached/q3.pdf", "alice"], cut=True', '/revoke'), "1\n", 'django: revoke(): by its key');
    is($revoke->('tags=["user:bob"]', '/revoke'), "0\n", 'django: revoke(): nothing to forget');
    like($revoke->('tags=["a"]', '/files/x'), qr/RevokeError: .* answered 405/, 'django: revoke(): somewhere else');
}

sub signed {
    my $site = shift;
    for my $name ('q3.pdf', 'sub/in sub.txt', "gr\xc3\xb6\xc3\x9fe.txt", q(quo'te"s.txt), 'what?.txt') {
        my $url = $site->ask('/sign/' . Apps::encoded($name), @alice)->{body};
        like($url, qr{^/media/.*\?expires=\d+&signature=[\w-]{43}$}, 'django: a signed URL');
        $site->is_file($site->ask($url), $files{$name}, "signed: $name");
        is($site->ask($url =~ s/\?.*//r)->{status}, 403, "django: not without: $name");
    }
    my $sign = sub {
        my ($path, $claims) = @_;
        my $link = python("from nginx_download.signing import *; import sys\nprint(sign_url(sys.argv[1], sys.argv[2], $claims))",
            $path, 'a signing key of these tests, it is');
        chomp $link;
        return $site->ask($link);
    };
    my $all = 'expires=timedelta(hours=1), not_before=timedelta(0), method="GET", address="127.0.0.0/8", basename="Q3 \u00df.pdf", attachment=False, limit_rate=0';
    my $r = $sign->('/media/q3.pdf?v=1', $all);
    $site->is_file($r, $files{'q3.pdf'}, 'sign_url(): all claims');
    is(Apps::header($r, 'Content-Disposition'), q(inline; filename="Q3 _.pdf"; filename*=UTF-8''Q3%20%C3%9F.pdf), 'django: sign_url(): its name')
        or diag($r->{head});
    $site->is_file($sign->('/media/sub/in%20sub.txt', 'expires=timedelta(hours=1), prefix="/media/sub/"'), $files{'sub/in sub.txt'}, 'sign_url(): a prefix');
    for ('expires=timedelta(-1)', 'expires=timedelta(2), not_before=timedelta(1)', 'expires=timedelta(1), address="192.0.2.1"', 'expires=timedelta(1), method="HEAD"') {
        is($sign->('/media/q3.pdf', $_)->{status}, 403, "django: sign_url(): $_");
    }
}

sub health {
    my $site = shift;
    my $check = sub {
        my ($port, @arguments) = @_;
        open my $out, '-|', "$bin/python", '-m', 'nginx_download.health', "http://127.0.0.1:$port/files/storage/q3.pdf", '--request-header', @alice, @arguments;
        my $said = do { local $/; <$out> };
        close $out;
        return ($? >> 8, $said);
    };
    my @all = ('--size', length $files{'q3.pdf'}, '--sha256', sha256_hex($files{'q3.pdf'}), '--server', 'nginx', '--header', 'X-Sent-By: nginx',
        '--header', 'X-Of-The-App: kept', '--ranges');
    my ($code, $said) = $check->($site->{port}, @all);
    is($code, 0, 'django: check_live') or diag($said);
    ($code, $said) = $check->($site->{app_port}, @all);
    is($code, 1, 'django: check_live: the app alone is not enough');
    like($said, qr/FAILED  header X-Sent-By/, 'django: check_live: and says why');
    ($code, $said) = $check->($site->{app_port}, '--request-header', $token, '--grant');
    is($code, 0, 'django: check_live: the app grants') or diag($said);
    ($code, $said) = $check->($site->{app_port}, '--request-header', $token);
    is($code, 1, 'django: check_live: a grant is not for clients') or diag($said);
}

sub python {
    my ($program, @arguments) = @_;
    open my $out, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', "$bin/python", '-c', "from datetime import timedelta\n$program", @arguments or die "python: $!";
    local $/;
    return scalar <$out>;
}

# --- Flask, Starlette -------------------------------------------------------------------------

sub other {
    my ($what, $app, $server) = @_;
    my $site = site($what, $app, $server);
    $site->{remote_port} //= 0;
    for my $name ('q3.pdf', 'large.txt', 'empty.txt', @Apps::Names) {
        $site->is_file($site->ask('/files/' . Apps::encoded($name), @alice), $files{$name}, "/files/$name");
    }
    my $r = $site->ask('/files/q3.pdf', @alice, 'Range: bytes=5-7');
    is("$r->{status} $r->{body}", '206 1.7', "$what: a range");
    is(Apps::header($r, 'X-Of-The-App') . Apps::header($r, 'Set-Cookie'), 'keptseen=1', "$what: header and cookie");
    $site->is_status($site->ask('/files/q3.pdf'), 403, qr/^not for you$/, 'a stranger');
    is($site->ask('/files/missing.txt', @alice)->{status}, 404, "$what: a file that is not there");
    $r = $site->ask('HEAD /files/q3.pdf', @alice);
    is("$r->{status} " . Apps::header($r, 'Content-Length'), '200 ' . length $files{'q3.pdf'}, "$what: HEAD");
    $site->end;
}
