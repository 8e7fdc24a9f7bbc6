# Symfony's BinaryFileResponse by FastCGI, by nginx-conf/symfony.conf.

use strict;
use warnings;
use lib 't/lib';
use Digest::SHA qw(sha256_base64);
use Test::More;
use Apps;

Apps::php_fpm() or plan(skip_all => 'php-fpm is not installed: run scripts/apps');
-e '/usr/share/php/Symfony/Component/HttpFoundation/autoload.php'
    or plan(skip_all => 'php-symfony-http-foundation is not installed: run scripts/apps');

my $site = Apps->new('symfony.conf');
my @alice = @Apps::Alice;
my %files = %Apps::Files;
$site->start_php({}, 'php_value[cgi.fix_pathinfo] = 0');
$site->start_nginx;

my $etag = sha256_base64($files{'q3.pdf'});
$etag .= '=' while length($etag) % 4;
my %app = (
    'Content-Type' => 'application/pdf',
    'Content-Disposition' => 'attachment; filename=q3.pdf',
    'Cache-Control' => 'max-age=60, private',
    'ETag' => qq("$etag"),
    'Last-Modified' => Apps::header($site->ask('/files/q3.pdf', @alice), 'Last-Modified'),
    'X-Of-The-App' => 'kept',
);
my $app = { headers => [map { [$_, $app{$_}] } sort keys %app] };

$site->serves("/$_", headers => $app) for qw(files accel);
my $r = $site->ask('/files/q3.pdf', @alice);
like(Apps::header($r, 'Set-Cookie'), qr/^seen=1;[^|]*\|read=2;[^|]*$/, 'symfony: two cookies');
like($app{'Last-Modified'}, qr/^\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$/, 'symfony: Last-Modified');
is(Apps::header($site->ask('/named/q3.pdf', @alice), 'Content-Disposition'),
    q(inline; filename="Size 7.txt"; filename*=utf-8''Gr%C3%B6%C3%9Fe%20%227%22.txt), 'symfony: setContentDisposition');

# X-Sendfile-Temporary: gone when it is sent; not before
for my $name ('q3.pdf', 'sp ace.txt', 'large.txt') {
    my $path = $site->media . "/$name";
    my $target = '/temporary/' . Apps::encoded($name);
    is($site->ask($target)->{status}, 403, "symfony: temporary: $name: a stranger");
    ok(-e $path, "symfony: temporary: $name is there still");
    $site->is_file($site->ask($target, @alice), $files{$name}, "temporary: $name");
    ok(Wire::wait_for(sub { !-e $path }), "symfony: temporary: $name is gone");
    is($site->ask($target, @alice)->{status}, 404, "symfony: temporary: $name: once only");
}

$site->hears_nginx_only({ 'x-sendfile-type' => 'X-Sendfile', 'x-accel-mapping' => $site->media . '/=/protected/' });
$site->end;
done_testing();
