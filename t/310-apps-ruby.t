# Rack::Sendfile and Rack::Files in Puma, by nginx-conf/rack.conf.

use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Apps;

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
done_testing();
