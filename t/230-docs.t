# docs/ is true: what docs/frameworks/ shows of nginx, apps and curl is run as it stands, with other
# ports and folders; docs/troubleshooting.md has what there is to say of each failure, with the line
# that is logged; links lead somewhere.

use strict;
use warnings;
use lib 't/lib';
use File::Basename qw(basename);
use Cwd qw(getcwd);
use Digest::MD5 qw(md5_base64);
use IO::Socket::INET;
use Test::More;
use Failures;
use Page;
use Wire qw(slurp);

my $key = 'a key of 32 bytes, or even more?';
my $bin = 'target/apps/python/bin';
my $modules = 'target/apps/express/node_modules';

# page => how its app is started, and whether what that takes is installed
my %app = (
    django  => [sub { gunicorn($_[0], 'django_site:application') }, -x "$bin/gunicorn"],
    flask   => [sub { gunicorn($_[0], 'flask_site:app') }, -x "$bin/gunicorn"],
    fastapi => [sub { $_[0]->start(env($_[0]), pwd("$bin/uvicorn"), '--app-dir', Apps::app('pages'), '--host', '127.0.0.1',
        '--port', $_[0]{app_port}, 'fastapi_site:app') }, -x "$bin/uvicorn" && glob "$bin/../lib/python3*/site-packages/fastapi"],
    rails   => [sub { $_[0]->start({ %{env($_[0])}, RACK_ENV => 'production', RAILS_ENV => 'production' }, 'puma', '-b',
        "tcp://127.0.0.1:$_[0]{app_port}", '-t', '0:4', '-e', 'production', Apps::app('pages/rails_site.ru')) },
        in_path('puma') && system(q(ruby -e 'require "rails"; require "action_controller/railtie"' 2>/dev/null)) == 0],
    symfony => [\&php, Apps::php_fpm() && Page::fastcgi_params() && -e '/usr/share/php/Symfony/Component/HttpFoundation/autoload.php'],
    express => [sub { $_[0]->start({ %{env($_[0])}, NODE_PATH => pwd($modules), NODE_ENV => 'production' }, in_path('node', 'nodejs'),
        Apps::app('pages/express_site.js')) }, in_path('node', 'nodejs') && -d "$modules/express-session"],
);

# the page's own code for revoking, in the folder of its files
my $python = 'from revoke import revoke; revoke("report:7", "user:0")';
my %revoke = (
    django  => ['python3', '-c', "import sys; sys.path.insert(0, 'reports'); $python"],
    flask   => ['python3', '-c', $python],
    fastapi => ['python3', '-c', $python],
    rails   => ['ruby', '-e', 'require "./app/models/revoke"; revoke("report:7", "user:0").is_a?(Net::HTTPOK) or abort'],
    symfony => ['php', '-r', 'require "src/revoke.php"; revoke("report:7", "user:0");'],
    express => ['node', '-e', 'require("./revoke").revoke("report:7", "user:0").then((r) => process.exit(r.ok ? 0 : 1))'],
);

my @pages = map { basename($_, '.md') } sort glob 'docs/frameworks/*.md';
is("@pages", join(' ', sort keys %app), 'there is a test of each page on a framework');
for my $page (@pages) {
    my ($start, $installed) = @{$app{$page} // next};
    SKIP: {
        skip("$page: not installed: run scripts/apps", 1) unless $installed;
        skip("$page: no curl", 1) unless in_path('curl');
        framework($page, $start);
    }
}
troubleshooting();
questions();
migration();
security();
links();
done_testing();

# --- frameworks -----------------------------------------------------------------------------

sub framework {
    my ($page, $start) = @_;
    note("--- $page");
    my $site = Page->new("frameworks/$page");
    $start->($site);
    $site->start_nginx;
    my $alice = "Cookie: " . $site->log_in('alice');
    my $bob = "Cookie: " . $site->log_in('bob');

    $site->console(qr{ http://127\.0\.0\.1:8080/reports/7});
    my $r = $site->ask('/reports/7', $alice);
    $site->is_file($r, Page::report(), 'the report');
    is(Apps::header($r, 'Content-Disposition'), 'attachment; filename="Q3 report.pdf"', "$page: its name");
    is($site->ask('HEAD /reports/7', $alice)->{status}, 200, "$page: HEAD");
    $r = $site->ask('/reports/7', $bob);
    is($r->{status}, 403, "$page: another user");
    unlike(Apps::header($r, 'Date'), qr/\|/, "$page: one Date");
    is($site->ask('/reports/8', $alice)->{status}, 404, "$page: no such report");
    is($site->ask('/_ask', $alice)->{status}, 404, "$page: nobody else asks");

    remembers($site, $alice, $bob);
    intercepts($site);
    $site->end;
}

# The third block of nginx. t/300 and those after it have more of what is intercepted.
sub intercepts {
    my $site = shift->with(3);
    $site->start_nginx;
    if ($site->{page} eq 'django') {
        my $r = $site->ask('/accel/2026/q3.pdf');
        $site->is_file($r, Page::report(), 'accel.py');
        is(Apps::header($r, 'Content-Type'), 'application/pdf', "$site->{what}: its type");
    }
    $site->end;
}

# The second block of nginx: decisions are remembered, for nobody else, until they are revoked.
sub remembers {
    my ($first, $alice, $bob) = @_;
    my @asked = qw(asked cached asked);
    my $site = $first->with(2);
    $site->start_nginx;
    for ('asked', 'remembered') {
        my $r = $site->ask('/reports/7', $alice);
        $site->is_file($r, Page::report(), "the report, $_");
        is($site->ask('/reports/7', $bob)->{status}, 403, "$site->{what}: another user");
        is($site->ask('/reports/7')->{status}, 302, "$site->{what}: a stranger");
    }
    $site->console(qr{/revoke});
    $site->is_file($site->ask('/reports/7', $alice), Page::report(), 'the report, asked again');
    SKIP: {
        my $command = $revoke{$site->{page}};
        skip("$site->{what}: no $command->[0]", 2) unless in_path($command->[0]) || -x $command->[0];
        my $pid = Wire::fork_off(sub { $site->quiet; alarm 20; chdir $site->own_page; exec @$command or die "$command->[0]: $!" });
        is(Wire::end_of($pid), 0, "$site->{what}: the app's code revokes") or $site->show('output');
        $site->is_file($site->ask('/reports/7', $alice), Page::report(), 'the report, asked again');
        push @asked, 'asked';
    }
    $site->end;
    my $grants = join ' ', Apps::slurp("$site->{dir}/logs/access.log") =~ m{^GET /reports/7 200 (\w+)}mg;
    is($grants, "@asked", "$site->{what}: who decided");
}

# --- apps ------------------------------------------------------------------------------------

sub env {
    my $site = shift;
    return { PAGE => "$site->{dir}/page", REPORTS => "$site->{srv}/reports", SECRET_KEY => 'only for the test',
        FLASK_SECRET_KEY => 'only for the test' };
}

sub gunicorn {
    my ($site, $app) = @_;
    $site->start(env($site), pwd("$bin/gunicorn"), '--bind', "127.0.0.1:$site->{app_port}", '--workers', 1, '--threads', 4,
        '--worker-tmp-dir', $site->dir, '--no-control-socket', '--chdir', Apps::app('pages'), $app);
}

sub php {
    my $site = shift;
    $site->start_php(env($site), "php_value[session.save_path] = $site->{dir}/tmp");
}

sub pwd { getcwd() . "/$_[0]" }

sub in_path {
    for my $name (@_) {
        for (split /:/, $ENV{PATH}) { return "$_/$name" if -x "$_/$name" && -f _ }
    }
    return undef;
}

# --- troubleshooting.md ------------------------------------------------------------------------

sub troubleshooting {
    note('--- troubleshooting');
    my $text = slurp('docs/troubleshooting.md');
    my ($table) = slurp('core/src/failure.rs') =~ /^table! \{\n(.*?)^\}/ms;
    my %status = $table =~ /^\s+\w+\s+"(\w+)"\s+(\d+)/mg;
    my ($entries) = $text =~ /^## Labels\n(.*?)(?=^## )/ms;
    my %entry = $entries =~ /^### (\w+)\n(.*?)(?=^### |\z)/msg;
    is(join(' ', sort keys %entry), join(' ', sort keys %status), 'there is an entry for each failure');

    my $site = Failures->new;
    my $seen = $site->provoke;
    my $all = '';
    for my $label (sort keys %entry) {
        next if $label =~ /^(?:system|internal)$/;      # the machine's own troubles
        my $log = '';
        for (@{$seen->{$label} // []}) {
            my ($request, $got, $logged) = @$_;
            like($logged, qr/ download \w+: \Q$label\E: /, "$label: $request provokes it");
            # the app's own status, for these
            is($got, $status{$label}, "$label: $request: its status") unless $label =~ /^(?:denied|redirected)$/;
            $log .= $logged;
        }
        logged($entry{$label}, $log, $label);
        like($entry{$label}, qr/^download \w+: \Q$label\E: /m, "$label: its line is shown");
        $all .= $log;
    }
    logged($text =~ s/^## Labels\n.*//msr, $all, 'where to look');

    my ($command, $account) = $text =~ /^```json\n(\$ [^\n]*\n)(.*?)^```/ms;
    my ($target) = $command =~ m{(/reports/\w+)$}m;
    my $said = $site->account($target);
    ok(Page::is_like($said, $account), 'download_explain') or diag($said);
    $site->end;

    my $access = $site->as_if(Apps::slurp($site->dir . '/logs/download.log')) =~ s/ \d\.\d{3} / 0.000 /gr;
    my ($shown) = $text =~ /^```access\n(.*?)^```/ms;
    like($access, qr/^\Q$_\E$/m, "the access log: $_") for split /\n/, $shown =~ s/ \d\.\d{3} / 0.000 /gr;
    # what it shows of nginx is run with another page, and the format with this
    my $pages = join '', map { slurp($_) } glob 'docs/frameworks/*.md';
    like($pages, qr/^\Q$_\E/m, 'its nginx is run') for map { $_->[1] } grep { $_->[0] eq 'nginx' } Page::blocks($text);
    my ($format) = $text =~ /^    (log_format download .*?;)$/ms;
    my $flat = sub { $_[0] =~ s/\s+/ /gr };
    like($flat->($site->text), qr/\Q@{[$flat->($format)]}\E/, 'the format is this one');
}

# The lines of the blocks `log` are logged, but for time and numbers.
sub logged {
    my ($text, $log, $what) = @_;
    for (map { split /\n/, $_->[1] } grep { $_->[0] eq 'log' } Page::blocks($text)) {
        my $line = s/^[\d\/]+ [\d:]+ (\[\w+\] )\d+#\d+: \*\d+ //r;
        like($log, qr/\Q$line\E/, "$what: " . substr $line, 0, 60);
    }
}

# --- security.md -------------------------------------------------------------------------------

# Each test that the table names is there, and each row names one, or says why there is none.
sub security {
    note('--- security');
    my ($table) = slurp('docs/security.md') =~ /^## What has been tried against it\n(.*?)(?=^##+ |\z)/ms;
    my %rows = $table =~ /^\| ([A-Z]\d+) \| (.*) \|$/mg;
    is(scalar keys %rows, scalar(() = $table =~ /^\| [A-Z]/mg), 'each row has a name of its own');
    is(join('', sort map { /(.)/ } grep { /^.1$/ } keys %rows), 'ABCDEFGHI', 'all groups are there');
    for my $row (sort keys %rows) {
        my ($what, $stands_for, $where) = split / \| /, $rows{$row}, 3;
        like($stands_for, qr/^[\w-]+#\d+$|^(?:C(?:VE-\d{4}|WE)-\d+(?:, |$))+$/, "$row: what it stands for");
        my $named = 0;
        while ($where =~ m{`((?:t|core|scripts)/[^` ]+)[^`]*`(?:: ((?:\*(?:[^*\\]|\\.)+\*(?:, )?)+))?}g) {
            my ($file, $tests) = ($1, $2 // '');
            ok(-e $file, "$row: $file is there");
            my $text = "\n" . slurp($file);
            while ($tests =~ /\*((?:[^*\\]|\\.)+)\*/g) {
                my $test = $1 =~ s/\\(.)/$1/gr;
                ok(index($text, $file =~ /\.rs$/ ? "fn $test()" : "\n=== $test\n") >= 0, "$row: $file has the test: $test");
                $named++;
            }
        }
        is($named, scalar(() = $where =~ /\*(?:[^*\\]|\\.)+\*/g), "$row: each name is one of a file");
        # or else all of a file
        ok($named || $where =~ /^(?:no test: |`t\/[^` ]+`(?:,|$))/, "$row: a test is named");
    }
}

# The table of what the app is asked for.
sub questions {
    my $text = slurp('docs/troubleshooting.md');
    my ($wanted) = $text =~ m{The client asks for `(\S+)`};
    my @rows = $text =~ m{^\| `(location [^`]+)` \| `([^`]+)` \| `([^`]+)` \| `([^`]+)` \|$}mg;
    cmp_ok(@rows / 4, '>=', 4, 'there are rows');
    my $servers = join '', map {
        my ($asked, $uri, $pass) = @rows[4 * $_ .. 4 * $_ + 2];
        "server { listen 127.0.0.1:8080; server_name row$_; location /reports/ { download object $uri; } $asked { internal; proxy_pass $pass; } }\n";
    } 0 .. @rows / 4 - 1;
    my $conf = "load_module modules/ngx_http_download_module.so;\nevents {\n}\nhttp {\nupstream app { server 127.0.0.1:8000; }\n$servers}\n";
    my $site = Apps->new(\$conf, 'the question');
    $site->background(sub { echo($site->{app_port}) });
    Wire::wait_for(sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $site->{app_port}) });
    $site->start_nginx;
    for (0 .. @rows / 4 - 1) {
        is($site->ask($wanted, "Host: row$_")->{body}, $rows[4 * $_ + 3], "row $_: " . join ', ', @rows[4 * $_ .. 4 * $_ + 2]);
    }
    $site->end;
}

# An app that grants what it was asked for, as text.
sub echo {
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => shift, Listen => 16, ReuseAddr => 1) or die "the app: $!";
    while (my $s = $listener->accept) {
        my $head = '';
        while ($head !~ /\r\n\r\n/) { sysread $s, $head, 65536, length $head or last }
        my ($uri) = $head =~ /^\w+ (\S+)/ or next;
        my $body = qq({"file": {"content": "$uri"}});
        print $s join "\r\n", 'HTTP/1.1 200 OK', 'Content-Type: application/json', 'Content-Length: ' . length $body, 'Connection: close', '', $body;
        close $s;
    }
}

# --- migration.md ----------------------------------------------------------------------------

# Each block of nginx starts; those before and after differ as the tables say.
sub migration {
    note('--- migration');
    my $text = slurp('docs/migration.md');
    my %section = $text =~ /^## (\S+)[^\n]*\n(.*?)(?=^## |\z)/msg;
    my %site;
    for my $name (sort keys %section) {
        my @blocks = map { $_->[1] } grep { $_->[0] eq 'nginx' } Page::blocks($section{$name});
        for my $n (0 .. $#blocks) {
            my $conf = "load_module modules/ngx_http_download_module.so;\nevents {\n}\nhttp {\ninclude mime.types;\n$blocks[$n]}\n";
            my $site = $site{"$name$n"} = Apps->new(\$conf, "$name, block $n");
            $site->put('link.key', "$key\n");
            symlink 'q3.pdf', "$site->{srv}/media/link.pdf" or die "symlink: $!";
            if ($site->{app_port}) {
                $site->background(sub { old_app($site, $name) });
                Wire::wait_for(sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $site->{app_port}) });
            }
            $site->start_nginx;
        }
    }
    my $get = sub { my ($name, @request) = @_; $site{$name}->ask_port($site{$name}{port}, @request) };
    my $has = sub { my ($name, $status, $request, %headers) = @_;
        my $r = $get->($name, split /\n/, $request);
        is($r->{status}, $status, "$name: $request: $status") or diag($r->{head}), $site{$name}->show('error.log');
        is(Apps::header($r, $_), $headers{$_}, "$name: $request: $_") for sort keys %headers;
        return $r;
    };

    my $file = '/files/q3.pdf';
    my $cd = 'attachment; filename=Q3.pdf';
    $has->('X-Accel-Redirect0', 200, $file, 'X-Of-The-App' => '', 'Content-Disposition' => $cd, 'Cache-Control' => 'private', 'Set-Cookie' => 'a=b');
    unlike(Apps::header($get->('X-Accel-Redirect0', $file), 'ETag'), qr/app/, "before: ETag");
    $has->('X-Accel-Redirect0', 404, '/files/missing', 'Content-Disposition' => $cd);
    $has->('X-Accel-Redirect0', 200, '/files/link.pdf');
    for (1, 2) {
        $has->("X-Accel-Redirect$_", 200, $file, 'X-Of-The-App' => 'kept', ETag => '"of-the-app"', 'Content-Disposition' => $cd);
        $has->("X-Accel-Redirect$_", 404, '/files/missing', 'Content-Disposition' => '');
        $has->("X-Accel-Redirect$_", 404, '/files/link.pdf');
        $has->("X-Accel-Redirect$_", 206, "$file\nRange: bytes=0-3", 'Content-Range' => 'bytes 0-3/27');
        $has->("X-Accel-Redirect$_", 200, "$file\nX-Grant: yes", 'Content-Disposition' => 'attachment; filename="q3.pdf"');
    }
    $has->('X-Sendfile,0', 200, $file, 'X-Of-The-App' => 'kept');
    $has->('X-Sendfile,0', 404, '/files/missing');

    my $link = secure_link('/dl/q3.pdf');
    for (['secure_link0', 410, 200, ''], ['secure_link1', 403, 404, 'attachment; filename="q3.pdf"']) {
        my ($name, $expired, $symlink, $disposition) = @$_;
        $has->($name, 200, $link, 'Content-Disposition' => $disposition);
        $has->($name, 403, $link =~ s/q3/what/r);
        $has->($name, $expired, secure_link('/dl/q3.pdf', expires => time - 9));
        $has->($name, 403, secure_link('/dl/q3.pdf', expires => '') =~ s/&expires=//r);
        $has->($name, $symlink, secure_link('/dl/link.pdf'));
    }

    $has->('auth_request0', 200, $file);
    $has->('auth_request1', 200, $file, 'Content-Disposition' => 'attachment; filename="q3.pdf"');
    $has->('auth_request2', 200, $file);
    $has->('auth_request2', 502, '/files/204');
    my @rows = $section{auth_request} =~ /^\| (\d+) \| (\d+)\b[^|]* \| (\d+)\b/mg;
    cmp_ok(scalar @rows, '>=', 15, 'there are rows');
    while (my ($app, $before, $after) = splice @rows, 0, 3) {
        $has->("auth_request$_->[0]", $_->[1], "/files/$app") for [0, $before], [1, $before];
        my $r = $has->('auth_request2', $after, "/files/$app");
        like($r->{body}, qr/^the app's page$/, 'auth_request2: its page') if $app < 500;
    }
    $has->('auth_request2', 429, '/files/429', 'Retry-After' => 9);
    $has->('auth_request0', 401, '/files/401', 'WWW-Authenticate' => 'Basic');
    $_->end for values %site;
}

sub secure_link {
    my ($uri, %how) = @_;
    my $expires = $how{expires} // time + 99;
    return "$uri?md5=" . md5_base64("$expires${uri}127.0.0.1 $key") =~ tr{+/}{-_}r . "&expires=$expires";
}

# The apps that come from something else. What is asked for as a number is the status.
sub old_app {
    my ($site, $from) = @_;
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $site->{app_port}, Listen => 16, ReuseAddr => 1) or die "the app: $!";
    while (my $s = $listener->accept) {
        my $head = '';
        while ($head !~ /\r\n\r\n/) { sysread $s, $head, 65536, length $head or last }
        my ($uri) = $head =~ /^\w+ (\S+)/ or next;
        my ($name) = ($head =~ /^X-Original-URI: (\S+)/mi ? $1 : $uri) =~ m{([^/]+)$};
        my ($status, $type, $body, @more) = (200, 'text/html', '');
        if ($name =~ /^\d+$/) {
            ($status, $body, @more) = ($name, "the app's page", 'WWW-Authenticate: Basic', 'Retry-After: 9', 'Location: /login');
            $body = '' if $status == 204;
        } elsif ($uri eq '/auth') {
            $status = 204;
        } elsif ($from eq 'auth_request' || $head =~ /^X-Grant/mi) {
            ($type, $body) = ('application/vnd.nginx-download.grant+json', qq({"file": {"storage": "media", "path": "$name"}}));
        } else {
            @more = ($from eq 'X-Sendfile,' ? 'X-Sendfile: ' . $site->media . "/$name" : "X-Accel-Redirect: /protected/$name",
                'Content-Disposition: attachment; filename=Q3.pdf', 'ETag: "of-the-app"', 'X-Of-The-App: kept',
                'Cache-Control: private', 'Set-Cookie: a=b');
        }
        print $s join "\r\n", "HTTP/1.1 $status X", "Content-Type: $type", 'Content-Length: ' . length $body, 'Connection: close', @more, '', $body;
        close $s;
    }
}

# --- links -----------------------------------------------------------------------------------

# Relative links lead to files and headings that are there. What is below clients/ may come later.
sub links {
    my @pages = ('README.md', 'CONTRIBUTING.md', glob 'docs/*.md docs/*/*.md');
    my %anchors;
    for my $page (@pages) {
        my $text = slurp($page) =~ s/^```.*?^```$//msgr;
        my @bad;
        for my $target ($text =~ /\]\(([^)\s]+)\)/g) {
            next if $target =~ m{^[a-z]+:};
            my ($file, $anchor) = $target =~ /^([^#]*)(?:#(.*))?$/;
            my $path = $file eq '' ? $page : $page =~ s{[^/]*$}{}r . $file;
            1 while $path =~ s{[^/]+/\.\./}{};
            next if $path =~ m{^clients/} && !-e $path;
            if (!-e $path) { push @bad, $target; next }
            next unless defined $anchor;
            $anchors{$path} //= { map { $_ => 1 } anchors(slurp($path)) };
            push @bad, $target unless $anchors{$path}{$anchor};
        }
        is("@bad", '', "$page: each link leads somewhere");
    }
}

# The anchors that headings get.
sub anchors {
    my $text = shift =~ s/^```.*?^```$//msgr;
    return map { lc s/`//gr =~ s/[^\w\- ]//gr =~ s/ /-/gr } $text =~ /^#+ (.*)$/mg;
}
