# Python's frameworks, by nginx-conf/: django-downloadview, django-sendfile2, Flask, Starlette.

use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use Apps;

my $bin = Apps::installed('python') . '/bin';
my @alice = @Apps::Alice;
my %files = %Apps::Files;
my $umlaut = "gr\xc3\xb6\xc3\x9fe.txt";
my @ascii = grep { !/[^\x00-\x7f]/ } @Apps::Names;

sub wsgi {
    my ($site, $app, %env) = @_;
    $site->start(\%env, "$bin/gunicorn", '--bind', "127.0.0.1:$site->{app_port}", '--workers', 1, '--threads', 4,
        '--worker-tmp-dir', $site->dir, '--no-control-socket', '--chdir', Apps::app($app), 'app:' . ($app eq 'flask' ? 'app' : 'application'));
}

downloadview('nginx');
downloadview('apache');
downloadview('lighttpd');
sendfile('django_sendfile.backends.nginx', names => \@Apps::Names);
sendfile('django_sendfile.backends.xsendfile', names => \@ascii);
sendfile('utf8_xsendfile', names => \@Apps::Names);
flask();
starlette();
done_testing();

# --- django-downloadview -------------------------------------------------------------

sub downloadview {
    my $backend = shift;
    my $site = Apps->new('django-downloadview.conf', "django-downloadview, $backend");
    my $remote = "http://127.0.0.1:$site->{remote_port}/";
    $site->start_remote;
    wsgi($site, 'django-downloadview', BACKEND => $backend, REMOTE => $remote);
    $site->start_nginx;

    # by the URL that the storage gives the file: any name
    $site->serves("/$_") for qw(storage object);
    # by its path, which Django cannot write into a header unless it is ASCII
    $site->serves('/path', names => \@ascii);
    is($site->ask('/path/' . Apps::encoded($umlaut), @alice)->{status}, 404, "$site->{what}: a name that Django garbles");

    is(Apps::header($site->ask('/shown/q3.pdf', @alice), 'Content-Disposition'), '', "$site->{what}: attachment=False");
    is(Apps::header($site->ask('/named/q3.pdf', @alice), 'Content-Disposition'),
        q(attachment; filename="Groe_\"7\".txt"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%227%22.txt), "$site->{what}: basename=...");
    $site->is_file($site->ask('/virtual', @alice), "made up\n" x 1000, 'VirtualDownloadView');
    remote_files($site, $backend);
    if ($backend eq 'nginx') { signed($site); rates($site) }
    $site->hears_nginx_only;
    $site->end;
}

# HTTPDownloadView: by nginx where it is told to, else through the app.
sub remote_files {
    my ($site, $backend) = @_;
    my $r = $site->ask('/http/report.txt', @alice);
    $site->is_file($r, "of the remote: /report.txt\n", 'HTTPDownloadView');
    is(Apps::header($r, 'Content-Disposition'), 'attachment; filename="report.txt"', "$site->{what}: HTTPDownloadView: its name is the app's");
    is(Apps::header($r, 'X-Of-The-App'), 'kept', "$site->{what}: HTTPDownloadView: the app's header");
    is(Apps::header($r, 'X-Of-The-Remote'), $backend eq 'nginx' ? 'kept' : '', "$site->{what}: HTTPDownloadView: who fetched it");
    like(Apps::header($r, 'Set-Cookie'), qr/^seen=1[^|]*$/, "$site->{what}: HTTPDownloadView: the app's cookie only") if $backend eq 'nginx';
    $site->is_status($site->ask('/http/report.txt'), 403, qr/^not for you$/, 'HTTPDownloadView: a stranger');
}

# SignedFileSystemStorage makes the URL, signature_required checks it; in X-Accel-Redirect it is
# there again, signature and all. Names that a URL has to encode it does not recognise.
sub signed {
    my $site = shift;
    for my $name ('q3.pdf', 'perAcent.txt') {
        my $url = $site->ask("/sign/$name", @alice)->{body};
        like($url, qr{^/media/\Q$name\E\?X-Signature=}, "$site->{what}: a signed URL");
        $site->is_file($site->ask($url, @alice), $files{$name}, "signed: $name");
        like(Apps::header($site->ask_app($url, @alice), 'X-Accel-Redirect'), qr{^/protected/\Q$name\E\?X-Signature=},
            "$site->{what}: the signature is passed on");
        is($site->ask("${url}x", @alice)->{status}, 403, "$site->{what}: not by a signature like that");
        is($site->ask($url =~ s/\?.*//r, @alice)->{status}, 403, "$site->{what}: nor without");
    }
}

# limit_rate, which django-downloadview writes as a number or as "off".
sub rates {
    my $site = shift;
    my %took;
    for my $kind (qw(slow unlimited unlimited unlimited)) {
        my $start = time;
        my $r = $site->ask("/$kind/large.txt", @alice);
        ok($r->{status} == 200 && $r->{body} eq $files{'large.txt'}, "$site->{what}: $kind");
        $took{$kind} = time - $start if !$took{$kind} || $took{$kind} > time - $start;
    }
    cmp_ok($took{slow}, '>', 0.6, "$site->{what}: limit_rate=300_000");
    cmp_ok($took{unlimited}, '<', 0.6, "$site->{what}: limit_rate=False");
}

# --- django-sendfile2 --------------------------------------------------------------------

sub sendfile {
    my ($backend, %how) = @_;
    my $site = Apps->new('django-sendfile.conf', "django-sendfile2, $backend");
    wsgi($site, 'django-sendfile', SENDFILE_BACKEND => $backend);
    $site->start_nginx;
    $site->serves("/$_", %how) for qw(files saved);
    is(Apps::header($site->ask('/files/' . Apps::encoded($umlaut), @alice), 'Content-Disposition'),
        q(inline; filename="groe.txt"; filename*=UTF-8''gr%C3%B6%C3%9Fe.txt), "$site->{what}: shown, by its name")
        if grep { $_ eq $umlaut } @{$how{names}};
    my $r = $site->ask('/named/q3.pdf', @alice, 'If-Range: "of-the-app"', 'Range: bytes=5-7');
    is("$r->{status} " . Apps::header($r, 'Content-Disposition'),
        q(206 attachment; filename="Groe \"7\".txt"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%5C%227%5C%22.txt), "$site->{what}: saved, by another");
    is(Apps::header($r, 'ETag'), '"of-the-app"', "$site->{what}: the app's ETag");
    $site->hears_nginx_only;
    $site->end;
}

# --- Flask ---------------------------------------------------------------------------------

sub flask {
    my $site = Apps->new('flask.conf');
    wsgi($site, 'flask');
    $site->start_nginx;
    $site->serves("/$_") for qw(files saved);
    is(Apps::header($site->ask('/named/q3.pdf', @alice), 'Content-Disposition'), Apps::header($site->ask_app('/named/q3.pdf', @alice), 'Content-Disposition'),
        'flask: by another name');
    $site->is_file($site->ask('/plain/sp%20ace.txt', @alice), $files{'sp ace.txt'}, 'as the documentation has it');
    my $r = $site->ask('/elsewhere', @alice);
    is($r->{status}, 404, 'flask: a file that no rule covers');
    unlike($r->{head} . $r->{body}, qr/passwd|root:/, 'flask: of which nothing is said');
    is(Apps::header($r, $_), '', "flask: and $_ would be the file's") for qw(ETag Last-Modified Content-Disposition);
    like($site->log, qr/no_rule/, 'flask: but in the log');
    $site->hears_nginx_only;
    $site->end;

    # Flask is told of ranges: its 206 says which part it would have sent, and of which file
    $site = Apps->new('flask.conf', 'flask, told of ranges', sub { s/^\s*proxy_set_header\s+(?:If-)?Range "";\n//mg });
    wsgi($site, 'flask');
    $site->start_nginx;
    $site->serves('/files', one_range => 1);
    $r = $site->ask('/files/q3.pdf', @alice);
    my $etag = Apps::header($r, 'ETag');
    is(Apps::header($r, 'Cache-Control'), 'public, max-age=60', "$site->{what}: max_age=60");
    is($site->ask_app('/files/q3.pdf', @alice, 'Range: bytes=5-7')->{status}, 206, "$site->{what}: the app's own 206");
    $r = $site->ask('/files/q3.pdf', @alice, 'Range: bytes=5-7', "If-Range: $etag");
    is("$r->{status} $r->{body}", '206 1.7', "$site->{what}: If-Range with the app's ETag");
    $r = $site->ask('/files/q3.pdf', @alice, 'Range: bytes=0-3,5-7');
    is($r->{status}, 416, "$site->{what}: two ranges: Flask's own 416");
    $site->end;
}

# --- Starlette -----------------------------------------------------------------------------

sub starlette {
    my $site = Apps->new('starlette.conf');
    my $archived = 'ol%41d #1? 100% ' . $umlaut;
    $site->put("srv/archive/$archived", "archived\n");
    $site->start({}, "$bin/uvicorn", '--app-dir', Apps::app('starlette'), '--host', '127.0.0.1', '--port', $site->{app_port}, 'app:app');
    $site->start_nginx;
    $site->serves('/files');
    my $r = $site->ask('/files/q3.pdf', @alice);
    is(Apps::header($r, 'Link'), '</a>; rel=next|</b>; rel=prev', 'starlette: a header twice');
    is(scalar(split /\|/, Apps::header($r, 'Set-Cookie')), 2, 'starlette: two cookies');
    is(Apps::header($r, 'Content-Type'), 'application/x-of-the-app', "starlette: the app's type");

    for ('../secret.txt', '%2e%2e/secret.txt', '..%2fsecret.txt', 'sub/../../secret.txt', 'sub', 'missing', "q3.pdf\x7f", '%00', '') {
        $r = $site->ask('/unchecked/' . Apps::encoded($_));
        is($r->{status}, 404, "starlette: unchecked: '$_'");
        unlike($r->{body}, qr/not for anybody/, "starlette: unchecked: not '$_'");
    }

    # nginx's own redirect
    my $uri = '/archive/' . Apps::encoded($archived);
    $r = $site->ask($uri, @alice);
    $site->is_file($r, "archived\n", 'no rule');
    $site->keeps_headers($r, $site->ask_app($uri, @alice), 'no rule');
    is(Apps::header($r, 'X-Archived'), 'yes', "starlette: no rule: and the location's");
    $r = $site->ask($uri, @alice, 'Range: bytes=0-2');
    is("$r->{status} $r->{body}", '206 arc', 'starlette: no rule: a range');
    is($site->ask($uri, @alice, 'If-None-Match: "of-the-app"')->{status}, 304, "starlette: no rule: the app's ETag");
    is($site->ask('/archive/missing', @alice)->{status}, 404, 'starlette: no rule: not there');
    is($site->ask("/_archive/x")->{status}, 404, 'starlette: the location is internal');

    # a file is sent on success only
    for my $code (204, 304, 400, 403, 404, 500, 503) {
        $r = $site->ask("/status/$code");
        is("$r->{status} $r->{body}", $code . ($code >= 400 ? ' of the app' : ' '), "starlette: a $code with X-Accel-Redirect");
    }
    $site->hears_nginx_only;
    $site->end;
}
