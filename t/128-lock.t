# vi:ft=
# A worker that is killed while it holds the lock of a zone, over and over: the others get the lock and
# start over with an empty zone, every other request is answered, and what was revoked is not served.
# Needs the module with the feature test-panics, as t/140-panic.t does; what is killed at random, with
# the module as it is, is in t/125-cache-lifecycle.t.
#
# `story` is Perl that runs before the request of the block.
use Test::Nginx::Socket $ENV{TEST_NGINX_PANICS_MODULE} ? 'no_plan'
    : (skip_all => 'TEST_NGINX_PANICS_MODULE names no module built by scripts/build --feature test-panics');
use lib 't/lib';
use Wire;

our $place;

BEGIN {
    $ENV{TEST_NGINX_LOAD_MODULES} = $ENV{TEST_NGINX_PANICS_MODULE} // '';
    $ENV{DOWNLOAD_TEST_PANIC} = $place = server_root() . '/death';
}

env_to_nginx('DOWNLOAD_TEST_PANIC');
master_on();
workers(2);
log_level('warn');

# of each kind: 1,000 in all, fewer where nginx is slowed down
our $kills = $ENV{TEST_NGINX_SLOW} ? 25 : 500;

add_block_preprocessor(sub {
    my $block = shift;
    my $html  = '$TEST_NGINX_SERVER_ROOT/html';
    $block->set_value(http_config => <<"END");
download_storage files root=$html/files;
download_cache_zone zone=grants:1m;
upstream app { server unix:$html/app.sock; }
END
    $block->set_value(config => <<"END");
location = /ready { return 200 ready; }
location /dl/ { download object /_ask/; download_cache grants; download_cache_key \$uri \$arg_k; download_cache_valid 1h; add_header X-Grant \$download_grant always; }
location /_ask/ { internal; proxy_pass http://app\$request_uri; }
location = /revoke { download_revoke; }
END
    $block->set_value(user_files => [['files/ten.txt', '0123456789']]);
    $block->set_value(init => 'package main; our ($place, $kills); app(app => \&answers); ' . $block->story);
    $block->set_value(request => 'GET /ready');
    $block->set_value(error_log => "[alert]\na worker died over the zone \"grants\", which starts empty\nexited on signal 9");
});

sub answers { return grant('{"file":{"storage":"files","path":"ten.txt"},"cache":{"tags":["t"]}}') }

sub is_file { my $r = shift; $r->{status} == 200 && $r->{whole} && $r->{body} eq '0123456789' }

# Kills as many workers in that place. Others ask at the same time.
sub killed {
    my $where = shift;
    my (%bad, %fates);
    for my $n (1 .. $kills) {
        my $victim = $n % 4 ? GET("/dl/ten.txt?k=$n") : GET('POST /revoke?tag=t', 'Content-Length: 0');
        make_file("$place.new", $where);
        rename "$place.new", $place or die "$place: $!";
        # one of them finds the file; on a worker that is killed others may be lost with it
        my @r = burst($victim, map { GET("/dl/ten.txt?k=$_") } 'same', 'same', $n + 1);
        $fates{$_->{status}}++ for @r;
        $bad{'nobody died'}++ if -e $place;
        $bad{"answered $_->{status}"}++ for grep { $_->{status} && $_->{status} != 200 } @r;
        # and by whoever is there afterwards
        for my $k ('same', $n) {
            $bad{"not served afterwards"}++ unless wait_for { is_file(fetch("/dl/ten.txt?k=$k")) } 10;
        }
        next if $n % 10;
        $bad{'cannot be revoked'}++ unless fetch('POST /revoke?tag=t', 'Content-Length: 0')->{status} == 200;
        $bad{'served without being asked anew'}++ if fetch('/dl/ten.txt?k=same')->{head} =~ /X-Grant: cached/;
    }
    is(join(', ', map { "$_: $bad{$_}" } sort keys %bad), '', "$where: $kills times");
    cmp_ok($fates{0} // 0, '>=', $kills, 'somebody was cut off each time') or diag(join ', ', %fates);
    ok(wait_for(sub { workers_of(master()) == 2 }), 'two workers');
    my $log = slurp(servroot() . '/logs/error.log');
    my $died = () = $log =~ /exited on signal 9/g;
    is($died, $kills, 'as many have died');
    my $other = join '', grep { !/exited on signal 9|locked by \d+|a worker died over the zone "grants"/ } split /^/, $log;
    is($other, '', 'nothing else in the log');
}

run_tests();

__DATA__

=== as it has got the lock
--- story
killed('locked');



=== as it is to give it back
--- story
killed('unlocking');
