# Rack::Sendfile and Rack::Files in Puma, by nginx-conf/rack.conf; and Puma's socket, by which
# docs/descriptors.md passes open files.

use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Apps;
use Page;
use Wire qw(slurp);

my $puma = Apps::command('puma');
Apps::command('ruby');
system(q(ruby -e 'require "rack"' 2>/dev/null)) == 0 or plan(skip_all => 'ruby-rack is not installed: run scripts/apps');

my $site = Apps->new('rack.conf');
my @alice = @Apps::Alice;
my %files = %Apps::Files;
$site->start({ RACK_ENV => 'production' }, $puma, '-b', "tcp://127.0.0.1:$site->{app_port}", '-t', '0:4', '-e', 'production',
    Apps::app('rack') . '/config.ru');
$site->start_nginx;

# Asked directly, Rack knows no X-Accel-Mapping, and sends the file itself: with the same headers.
# An app's answer to HEAD has no body, and so names no file; Rack says how long it is.
$site->serves("/$_", head_by_app => 1) for qw(sendfile accel mapped);

my $r = $site->ask('/sendfile/q3.pdf', @alice);
is(Apps::header($r, 'Set-Cookie'), 'seen=1|read=2', 'rack: two cookies');
is(Apps::header($r, 'Content-Disposition'), 'attachment', 'rack: Content-Disposition');
my $mtime = (stat $site->media . '/q3.pdf')[9];
is(Apps::header($r, 'ETag'), sprintf('"%x-%x"', $mtime, length $files{'q3.pdf'}), "rack: no ETag of the app's: nginx's");
is(Apps::header($r, 'Last-Modified'), Apps::header($site->ask_app('/sendfile/q3.pdf', @alice), 'Last-Modified'), "rack: the app's Last-Modified");

is($site->ask("OPTIONS /sendfile/q3.pdf", @alice)->{status}, 200, 'rack: OPTIONS is answered by the app');
is($site->ask("POST /sendfile/q3.pdf", @alice, 'Content-Length: 0')->{status}, 405, 'rack: so is POST');
$site->hears_nginx_only({ 'x-sendfile-type' => 'X-Accel-Redirect', 'x-accel-mapping' => $site->media . '/=/protected/' });

# Rack names the file where a symbolic link is: none is followed, wherever it leads
symlink '../secret.txt', $site->media . '/link.txt' or die "symlink: $!";
symlink 'q3.pdf', $site->media . '/inside.pdf' or die "symlink: $!";
for my $name ('link.txt', 'inside.pdf') {
    is($site->ask("/$_/$name", @alice)->{status}, 404, "rack: $_: no symbolic link, $name") for qw(sendfile accel);
}

$site->end;
descriptors();
done_testing();

# The page's config.ru, before nginx and without it.
sub descriptors {
    my ($app) = grep { /^# config\.ru\n/ } map { $_->[1] } Page::blocks(slurp('docs/descriptors.md'));
    my $site = Apps->new('../clients/descriptors.conf', 'descriptors.md');
    my $socket = "$site->{srv}/run/app.sock";
    $site->put('config.ru', $app);
    $site->start({ RACK_ENV => 'production' }, 'sh', '-c', 'exec "$@"', $socket, $puma, '-b', "unix://$socket", '-t', '0:4', '-e', 'production',
        $site->dir . '/config.ru');
    $site->start_nginx;
    my $squares = sub { join '', map { "$_," . $_ * $_ . "\n" } 0 .. $_[0] - 1 };
    for my $where ('', '/files') {
        for my $number (0, 3, 20_000) {
            my $r = $site->ask("$where/$number", @alice);
            $site->is_file($r, $squares->($number), "$where: $number squares");
            is(Apps::header($r, 'Content-Disposition') . Apps::header($r, 'Content-Type'), 'attachment; filename="squares.csv"text/csv',
                "descriptors.md: $where: $number squares: their name and type");
        }
        is($site->ask("$where/9", @alice, 'Range: bytes=4-6')->{body}, '1,1', "descriptors.md: $where: a range");
        is($site->ask("HEAD $where/9", @alice)->{status}, 200, "descriptors.md: $where: HEAD");
        $site->is_status($site->ask("$where/9"), 403, qr/^not for you$/, "$where: a stranger");
    }
    unlike($site->log, qr/\[warn\]/, 'descriptors.md: each descriptor is used');
    $site->end;

    my $other = $site->beside('../clients/descriptors.conf', 'descriptors.md, without the token', sub { s{^\s+proxy_set_header\s+X-Download-Token.*\n}{}m or die });
    $other->start({ RACK_ENV => 'production' }, 'sh', '-c', 'exec "$@"', $socket, $puma, '-b', "unix://$socket", '-t', '0:4', '-e', 'production',
        $site->dir . '/config.ru');
    $other->start_nginx;
    $other->is_file($other->ask('/20000', @alice, 'X-Download-Token: a guess'), $squares->(20_000), 'the app sends it');
    unlike($other->log, qr/descriptor came/, 'descriptors.md, without the token: nothing is passed');
    $other->end;
}
