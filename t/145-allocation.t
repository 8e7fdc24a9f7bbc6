# vi:ft=
# The n-th allocation that nginx makes for a request fails, for all n until the request gets by: a 500,
# or the connection is closed; a line in the error log; the same worker goes on, and the next request
# is served. The same with the module's own (src/nginx/reserve.rs): there the request is served.
# t/lib/failing.c makes them fail. Pools are as small as nginx lets them be, so that most of
# what is taken from them has to be allocated.
#
# `story` is Perl that runs before the request of the block.
use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Asked qw(field);
use Links;
use Time::HiRes qw(time);
use Wire;

our $faults;
BEGIN {
    $faults = server_root() . '/faults';
    my $lib = server_root() . '/failing.so';
    system('cc', '-O1', '-g', '-shared', '-fPIC', '-o', $lib, 't/lib/failing.c', '-ldl') == 0 or bail_out('t/lib/failing.c cannot be built');
    make_file($faults, "\0" x 24);
    @ENV{qw(LD_PRELOAD FAILING_ALLOCATIONS)} = ($lib, $faults);
}
# for nginx, not for the programs that tests run
END { delete $ENV{LD_PRELOAD} }

our $ten   = '0123456789';
our $large = join '', map { "line $_\n" } 1 .. 4_000;
our $vast  = $large x 10;
our $key   = 'a key of thirty-two bytes, or so.';

master_on();
workers(1);
log_level('warn');

add_block_preprocessor(sub {
    my $block = shift;
    my $html  = '$TEST_NGINX_SERVER_ROOT/html';
    $block->set_value(http_config => <<"END");
download_storage files root=$html/files;
download_storage inner location=/inner/;
download_cache_zone zone=grants:16m;
upstream app { server unix:$html/app.sock; }
request_pool_size 112;
connection_pool_size 112;
END
    $block->set_value(config => <<"END");
add_header X-Failure \$download_failure always;
location = /ready { return 200 ready; }
location /dl/ { download object /_ask/; }
location /cached/ { download object /_ask/; download_cache grants; download_cache_key \$uri \$is_args\$args; download_cache_valid 1h; }
location /vast/ { download object /_ask/; download_grant_max_size 2m; download_cache grants; download_cache_key \$uri; download_cache_valid 1h; }
location /_ask/ { internal; proxy_pass http://app\$request_uri; }
location /files/ { download storage files; download_header X-Of \$uri; expires 1h; }
location /link/ { download storage files; download_signature hmac-sha256 key_file=$html/keys; }
location /app/ { proxy_pass http://app; download_intercept all; download_rule /protected/ files; }
location /inner/ { internal; alias $html/files/; }
location = /revoke { download_revoke; }
location = /status { download_status; }
location = /explained { download object /_ask/; download_explain 1; }
END
    $block->set_value(user_files => [['files/ten.txt', $ten], ['files/large.txt', $large], ['keys', "$key\n"]]);
    $block->set_value(init => 'package main; our ($ten, $large, $vast, $key); app(app => \&answers); ' . $block->story);
    $block->set_value(request => 'GET /ready');
    # what it is about; and no other line of such a level
    $block->set_value(error_log => "[emerg]\n[crit]\nmemory is out, what is under way goes on with a reserve\n") unless defined $block->error_log;
});

sub answers {
    my ($what) = shift =~ m{^GET /\w+/([^\s?]*)} or return answer(500, 'what?');
    return grant('{"file":{"storage":"inner","path":"ten.txt"},"etag":"\"v\""}') if $what eq 'location';
    return grant(qq({"file":{"content":"$ten"}})) if $what eq 'content';
    return grant('{"file":{"content":"' . $vast =~ s/\n/\\n/gr . '"}}') if $what =~ /^vast/;
    return answer(200, '', 'X-Accel-Redirect: /protected/ten.txt', 'Set-Cookie: a=b') if $what eq 'accel';
    return answer(200, '', 'X-Sendfile2: /protected/ten.txt 0-4,/protected/ten.txt 5-9') if $what eq 'parts';
    return answer(302, 'elsewhere', 'Location: /login', 'Set-Cookie: a=b') if $what eq 'login';
    return grant(qq({"file":{"storage":"files","path":"$what"},"basename":"Caf\xc3\xa9.txt","headers":{"X-A":"b"},"cache":{"tags":["t"]}}));
}

# --- failing -------------------------------------------------------------------

sub arm {
    my %how = @_;
    open my $f, '+<', $faults or die "$faults: $!";
    syswrite $f, pack 'L6', 1, $how{of_module} // 0, $how{at_least} // 0, $how{nth}, $how{onwards} // 0, 0;
}

# How many allocations there were.
sub disarm {
    open my $f, '+<', $faults or die "$faults: $!";
    sysread $f, my $was, 24;
    sysseek $f, 0, 0;
    syswrite $f, pack 'L', 0;
    return (unpack 'L6', $was)[5];
}

sub one_request {
    my $request = shift;
    my $s = eval { dial() } or return { status => 0, head => '', body => '', whole => 0 };
    my $start = time;
    send_to($s, $request);
    my $r = response($s, head => scalar $request =~ /^HEAD /);
    $r->{hangs} = time - $start >= $Wire::Timeout;
    close $s;
    return $r;
}

sub log_size { -s servroot() . '/logs/error.log' }

# All n, once by itself and once with all that follow. What comes, when nothing fails, is `status` and
# `body`.
sub each_fails {
    my ($what, @request) = @_;
    each_of(0, $what, @request);
    each_of(1, "$what, of the module", @request);
}

sub each_of {
    my ($of_module, $what, $request, $status, $body) = @_;
    my $good = sub { my $r = shift; $r->{status} == $status && $r->{whole} && (ref $body ? $r->{body} =~ $body : $r->{body} eq $body) };
    my ($worker) = workers_of(master());
    ok($good->(one_request($request)), "$what: served when nothing fails") or return;
    my ($rest, $seen) = (descriptors(), 0);
    my (%bad, %fates);
    for my $onwards (0, 1) {
        for my $n (1 .. 5000) {
            my $log = log_size();
            arm(nth => $n, onwards => $onwards, of_module => $of_module);
            my $r = one_request($request);
            my $count = disarm();
            last if $count < $n;
            $seen++;
            my $fate = $good->($r) ? 'served' : $r->{status} == 0 ? 'closed' : $r->{status} >= 500 ? 'refused'
                : $r->{status} != $status ? "wrong: $r->{status}" : !$r->{whole} ? 'broken off'
                # with a page of nginx's own
                : $status == 302 ? 'served' : 'wrong';
            $fates{$fate}++;
            $bad{"$n: $fate"}++ if $fate =~ /wrong/;
            $bad{"$n: hangs"}++ if $r->{hangs};
            $bad{"$n: no line in the log"}++ if !$of_module && log_size() == $log;
            $bad{"$n: another worker"}++ if join(' ', workers_of(master())) ne $worker;
            $bad{"$n: not served afterwards"}++ unless $good->(one_request($request));
            last if keys %bad > 10;
        }
    }
    is(join("\n", sort keys %bad), '', "$what: each of $seen");
    if ($of_module) {
        is($fates{served} // 0, $seen, "$what: served, each time") or diag(join ', ', map { "$_ $fates{$_}" } sort keys %fates);
    }
    else {
        ok($seen > 10 && ($fates{closed} // 0) + ($fates{refused} // 0) > $seen / 4, "$what: they do matter")
            or diag(join ', ', map { "$_ $fates{$_}" } sort keys %fates);
    }
    ok(wait_for(sub { descriptors() <= $rest }), "$what: no descriptor left") or diag(descriptors(), " of $rest");
}

run_tests();

__DATA__

=== files of a storage
--- story
each_fails('small', GET('/files/ten.txt'), 200, $ten);
each_fails('large', GET('/files/large.txt'), 200, $large);
each_fails('a range', GET('/files/large.txt', 'Range: bytes=0-4'), 206, 'line ');
each_fails('HEAD', GET('HEAD /files/ten.txt'), 200, '');



=== what the app grants
--- story
each_fails('a file', GET('/dl/ten.txt'), 200, $ten);
each_fails('a location', GET('/dl/location'), 200, $ten);
each_fails('content', GET('/dl/content'), 200, $ten);
each_fails('a redirect', GET('/dl/login'), 302, 'elsewhere');



=== what is remembered
--- story
each_fails('a hit', GET('/cached/ten.txt'), 200, $ten);



=== what is intercepted
--- story
each_fails('X-Accel-Redirect', GET('/app/accel'), 200, $ten);
each_fails('X-Sendfile2', GET('/app/parts'), 200, $ten);
each_fails('a grant', GET('/app/ten.txt'), 200, $ten);



=== links
--- story
each_fails('a signed link', GET(hmac_link($key, '/link/ten.txt', 'expires=' . int(time + 1000))), 200, $ten);



=== what admins turn to
--- story
each_fails('status', GET('/status'), 200, qr/"requests"/);
each_fails('an account', GET('/explained'), 200, qr/"status"/);
my $form = 'tag=t';
each_fails('revoke', GET('POST /revoke', 'Content-Type: application/x-www-form-urlencoded', 'Content-Length: ' . length $form) . $form,
    200, qr/"revoked"/);



=== the reserve is used up by what is remembered: nothing new is begun until there is memory
--- story
my ($worker) = workers_of(master());
my %seen;
my $ask = sub { $seen{one_request(GET("/cached/$_[0]"))->{status}}++ };
$ask->('ten.txt');
arm(nth => 1, of_module => 1, onwards => 1);
for my $n (1 .. 4_000) { $ask->("ten.txt?$n") for 1, 2; last if $seen{500} }
$ask->('ten.txt') for 1 .. 100;
ok(disarm() > 1000, 'many have failed');
is(join(' ', sort keys %seen), '200 500', 'served, or refused') or diag(join ', ', %seen);
cmp_ok($seen{200}, '>', 100, 'served for as long as it goes');
cmp_ok($seen{500}, '>=', 100, 'then refused');
is(one_request(GET("/cached/ten.txt?more$_"))->{status}, 200, 'served once there is memory') for 1 .. 3;
is(join(' ', workers_of(master())), $worker, 'by the same worker');
--- error_log
[crit]
memory is out, what is under way goes on with a reserve



=== a grant that is larger than what the reserve lends: large pieces of memory are out
--- story
my ($worker) = workers_of(master());
my %seen;
for my $kb (map { $_ * 64 } 1 .. 64) {
    arm(nth => 1, of_module => 1, onwards => 1, at_least => $kb * 1024);
    my $r = one_request(GET("/vast/vast?$kb"));
    disarm();
    $seen{$r->{status} == 200 && $r->{body} ne $vast ? 'wrong' : $r->{status}}++;
    last if join(' ', workers_of(master())) ne $worker;
}
is(join(' ', sort keys %seen), '200 500 502', 'served, refused, or not even held') or diag(join ', ', %seen);
is(join(' ', workers_of(master())), $worker, 'by the same worker');
is(one_request(GET('/vast/vast?'))->{body}, $vast, 'and served when there is memory');
--- error_log
[error]
answer_cut
out of memory
