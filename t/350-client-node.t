# clients/node: its own tests, and apps that use it behind nginx, by clients/nginx.conf.

use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Apps;
use Wire qw(dial GET send_to response);

my $modules = join ':', map { Apps::installed("$_/node_modules") } 'client-node', 'express';
my $node = Apps::command('node', 'nodejs');
my @alice = @Apps::Alice;
my %files = %Apps::Files;
my $token = 'X-Download-Token: a token of your own';

# no proxy is to see what these tests ask of 127.0.0.1
delete @ENV{grep { /_proxy$/i } keys %ENV};
$ENV{NODE_PATH} = $modules;

unit_tests();
express();
fastify();
done_testing();

# What the package's own tests say, line by line.
sub unit_tests {
    my $ran = 0;
    open my $tap, '-|', 'sh', '-c', 'cd clients/node && exec timeout 60 "$@" 2>&1', 'sh', $node, '--test', '--test-reporter=tap' or die "tests: $!";
    while (<$tap>) {
        if (/^(ok|not ok) \d+ - (.*)/) { ok($1 eq 'ok' && $2 !~ /# SKIP/, "node: $2"); $ran++ }
        elsif (/^\s+(?:error|stack|location):|^\s{4,}/) { diag($_) unless Test::More->builder->is_passing }
    }
    ok(close $tap, 'node: the tests end well');
    cmp_ok($ran, '>', 10, 'node: all of them were run');
}

sub site {
    my $app = shift;
    my $site = Apps->new('../clients/nginx.conf', $app);
    $site->put('signing.key', "a signing key of these tests, it is\n");
    $site->start({ NODE_PATH => $modules, NODE_ENV => 'production' }, $node, Apps::app("client-node/$app.mjs"));
    $site->start_nginx;
    return $site;
}

# A script with what the package exports.
sub script {
    my ($script, @arguments) = @_;
    my $program = "import('nginx-download').then(async (it) => console.log(await ($script)(it, ...process.argv.slice(1)))).catch((e) => console.log(`\${e}`))"
        =~ s/'nginx-download'/require.resolve('nginx-download')/r;
    open my $out, '-|', 'sh', '-c', 'exec timeout 20 "$@" 2>&1', 'sh', $node, '-e', $program, '--', @arguments or die "node: $!";
    local $/;
    return scalar <$out>;
}

sub from_app {
    my ($site, @request) = @_;
    my $s = dial(port => $site->{app_port});
    send_to($s, GET(@request));
    return response($s);
}

# --- Express -----------------------------------------------------------------------------------

sub express {
    my $site = site('express');
    for my $where ('', '/files') {
        my %headers = ('Cache-Control' => 'private, max-age=60', 'X-Of-The-App' => 'kept', 'Set-Cookie' => 'seen=1; Path=/');
        $site->serves("$where/stored", headers => { headers => [map { [$_ => $headers{$_}] } sort keys %headers] });

        my $r = $site->ask("$where/named/q3.pdf", @alice, 'Accept-Encoding: gzip');
        $site->is_file($r, $files{'q3.pdf'}, "$where/named");
        is(Apps::header($r, 'Content-Disposition'), q(inline; filename="Gro_e \"7\".txt"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%227%22.txt),
            "express: $where/named: its name");
        is(Apps::header($r, 'Content-Type') . Apps::header($r, 'ETag'), 'text/x-own"of-the-app"', "express: $where/named: type and ETag");
        $site->is_file($site->ask("$where/made", @alice), "made \xe2\x80\x93 \xc3\x9f\n" x 100, "$where/made");
        $r = $site->ask("$where/made", @alice, 'Range: bytes=0-3');
        is("$r->{status} $r->{body}", '206 made', "express: $where/made: a range");
    }

    # A grant is for nginx, which has the token.
    my $r = from_app($site, '/stored/q3.pdf', @alice);
    $site->is_file($r, $files{'q3.pdf'}, 'around nginx');
    $r = from_app($site, '/stored/q3.pdf', @alice, $token, 'Accept-Encoding: gzip');
    like($r->{body}, qr/^\{"file":\{"storage":"media","path":"q3\.pdf"\}/, 'express: with the token: the grant');

    remembered($site);
    for my $name ('q3.pdf', 'sub/in sub.txt', "gr\xc3\xb6\xc3\x9fe.txt", q(quo'te"s.txt), 'what?.txt') {
        my $url = $site->ask('/sign/' . Apps::encoded($name), @alice)->{body};
        $site->is_file($site->ask($url), $files{$name}, "signed: $name");
        is($site->ask("${url}x")->{status}, 403, "express: not by another signature: $name");
    }

    my $check = sub {
        my ($port, $expected) = @_;
        return script("({ checkLive }, url) => checkLive(url, { requestHeaders: { cookie: 'user=alice' }, $expected }).then(String)",
            "http://127.0.0.1:$port/files/stored/q3.pdf");
    };
    my $all = "size: 27, server: 'nginx', headers: { 'X-Sent-By': 'nginx' }, ranges: true";
    like($check->($site->{port}, $all), qr/^pass: /, 'express: checkLive()');
    like($check->($site->{app_port}, $all), qr/^fail: .*FAILED  header X-Sent-By/s, 'express: checkLive(): the app alone is not enough');
    $site->end;
}

sub remembered {
    my $site = shift;
    my $asked = sub { Apps::header($site->ask('/files/cached/q3.pdf', @alice), 'X-Asked') };
    my $first = $asked->();
    my $r = $site->ask('/files/cached/q3.pdf', @alice);
    is(Apps::header($r, 'X-Asked') . Apps::header($r, 'Cache-Control'), "${first}no-store", 'express: the app is asked once');
    my $revoke = sub { script("({ revoke }, url) => revoke(url, { $_[0] })", "http://127.0.0.1:$site->{port}/revoke") };
    is($revoke->("tags: ['user:alice']"), "1\n", 'express: revoke(): one decision');
    is($asked->(), $first + 1, 'express: revoke(): the app is asked again');
    is($revoke->("key: ['/files/cached/q3.pdf', 'alice'], cut: true"), "1\n", 'express: revoke(): by its key');
    is($revoke->("tags: ['user:bob']"), "0\n", 'express: revoke(): nothing to forget');
}

# --- Fastify -----------------------------------------------------------------------------------

sub fastify {
    my $site = site('fastify');
    for my $name ('q3.pdf', 'large.txt', 'empty.txt', @Apps::Names) {
        $site->is_file($site->ask('/files/' . Apps::encoded($name), @alice), $files{$name}, "/files/$name");
    }
    my $r = $site->ask('/files/q3.pdf', @alice, 'Range: bytes=5-7');
    is("$r->{status} $r->{body}", '206 1.7', 'fastify: a range');
    is(Apps::header($r, 'X-Of-The-App') . Apps::header($r, 'Set-Cookie'), 'keptseen=1', 'fastify: header and cookie');
    $r = $site->ask('HEAD /files/q3.pdf', @alice);
    is("$r->{status} " . Apps::header($r, 'Content-Length'), '200 27', 'fastify: HEAD');
    $site->is_status($site->ask('/files/q3.pdf'), 403, qr/^not for you$/, 'a stranger');
    is($site->ask('/files/missing.txt', @alice)->{status}, 404, 'fastify: a file that is not there');
    $site->end;
}
