# That each nginx-conf/*.conf is accepted by nginx and does what its comments say; and that
# they show every directive there is. Each is run as it stands, with other ports and folders.

use strict;
use warnings;
use lib 't/lib';
use File::Basename qw(basename dirname);
use File::Copy qw(copy);
use File::Path qw(make_path);
use HTTP::Tiny;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX qw(WNOHANG);
use Test::More;
use Time::HiRes qw(sleep time);
use Links;
use Standin::Place;

# no proxy is asked for what is here
delete @ENV{qw(http_proxy all_proxy ALL_PROXY)};

my $nginx = $ENV{TEST_NGINX_BINARY} || 'nginx';
my ($module) = grep { m{/(?:lib)?ngx_http_download_module\.so$} } split ' ',
    $ENV{TEST_NGINX_LOAD_MODULES} // '';
my $place = Standin::Place::folder();
my $owner = $$;
my ($dir, $port, $url, $app_port, %children);      # of the configuration at hand

my %proof = (
    'demo.conf'    => \&demo,
    'object.conf'  => \&object,
    'storage.conf' => \&storage,
    'rules.conf'   => \&rules,
    'status.conf'  => \&status,
    'fastcgi.conf' => \&fastcgi,
    'uwsgi.conf'   => \&uwsgi,
    'signed.conf'  => \&signed,
    'health.conf'  => \&health,
    'cached.conf'  => \&cached,
    'descriptors.conf' => \&descriptors,
);

# run by t/3*.t, which have the apps
my %elsewhere = map { $_ => 1 } map { slurp($_) =~ /Apps->new\('([\w-]+\.conf)'/g } glob 't/3*.t';

defined $module or die "TEST_NGINX_LOAD_MODULES does not name ngx_http_download_module.so\n";

every_directive_is_shown();
for my $conf (sort glob 'nginx-conf/*.conf') {
    my $name = basename($conf);
    next if $elsewhere{$name};
    my $proof = delete $proof{$name};
    ok($proof, "$name: there is a test of it") or next;
    note("--- $name");
    $proof->($conf);
    stop_all($name);
}
is(join(' ', sort keys %proof), '', 'all there is a test of is there');
done_testing();

# --- the configurations --------------------------------------------------------

sub demo {
    my $conf = shift;
    my $python = first_in_path('python3');
    prepare($conf, 'demo/reports/2026/q3.pdf' => '%PDF q3', 'demo/reports/news.txt' => "news\n");
    accepted($conf);
    SKIP: {
        skip('python3 is not installed', 22) unless $python;
        start_child('the app', $python, 'nginx-conf/demo-app.py', "$dir/srv/demo/app.sock");
        appears("$dir/srv/demo/app.sock");
        start_nginx($conf) or return;

        my $r = get('/reports/q3', Cookie => 'user=alice');
        is_file($r, '%PDF q3', 'alice gets Q3');
        is($r->{headers}{'content-disposition'},
            q(attachment; filename="Resume Q3.pdf"; filename*=UTF-8''R%C3%A9sum%C3%A9%20Q3.pdf),
            'under its name');
        is($r->{headers}{'content-type'}, 'application/pdf', 'as a PDF');
        $r = get('/reports/q3', Cookie => 'user=alice', Range => 'bytes=0-3');
        is("$r->{status} $r->{content}", '206 %PDF', 'alice gets a part of Q3');
        my $squares = "number,square\n" . join '', map { "$_," . $_ * $_ . "\n" } 0 .. 99_999;
        $r = get('/reports/squares', Cookie => 'user=alice');
        is_file($r, $squares, 'alice gets what is made for her');
        is("$r->{headers}{'content-disposition'} $r->{headers}{'content-type'}", 'attachment; filename="squares.csv" text/csv',
            'as a CSV, under its name');
        $r = get('/reports/squares', Cookie => 'user=alice', Range => 'bytes=-17');
        is("$r->{status} $r->{content}", "206 99999,9999800001\n", 'the end of it');
        denied(get('/reports/squares', Cookie => 'user=bob'), 403, qr/Not for bob/, 'bob does not');
        denied(get('/reports/q3', Cookie => 'user=bob'), 403, qr/Not for bob/, 'bob does not get Q3');
        denied(get('/reports/q3'), 403, qr/Not for nobody/, 'a stranger does not');
        is_file(get('/reports/news', Cookie => 'user=bob'), "news\n", 'bob gets the news');
        is(get('/reports/q4', Cookie => 'user=alice')->{status}, 404, 'there is no Q4');
        is(get('/_ask/reports/q3', Cookie => 'user=alice')->{status}, 404, 'nobody else asks');
        like(get('/', Cookie => 'user=bob')->{content}, qr/You are bob/, "the app's own page");
        my $login = get('/login?user=alice');
        is($login->{headers}{'set-cookie'}, 'user=alice; Path=/', 'logging in');
        like(get('/', Cookie => 'user=%3Cb%3E<i>')->{content}, qr/You are (?!.*<i>)/,
            'no markup from a cookie');
    }
}

sub object {
    my $conf = shift;
    prepare($conf, 'media/2026/q3.pdf' => '%PDF q3', 'logs/a.gz' => "\x1f\x8b gzipped", 'log/' => undef);
    my %seen;
    start_backend(sub {
        my ($method, $uri, $head, $nth) = @_;
        return reply(200, 'text/plain', "$method $uri\n") if $uri eq '/about';
        return reply(403, 'text/plain', "not for you\n") unless $head =~ /^Cookie: user=alice\r$/m;
        return grant('{"file": {"storage": "logs", "path": "a.gz"}}') if $uri eq '/logs/a';
        return grant('{"file": {"storage": "media", "path": "2026/q3.pdf"},'
            . qq( "headers": {"X-Asked": "$method $uri", "X-Nth": "$nth"}})) if $uri =~ m{^/documents/7\b};
        return grant('{"file": {"storage": "media", "path": "2026/q3.pdf"}, "basename": "own.pdf",'
            . ' "attachment": false, "headers": {"Cache-Control": "no-cache"}}') if $uri eq '/documents/8';
        return grant('{"file": {"storage": "media", "path": "2026/q3.pdf"}}' . ' ' x 16_384) if $uri eq '/documents/9';
        return reply(404, 'text/plain', "no such document\n");
    });
    accepted($conf);
    start_nginx($conf) or return;

    my @alice = (Cookie => 'user=alice');
    my $r = get('/documents/7?x=1', @alice);
    is_file($r, '%PDF q3', 'a document');
    is($r->{headers}{'content-disposition'}, 'attachment; filename="document-7.pdf"', 'download_basename');
    is($r->{headers}{'cache-control'}, 'private, no-store', 'download_header');
    is($r->{headers}{'x-content-type-options'}, 'nosniff', 'the other download_header');
    is($r->{headers}{'content-type'}, 'application/pdf', 'the type by mime.types');
    is($r->{headers}{'x-asked'}, 'GET /documents/7?x=1', 'the app is asked for what the client wants');
    my $before = $r->{headers}{'x-nth'};
    $r = head('/documents/7', @alice);
    is($r->{status}, 200, 'HEAD');
    is($r->{headers}{'x-asked'}, 'GET /documents/7', 'the app is asked with GET');
    is($r->{headers}{'x-nth'}, $before + 1, 'by the connection that was kept');
    $r = get('/documents/8', @alice);
    is($r->{headers}{'content-disposition'}, 'inline; filename="own.pdf"', "the grant's name wins");
    is($r->{headers}{'cache-control'}, 'no-cache', "the grant's header wins");
    denied(get('/documents/7'), 403, qr/^not for you$/, 'the app denies');
    denied(get('/documents/6', @alice), 404, qr/^no such document$/, 'the app knows no such document');
    denied(get('/documents/9', @alice), 502, qr/502/, 'download_grant_max_size');
    is(get('/_ask/documents/7', @alice)->{status}, 404, 'nobody else asks');

    $r = get('/logs/a', @alice);
    is_file($r, "\x1f\x8b gzipped", 'a log');
    is($r->{headers}{'content-type'}, 'text/plain; charset=utf-8', 'download_mimetype and download_charset');
    is($r->{headers}{'content-encoding'}, 'gzip', 'download_encoding');
    is($r->{headers}{'content-disposition'}, undef, 'download_attachment off');
    is(get('/about')->{content}, "GET /about\n", 'all else is the app');

    my $log = stop_nginx() && slurp("$dir/srv/log/downloads.log");
    like($log, qr{"GET /documents/7\?x=1 \S+" 200 7 object asked \d\.\d{3} "\S+/srv/media/2026/q3\.pdf" -$}m,
        'the log tells of a download');
    like($log, qr{"GET /documents/7 \S+" 403 12 object none \d\.\d{3} "-" denied$}m, 'and of a denied one');
    like($log, qr{"GET /documents/9 \S+" 502 \d+ object none \d\.\d{3} "-" grant_too_large$}m, 'and says why');
}

sub storage {
    my $conf = shift;
    prepare($conf,
        'public/a/b.txt' => "b\n", 'public/site/page.txt' => "page\n", 'secret.txt' => "secret\n",
        'releases/v1/app.tar.gz' => 'app 1', 'invoices/2026/7.pdf' => '%PDF 7',
        'archive/old.txt' => "old\n");
    symlink 'v1', "$dir/srv/releases/current" or die "symlink: $!";
    symlink '../secret.txt', "$dir/srv/public/link.txt" or die "symlink: $!";
    symlink 'a', "$dir/srv/public/inside" or die "symlink: $!";
    accepted($conf);
    start_nginx($conf) or return;

    my $r = get('/public/a/b.txt');
    is_file($r, "b\n", 'the rest of the URI names the file');
    is($r->{headers}{'content-disposition'}, 'attachment; filename="b.txt"', 'to be saved');
    $r = get('/public/a/b.txt', Range => 'bytes=1-');
    is("$r->{status} $r->{content}", "206 \n", 'a part of it');
    is(get('/public/a/c.txt')->{status}, 404, 'absent');
    is(get('/public/link.txt')->{status}, 404, 'no symbolic link to the outside');
    is(get('/public/inside/b.txt')->{status}, 404, 'nor to the inside, without symlinks=on');
    is(get('/public/%2e%2e/secret.txt')->{status}, 404, 'no way up');
    $r = get('/public/site/page.txt');
    is_file($r, "page\n", 'download off');
    is($r->{headers}{'content-disposition'}, undef, 'nginx as ever');

    $r = get('/latest');
    is_file($r, 'app 1', 'symlinks=on');
    is($r->{headers}{'content-disposition'}, 'attachment; filename="app-latest.tar.gz"', 'download_basename');
    is($r->{headers}{'content-type'}, 'application/gzip', 'download_mimetype');
    unlink "$dir/srv/releases/current";
    symlink '../public/a', "$dir/srv/releases/current" or die "symlink: $!";
    put("$dir/srv/public/a/app.tar.gz", 'not of the releases');
    is(get('/latest')->{status}, 404, 'symlinks=on does not lead outside');

    $r = get('/invoices/2026/7');
    is_file($r, '%PDF 7', 'download path');
    is($r->{headers}{'content-disposition'}, 'attachment; filename="invoice-2026-7.pdf"', 'its name');
    is(get('/invoices/2026/8')->{status}, 404, 'absent');

    $r = get('/archive/old.txt');
    is_file($r, "old\n", 'by another location');
    is($r->{headers}{'content-disposition'}, 'attachment; filename="old.txt"', 'to be saved');
    is(get('/_archive/old.txt')->{status}, 404, 'which is internal');
}

sub rules {
    my $conf = shift;
    prepare($conf, 'media/2026/q3.pdf' => '%PDF q3', 'media/invoices/7.pdf' => 'wrong',
        'accounting/sent/7.pdf' => '%PDF 7', 'media/uploads/x.txt' => "x\n");
    my %paths = (
        '/documents/q3'  => '/app/media/2026/q3.pdf',
        '/documents/7'   => '/app/media/invoices/7.pdf',
        '/documents/etc' => '/etc/passwd',
        '/documents/up'  => '/app/media/../../etc/passwd',
        '/documents/tmp' => '/tmp/uploads/x.txt',
        '/uploads/x'     => '/tmp/uploads/x.txt',
        '/uploads/q3'    => '/app/media/2026/q3.pdf',
    );
    start_backend(sub {
        my ($method, $uri) = @_;
        my $path = $paths{$uri} // return reply(404, 'text/plain', "$method $uri\n");
        return grant(qq({"file": {"path": "$path"}}));
    });
    accepted($conf);
    start_nginx($conf) or return;

    my $r = get('/documents/q3');
    is_file($r, '%PDF q3', "the app's path is found here");
    is($r->{headers}{'content-disposition'}, 'attachment; filename="q3.pdf"', 'to be saved');
    is_file(get('/documents/7'), '%PDF 7', 'the first rule decides');
    is(get('/documents/etc')->{status}, 404, 'no rule, no file');
    is(get('/documents/up')->{status}, 404, 'no way up');
    is_file(get('/uploads/x'), "x\n", 'a rule of a location');
    is(get('/uploads/q3')->{status}, 404, 'which has no others');
    is(get('/documents/tmp')->{status}, 404, 'and is of no other');
    like(get('/x')->{content}, qr{GET /x}, 'all else is the app');
}

sub status {
    my $conf = shift;
    prepare($conf, 'public/a.txt' => "a\n");
    accepted($conf);
    start_nginx($conf) or return;
    is_file(get('/public/a.txt'), "a\n", 'a file');
    is(get('/public/b.txt')->{status}, 404, 'absent');
    my $json = '';
    ok(within(5, sub { $json = get('/status?format=json')->{content}; $json =~ /"missing":1\b/ }), 'a failure counts');
    like($json, qr/"files":\{"public":1,/, 'so does a file');
    my $r = get('/status');
    is("$r->{status} $r->{headers}{'content-type'}", '200 text/html; charset=utf-8', 'the page');
    like(get('/metrics')->{content}, qr/^nginx_download_files_total\{storage="public"\} 1$/m, 'what Prometheus is told');
}

sub health {
    my $conf = shift;
    prepare($conf, 'media/health.txt' => "well\n", 'media/2026/q3.pdf' => '%PDF q3');
    start_backend(sub {
        my ($method, $uri, $head) = @_;
        return reply(404, 'text/plain', "$uri\n") unless $uri eq '/documents/health';
        return reply(403, 'text/plain', "not for you\n") unless $head =~ /^Authorization: Bearer of-the-probe\r$/m;
        return grant('{"file": {"path": "/app/media/health.txt"}}');
    });
    accepted($conf);
    start_nginx($conf) or return;

    my $r = get('/health/ready');
    is($r->{status}, 200, 'ready') or diag($r->{content});
    is(join(' ', $r->{content} =~ /^  "([^"]+)": \{"status": "pass"/mg),
        'storage:media rule:/app/media/ probe:media:health.txt app end_to_end', 'what was looked at');
    is(get('/health/live')->{status}, 200, 'alive');
    is(get('/documents/health')->{status}, 403, 'others than the probe are denied');
    is(get('/_health')->{status}, 404, 'and do not ask');
    kill 'TERM', $children{backend};
    waitpid delete $children{backend}, 0;
    ok(within(5, sub { $r = get('/health/ready'); $r->{status} == 503 }), 'without the app it is not ready');
    like($r->{content}, qr/"app": \{"status": "fail", .*"app_unavailable: /, 'and says why');
    is(get('/health/live')->{status}, 200, 'but alive');
    rename "$dir/srv/media", "$dir/srv/moved" or die $!;
    ok(within(5, sub { get('/health/live')->{status} == 503 }), 'without its files it is not');
}

sub cached {
    my $conf = shift;
    prepare($conf, 'media/2026/q3.pdf' => '%PDF q3', 'log/' => undef);
    my $large = 24_000_000;    # more than sockets hold
    put("$dir/srv/media/large.bin", '');
    truncate "$dir/srv/media/large.bin", $large or die "truncate: $!";
    my $asked = 0;
    start_backend(sub {
        my ($method, $uri, $head) = @_;
        return reply(200, 'text/plain', "$method $uri\n") if $uri eq '/about';
        my ($number) = $uri =~ m{^/documents/(\w+)$} or return reply(500, 'text/plain', "$uri?\n");
        # a grant says the how manieth question it is the answer to
        my $nth = ++$asked;
        my ($session) = $head =~ /^Cookie: sessionid=(\w+)\r$/m;
        return reply(410, 'text/plain', "gone, $nth\n") if $number eq 'gone';
        return reply(403, 'text/plain', "not for you, $nth\n") unless ($session // '') =~ /^(?:alice|bob)$/;
        sleep 0.3 if $number eq 'slow';
        my $path = $number eq 'large' ? 'large.bin' : '2026/q3.pdf';
        my $ttl = $number eq 'brief' ? '"ttl": 1, ' : '';
        return grant(qq({"file": {"storage": "media", "path": "$path"}, "headers": {"X-Nth": "$nth", "X-Whose": "of $session"},)
            . qq( "cache": {$ttl"tags": ["user:$session", "document:$number"]}}));
    });
    accepted($conf);
    start_nginx($conf) or return;

    my %session = map { $_ => [Cookie => "sessionid=$_"] } qw(alice bob carl);
    my $nth = sub {
        my ($number, $session, @more) = @_;
        my $r = get("/documents/$number", @{ $session{$session} // [] }, @more);
        return $r->{headers}{'x-nth'} // "$r->{status} " . $r->{content} =~ s/\n//gr;
    };
    my $r = get('/documents/7', @{ $session{alice} });
    is_file($r, '%PDF q3', 'a document');
    my $first = $r->{headers}{'x-nth'};
    $r = get('/documents/7', @{ $session{alice} }, Range => 'bytes=0-3');
    is("$r->{status} $r->{content} $r->{headers}{'x-nth'}", "206 %PDF $first", 'a range, by the same grant');
    is(head('/documents/7?x=1', @{ $session{alice} })->{headers}{'x-nth'}, $first, 'HEAD, and whatever arguments');
    $r = get('/documents/7', @{ $session{bob} });
    is("$r->{headers}{'x-nth'} $r->{headers}{'x-whose'}", $first + 1 . ' of bob', 'another session is another question');
    isnt($nth->('8', 'alice'), $first, 'another document too');
    is($nth->('7', 'alice'), $first, 'the first is still remembered');

    my $page = 'There is no such document, or it is not for you.';
    like($nth->('7', 'carl'), qr/^403 not for you, \d+$/, 'a denial has the page of the app');
    is($nth->('7', 'carl'), "403 $page", 'and another when it is remembered');
    like($nth->('gone', 'carl'), qr/^410 gone, \d+$/, 'a 410 of the app');
    is($nth->('gone', 'carl'), "410 $page", 'remembered');
    like($nth->('7', 'nobody'), qr/^403 not for you, \d+$/, 'without a session the app is asked each time') for 1 .. 2;

    my @s = map { connection("/documents/slow", @{ $session{alice} }) } 1 .. 10;
    my %seen = map { (rest_of_connection($_) =~ /^X-Nth: (\d+)\r$/m ? $1 : 'none') => 1 } @s;
    is(scalar(keys %seen), 1, 'ten at once: one asks');
    unlike(join('', keys %seen), qr/none/, 'and all are served');

    is(revoke('tag=document:7')->{content}, qq({"revoked": 2}\n), 'a document is revoked, by POST with a form');
    is($nth->('7', 'alice') > $first, 1, 'the app is asked again');
    is(revoke('tag=user:alice')->{content}, qq({"revoked": 3}\n), 'so is a user: the documents 7, 8 and slow');
    $r = connection('/documents/large', @{ $session{alice} });
    my $goes_on = connection('/documents/large', @{ $session{bob} });
    ok(IO::Select->new($_)->can_read(5), 'a transfer begins') for $r, $goes_on;
    is(revoke('tag=user:alice&cut=1')->{content}, qq({"revoked": 1}\n), 'a user is revoked, and transfers are cut');
    cmp_ok(length rest_of_connection($r), '<', $large, 'it breaks off');
    cmp_ok(length rest_of_connection($goes_on), '>', $large, 'that of another user does not');
    my $of_elsewhere = HTTP::Tiny->new(local_address => '127.0.0.2', timeout => 10);
    is($of_elsewhere->post_form("$url/revoke", { tag => 'document:7' })->{status}, 403, 'others do not revoke');
    is(get('/revoke?tag=document:7')->{status}, 405, 'nor does GET');

    my $before = $nth->('7', 'alice');
    my @word = ('X-Explain' => 'put your own word here');
    $r = get('/documents/7', @{ $session{alice} }, @word);
    is($r->{headers}{'content-type'}, 'application/json', 'an explanation');
    like($r->{content}, qr/"zone": ?"decisions"/, 'it says what the cache knows');
    unlike($r->{content}, qr/=alice|"alice"/, 'but not whose session it is');
    is(get('/documents/7', @{ $session{alice} }, 'X-Explain' => $_)->{headers}{'content-type'}, 'application/pdf', "not by the word \"$_\"")
        for 1, 'some other word';
    is($nth->('7', 'alice'), $before, 'nothing comes of it');

    $nth->('brief', 'alice');
    kill 'TERM', $children{backend};
    waitpid delete $children{backend}, 0;
    sleep 1.2;
    $r = get('/documents/brief', @{ $session{alice} });
    is_file($r, '%PDF q3', 'while the app is down, an old grant');
    is(get('/documents/brief', @{ $session{bob} })->{status}, 502, 'for those who had one');
    is(get('/_ask/documents/7', @{ $session{alice} })->{status}, 404, 'nobody else asks');

    my $log = stop_nginx() && slurp("$dir/srv/log/downloads.log");
    like($log, qr{"GET /documents/7 \S+" 200 7 asked \d\.\d{3} -$}m, 'the log tells of a question');
    like($log, qr{"GET /documents/7 \S+" 206 4 cached \S+ -$}m, 'and of a decision that was remembered');
    like($log, qr{"GET /documents/7 \S+" 403 \d+ none \S+ denied$}m, 'and of a denial');
}

sub descriptors {
    my $conf = shift;
    my $python = first_in_path('python3') or return fail('python3 is not installed');
    prepare($conf, 'notes' => '');
    accepted($conf);
    start_child('the app', $python, 't/apps/passing.py', "$dir/srv");
    appears("$dir/srv/app.sock");
    start_nginx($conf) or return;

    my $report = join '', map { sprintf "%07d\n", $_ } 0 .. 12_499;
    my $r = get('/reports/first', Cookie => 'sessionid=alice');
    is_file($r, $report, 'a report that is nowhere on disk');
    is($r->{headers}{'content-disposition'}, 'attachment; filename="report.txt"', 'its name');
    is($r->{headers}{'content-type'}, 'text/csv', 'its type');
    $r = get('/reports/first', Cookie => 'sessionid=alice', Range => 'bytes=8-14');
    is("$r->{status} $r->{content}", '206 0000001', 'a part of it');
    my $asked = () = slurp("$dir/srv/notes") =~ /^asked first /mg;
    is($asked, 1, 'it is made once');
    is_file(get('/reports/first', Cookie => 'sessionid=bob'), $report, 'and once more for somebody else');
    denied(get('/reports/denied'), 403, qr/^no$/, 'the app denies');
    is(get('/_ask/first')->{status}, 404, 'nobody else asks');
    is_file(get('/exports/field'), $report, 'X-Sendfile-Fd');
    is(get('/exports/plain')->{content}, '0123456789', 'all else is the app');
}

sub revoke {
    my %form = map { split /=/ } split /&/, shift;
    return HTTP::Tiny->new(timeout => 10)->post_form("$url/revoke", \%form);
}

# A connection of which nothing is read yet, but what the sockets hold.
sub connection {
    my ($path, @header) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 10) or die "cannot connect: $!";
    my $lines = '';
    while (my ($name, $value) = splice @header, 0, 2) { $lines .= "$name: $value\r\n" }
    print $s "GET $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n$lines\r\n";
    $s->flush;
    return $s;
}

sub rest_of_connection {
    my $s = shift;
    my $text = '';
    while (IO::Select->new($s)->can_read(10)) { sysread $s, $text, 65_536, length $text or last }
    return $text;
}

sub fastcgi {
    my $conf = shift;
    prepare($conf, 'media/2026/q3.pdf' => '%PDF q3', 'run/' => undef);
    accepted($conf);
    SKIP: {
        skip('FCGI (libfcgi-perl) is not installed', 9) unless eval { require FCGI; 1 };
        my $socket = "$dir/srv/run/php-fpm.sock";
        start_child('the FastCGI app', $^X, 't/apps/conf-fastcgi.pl', $socket);
        appears($socket);
        asked_by_another_protocol($conf, '/_ask');
    }
}

sub uwsgi {
    my $conf = shift;
    prepare($conf, 'media/2026/q3.pdf' => '%PDF q3', 'run/' => undef);
    accepted($conf);
    SKIP: {
        my $uwsgi = first_in_path('uwsgi', 'uwsgi-core');
        my ($plugin) = glob '/usr/lib/uwsgi/plugins/python3*_plugin.so';
        skip('uWSGI or its plugin python3 is not installed', 9) unless $uwsgi && $plugin;
        my $socket = "$dir/srv/run/uwsgi.sock";
        start_child('uWSGI', $uwsgi, '--die-on-term', '--plugin', 'python3', '--socket', $socket,
            '--chmod-socket=666', '--wsgi-file', 't/apps/conf-uwsgi.py', '--need-app',
            '--logto', "$dir/uwsgi.log");
        appears($socket);
        asked_by_another_protocol($conf, '/_ask/documents/7');
    }
}

# The apps in t/apps/conf-* all have the same document.
sub asked_by_another_protocol {
    my ($conf, $question) = @_;
    my @alice = (Cookie => 'user=alice');
    start_nginx($conf) or return;
    my $r = get('/documents/7?x=1', @alice);
    is_file($r, '%PDF q3', 'a document');
    is($r->{headers}{'content-disposition'}, 'attachment; filename="q3.pdf"', 'to be saved');
    is(head('/documents/7', @alice)->{status}, 200, 'HEAD');
    denied(get('/documents/7', Cookie => 'user=bob'), 403, qr/^not for you$/, 'the app denies');
    is(get($question, @alice)->{status}, 404, 'nobody else asks');
    is(get('/about')->{content}, "GET /about\n", 'all else is the app');
}

sub signed {
    my $conf = shift;
    prepare($conf, 'media/2026/q 3.pdf' => '%PDF q3', 'log/' => undef, 'keys/links' => "new\nold\n", 'keys/django' => "a secret key\nits fallback\n",
        'keys/secure-link' => "secret\n");
    start_backend(sub { reply(200, 'text/plain', "$_[0] $_[1]\n") });
    accepted($conf);
    start_nginx($conf) or return;

    my ($soon, $day) = (int(time) + 1000, 86_400);
    my $link = sub { my ($path, $claims, $key) = @_; hmac_link($key // 'new', $path, $claims // "expires=$soon") };
    my $q3 = '/2026/q%203.pdf';
    my $r = get($link->("/dl$q3", "expires=$soon&basename=Q3%20report.pdf"));
    is_file($r, '%PDF q3', 'a signed link');
    is($r->{headers}{'content-disposition'}, 'attachment; filename="Q3 report.pdf"', 'under the name that it says');
    is($r->{headers}{'cache-control'}, 'private, no-store', 'download_header');
    is_file(get($link->("/dl$q3", undef, 'old')), '%PDF q3', 'by the other key');
    is_file(get(prefix_link('new', '/dl/2026/', "/dl$q3", "expires=$soon")), '%PDF q3', 'by the link of a folder');
    denied(get("/dl$q3"), 403, qr/^This link is not valid\.$/, 'without a signature');
    denied(get($link->("/dl$q3") . 'x'), 403, qr/^This link is not valid\.$/, 'with a signature that is none');
    denied(get($link->("/dl$q3", 'expires=1')), 403, qr/^This link has expired/, 'expired');
    denied(get($link->("/dl$q3", "expires=$soon&not_before=$soon")), 403, qr/^This link is not valid yet\.$/, 'not yet');
    denied(get($link->("/dl$q3", 'expires=' . ($soon + 30 * $day))), 403, qr/^This link is not valid\.$/, 'max_age');
    is(get($link->('/dl/2026/q4.pdf'))->{status}, 404, 'a link to no file');

    is_file(get(django_link($_, "/media$q3")), '%PDF q3', "a link of Django's, by $_") for 'a secret key', 'its fallback';
    $r = get(django_link('a secret key', "/media$q3"));
    is($r->{headers}{'content-disposition'}, undef, 'download_attachment off');
    denied(get(django_link('a secret key', "/media$q3", int(time) - 3700)), 403, qr/^This link has expired/, 'made too long ago');
    denied(get("/media$q3"), 403, qr/^This link is not valid\.$/, 'without a signature');

    is_file(get(secure_link('secret', "/old$q3", $soon, "$soon/old/2026/q 3.pdf127.0.0.1 ")), '%PDF q3', 'a link for secure_link');
    denied(get(secure_link('secret', "/old$q3", $soon, "$soon/old/2026/q 3.pdf127.0.0.2 ")), 403, qr/^This link is not valid\.$/, 'of another client');

    like(get($link->('/live/x'))->{content}, qr{^GET /live/x\?expires=}, 'a link to the app');
    denied(get('/live/x'), 403, qr/^This link is not valid\.$/, 'to the app, without a signature');

    my $log = stop_nginx() && slurp("$dir/srv/log/links.log");
    like($log, qr{^127\.0\.0\.1 GET /dl/2026/q 3\.pdf 200 7 signed -$}m, 'the log tells of a download');
    like($log, qr{^127\.0\.0\.1 GET /dl/2026/q 3\.pdf 403 \d+ none link_expired$}m, 'and says why there was none');
    unlike($log, qr/expires=|signature=|md5=/i, 'but has no link in it');
}

sub every_directive_is_shown {
    my $table = slurp('src/config/directives.rs');
    my @names = $table =~ /^\s*name: c?"(\w+)"/mg;
    my $shown = join "\n", map { slurp($_) =~ s/#.*//mgr } glob 'nginx-conf/*.conf';
    cmp_ok(scalar @names, '>=', 10, 'the table of directives is read');
    like($shown, qr/^\s*\Q$_\E[\s;]/m, "nginx-conf shows $_") for @names;
}

# --- what is to be seen ----------------------------------------------------------

sub is_file {
    my ($r, $bytes, $what) = @_;
    is($r->{status}, 200, "$what: 200") or diag(slurp("$dir/logs/error.log"));
    is($r->{content}, $bytes, "$what: its bytes");
}

sub denied {
    my ($r, $status, $page, $what) = @_;
    is($r->{status}, $status, "$what: $status");
    like($r->{content}, $page, "$what: its page");
}

sub get { request(GET => @_) }
sub head { request(HEAD => @_) }

sub request {
    my ($method, $path, %headers) = @_;
    my $http = HTTP::Tiny->new(max_redirect => 0, timeout => 10, keep_alive => 0, agent => 'test');
    my $r = $http->request($method, "$url$path", { headers => \%headers });
    diag($r->{content}) if $r->{status} == 599;
    return $r;
}

# --- a place of its own for each -----------------------------------------------------

# Copies the configuration, with ports of ours, and folders of ours for /srv; makes the files.
sub prepare {
    my ($conf, %files) = @_;
    my $name = basename($conf);
    $dir = "$place/" . $name =~ s/\.conf$//r;
    $port = free_port();
    $url = "http://127.0.0.1:$port";
    make_path("$dir/logs", "$dir/tmp");
    put("$dir/srv/$_", $files{$_}) for keys %files;
    put("$dir/mime.types", "types {\n    application/pdf pdf;\n    text/plain txt;\n}\n");

    my $text = slurp($conf);
    is($text =~ s{^load_module modules/ngx_http_download_module\.so;}{load_module $module;}mg, 1, "$name: loads the module");
    is($text =~ s{\blisten(\s+)127\.0\.0\.1:8080;}{listen${1}127.0.0.1:$port;}g, 1, "$name: listens on 127.0.0.1:8080");
    $app_port = $text =~ /\b127\.0\.0\.1:8000\b/ ? free_port() : undef;
    $text =~ s{\b127\.0\.0\.1:8000\b}{127.0.0.1:$app_port}g if $app_port;
    $text =~ s{(?<=[ =:])/srv/}{$dir/srv/}g;
    my $own = $> == 0 ? "user root;\n" : '';
    $own .= "error_log $dir/logs/error.log info;\n" unless $text =~ /^error_log/m;
    $own .= "pid $dir/nginx.pid;\n" unless $text =~ /^pid/m;
    my $http = "access_log $dir/logs/access.log;\n" x ($text !~ /^    access_log/m);
    $http .= "${_}_temp_path $dir/tmp/$_;\n" for grep { $text !~ /^\s*${_}_temp_path/m } qw(client_body proxy fastcgi uwsgi scgi);
    $text =~ s/^http \{\n/http {\n$http/m or die "$name: no http";
    put("$dir/$name", $own . $text);
    # where its own error_log is, if it has one
    symlink "$dir/srv/demo/error.log", "$dir/logs/error.log" if $text =~ /^error_log/m;
    make_path("$dir/srv/demo/tmp") if $text =~ m{srv/demo/tmp};
}

sub accepted {
    my $conf = shift;
    my $out = join '', map { s/'/'\\''/gr } "$dir/" . basename($conf);
    my $said = `'$nginx' -e '$dir/logs/error.log' -t -p '$dir' -c '$out' 2>&1`;
    ok($? == 0, basename($conf) . ': nginx -t') or diag($said);
}

sub start_nginx {
    my $conf = shift;
    my $name = basename($conf);
    $children{nginx} = spawn($nginx, '-e', "$dir/logs/error.log", '-p', $dir, '-c', "$dir/$name", '-g', 'daemon off;');
    my $up = within(10, sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) });
    ok($up, "$name: nginx runs") or diag(slurp("$dir/logs/error.log"));
    return $up;
}

sub stop_nginx {
    my $pid = delete $children{nginx} // return 1;
    kill 'QUIT', $pid;
    return $? == 0 if within(5, sub { waitpid($pid, WNOHANG) == $pid });
    kill 'TERM', $pid;
    waitpid $pid, 0;
    return 0;
}

sub stop_all {
    my $name = shift;
    if ($children{nginx}) { ok(stop_nginx(), "$name: nginx ends well") }
    end_children();
    my @bad = grep { /\[(?:alert|crit|emerg)\]/ } split /^/, -e "$dir/logs/error.log" ? slurp("$dir/logs/error.log") : '';
    is(join('', @bad), '', "$name: no [alert], [crit] or [emerg] in error.log");
}

sub end_children {
    for my $pid (map { delete $children{$_} } keys %children) {
        kill 'TERM', $pid;
        next if within(5, sub { waitpid($pid, WNOHANG) == $pid });
        kill 'KILL', $pid;
        waitpid $pid, 0;
    }
}

sub start_child {
    my ($what, @command) = @_;
    $children{$what} = spawn(@command);
}

sub spawn {
    my @command = @_;
    defined(my $pid = fork) or die "fork: $!";
    return $pid if $pid;
    open STDIN, '<', '/dev/null';
    open STDOUT, '>>', "$dir/logs/output";
    open STDERR, '>>', "$dir/logs/output";
    exec @command or POSIX::_exit(127);
}

sub appears {
    my $socket = shift;
    my $there = within(10, sub { IO::Socket::UNIX->new(Peer => $socket) });
    ok($there, 'the app listens') or diag(slurp("$dir/logs/output"));
}

sub within {
    my ($seconds, $condition) = @_;
    my $end = time + $seconds;
    while (time < $end) {
        return 1 if $condition->();
        sleep 0.01;
    }
    return 0;
}

# --- an app on 127.0.0.1, for as long as the configuration runs ------------------------

# $answer gets the method, the URI, the head, and the how manieth request of its connection
# it is.
sub start_backend {
    my $answer = shift;
    my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $app_port,
        Listen => 16, ReuseAddr => 1) or die "the app: $!";
    defined(my $pid = fork) or die "fork: $!";
    if ($pid) { $children{backend} = $pid; return }
    Test::More->builder->no_ending(1);
    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
    my $select = IO::Select->new($listener);
    my (%text, %nth);
    while (my @ready = $select->can_read) {
        for my $s (@ready) {
            if ($s == $listener) { $select->add($listener->accept); next }
            if (!sysread $s, $text{$s}, 65_536, length($text{$s} // '')) {
                $select->remove($s);
                delete $text{$s};
                delete $nth{$s};
                close $s;
                next;
            }
            while ($text{$s} =~ s/^(\w+) (\S+) HTTP.*?\r\n\r\n//s) {
                my ($method, $uri, $head) = ($1, $2, $&);
                print $s $answer->($method, $uri, $head, ++$nth{$s});
                $s->flush;
            }
        }
    }
    POSIX::_exit(0);
}

sub reply {
    my ($status, $type, $body) = @_;
    return "HTTP/1.1 $status X\r\nContent-Type: $type\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
}

sub grant { reply(200, 'application/vnd.nginx-download.grant+json', shift) }

# --- small things -------------------------------------------------------------------------

sub free_port { Standin::Place::free_port() // BAIL_OUT('no free port') }

sub first_in_path {
    for my $name (@_) {
        for (split /:/, $ENV{PATH}) { return "$_/$name" if -x "$_/$name" && -f _ }
    }
    return undef;
}

# A name with a slash at its end is a folder.
sub put {
    my ($path, $text) = @_;
    make_path($path =~ m{/$} ? $path : dirname($path));
    return unless defined $text;
    open my $f, '>:raw', $path or die "$path: $!";
    print $f $text;
    close $f;
}

sub slurp {
    my $path = shift;
    open my $f, '<:raw', $path or return "($path: $!)";
    local $/;
    return scalar <$f> // '';
}

# so that END runs
BEGIN { $SIG{$_} = sub { exit 130 } for qw(INT TERM HUP) }

END {
    my $status = $?;
    if (defined $owner && $$ == $owner) {
        stop_nginx();
        end_children();
        my $kept = Standin::Place::leave($status || !Test::More->builder->is_passing);
        diag("servroot kept: $kept") if defined $kept;
    }
    $? = $status;
}
