# Express, by nginx-conf/express.conf.

use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use Apps;

my $modules = Apps::installed('express/node_modules');
my $node = Apps::command('node', 'nodejs');

my $site = Apps->new('express.conf');
my @alice = @Apps::Alice;
my %files = %Apps::Files;
$site->start({ NODE_PATH => $modules, NODE_ENV => 'production' }, $node, Apps::app('express') . '/app.js');
$site->start_nginx;

$site->serves('/files');
my $r = $site->ask('/files/q3.pdf', @alice);
is(Apps::header($r, 'Link'), '</a>; rel=next|</b>; rel=prev', 'express: a header twice');
is(Apps::header($r, 'Set-Cookie'), 'seen=1; Path=/|read=2; Path=/', 'express: two cookies');
is(Apps::header($r, 'Content-Type'), 'application/pdf', 'express: a type');
is(Apps::header($site->ask('/files/' . Apps::encoded(q(quo'te"s.txt)), @alice), 'Content-Disposition'), q(attachment; filename="quo'te\"s.txt"),
    'express: a name with quotes');

# the app's own 304, on which X-Accel-Redirect is still there
$r = $site->ask('/tagged/q3.pdf', @alice);
$site->is_file($r, $files{'q3.pdf'}, 'tagged');
is(Apps::header($r, 'ETag'), '"of-the-app"', "express: the app's ETag");
$r = $site->ask('/tagged/q3.pdf', @alice, 'If-None-Match: "of-the-app"');
is("$r->{status} " . Apps::header($r, 'ETag') . $r->{body}, '304 "of-the-app"', "express: the app's own 304");
is($site->ask_app('/tagged/q3.pdf', @alice, 'If-None-Match: "of-the-app"')->{status}, 304, 'express: it is');
$r = $site->ask('/tagged/q3.pdf', @alice, 'If-Range: "of-the-app"', 'Range: bytes=5-7');
is("$r->{status} $r->{body}", '206 1.7', "express: If-Range with the app's ETag");

# by paths
$site->is_file($site->ask('/sendfile/' . Apps::encoded($_), @alice), $files{$_}, "X-Sendfile: $_") for @Apps::Names;
for my $name ('../secret.txt', 'sub/../../secret.txt', 'missing', 'sub') {
    is($site->ask('/sendfile/' . $name =~ s{/}{%2f}gr, @alice)->{status}, 404, "express: X-Sendfile: $name");
}
$r = $site->ask('/parts/q3.pdf', @alice);
$site->is_file($r, '%PDF.7 the third quarter' . "\n", 'X-Sendfile2: two parts');
$site->is_file($site->ask('/parts/' . Apps::encoded('what?.txt'), @alice), 'Thiss <what?.txt>' . "\n", 'X-Sendfile2: a name with ?');

# by any header, in any method, with a body that is not the file
for my $header (qw(X-Accel-Redirect X-Sendfile X-LIGHTTPD-send-file)) {
    for my $method (qw(GET POST)) {
        my $start = time;
        $r = $site->ask("$method /by/$header/sp%20ace.txt", @alice, 'Content-Length: 0');
        $site->is_file($r, $files{'sp ace.txt'}, "$method, $header");
        is(Apps::header($r, 'Content-Encoding') . Apps::header($r, 'Vary'), 'Accept-Encoding', "express: $method, $header: that body's encoding is not the file's");
        cmp_ok(time - $start, '<', 3, "express: $method, $header: at once");
    }
    $r = $site->ask("/by/$header/missing", @alice);
    is($r->{status}, 404, "express: $header: not there");
    unlike($r->{body}, qr/instead of the file/, "express: $header: nothing instead");
}

# many on kept connections
my @bodies = map { $_->{body} } map { $site->ask('/files/' . Apps::encoded($_ % 2 ? 'sp ace.txt' : 'q3.pdf'), @alice) } 1 .. 100;
is(scalar(grep { $bodies[$_] ne $files{$_ % 2 ? 'q3.pdf' : 'sp ace.txt'} } 0 .. $#bodies), 0, 'express: a hundred, none mixed up');

$site->hears_nginx_only;
$site->end;
done_testing();
