# vi:ft=
# download_status: what is counted of requests, by two workers, and how it is shown.
#
# `story` is Perl that runs before the request of the block. The app answers a question for NAME
# as says() tells it; get() asks for /NAME as a user. counted() waits until so many requests are
# counted, which is after their clients have their responses, and gives the numbers; is_counted()
# compares those that are not 0; bytes only where they are told, and not how long the app took.
use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use JSON::PP qw(decode_json);
use Time::HiRes qw(sleep time);
use Asked;
use Wire;

our $ten = '0123456789';
our $large = join '', map { "line $_\n" } 1 .. 500_000;
our $secret = 'file of keys, a secret of some length';

master_on();
worker_connections(256);
log_level('info');

add_block_preprocessor(sub {
    my $block = shift;
    workers($block->worker_processes // 2);
    my $server = <<'END';
download_cache_key $uri $cookie_user;
download_cache_valid 1m denied=1m;
location = /status { download_status; }
location = /revoke { download_revoke; }
location /dl/ { download object /_ask$uri; }
location /cached/ { download object /_ask$uri; download_cache grants; }
location /files/ { download storage files; }
END
    prepare($block, http => "download_cache_zone zone=grants:1m;\n", server => $server, names => '$ten, $large, $secret', files => [
        ['files/ten.txt', $ten, '202401020304.05'], ['files/large.txt', $large], ['files/page.html', '<p>page</p>'], ['keys', "$secret\n"],
    ]);
});

sub status { return decode_json(fetch('/status')->{body}) }

sub total { my $of = shift; return ref $of ? eval { my $sum = 0; $sum += total($_) for values %$of; $sum } : $of }

# The numbers, once so many requests are counted.
sub counted {
    my $requests = shift;
    my $numbers;
    wait_for { $numbers = status(); total($numbers->{requests}) >= $requests } 10;
    return $numbers;
}

# Those that are not 0.
sub nonzero {
    my $of = shift;
    return $of unless ref $of eq 'HASH';
    my %left = map { $_ => nonzero($of->{$_}) } keys %$of;
    delete $left{$_} for grep { ref $left{$_} ? ref $left{$_} eq 'HASH' && !%{ $left{$_} } : !$left{$_} } keys %left;
    return \%left;
}

our @shape = qw(module_version nginx_version time start_time_seconds ask_duration_seconds last_failures last_denials
    cache_decisions cache_blocks_used cache_blocks cache_size_bytes);

sub is_counted {
    my ($requests, $expected, $what) = @_;
    my $numbers = nonzero(counted($requests));
    is(delete $numbers->{ask_duration_seconds}{count}, $expected->{asks}, "$what: as many answers as questions") if delete $expected->{all_answered};
    delete @$numbers{@shape, exists $expected->{sent_bytes} ? () : 'sent_bytes'};
    is_deeply($numbers, $expected, $what) or diag(Test::More::explain($numbers));
}

# Changes nginx.conf and has it read again.
sub reconfigure {
    my $change = shift;
    my $path = servroot() . '/conf/nginx.conf';
    local $_ = slurp($path);
    $change->();
    make_file($path, $_);
    my %old = map { $_ => 1 } workers_of(master());
    reload();
    return wait_for { !grep { $old{$_} } workers_of(master()) } 10;
}

no_long_string();
run_tests();

__DATA__

=== nothing is counted yet, and all is there
--- story
my $numbers = counted(0);
is(join(' ', sort keys %$numbers), join(' ', sort qw(module_version nginx_version time start_time_seconds requests outcomes failures
    sent_bytes cache_events revocations revoked_decisions asks ask_failures ask_duration_seconds files cache_decisions
    cache_blocks_used cache_blocks cache_size_bytes last_failures last_denials)), 'what there is');
is_counted(0, {}, 'all numbers are 0');
like($numbers->{module_version}, qr/^\d+\.\d+\.\d+$/, 'version of the module');
my ($version) = `$Test::Nginx::Socket::Nginx -v 2>&1` =~ m{nginx/([\d.]+)};
is($numbers->{nginx_version}, $version, 'version of nginx');
cmp_ok(abs($numbers->{time} - time), '<=', 2, 'now');
cmp_ok($numbers->{time} - $numbers->{start_time_seconds}, '<=', 5, 'counting began as nginx started');
is_deeply([sort keys %{ $numbers->{failures} }], [sort qw(method bad_path unsigned bad_signature link_expired link_not_yet denied revoked redirected
    app_error app_timeout app_unavailable answer_cut not_a_grant grant_too_large grant_invalid unknown_storage ambiguous unsupported no_descriptor bad_descriptor no_rule
    outside_root symlink missing not_a_file unreadable target_missing target_error bad_option system internal)], 'all labels');
is_deeply($numbers->{cache_size_bytes}, { grants => 1048576 }, 'the zone');
cmp_ok($numbers->{cache_blocks}{grants}, '>', 3500, 'its blocks');
is("@{$numbers->{last_failures}} @{$numbers->{last_denials}}", ' ', 'nothing failed yet');



=== files without asking: whole, in part, not at all
--- story
my $page = length get('files/none.txt')->{body};            # nginx's 404
is(get('files/ten.txt')->{body}, $ten, 'whole') for 1 .. 3;
is(get('HEAD files/ten.txt')->{status}, 200, 'HEAD');
is(get('files/ten.txt', undef, 'Range: bytes=2-4')->{body}, '234', 'a range');
is(get('files/ten.txt', undef, 'Range: bytes=100-')->{status}, 416, 'a range beyond the end');
is(get('files/ten.txt', undef, 'If-Modified-Since: Tue, 02 Jan 2024 03:04:05 GMT')->{status}, 304, 'not modified');
is(get('files/ten.txt', undef, 'If-Unmodified-Since: Tue, 02 Jan 2004 03:04:05 GMT')->{status}, 412, 'modified');
is(get('files/none.txt')->{status}, 404, 'missing');
is(get('POST files/ten.txt')->{status}, 405, 'POST');
is(get('files/')->{status}, 404, 'no file') for 1 .. 2;
is_counted(13, {
    requests => { storage => { none => 13 } },
    outcomes => { sent => 4, part => 1, not_modified => 1, unsatisfied => 2, failed => 2, denied => 3 },
    failures => { missing => 2, method => 1, bad_path => 2 },
    files => { files => 6 },
}, 'counted');
my $bytes = status()->{sent_bytes};
cmp_ok($bytes, '>=', 33 + 5 * $page, 'bytes of files and of error pages');
is(status()->{sent_bytes}, $bytes, 'asking for the numbers does not count');



=== bytes of bodies, to the byte
--- story
get('files/ten.txt') for 1 .. 7;
get('HEAD files/large.txt');
get('files/large.txt');
get('files/large.txt', undef, 'Range: bytes=1-1000000');
get('files/ten.txt', undef, 'Range: bytes=0-0');
is_counted(11, {
    requests => { storage => { none => 11 } },
    outcomes => { sent => 9, part => 2 },
    sent_bytes => 70 + length($large) + 1_000_000 + 1,
    files => { files => 11 },
}, 'counted');



=== asked, cached, denied, redirected, broken
--- story
says('dl/a', file_grant('ten.txt'));
says('cached/a', file_grant('ten.txt'));
says('cached/no', answer(403, 'no'));
says('dl/no', answer(404, 'none'));
says('dl/login', answer(302, '', 'Location: /login'));
says('dl/broken', answer(500, 'x'));
says('dl/junk', grant('{'));
says('dl/lost', file_grant('lost.txt'));
says('dl/page', answer(200, '<p>', 'Content-Type: text/html'));
says('dl/inner', grant('{"file":{"location":"/inner/page.html"}}'));
get('dl/a') for 1 .. 2;
my @got = map { get('cached/a')->{body} } 1 .. 30;
is(scalar(grep { $_ eq $ten } @got), 30, 'the first one asked');
get('cached/a', $_) for qw(bob bob);
get('cached/no') for 1 .. 4;
get("dl/$_") for qw(no login broken junk lost page inner);
is_counted(45, {
    requests => { object => { asked => 2 + 1 + 1 + 1 + 1, cached => 29 + 1, none => 4 + 5 } },
    outcomes => { sent => 2 + 30 + 2 + 1, denied => 4 + 2, failed => 4 },
    failures => { denied => 5, redirected => 1, app_error => 1, grant_invalid => 1, missing => 1, not_a_grant => 1 },
    cache_events => { hit => 30, miss => 3, denied => 3 },
    asks => 2 + 2 + 1 + 7, ask_failures => 3, all_answered => 1,
    files => { files => 34, inner => 1 },
}, 'counted');
my $numbers = status();
is($numbers->{cache_decisions}{grants}, 3, 'decisions in the zone');
is($numbers->{cache_blocks_used}{grants}, 3, 'the blocks they take');



=== the other views, by whom it was decided
--- config
location /path/ { download path $TEST_NGINX_SERVER_ROOT/html/files/$arg_f; }
location /virtual/ { download virtual /inner/page.html; }
location /http/ { download http http://127.0.0.1:$TEST_NGINX_RAND_PORT_1/files/$arg_f; }
location /app/ { download_intercept x-accel-redirect; proxy_pass http://app/_ask/app/; }
location /signed/ { download_signature secure-link key_file=$TEST_NGINX_SERVER_ROOT/html/keys; alias $TEST_NGINX_SERVER_ROOT/html/files/; }
location /signed-files/ { download_signature secure-link key_file=$TEST_NGINX_SERVER_ROOT/html/keys; download storage files; }
--- story
use Digest::MD5 qw(md5_base64);
sub link_of { my ($path, $at) = @_; return "$path?expires=$at&md5=" . md5_base64("$at/$path" . "127.0.0.1 $secret") =~ tr{+/}{-_}r }
my $soon = time + 100 | 0;
says('app/a', answer(200, '', 'X-Accel-Redirect: /inner/ten.txt'));
says('app/page', answer(200, 'page'));
is(get('path/?f=ten.txt')->{body}, $ten, 'path');
is(get('virtual/')->{body}, '<p>page</p>', 'virtual') for 1 .. 2;
is(get('http/?f=ten.txt')->{body}, $ten, 'http') for 1 .. 3;
is(get('app/a')->{body}, $ten, 'intercept') for 1 .. 4;
is(get('app/page')->{body}, 'page', 'an app of its own is not counted');
is(get(link_of('signed/ten.txt', $soon))->{body}, $ten, 'signed') for 1 .. 5;
is(get(link_of('signed/none.txt', $soon))->{status}, 404, 'signed, but not there');
is(get('signed/ten.txt')->{status}, 403, 'not signed');
is(get(link_of('signed-files/ten.txt', $soon))->{body}, $ten, 'signed download') for 1 .. 2;
is(get(link_of('signed-files/ten.txt', $soon - 1000))->{status}, 403, 'expired');
is_counted(20, {
    requests => { path => { none => 1 }, virtual => { none => 2 }, http => { none => 3 }, intercept => { asked => 4 },
        signed => { signed => 6, none => 1 }, storage => { signed => 2, none => 1 } },
    outcomes => { sent => 1 + 2 + 3 + 4 + 5 + 2, other => 1, denied => 2 },
    failures => { unsigned => 1, link_expired => 1 },
    files => { files => 2, origin => 3 },
}, 'counted');



=== revocations, and a transfer that is cut
--- config
location /slow/ { download object /_ask$uri; download_cache grants; limit_rate 10k; }
--- story
says("cached/$_", file_grant('ten.txt', '"cache":{"tags":["t"]}')) for 'a' .. 'c';
says('slow/a', file_grant('large.txt', '"cache":{"tags":["slow"]}'));
get("cached/$_") for 'a' .. 'c';
like(get('POST revoke?tag=t')->{body}, qr/"revoked": 3/, 'revoked');
like(get('POST revoke?tag=none')->{body}, qr/"revoked": 0/, 'nothing to revoke');
is(get('POST revoke')->{status}, 400, 'no order');
my $s = dial(rcvbuf => 4096);
send_to($s, GET('/slow/a', 'Cookie: user=ann'));
sysread $s, my $head, 1000;
like(get('POST revoke?tag=slow&cut=1')->{body}, qr/"revoked": 1/, 'cut');
is_counted(4, {
    requests => { object => { asked => 4 } }, outcomes => { sent => 3, cut => 1 },
    cache_events => { miss => 4 }, asks => 4, files => { files => 3 },
    revocations => 3, revoked_decisions => 4,
}, 'counted');



=== clients that go away: while the app thinks, amid a file
--- config
location /slow/ { download storage files; limit_rate 10k; }
--- story
says('dl/a', file_grant('ten.txt'), after => 5);
my $s = dial();
send_to($s, GET('/dl/a', 'Cookie: user=ann'));
ok(wait_for { calls('dl/a') }, 'the app is asked');
close $s;
for (1 .. 2) {
    $s = dial(rcvbuf => 4096);
    send_to($s, GET('/slow/large.txt'));
    sysread $s, my $head, 1000;
    reset_of($s);
}
is_counted(3, {
    requests => { object => { none => 1 }, storage => { none => 2 } }, outcomes => { aborted => 3 }, asks => 1,
}, 'counted');



=== those who wait for another's question
--- story
says('cached/a', file_grant('ten.txt'), after => 0.5);
my @r = burst(map { GET('/cached/a', 'Cookie: user=ann') } 1 .. 5);
is($_->{body}, $ten, 'each gets it') for @r;
is_counted(5, {
    requests => { object => { asked => 1, cached => 4 } }, outcomes => { sent => 5 }, cache_events => { hit => 4, miss => 1, wait => 4 },
    asks => 1, all_answered => 1, files => { files => 5 }, sent_bytes => 50,
}, 'counted');
my $took = status()->{ask_duration_seconds};
is($took->{buckets}{'0.25'}, undef // 0, 'it took longer than 250 ms');
is($took->{buckets}{'1'}, 1, 'and less than a second');
cmp_ok($took->{sum}, '>=', 0.4, 'the sum of it');



=== a stale grant serves while the app is down: the failure counts, and the file
--- config
location /stale/ { download object /_ask$uri; download_cache grants; download_cache_use_stale 1h; download_cache_valid 1s; }
--- story
says('stale/a', file_grant('ten.txt'));
get('stale/a');
says('stale/a', answer(503, 'down'));
sleep 1.1;
is(get('stale/a')->{body}, $ten, 'stale');
my $numbers = counted(2);
is_deeply(nonzero($numbers->{cache_events}), { miss => 2, stale => 1 }, 'the cache');
is_deeply(nonzero($numbers->{outcomes}), { sent => 2 }, 'the files');
is_deeply(nonzero($numbers->{failures}), { app_error => 1 }, 'the failure');
is("$numbers->{asks} $numbers->{ask_failures}", '2 1', 'the questions');
my $last = $numbers->{last_failures}[0];
is("$last->{view} $last->{label} $last->{status}: $last->{detail}", 'object app_error 200: the app answered 503', 'what is told of it');



=== error_page: the failure counts, and what becomes of the request
--- config
location /first/ { download storage files; error_page 404 = @second; }
location @second { download path $TEST_NGINX_SERVER_ROOT/html/files/page.html; }
location /shown/ { download storage files; error_page 404 /nice.html; }
location = /nice.html { download storage files page.html; }
location /asked/ { download object /_ask$uri; error_page 502 = @second; }
--- story
says('asked/a', answer(500, 'x'));
is(get('first/none')->{body}, '<p>page</p>', 'from elsewhere');
is(get('shown/none')->{status}, 404, 'a page of its own');
is(get('asked/a')->{body}, '<p>page</p>', 'asked, then from elsewhere');
my $numbers = counted(3);
is_deeply(nonzero($numbers->{requests}), { path => { none => 2 }, storage => { none => 1 } }, 'the last view');
is_deeply(nonzero($numbers->{outcomes}), { sent => 2, failed => 1 }, 'what became of them');
is_deeply(nonzero($numbers->{failures}), { missing => 2, app_error => 1 }, 'the failures');
is("$numbers->{asks} $numbers->{ask_failures}", '1 1', 'the question');



=== subrequests are not counted, nor requests for explanations
--- config
location /dbg/ { download storage files; download_explain $on; }
location /logged/ { download object /_sub/; log_subrequest on; }
location /_sub/ { internal; log_subrequest on; download storage files grant.json; download_mimetype application/json; }
--- http_config
geo $on { default 1; }
--- user_files eval
[['files/grant.json', '{"file":{"storage":"files","path":"ten.txt"}}']]
--- story
is(get('logged/')->{body}, $ten, 'the answer of the app is a file itself');
like(get('dbg/ten.txt')->{body}, qr/"view"/, 'an explanation');
is_counted(1, {
    requests => { object => { asked => 1 } }, outcomes => { sent => 1 }, asks => 1, all_answered => 1,
    files => { files => 1 }, sent_bytes => 10,
}, 'one request');



=== the last failures, and the last denials
--- story
get('files/none.txt');
get('POST files/ten.txt');
says('dl/no', answer(401, 'who are you?'));
get("dl/no?token=$_", $_) for 1 .. 40;
# each is there before the next comes, be it to another worker
my $numbers;
for (1 .. 3) { get("files/none$_.txt"); $numbers = counted(42 + $_) }
my @failures = @{ $numbers->{last_failures} };
is(scalar @failures, 4, 'what somebody has to mend');
my %first = %{ $failures[0] };
like($first{detail}, qr{^"none3\.txt" in storage "files" \(/.*/html/files\) does not exist \(No such file or directory\)$}, 'the newest first, as it is logged');
is("$first{view} $first{label} $first{status}", 'storage missing 404', 'what there is to tell');
cmp_ok(abs(time - $first{time}), '<=', 5, 'and when');
like($failures[3]{detail}, qr/"none\.txt"/, 'the denials have not pushed out the first one');
my @denials = @{ $numbers->{last_denials} };
is(scalar @denials, 32, 'the last denials, no more');
is(scalar(grep { $_->{label} eq 'denied' && $_->{status} == 401 && $_->{detail} eq 'the app answered 401' } @denials), 32, 'as they are logged');



=== no query strings, values of options or passwords among the failures
--- config
location /opt/ { download storage files ten.txt; download_header X-Id $arg_id; download_mimetype $cookie_type; }
location /http/ { download http $arg_u; }
--- story
says('dl/url', grant('{"file":{"url":"https://storage.example/b/k?X-Amz-Signature=s3cr3t&x=s3cr3t"}}'));
says('dl/user', grant('{"file":{"url":"https://me:s3cr3t@storage.example/b/k?s3cr3t"}}'));
says('dl/at', grant('{"file":{"location":"/else/where?token=s3cr3t"}}'));
says('dl/name', grant('{"file":{"storage":"files","path":"none.txt?token=s3cr3t"}}'));
says('dl/type', grant('{"file":{"storage":"files","path":"ten.txt"},"mimetype":"a?s3cr3t=1"}'));
says('dl/long', grant('{"file":{"storage":"files","path":"' . 'x' x 2000 . '"}}'));
get("dl/$_") for qw(url user at name type long);
get('opt/', undef, 'Cookie: type=s3cr3t');
get('http/?u=http://h/%3fs3cr3t');
get('http/?u=http://h/x?s3cr3t');
my $numbers = counted(9);
my $text = fetch('/status')->{body};
unlike($text, qr/s3cr3t/, 'no secret is shown') or diag(Test::More::explain($numbers->{last_failures}));
unlike(fetch('/status?format=prometheus')->{body}, qr/s3cr3t/, 'nor to Prometheus');
my @details = map { $_->{detail} } @{ $numbers->{last_failures} }, @{ $numbers->{last_denials} };
is(scalar @details, 9, 'all failed');
cmp_ok(length, '<=', 400, 'no detail is longer than it may be') for @details;
ok((grep { m{^"https://storage\.example/b/k\?\.\.\.": } } @details), 'an URL without its query') or diag(Test::More::explain(\@details));
ok((grep { m{^"https://\.\.\.\@storage\.example/b/k\?\.\.\.": } } @details), 'nor its user') or diag(Test::More::explain(\@details));
ok((grep { m{^download_mimetype came out as "\.\.\.": } } @details), 'an option without its value') or diag(Test::More::explain(\@details));



=== the numbers survive a reload, which may bring other storages, in another order
--- story
my $start = counted(0)->{start_time_seconds};
get('files/ten.txt') for 1 .. 3;
get('files/none.txt');
counted(4);
ok(reconfigure(sub {
    s{^(download_storage files root=(\S+);)}{download_storage before root=$2;\ndownload_storage zeta root=$2;\n$1}m;
    s{(location /files/ \{)}{location /zeta/ { download storage zeta; }\n$1};
    s{^download_cache_zone zone=grants:1m;}{download_cache_zone zone=more:2m;\n$&}m;
}), 'reloaded');
get('files/ten.txt') for 1 .. 2;
get('zeta/ten.txt') for 1 .. 5;
is_counted(11, {
    requests => { storage => { none => 11 } }, outcomes => { sent => 10, failed => 1 }, failures => { missing => 1 },
    files => { files => 5, zeta => 5 }, }, 'counted on');
my $numbers = status();
is($numbers->{start_time_seconds}, $start, 'since the same moment');
like($numbers->{last_failures}[0]{detail}, qr/none\.txt/, 'the last failure is still known');
is_deeply([sort keys %{ $numbers->{cache_size_bytes} }], ['grants', 'more'], 'the zones of now');
ok(reconfigure(sub { s{^download_storage (?:before|zeta) .*\n}{}mg; s{location /zeta/ .*\n}{} }), 'reloaded again, without them');
get('files/ten.txt');
is_deeply(nonzero(counted(12)->{files}), { files => 6, zeta => 5 }, 'what was counted of those that are gone');
ok(reconfigure(sub { s{location = /status \{ download_status; \}}{location = /status { return 204; }} }), 'reloaded without a status');
is(get('files/ten.txt')->{body}, $ten, 'files all the same');
ok(reconfigure(sub { s{return 204;}{download_status;} }), 'and with one');
is_counted(0, {}, 'it begins anew');



=== more storages than can be told apart
--- http_config eval
CORE::join "", map { "download_storage s$_ root=\$TEST_NGINX_SERVER_ROOT/html/files;\n" } 1 .. 70
--- config eval
CORE::join "", map { "location /s$_/ { download storage s$_; }\n" } 1 .. 70
--- story
get("s$_/ten.txt") for 1 .. 70;
get('files/ten.txt');
my $numbers = counted(71);
is($numbers->{files}{other}, 9, 'the surplus is counted together');
is($numbers->{files}{s10} . $numbers->{files}{files}, '11', 'the others each');
is(total($numbers->{files}), 71, 'all are counted');



=== many at once: none is lost, none counts twice
--- story
says('cached/a', file_grant('ten.txt'));
for (1 .. 10) {
    my @r = burst((GET('/files/ten.txt')) x 20, (GET('/files/none.txt')) x 20, (GET('/cached/a', 'Cookie: user=ann')) x 10);
    is(scalar(grep { $_->{status} == 200 } @r), 30, "burst $_");
}
my $numbers = counted(500);
is_deeply(nonzero($numbers->{outcomes}), { sent => 300, failed => 200 }, 'outcomes');
is(total($numbers->{requests}{storage}), 400, 'requests without asking');
is(total($numbers->{requests}{object}), 100, 'requests with');
is($numbers->{cache_events}{hit} + $numbers->{cache_events}{miss}, 100, 'each is a hit or a miss');
is($numbers->{failures}{missing}, 200, 'failures');
is(scalar @{ $numbers->{last_failures} }, 32, 'the last of them');



=== workers that are killed amid failures take no numbers with them
--- story
for my $round (1 .. 6) {
    my @s = map { my $s = dial(); send_to($s, join '', map { GET('/files/none.txt', 'Connection: keep-alive') } 1 .. 50); $s } 1 .. 8;
    sleep 0.01 * $round;
    kill 'KILL', (workers_of(master()))[0];
    close $_ for @s;
    ok(wait_for { (fetch('/ready')->{body} // '') eq 'ready' }, "round $round: there are workers");
}
my ($before, $last) = (-1, 0);
wait_for { $before = $last; sleep 0.3; $last = total(status()->{requests}); $last == $before } 10;
my $numbers = status();
cmp_ok($last, '>', 0, 'some were counted');
is($numbers->{failures}{missing}, total($numbers->{failures}), 'as what they were');
get('files/none.txt');
is(total(counted($last + 1)->{requests}), $last + 1, 'and it goes on');
like(status()->{last_failures}[0]{detail}, qr/"none\.txt"/, 'so do the last failures');
--- error_log
[alert]
--- no_error_log
[emerg]



=== formats
--- config
location = /prometheus { download_status format=prometheus; }
location = /json { download_status format=json; }
--- story
my %type = (json => 'application/json', prometheus => 'text/plain; version=0.0.4; charset=utf-8');
for (['status', 'json'], ['json', 'json'], ['prometheus', 'prometheus'], ['status?format=prometheus', 'prometheus'],
    ['prometheus?format=json', 'json'], ['prometheus?x=1&format=json&y', 'json'], ['prometheus?f%6frmat=%6Ason', 'json'],
    ['status?format=prometheus&format=json', 'json'], ['status?x', 'json']) {
    my ($where, $format) = @$_;
    my $r = get($where);
    is("$r->{status} " . field($r, 'Content-Type'), "200 $type{$format}", $where);
    is(field($r, 'Cache-Control') . ' ' . field($r, 'X-Content-Type-Options'), 'no-store nosniff', "$where: not to be stored or guessed");
    is(field($r, 'Content-Length'), length $r->{body}, "$where: its length");
    like($r->{body}, $format eq 'json' ? qr/^\{"module_version":.*\}\n$/s : qr/^# HELP nginx_download_info /, "$where: its body");
    my $head = get("HEAD $where");
    is("$head->{status} " . field($head, 'Content-Type'), "200 $type{$format}", "HEAD $where");
}
for my $bad (qw(format=xml format= format format=%zz format=JSON format=json&format=x)) {
    my $r = get("status?$bad");
    is("$r->{status} " . field($r, 'Content-Type'), '400 application/json', $bad);
    like(decode_json($r->{body})->{error}, qr/format=json/, "$bad: what is expected");
}
for my $method (qw(POST PUT DELETE OPTIONS)) {
    my $r = fetch("$method /status", 'Content-Length: 0');
    is("$r->{status} " . field($r, 'Allow'), '405 GET, HEAD', $method);
}
my $s = dial();
send_to($s, GET('/status', 'Content-Length: 7', 'Connection: keep-alive') . 'GET /xx' . GET('/ready'));
is(response($s)->{status}, 200, 'GET with a body');
is(response($s)->{body}, 'ready', 'the next request');



=== what Prometheus is told
--- story
get('files/ten.txt') for 1 .. 3;
get('files/none.txt');
says('dl/a', file_grant('ten.txt'));
get('dl/a');
counted(5);
my $text = fetch('/status?format=prometheus')->{body};
for (
    'nginx_download_requests_total{view="storage",decision="none"} 4', 'nginx_download_requests_total{view="object",decision="asked"} 1',
    'nginx_download_outcomes_total{outcome="sent"} 4', 'nginx_download_failures_total{label="missing"} 1',
    'nginx_download_files_total{storage="files"} 4', 'nginx_download_asks_total 1', 'nginx_download_ask_duration_seconds_bucket{le="+Inf"} 1',
    'nginx_download_ask_duration_seconds_count 1', 'nginx_download_cache_decisions{zone="grants"} 0',
    '# TYPE nginx_download_requests_total counter', '# TYPE nginx_download_ask_duration_seconds histogram', '# TYPE nginx_download_cache_blocks gauge',
) {
    like($text, qr/^\Q$_\E$/m, $_);
}
my %help = map { $_ => 1 } $text =~ /^# HELP (\S+) \S/mg;
is(join(' ', sort keys %help), join(' ', sort $text =~ /^# TYPE (\S+) /mg), 'each has HELP and TYPE');
my $docs = slurp('docs/status.md');
for (sort keys %help) {
    my ($key) = /^nginx_download_(\w+?)(?:_total)?$/;
    like($docs, $key eq 'info' ? qr/^\| `$_` \|/m : qr/^\| `$_` \| `$key` \|/m, "docs/status.md explains $_");
}



=== a location of its own
--- config
location /a/ { download_status; download storage files; }
--- must_die
--- error_log
"download_status" needs a location of its own



=== not with proxy_pass
--- config
location /a/ { download_status; proxy_pass http://127.0.0.1:1; }
--- must_die
--- error_log
"download_status" needs a location of its own



=== not with download_revoke
--- config
location /a/ { download_revoke; download_status; }
--- must_die
--- error_log
"download_status" directive: is duplicate



=== an unknown format
--- config
location /a/ { download_status format=xml; }
--- must_die
--- error_log
"download_status" directive: "format=xml": format=json, format=prometheus or format=html is expected



=== an unknown parameter
--- config
location /a/ { download_status json; }
--- must_die
--- error_log
"download_status" directive: "json": format=json, format=prometheus or format=html is expected



=== twice
--- config
location /a/ { download_status; download_status; }
--- must_die
--- error_log
"download_status" directive: is duplicate



=== the zone is nobody else's
--- http_config
download_cache_zone zone=ngx_http_download_status:64k;
--- config
location /a/ { download_status; }
--- must_die
--- error_log
the shared memory zone "ngx_http_download_status" is already declared for a different use
