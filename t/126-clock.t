# vi:ft=
# The machine's clock is set, forwards and back: what is remembered is remembered for as long as was
# said, and links expire by the date.
#
# `story` is Perl that runs before the request of the block. clock() sets nginx's clock so many seconds
# off, by a library that is preloaded.
use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Time::HiRes qw(sleep time);
use Asked;
use Links;
use Wire;

our $offset;
BEGIN {
    $offset = server_root() . '/offset';
    my $lib = server_root() . '/clock.so';
    open my $c, '|-', 'cc', '-shared', '-fPIC', '-o', $lib, '-xc', '-' or bail_out("cc: $!");
    print $c <<'END';
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t  none, *offset = &none;

__attribute__((constructor)) static void
map_offset(void)
{
    int    fd = open(getenv("CLOCK_OFFSET"), O_RDONLY | O_CLOEXEC);
    void  *at = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);

    if (at != MAP_FAILED) {
        offset = at;
    }
    close(fd);
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec  now;

    clock_gettime(CLOCK_REALTIME, &now);
    tv->tv_sec = now.tv_sec + *offset;
    tv->tv_usec = now.tv_nsec / 1000;
    return 0;
}
END
    close $c or bail_out('the library cannot be built');
    make_file($offset, "\0" x 8);
    @ENV{qw(LD_PRELOAD CLOCK_OFFSET)} = (join(' ', $lib, $ENV{LD_PRELOAD} // ()), $offset);
}
# for nginx, not for the programs that tests run
END { delete $ENV{LD_PRELOAD} }

our ($ten, $key) = ('0123456789', 'a key of 32 bytes, or even more?');

master_on();
workers(1);

add_block_preprocessor(sub {
    my $block = shift;
    my $html  = '$TEST_NGINX_SERVER_ROOT/html';
    $block->set_value(http_config => <<"END");
download_cache_zone zone=grants:1m;
download_storage files root=$html/files;
upstream app { server unix:$html/app.sock; }
END
    $block->set_value(config => <<"END");
add_header X-Grant \$download_grant always;
add_header X-Failure \$download_failure always;
location = /ready { return 200 ready; }
location /dl/ { download object /_ask\$uri; download_cache grants; download_cache_key \$uri; }
location /_ask/ { internal; proxy_pass http://app; }
location /link/ { download storage files; download_signature hmac-sha256 key_file=keys; }
location /media/ { download storage files; download_signature django key_file=keys max_age=1h; }
END
    $block->set_value(user_files => [['../conf/keys', "$main::key\n"], ['files/ten.txt', $ten]]);
    $block->set_value(init => 'package main; our ($ten, $key); told_app(); ' . $block->story);
    $block->set_value(request => 'GET /ready');
    $block->set_value(no_error_log => "[alert]\n[crit]\n[emerg]\n");
});

# From now on nginx's clock is so many seconds off.
sub clock {
    open my $file, '+<', $offset or die "$offset: $!";
    syswrite $file, pack 'q', shift;
}

no_long_string();
run_tests();

__DATA__

=== decisions are remembered for as long as was said, whatever the clock says
--- story
clock(0);
says('dl/long', file_grant('ten.txt', '"cache":{"ttl":600}'));
says('dl/short', file_grant('ten.txt', '"cache":{"ttl":1}'));
is(seen(get('dl/long')), '200 asked', 'asked');
for my $off (0, 3600, -3600, 10 * 365 * 86_400, -10 * 365 * 86_400, 0) {
    clock($off);
    my $r = get('dl/long');
    is(seen($r), '200 cached', "the clock is $off seconds off: remembered");
    my ($year) = field($r, 'Date') =~ / (\d{4}) /;
    cmp_ok(abs($year - (gmtime(time + $off))[5] - 1900), '<=', 1, "the clock is $off seconds off: nginx goes by it");
}
is(calls('dl/long'), 1, 'asked once');
for my $off (-3600, 3600, 0) {
    clock(0);
    my $calls = calls('dl/short');
    is(seen(get('dl/short')), '200 asked', 'for a second');
    clock($off);
    sleep 1.2;
    is(seen(get('dl/short')), '200 asked', "the clock is $off seconds off: and no longer");
    is(calls('dl/short'), $calls + 2, 'the app was asked');
    sleep 1.2;
}



=== links expire by the date
--- story
clock(0);
my $now = int time;
my $link = hmac_link($key, '/link/ten.txt', 'not_before=' . ($now - 1000) . '&expires=' . ($now + 1000));
my $media = django_link($key, '/media/ten.txt', $now);
for ([0, '200 signed', '200 signed'], [900, '200 signed', '200 signed'], [1100, '403 link_expired', '200 signed'], [3700, '403 link_expired', '403 link_expired'],
    [10 * 365 * 86_400, '403 link_expired', '403 link_expired'], [-900, '200 signed', '200 signed'], [-1100, '403 link_not_yet', '200 signed'], [0, '200 signed', '200 signed']) {
    my ($off, @wanted) = @$_;
    clock($off);
    for my $target ($link, $media) {
        my $r = fetch($target);
        my ($where) = $target =~ m{^/(\w+)};
        is("$r->{status} " . (field($r, 'X-Failure') || field($r, 'X-Grant')), shift @wanted, "the clock is $off seconds off: $where");
    }
}
