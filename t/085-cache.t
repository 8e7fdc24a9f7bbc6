# vi:ft=
# download_cache and its kin: what is remembered of the app's decisions, for whom and for how
# long, and who asks when many want to know. By two workers, which share what is remembered.
#
# `story` is Perl that runs before the request of the block; `options` are the server's, instead
# of download_cache_valid; `key` is the key, instead of URI and user. The app answers a question for NAME as says() tells it; calls() counts
# the questions. get() asks for /NAME as a user.
use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Time::HiRes qw(sleep time);
use Asked;
use Wire;

our $ten = '0123456789';

master_on();
worker_connections(1024);
log_level('info');

add_block_preprocessor(sub {
    my $block = shift;
    workers($block->worker_processes // 2);
    my $http = <<'END';
download_cache_zone zone=grants:1m;
types { text/plain txt; application/pdf pdf; }
END
    my $options = $block->options // 'download_cache_valid 1m;';
    my $key = $block->key // '$uri $cookie_user';
    chomp $key;
    my $server = <<"END";
download_cache grants;
download_cache_key $key;
$options
add_header X-Grant \$download_grant always;
add_header X-Pid \$pid always;
location /dl/ { download object /_ask\$uri; }
END
    prepare($block, http => $http, server => $server, names => '$ten', files => [
        ['files/ten.txt', $ten, '202401020304.05'], ['files/page.txt', 'page'], ['files/ann.txt', 'for ann'], ['files/bob.txt', 'for bob'],
    ]);
});

no_long_string();
run_tests();

__DATA__

=== one question, many answers, by both workers
--- story
says('dl/a', file_grant('ten.txt'));
is(seen(get('dl/a')), '200 asked', 'the first request');
my (%pids, $wrong);
for (1 .. 200) {
    my $r = get('dl/a');
    $pids{ field($r, 'X-Pid') }++;
    $wrong++ unless seen($r) eq '200 cached' && $r->{body} eq $ten;
    last if keys %pids == 2 && $_ >= 50;
}
is($wrong, undef, 'the others');
is(scalar(keys %pids), 2, 'both workers served it');
is(calls('dl/a'), 1, 'the app was asked once');



=== no zone, no memory; off on a level below
--- config
location /off/ { download object /_ask$uri; download_cache off; }
--- story
says('off/a', file_grant('ten.txt'));
is(seen(get('off/a')), '200 asked', "request $_") for 1 .. 3;
is(calls('off/a'), 3, 'the app was asked each time');



=== for how long: cache.ttl and download_cache_valid, whichever is less
--- options
--- config
location /short/ { download object /_ask$uri; download_cache_valid 1s; }
location /long/ { download object /_ask$uri; download_cache_valid 10m; }
--- story
my %cases = (
    'short/ttl-less' => ['"cache":{"ttl":1}', 1], 'short/ttl-more' => ['"cache":{"ttl":3600}', 1], 'short/no-ttl' => ['', 1],
    'short/huge' => ['"cache":{"ttl":9223372036854775807}', 1], 'short/null' => ['"cache":{"ttl":null}', 1],
    'long/ttl-less' => ['"cache":{"ttl":1}', 1], 'long/ttl-more' => ['"cache":{"ttl":3600}', 100], 'long/no-ttl' => ['', 100],
    'long/only-tags' => ['"cache":{"tags":["a"]}', 100], 'long/zero' => ['"cache":{"ttl":0}', 0], 'short/zero' => ['"cache":{"ttl":0}', 0],
    'dl/ttl' => ['"cache":{"ttl":1}', 1], 'dl/huge' => ['"cache":{"ttl":9223372036854775807}', 100], 'dl/no-ttl' => ['', 0],
    'dl/zero' => ['"cache":{"ttl":0}', 0], 'dl/null' => ['"cache":null', 0], 'dl/empty' => ['"cache":{}', 0],
);
my @names = sort keys %cases;
says($_, file_grant('ten.txt', $cases{$_}[0])) for @names;
my $start = time;
is(seen(get($_)), '200 asked', "$_: asked") for @names;
my %soon = map { $_ => seen(get($_)) } @names;
my $took = time - $start;
SKIP: {
    skip('the machine is too slow', scalar @names) if $took > 0.9;
    is($soon{$_}, $cases{$_}[1] ? '200 cached' : '200 asked', "$_: soon after") for @names;
}
sleep 1.1;
is(seen(get($_)), $cases{$_}[1] > 1 ? '200 cached' : '200 asked', "$_: more than a second later") for @names;



=== ttl huge, and stale after it
--- options
download_cache_use_stale 1h;
--- story
says('dl/a', file_grant('ten.txt', '"cache":{"ttl":9223372036854775807}'));
is(seen(get('dl/a')), '200 asked', 'asked');
is(seen(get('dl/a')), '200 cached', 'cached') for 1 .. 3;



=== a valid of 0 remembers no grant
--- options
download_cache_valid 0 denied=10s;
--- story
says('dl/a', file_grant('ten.txt', '"cache":{"ttl":60}'));
says('dl/no', answer(403));
is(seen(get('dl/a')), '200 asked', 'a grant') for 1 .. 2;
get('dl/no') for 1 .. 2;
is(calls('dl/no'), 1, 'a denial is');



=== what the app says by other fields
--- story
my $ttl = '"cache":{"ttl":60}';
my @cases = (
    ['cookie', $ttl, 0, 'Set-Cookie: a=b'],
    ['no-store', $ttl, 0, 'Cache-Control: no-store'],
    ['no-store-in-list', $ttl, 0, 'Cache-Control: private, NO-STORE ,max-age=60'],
    ['no-store-in-second', $ttl, 0, 'Cache-Control: private', 'Cache-Control: no-store'],
    ['private', '', 0, 'Cache-Control: private'],
    ['no-cache', '', 0, 'Cache-Control: no-cache'],
    ['no-cache-of', '', 0, 'Cache-Control: no-cache="Set-Cookie"'],
    ['max-age-0', '', 0, 'Cache-Control: max-age=0'],
    ['rails', '', 0, 'Cache-Control: max-age=0, private, must-revalidate'],
    ['private-ttl', $ttl, 1, 'Cache-Control: private'],
    ['no-cache-ttl', $ttl, 1, 'Cache-Control: no-cache'],
    ['max-age-0-ttl', $ttl, 1, 'Cache-Control: max-age=0'],
    ['rails-ttl', $ttl, 1, 'Cache-Control: max-age=0, private, must-revalidate'],
    ['public', '', 1, 'Cache-Control: public, max-age=60'],
    ['max-age', '', 1, 'Cache-Control: max-age=600'],
    ['expires', '', 1, 'Expires: Thu, 01 Jan 1970 00:00:01 GMT'],
    ['etag', '', 1, 'ETag: "of-the-grant"', 'Vary: Cookie', 'X-Other: no-store'],
);
for (@cases) {
    my ($name, $more, $kept, @lines) = @$_;
    says("dl/$name", file_grant('ten.txt', $more, @lines));
    is(seen(get("dl/$name")), '200 asked', "$name: asked");
    is(seen(get("dl/$name")), $kept ? '200 cached' : '200 asked', "$name: then");
    is(calls("dl/$name"), $kept ? 1 : 2, "$name: calls");
}



=== what is no grant is not remembered
--- config
location /both/ { download object /_both$uri; download_intercept all; }
location /_both/ { internal; rewrite ^/_both/(.*) /_ask/$1 break; proxy_pass http://app; download_intercept all; }
location /hidden/ { internal; alias $TEST_NGINX_SERVER_ROOT/html/files/; }
--- http_config
download_rule /hidden/ files;
--- story
my %cases = (
    'dl/302' => [302, answer(302, '', 'Location: /login')], 'dl/307' => [307, answer(307, '', 'Location: /login')],
    'dl/401' => [401, answer(401, 'who?', 'WWW-Authenticate: Basic realm=a')], 'dl/429' => [429, answer(429, 'slow', 'Retry-After: 1')],
    'dl/403' => [403, answer(403, 'no')], 'dl/404' => [404, answer(404, 'none')], 'dl/410' => [410, answer(410, 'gone')],
    'dl/304' => [304, "HTTP/1.1 304 X\r\n\r\n"], 'dl/500' => [502, answer(500)], 'dl/html' => [502, answer(200, '<html>', 'Content-Type: text/html')],
    'dl/junk' => [502, grant('{')], 'dl/large' => [502, grant('{' . ' ' x 70_000 . '}')], 'dl/storage' => [502, grant('{"file":{"storage":"none","path":"a"}}')],
    'both/accel' => [200, answer(200, '', 'X-Accel-Redirect: /hidden/ten.txt')], 'both/sendfile' => [200, answer(200, '', 'X-Sendfile: /hidden/ten.txt')],
);
for my $name (sort keys %cases) {
    my ($status, $answer) = @{ $cases{$name} };
    says($name, $answer);
    is(get($name)->{status}, $status, "$name: request $_") for 1 .. 3;
    is(calls($name), 3, "$name: the app was asked each time");
}
says('both/a', file_grant('ten.txt'));
get('both/a') for 1 .. 3;
is(calls('both/a'), 1, 'where an app may answer in both ways, a grant is remembered');



=== denials by 403, 404 and 410
--- options
download_cache_valid 1m denied=1m;
--- story
for my $status (403, 404, 410) {
    says("dl/$status", answer($status, 'by the app', 'X-App: yes', 'Content-Type: text/x-app'));
    my $r = get("dl/$status");
    is("$r->{status} $r->{body}", "$status by the app", "$status: from the app");
    for (1 .. 5) {
        $r = get("dl/$status");
        is($r->{status}, $status, "$status: remembered");
        like($r->{body}, qr/<center><h1>$status /, "$status: nginx's page");
        is(field($r, 'X-App') . field($r, 'X-Grant'), 'none', "$status: nothing of the app's");
    }
    is(calls("dl/$status"), 1, "$status: asked once");
    is(get("dl/$status", 'bob')->{body}, 'by the app', "$status: another user is another decision");
}
for my $status (400, 401, 402, 405, 406, 409, 416, 429, 451) {
    says("dl/$status", answer($status, 'by the app'));
    is(get("dl/$status")->{body}, 'by the app', "$status: each time") for 1 .. 2;
    is(calls("dl/$status"), 2, "$status: asked each time");
}
--- error_log
download object: denied: the app answered 403 a while ago



=== a denial is remembered even if the app would rather not, and ends
--- options
download_cache_valid 1m denied=1s;
--- story
says('dl/a', answer(403, 'no'));
my $start = time;
get('dl/a');
my $second = get('dl/a');
SKIP: {
    skip('the machine is too slow', 1) if time - $start > 0.9;
    is(calls('dl/a'), 1, 'remembered');
}
sleep 1.1;
says('dl/a', file_grant('ten.txt'));
is(seen(get('dl/a')), '200 asked', 'and asked again');
is(seen(get('dl/a')), '200 cached', 'remembered instead of the denial');



=== error_page of a denial that is remembered
--- options
download_cache_valid 1m denied=1m;
--- config
location /paged/ { download object /_ask$uri; error_page 403 /sorry; }
location = /sorry { internal; return 200 "sorry, $download_failure"; }
location /shown/ { download object /_ask$uri; error_page 404 = @page; }
location @page { download storage files page.txt; }
location /moved/ { download object /_ask$uri; error_page 410 = /ready; }
--- story
says('paged/a', answer(403));
says('shown/a', answer(404));
says('moved/a', answer(410));
get($_) for qw(paged/a shown/a moved/a);
for (1 .. 3) {
    my $r = get('paged/a');
    is("$r->{status} $r->{body}", '403 sorry, denied', '403 with a page');
    $r = get('shown/a');
    is("$r->{status} $r->{body}", '200 page', 'a page that is a download');
    $r = get('moved/a');
    is("$r->{status} $r->{body}", '200 ready', 'another location');
}
is(calls($_), 1, "$_: asked once") for qw(paged/a shown/a moved/a);



=== HEAD of a denial that is remembered, and with a body that is discarded
--- options
download_cache_valid 1m denied=1m;
--- story
says('dl/no', answer(403, 'no'));
get('dl/no');
my $s = dial();
my @kept = ('Connection: keep-alive', 'Cookie: user=ann');
send_to($s, GET('HEAD /dl/no', @kept) . GET('/dl/no', @kept, 'Content-Length: 5') . 'xxxxx' . GET('/ready'));
is(response($s, head => 1)->{status}, 403, 'HEAD');
is(response($s)->{status}, 403, 'GET with a body');
is(response($s)->{body}, 'ready', 'the next request');
is(calls('dl/no'), 1, 'asked once');



=== an empty part of the key: the app is asked
--- config
location /parts/ { download object /_ask$uri; download_cache_key $arg_a $arg_b; }
--- story
says('dl/a', file_grant('ten.txt'));
for (1 .. 3) {
    is(seen(fetch('/dl/a')), '200 asked', 'without a cookie');
    is(seen(fetch('/dl/a', 'Cookie: user=')), '200 asked', 'with an empty one');
}
is(seen(get('dl/a')), '200 asked', 'what strangers were granted is not remembered for a user');
is(seen(get('dl/a')), '200 cached', 'nor forgotten for one');
is(seen(fetch('/dl/a')), '200 asked', 'and strangers do not get what a user was granted');
says('parts/x', file_grant('ten.txt'));
is(seen(fetch("/parts/x$_")), '200 asked', "arguments \"$_\"") for ('', '?a=1', '?b=1', '?a=&b=', '?a=1&b=', '?a=1') ;



=== a part with text and an empty cookie in it: the app is asked
--- key: $uri id:$cookie_sid ${http_x}/
--- story
says('dl/a', file_grant('ten.txt'));
for my $some (['Cookie: sid=1'], ['X: 1'], ['Cookie: sid=', 'X: 1'], []) {
    is(seen(fetch(GET('/dl/a', @$some))), '200 asked', "with @$some, request $_") for 1 .. 2;
}
is(seen(fetch(GET('/dl/a', 'Cookie: sid=1', 'X: 1'))), '200 asked', 'with both, asked');
is(seen(fetch(GET('/dl/a', 'Cookie: sid=1', 'X: 1'))), '200 cached', 'and remembered');



=== parts of a key are kept apart
--- options
download_cache_valid 1m;
--- config
location /two/ { download object /_ask$uri; download_cache_key $arg_a $arg_b; }
location /one/ { download object /_ask$uri; download_cache_key $arg_a|$arg_b; }
location /glued/ { download object /_ask$uri; download_cache_key $arg_a$arg_b; }
location /seven/ { download object /_ask$uri; download_cache_key $arg_a $arg_b $arg_c $arg_d $arg_e $arg_f $arg_g; }
--- story
says($_, file_grant('ten.txt')) for qw(two/x one/x glued/x seven/x);
my @queries = ('a=a&b=b', 'a=a|b&b=c', 'a=a&b=b|c', 'a=ab&b=c', 'a=a&b=bc', 'a=b&b=a', 'a=A&b=b', "a=a%00&b=b");
is(seen(fetch("/two/x?$_")), '200 asked', "?$_ is another") for @queries;
is(seen(fetch("/two/x?$_")), '200 cached', "?$_ is the same") for @queries;
is(seen(fetch('/glued/x?a=ab&b=c')), '200 asked', 'one part of two variables');
is(seen(fetch('/glued/x?a=a&b=bc')), '200 cached', '... is one part');
is(seen(fetch('/seven/x?' . join '&', map { "$_=1" } 'a' .. 'g')), $_, 'seven parts') for '200 asked', '200 cached';
is(seen(fetch('/seven/x?' . join '&', map { "$_=1" } 'b' .. 'g', 'a')), '200 cached', 'seven parts, whatever the order in the request');



=== the same key elsewhere is another decision
--- http_config
server {
    listen unix:$TEST_NGINX_SERVER_ROOT/html/other.sock; server_name other.example;
    download_cache grants; download_cache_valid 1m; download_cache_key $arg_id;
    add_header X-Grant $download_grant always;
    location /here/ { download object /_ask/other; }
    location /_ask/ { internal; proxy_pass http://app; }
}
--- key: $arg_id
--- config
location /here/ { download object /_ask/here; }
location = /here/ { download object /_ask/exact; }
location ^~ /there/ { download object /_ask/there; }
location ~ ^/regex { download object /_ask/regex; }
location @named { download object /_ask/named; }
location = /to-named { error_page 418 = @named; return 418; }
location /here/inner/ { download object /_ask/inner; }
location /branch/ { download object /_ask/branch; if ($arg_if) { download object /_ask/if; } }
location /other/ { rewrite ^/other(.*) $1 break; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/html/other.sock:; proxy_set_header Host other.example; }
--- story
my %place = (here => '/here/a', exact => '/here/', there => '/there/a', regex => '/regex', named => '/to-named', inner => '/here/inner/a',
    branch => '/branch/a', if => '/branch/a', other => '/other/here/a');
for my $name (sort keys %place) {
    make_file("files/$name.txt", "it is $name");
    says($name, file_grant("$name.txt"));
}
for my $i (1 .. 3) {
    for my $name (sort keys %place) {
        my $r = fetch("$place{$name}?id=7" . ($name eq 'if' ? '&if=1' : ''));
        is("$r->{status} $r->{body}", "200 it is $name", "$name, request $i");
    }
}
is(calls($_), 1, "$_: asked once") for sort keys %place;
is(seen(fetch('/here/b?id=7')), '200 cached', 'the URI counts only if it is in the key');



=== the same key in nested locations of one name
--- key: $arg_id
--- config
location /reports/ { location ~ \.pdf$ { download object /_ask/report; } }
location /invoices/ { location ~ \.pdf$ { download object /_ask/invoice; } }
--- story
for my $name (qw(report invoice)) {
    make_file("files/$name.txt", "it is the $name");
    says($name, file_grant("$name.txt"));
}
for (1 .. 2) {
    is(fetch('/reports/a.pdf?id=7')->{body}, 'it is the report', 'a report');
    is(fetch('/invoices/a.pdf?id=7')->{body}, 'it is the invoice', 'an invoice');
}



=== the same key in two blocks of one location
--- key: $arg_id
--- config
location /branch/ {
    if ($arg_as = admin) { download object /_ask/admin; }
    if ($arg_as = user) { download object /_ask/user; }
}
--- story
for my $name (qw(admin user)) {
    make_file("files/$name.txt", "for $name");
    says($name, file_grant("$name.txt"));
}
for (1 .. 2) {
    is(fetch("/branch/a?id=7&as=$_")->{body}, "for $_", $_) for qw(admin user);
}



=== the same key in two servers of one name
--- http_config
server {
    listen 127.0.0.1:$TEST_NGINX_RAND_PORT_2; server_name localhost;
    download_cache grants; download_cache_valid 1m; download_cache_key $arg_id;
    location /dl/ { download object /_ask/admin; }
    location /_ask/ { internal; proxy_pass http://app; }
}
--- key: $arg_id
--- config
location /admin/ { rewrite ^/admin(.*) $1 break; proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_2; proxy_set_header Host localhost; }
--- story
make_file("files/admin.txt", 'for admins');
says('admin', file_grant('admin.txt'));
says('dl/a', file_grant('ten.txt'));
for (1 .. 2) {
    is(fetch('/admin/dl/a?id=7')->{body}, 'for admins', 'on the one port');
    is(fetch('/dl/a?id=7')->{body}, $ten, 'on the other');
}



=== a key of more than 8 KiB
--- config
large_client_header_buffers 4 32k;
location /long/ { download object /_ask/long; download_cache_key $arg_a $cookie_user; }
--- story
says('long', file_grant('ten.txt'));
my $get = sub { get('long/x?a=' . 'k' x $_[0]) };
for (1 .. 2) {
    is(seen($get->(8100)), $_ == 1 ? '200 asked' : '200 cached', 'almost 8 KiB');
    is(seen($get->(8192)), '200 asked', 'more');
    is(seen($get->(20_000)), '200 asked', 'much more');
}
is(seen(get('long/x?a=' . 'k' x 8099 . 'x')), '200 asked', 'as long, but for the last byte the same');



=== two users on one URL: each gets what is for them, however often they take turns
--- story
our $crossed = 0;
says("dl/$_", file_grant('ann.txt', "\"headers\":{\"X-Name\":\"ann-$_\"}"), for => 'ann') for 1 .. 3;
says("dl/$_", file_grant('bob.txt', "\"headers\":{\"X-Name\":\"bob-$_\"}"), for => 'bob') for 1 .. 3;
my @clients = map {
    my $seed = $_;
    fork_off(sub {
        srand $seed;
        my ($s, $wrong) = (dial(), 0);
        for (1 .. 400) {
            my @asked = map { [(qw(ann bob))[rand 2], 1 + int rand 3] } 1 .. 1 + rand 4;
            send_to($s, join '', map { GET("/dl/$_->[1]", "Cookie: user=$_->[0]", 'Connection: keep-alive') } @asked);
            for (@asked) {
                my ($user, $name) = @$_;
                my $r = response($s);
                $wrong++ unless $r->{body} eq "for $user" && $r->{head} =~ /^X-Name: $user-$name\r$/m;
            }
            if (rand() < 0.05) { close $s; $s = dial() }
        }
        note("crossed $wrong");
    });
} 1 .. 4;
is(end_of($_), 0, 'a client is through') for @clients;
is(join(' ', sort map { /crossed (\d+)/ ? $1 : () } split /\n/, notes()), '0 0 0 0', 'no answer was another\'s');
my @calls = map { my $n = $_; map { calls("dl/$n", $_) } qw(ann bob) } 1 .. 3;
is("@calls", '1 1 1 1 1 1', 'the app was asked once for each user and URL');



=== Set-Cookie goes to the client that was asked about, and to nobody else
--- config
location /kept/ { download object /_kept$uri; }
location /_kept/ { internal; rewrite ^/_kept/(.*) /_ask/$1 break; proxy_pass http://app; proxy_hide_header Set-Cookie; }
--- story
says('dl/a', file_grant('ten.txt', '"cache":{"ttl":60}', 'Set-Cookie: session=1', 'Set-Cookie: seen=2'), for => 'ann');
my $first = get('dl/a');
is(field($first, 'Set-Cookie'), 'session=1, seen=2', 'both cookies');
says('dl/a', file_grant('ten.txt', '"cache":{"ttl":60}'), for => 'ann');
is(seen(get('dl/a')), '200 asked', 'not remembered');
for (1 .. 3) {
    my $r = get('dl/a');
    is(seen($r) . field($r, 'Set-Cookie'), '200 cached', 'remembered, without a cookie');
}
says('kept/a', file_grant('ten.txt', '', 'Set-Cookie: session=1'));
for (1 .. 2) {
    my $r = get('kept/a');
    is(field($r, 'Set-Cookie'), '', 'a cookie that nginx is told to hide');
}



=== options are of the request at hand
--- config
location /opt/ {
    download object /_ask$uri;
    download_basename $arg_n;
    download_header X-Arg $arg_h;
    download_attachment off;
    if ($arg_save) { download_attachment on; }
}
--- story
says('opt/a', file_grant('ten.txt'));
my %name = (one => 'inline; filename="one.txt"', two => 'inline; filename="two.txt"');
is(field(get('opt/a?n=one.txt&h=1'), 'Content-Disposition'), $name{one}, 'asked');
for (1 .. 2) {
    my $r = get('opt/a?n=two.txt&h=2');
    is(seen($r) . ' ' . field($r, 'Content-Disposition') . ' ' . field($r, 'X-Arg'), "200 cached $name{two} 2", 'another name');
    $r = get('opt/a?n=one.txt&h=1');
    is(seen($r) . ' ' . field($r, 'Content-Disposition') . ' ' . field($r, 'X-Arg'), "200 cached $name{one} 1", 'the first name');
    is(field(get('opt/a'), 'X-Arg'), '', 'none');
}



=== the file is opened anew: changed, replaced, removed, back, a link
--- story
says('dl/a', file_grant('mine.txt'));
make_file('files/mine.txt', 'one');
is(get('dl/a')->{body}, 'one', 'asked');
is(get('dl/a')->{body}, 'one', 'cached');
make_file('files/mine.txt', 'another');
my $r = get('dl/a');
is(seen($r) . " $r->{body}", '200 cached another', 'overwritten');
make_file('files/new.txt', 'a third');
rename servroot() . '/html/files/new.txt', servroot() . '/html/files/mine.txt';
is(get('dl/a')->{body}, 'a third', 'replaced');
unlink servroot() . '/html/files/mine.txt';
is(get('dl/a')->{status}, 404, 'removed') for 1 .. 2;
symlink 'ten.txt', servroot() . '/html/files/mine.txt';
is(get('dl/a')->{status}, 404, 'a symbolic link');
unlink servroot() . '/html/files/mine.txt';
make_file('files/mine.txt', 'back');
is(get('dl/a')->{body}, 'back', 'back');
is(calls('dl/a'), 1, 'asked once in all this');



=== a cached response is byte for byte the one that was asked for
--- config
location /opt/ { download object /_ask$uri; download_basename given.pdf; download_charset utf-8; download_header X-Opt $arg_x; expires 1h; }
location /gz/ { download object /_ask$uri; gzip on; gzip_types *; gzip_min_length 1; }
--- user_files eval
[['files/large.txt', CORE::join '', map { "line $_\n" } 1 .. 20_000]]
--- story
my ($port) = slurp(servroot() . '/conf/nginx.conf') =~ m{url=http://127\.0\.0\.1:(\d+)/};
my %grants = (
    'dl/plain' => file_grant('ten.txt'), 'dl/large' => file_grant('large.txt'), 'gz/large' => file_grant('large.txt'),
    'dl/full' => file_grant('ten.txt', '"basename":"R\u00e9sum\u00e9 \"q\".pdf","attachment":true,"mimetype":"text/x-a; b=c","charset":"utf-8","encoding":"gzip",'
        . '"etag":"\"v1\"","modified":1700000000,"size":10,"headers":{"Cache-Control":"private","X-A":"1","Expires":"0"},"limit_rate":1000000,"limit_rate_after":10'),
    'opt/a' => file_grant('ten.txt'), 'opt/b' => file_grant('ten.txt', '"basename":"own.txt","headers":{"X-Opt":"of the grant"}'),
    'dl/content' => grant('{"file":{"content":"h\u00e4llo \u0000 w\n"},"basename":"a.txt","etag":"\"c1\"","modified":1700000000}'),
    'dl/empty' => grant('{"file":{"content":""}}'),
    'dl/base64' => grant('{"file":{"base64":"AAECAwQFBgcICQ=="},"mimetype":"application/x-bin"}'),
    'dl/inner' => grant('{"file":{"location":"/inner/ten.txt"},"basename":"in.pdf","headers":{"X-In":"1"}}'),
    'dl/inner-etag' => grant('{"file":{"location":"/inner/ten.txt"},"etag":"\"i1\""}'),
    'dl/url' => grant(qq({"file":{"url":"http://127.0.0.1:$port/files/ten.txt"},"basename":"u.pdf"})),
    'dl/missing' => file_grant('missing.txt', '"headers":{"X-A":"1"}'), 'dl/folder' => file_grant('folder'),
);
my @kinds = (['GET'], ['HEAD'], ['GET', 'Range: bytes=2-5'], ['GET', 'Range: bytes=0-1,4-5'], ['GET', 'Range: bytes=900000-'], ['GET', 'If-None-Match: *'],
    ['GET', 'If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT'], ['GET', 'If-Match: "other"'], ['GET', 'Range: bytes=1-', 'If-Range: "v1"'],
    ['GET', 'Accept-Encoding: gzip'], ['GET', 'If-None-Match: "v1", "i1", "c1"'], ['HEAD', 'Range: bytes=1-2']);
mkdir servroot() . '/html/files/folder';
my ($user, %different) = ('u0');
for my $name (sort keys %grants) {
    says($name, $grants{$name});
    for (@kinds) {
        my ($method, @lines) = @$_;
        $user++;
        my @two = map { get("$method $name?x=1", $user, @lines) } 1 .. 2;
        my @text = map {
            my $r = $_;
            my $text = "$r->{head}\n$r->{body}";
            # by the clock, which may go on between the two
            $text =~ s/^(?:Date|X-Pid|Expires): (?!0).*\r\n//mg;
            my ($boundary) = $text =~ /boundary=(\w+)/;
            $text =~ s/$boundary/BOUNDARY/g if $boundary;
            my ($grant) = $text =~ /^X-Grant: (\w*)\r$/m;
            [$text =~ s/^X-Grant: .*\r\n//mgr, $grant];
        } @two;
        $different{"$name @$_"} = "$text[0][0]\n--- but\n$text[1][0]" if $text[0][0] ne $text[1][0];
        my $is_412 = $two[0]{status} == 412;
        is("$text[0][1] $text[1][1]", 'asked cached', "$name @$_") unless $is_412;
        is(calls($name, $user), 1, "$name @$_: asked once");
    }
}
is(join(' ', sort keys %different), '', 'all of them are the same');
diag(values %different) if %different;
get('dl/plain', 'u1x');
my $r = get('dl/plain', 'u1x', 'Range: bytes=2-5');
is(seen($r) . " $r->{body}", '206 cached 2345', 'a range of what another request was granted');
$r = get('dl/content', 'u1x');
is($r->{body}, "h\xc3\xa4llo \0 w\n", 'content');
is(get('dl/base64', 'u1x')->{body}, join('', map { chr } 0 .. 9), 'base64');
is(get('dl/url', 'u1x')->{body}, $ten, 'url') for 1 .. 2;
is(get('dl/inner', 'u1x')->{body}, $ten, 'location') for 1 .. 2;
is(get('POST dl/plain', 'u1x')->{status}, 405, 'other methods are refused as ever');



=== the variables of a cached grant
--- config
location /vars/ {
    download object /_ask$uri;
    add_header X-Vars "$download_view|$download_source|$download_storage|$download_file|$download_basename|$download_failure|$download_grant|$download_grant_time" always;
}
--- story
says('vars/a', file_grant('ten.txt', '"basename":"b.txt"'));
like(field(get('vars/a'), 'X-Vars'), qr{^object\|storage\|files\|\S+/html/files/ten\.txt\|b\.txt\|\|asked\|\d+\.\d{3}$}, 'asked');
like(field(get('vars/a'), 'X-Vars'), qr{^object\|storage\|files\|\S+/html/files/ten\.txt\|b\.txt\|\|cached\|\S*$}, 'cached');
says('vars/none', file_grant('none.txt'));
like(field(get('vars/none'), 'X-Vars'), qr{^object\|storage\|files\|\S+/none\.txt\|\S*\|missing\|$_\|}, "missing, $_") for qw(asked cached);



=== the variables of a grant, where a condition of the client fails
--- story
says('dl/a', file_grant('ten.txt'));
my $r = get('dl/a', 'ann', 'If-Match: "other"');
is(seen($r), '412 asked', 'asked');
$r = get('dl/a', 'ann', 'If-Match: "other"');
is(seen($r), '412 cached', 'cached');



=== off by default: no stale grant
--- options
download_cache_valid 1s;
--- story
says('dl/a', file_grant('ten.txt'));
get('dl/a');
sleep 1.1;
says('dl/a', answer(500));
is(get('dl/a')->{status}, 502, 'the app is down, and so is the download');
--- error_log
download object: app_error:



=== stale while the app fails, and a second of respite
--- options
download_cache_valid 1s;
download_cache_use_stale 1h;
--- story
says('dl/a', file_grant('ten.txt'));
get('dl/a');
says('dl/a', answer(500));
sleep 1.1;
my $start = time;
is(seen(get('dl/a')), '200 cached', 'the app is down');
is(calls('dl/a'), 2, 'it was asked');
my $r = get('dl/a') for 1 .. 10;
my ($calls, $took) = (calls('dl/a'), time - $start);
cmp_ok($calls - 2, '<=', int($took), 'it is left alone for a second');
sleep 1.1;
is(seen(get('dl/a')), '200 cached', 'later');
is(calls('dl/a'), $calls + 1, 'it was asked again');
sleep 1.1;
says('dl/a', file_grant('page.txt'));
$r = get('dl/a');
is(seen($r) . " $r->{body}", '200 asked page', 'the app is back');
is(get('dl/a')->{body}, 'page', 'what it says now is remembered');
is(get('dl/a', 'bob')->{body}, 'page', 'another user');
says('dl/a', answer(500));
is(get('dl/a', 'carl')->{status}, 502, 'who was never granted anything gets nothing');
--- error_log
download object: app_error: the app answered 500



=== stale whatever way the app is down
--- options
download_cache_valid 1s;
download_cache_use_stale 1h;
--- config
location /slow/ { download object /_slow$uri; }
location /_slow/ { internal; rewrite ^/_slow/(.*) /_ask/$1 break; proxy_pass http://app; proxy_read_timeout 300ms; }
location /closed/ { download object /_closed$uri; }
location /_closed/ { internal; rewrite ^/_closed/(.*) /_ask/$1 break; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/html/closed.sock; }
location /paged/ { download object /_paged$uri; }
location /_paged/ { internal; rewrite ^/_paged/(.*) /_ask/$1 break; proxy_pass http://app; proxy_intercept_errors on; error_page 500 /oops; }
location = /oops { internal; return 503; }
--- story
my %down = (
    'dl/500' => answer(500), 'dl/502' => answer(502), 'dl/503' => answer(503, 'x' x 1000), 'dl/504' => answer(504), 'dl/cut' => file_grant('page.txt'),
    'dl/silent' => '', 'paged/500' => answer(500), 'dl/no-http' => 'rubbish',
);
my %how = ('slow/a' => [after => 3], 'dl/cut' => [cut => 5]);
my $closed = app(closed => sub { note('asked closed/a ann'); file_grant('ten.txt') });
my @names = (sort(keys %down), 'slow/a', 'closed/a');
says($_, file_grant('ten.txt')) for @names;
is(seen(get($_)), '200 asked', "$_: asked") for @names;
stop($closed);
sleep 1.1;
says($_, $down{$_} // file_grant('page.txt'), @{ $how{$_} // [] }) for @names;
for (@names) {
    my $r = get($_);
    is(seen($r) . " $r->{body}", "200 cached $ten", "$_: down, and what it said earlier serves");
}
is(calls($_), $_ eq 'closed/a' ? 1 : 2, "$_: it was asked again") for @names;



=== stale for so long, and no longer
--- options
download_cache_valid 1s;
download_cache_use_stale 2s;
--- story
says('dl/a', file_grant('ten.txt'));
get('dl/a');
says('dl/a', answer(500));
sleep 1.1;
my $start = time;
my $seen = seen(get('dl/a'));
SKIP: {
    skip('the machine is too slow', 1) if time - $start > 1;
    is($seen, '200 cached', 'in time');
}
sleep 2.2;
is(get('dl/a')->{status}, 502, 'too late');



=== any other answer ends a stale grant
--- options
download_cache_valid 1s;
download_cache_use_stale 1h;
--- config
location /both/ { download object /_both$uri; download_intercept all; }
location /_both/ { internal; rewrite ^/_both/(.*) /_ask/$1 break; proxy_pass http://app; download_intercept all; }
--- http_config
download_rule /hidden/ files;
--- story
my %says = (
    'dl/401' => answer(401), 'dl/403' => answer(403), 'dl/404' => answer(404), 'dl/429' => answer(429), 'dl/302' => answer(302, '', 'Location: /'),
    'dl/304' => "HTTP/1.1 304 X\r\n\r\n",
    'dl/cookie' => file_grant('page.txt', '', 'Set-Cookie: a=b'), 'dl/no-store' => file_grant('page.txt', '', 'Cache-Control: no-store'),
    'dl/zero' => file_grant('page.txt', '"cache":{"ttl":0}'), 'both/accel' => answer(200, '', 'X-Accel-Redirect: /hidden/page.txt'),
    'dl/html' => answer(200, 'Log in', 'Content-Type: text/html'), 'dl/junk' => grant('{"file":1}'), 'dl/large' => grant('{' . ' ' x 70_000 . '}'),
    'dl/204' => answer(204), 'dl/storage' => grant('{"file":{"storage":"none","path":"a"}}'), 'dl/rule' => grant('{"file":{"path":"/no/rule"}}'),
    'both/two' => answer(200, '', 'X-Accel-Redirect: /hidden/page.txt', 'X-Sendfile: /hidden/page.txt'),
);
my @names = sort keys %says;
says($_, file_grant('ten.txt')) for @names;
is(seen(get($_)), '200 asked', "$_: asked") for @names;
sleep 1.1;
says($_, $says{$_}) for @names;
isnt(get($_)->{body}, $ten, "$_: another answer") for @names;
says($_, answer(500)) for @names;
is(get($_)->{status}, 502, "$_: and then the app is down") for @names;



=== 200 at once on a cold key: one question
--- story
says('dl/a', file_grant('ten.txt'), after => 0.5);
my @seen = burst((GET('/dl/a', 'Cookie: user=ann')) x 200);
is(scalar(grep { $_->{status} == 200 && $_->{body} eq $ten } @seen), 200, 'all are served');
is(calls('dl/a'), 1, 'the app was asked once');
is(scalar(grep { seen($_) eq '200 asked' } @seen), 1, 'for one of them');
my %pids = map { field($_, 'X-Pid') => 1 } @seen;
is(scalar(keys %pids), 2, 'by both workers');



=== a denial, on a cold key
--- options
download_cache_valid 1m denied=1m;
--- story
says('dl/a', answer(403, 'no'), after => 0.5);
my @seen = burst((GET('/dl/a', 'Cookie: user=ann')) x 100);
is(scalar(grep { $_->{status} == 403 } @seen), 100, 'all are denied');
is(calls('dl/a'), 1, 'the app was asked once');



=== users do not wait for each other
--- story
says('dl/a', file_grant('ten.txt'), for => 'ann', after => 3);
says('dl/a', file_grant('bob.txt'), for => 'bob');
my $s = dial();
send_to($s, GET('/dl/a', 'Cookie: user=ann'));
wait_for { calls('dl/a', 'ann') };
my $start = time;
is(get('dl/a', 'bob')->{body}, 'for bob', 'the other user');
cmp_ok(time - $start, '<', 2, 'at once');
close $s;



=== no lock, no waiting
--- options
download_cache_valid 1m;
download_cache_lock off;
--- story
says('dl/a', file_grant('ten.txt'), after => 0.5);
my @seen = burst((GET('/dl/a', 'Cookie: user=ann')) x 40);
is(scalar(grep { $_->{status} == 200 && $_->{body} eq $ten } @seen), 40, 'all are served');
cmp_ok(calls('dl/a'), '>=', 30, 'most of them asked');
my $calls = calls('dl/a');
is(seen(get('dl/a')), '200 cached', 'then it is remembered');
is(calls('dl/a'), $calls, 'and not asked');



=== the client that asks goes away: another asks, and all others are served
--- story
for my $end (sub { close shift }, \&reset_of) {
    my $name = 'dl/' . ($end == \&reset_of ? 'reset' : 'closed');
    says($name, file_grant('ten.txt'), after => 1.5);
    my $first = dial();
    send_to($first, GET("/$name", 'Cookie: user=ann'));
    ok(wait_for { calls($name) == 1 } , "$name: the first asks");
    my @others = map { my $s = dial(); send_to($s, GET("/$name", 'Cookie: user=ann')); $s } 1 .. 30;
    sleep 0.2;
    is(calls($name), 1, "$name: the others wait");
    $end->($first);
    my @seen = map { response($_) } @others;
    is(scalar(grep { $_->{body} eq $ten } @seen), 30, "$name: all others are served");
    is(calls($name), 2, "$name: by the answer to one more question");
}



=== clients that wait go away, the first among them: all others are served
--- story
for my $end (sub { close shift }, \&reset_of) {
    my $name = 'dl/' . ($end == \&reset_of ? 'reset' : 'closed');
    says($name, file_grant('ten.txt'), after => 1.5);
    my $first = dial();
    send_to($first, GET("/$name", 'Cookie: user=ann'));
    ok(wait_for { calls($name) == 1 } , "$name: the first asks");
    my @others = map { my $s = dial(); send_to($s, GET("/$name", 'Cookie: user=ann')); $s } 1 .. 40;
    sleep 0.3;
    my @gone = map { splice @others, $_, 1 } 30, 20, 15, 10, 9, 8, 3, 2, 1, 0;
    $end->($_) for @gone;
    is(scalar(grep { $_->{body} eq $ten } map { response($_) } $first, @others), 31, "$name: all others are served");
    is(calls($name), 1, "$name: by the answer to one question");
}
--- error_log
prematurely closed connection



=== all clients go away, asking and waiting
--- story
says('dl/a', file_grant('ten.txt'), after => 1);
my @s = map { my $s = dial(); send_to($s, GET('/dl/a', 'Cookie: user=ann')); $s } 1 .. 20;
wait_for { calls('dl/a') };
reset_of($_) for splice @s, 0, 10;
close $_ for splice @s;
says('dl/a', file_grant('ten.txt'));
my $start = time;
is(get('dl/a')->{body}, $ten, 'the next one is served');
cmp_ok(time - $start, '<', 4, 'and need not wait for those who are gone');



=== an answer that is not to be remembered: none waits for the others
--- config
location /both/ { download object /_both$uri; download_intercept all; }
location /_both/ { internal; rewrite ^/_both/(.*) /_ask/$1 break; proxy_pass http://app; download_intercept all; }
--- http_config
download_rule /hidden/ files;
--- story
my %says = ('dl/zero' => file_grant('ten.txt', '"cache":{"ttl":0}'), 'dl/cookie' => file_grant('ten.txt', '', 'Set-Cookie: a=b'),
    'dl/401' => answer(401, $ten), 'both/accel' => answer(200, '', 'X-Accel-Redirect: /hidden/ten.txt'));
for my $name (sort keys %says) {
    says($name, $says{$name}, after => 0.4);
    my $start = time;
    my @seen = burst((GET("/$name", 'Cookie: user=ann')) x 20);
    is(scalar(grep { $_->{body} eq $ten } @seen), 20, "$name: all are answered");
    is(calls($name), 20, "$name: the app was asked for each");
    cmp_ok(time - $start, '<', 4, "$name: together, not one by one");
}



=== an app that fails slowly: none waits for the others
--- config
location /tiny/ { download object /_ask$uri; download_cache tiny; }
--- http_config
download_cache_zone zone=tiny:32k;
--- story
my %says = ('dl/500' => answer(500), 'dl/html' => answer(200, 'hello', 'Content-Type: text/html'), 'dl/junk' => grant('{'),
    'dl/storage' => grant('{"file":{"storage":"none","path":"a"}}'), 'tiny/large' => grant('{"file":{"content":"' . 'x' x 30_000 . '"}}'));
for my $name (sort keys %says) {
    says($name, $says{$name}, after => 0.4);
    my $start = time;
    my @seen = burst((GET("/$name", 'Cookie: user=ann')) x 20);
    is(scalar(grep { $_->{status} == ($name eq 'tiny/large' ? 200 : 502) } @seen), 20, "$name: all are answered");
    cmp_ok(time - $start, '<', 4, "$name: together, not one by one");
}



=== who waits with a body, and with a request after it
--- story
says('dl/a', file_grant('ten.txt'), after => 1);
my $first = dial();
send_to($first, GET('/dl/a', 'Cookie: user=ann'));
wait_for { calls('dl/a') };
my @kept = ('Cookie: user=ann', 'Connection: keep-alive');
my $smuggled = GET('/smuggled');
my @s = map { dial() } 1 .. 4;
send_to($s[0], GET('/dl/a', @kept, 'Content-Length: ' . length $smuggled) . $smuggled . GET('/ready'));
send_to($s[1], GET('/dl/a', @kept, 'Content-Length: ' . length $smuggled));
send_to($s[2], GET('/dl/a', @kept, 'Transfer-Encoding: chunked') . sprintf("%x\r\n%s\r\n", length $smuggled, $smuggled));
send_to($s[3], GET('/dl/a', @kept) . GET('/dl/a', @kept) . GET('HEAD /dl/a', @kept) . GET('/ready'));
sleep 0.2;
send_to($s[1], $smuggled);
send_to($s[1], GET('/ready'));
send_to($s[2], "0\r\n\r\n" . GET('/ready'));
is(response($_)->{body}, $ten, 'served') for $first, @s;
is(response($s[3])->{body}, $ten, 'pipelined');
is(response($s[3], head => 1)->{status}, 200, 'pipelined HEAD');
for my $i (0 .. 3) {
    is(response($s[$i])->{body}, 'ready', "connection $i: the next request");
    ok(closed($s[$i]), "connection $i: and no other");
}
is(calls('dl/a'), 1, 'the app was asked once');



=== the zone outlives a reload, options and storages do not
--- config
location /opt/ { download object /_ask$uri; download_basename before.txt; }
--- story
says('opt/a', file_grant('ten.txt'));
get('opt/a');
make_file('other/ten.txt', 'of another folder') if mkdir servroot() . '/html/other';
my $conf = slurp(servroot() . '/conf/nginx.conf');
$conf =~ s/before\.txt/after.txt/;
$conf =~ s{(download_storage files root=\S+)/files;}{$1/other;};
make_file(servroot() . '/conf/nginx.conf', $conf);
reload();
my $r;
ok(wait_for { $r = get('opt/a'); field($r, 'Content-Disposition') =~ /after/ } , 'the option of the new configuration');
is(seen($r) . " $r->{body}", '200 cached of another folder', 'and its storage');
is(calls('opt/a'), 1, 'asked once');



=== config: no key
--- config
location /a/ { download object /_ask; download_cache grants; }
location / { root html; }
--- options
--- http_config
server { listen unix:$TEST_NGINX_SERVER_ROOT/html/a.sock; location /a/ { download object /_ask; download_cache grants; } }
--- must_die
--- error_log
"download_cache" needs a download_cache_key: all that the app's decision depends on, such as $uri $cookie_sessionid



=== config: no key, inherited
--- http_config
server { listen unix:$TEST_NGINX_SERVER_ROOT/html/a.sock; download_cache grants; location /a/ { download object /_ask; } }
--- must_die
--- error_log
"download_cache" needs a download_cache_key



=== config: an unknown zone
--- config
location /a/ { download object /_ask; download_cache none; }
--- must_die
--- error_log
"download_cache" names the zone "none", which no download_cache_zone declares



=== config: an unknown zone that is inherited
--- http_config
server { listen unix:$TEST_NGINX_SERVER_ROOT/html/a.sock; download_cache none; download_cache_key $uri; location /a/ { download object /_ask; } }
--- must_die
--- error_log
"download_cache" names the zone "none", which no download_cache_zone declares



=== config: a zone that is declared later will do
--- http_config
server { listen unix:$TEST_NGINX_SERVER_ROOT/html/a.sock; download_cache later; download_cache_key $uri; location /a/ { download object /_ask; } }
download_cache_zone zone=later:64k;
--- request
GET /ready
--- response_body: ready



=== config: a zone twice
--- http_config
download_cache_zone zone=grants:1m;
--- must_die
--- error_log
the zone is declared twice



=== config: a zone twice, with another size
--- http_config
download_cache_zone zone=grants:2m;
--- must_die
--- error_log
"grants"



=== config: a zone that is another module's
--- http_config
limit_conn_zone $server_name zone=grants:1m;
--- must_die
--- error_log
"grants"



=== config: a zone that is too small
--- http_config
download_cache_zone zone=small:31k;
--- must_die
--- error_log
the zone is too small: 32k is the least



=== config: the smallest zone
--- http_config
download_cache_zone zone=small:32k;
--- config
location /small/ { download object /_ask$uri; download_cache small; }
--- story
for my $i (1 .. 100) {
    says("small/$i", file_grant('ten.txt'));
    is(seen(get("small/$i")), '200 asked', "$i, asked");
    is(seen(get("small/$i")), '200 cached', "$i, cached");
}



=== config: bad zones
--- story
my $conf = slurp(servroot() . '/conf/nginx.conf');
my $bad = servroot() . '/conf/bad.conf';
my $try = sub {
    my ($from, $to, $said) = @_;
    my $text = $conf;
    $text =~ s/\Q$from\E/$to/ or die "$from?";
    make_file($bad, $text);
    my $out = `$ENV{TEST_NGINX_BINARY} -t -e /dev/null -p @{[servroot()]}/ -c $bad 2>&1`;
    isnt($? >> 8, 0, "$to: refused");
    like($out, qr/\[emerg\].*\Q$said\E/, "$to: why");
};
my $zone = 'download_cache_zone zone=grants:1m;';
for ('zone=grants', 'grants:1m', 'zone=:1m', 'zone', 'size=1m', 'ZONE=grants:1m', "''") {
    $try->($zone, "download_cache_zone $_;", 'zone=NAME:SIZE is expected, such as zone=grants:10m');
}
$try->($zone, "download_cache_zone zone=grants:$_;", 'is not a size') for 'x', '1x', '-1', '', '1m1', ' 1m' =~ s/ //r . 'b', '1.5m';
$try->($zone, 'download_cache_zone zone=grants:0;', 'too small');
$try->($zone, 'download_cache_zone;', 'invalid number of arguments');
$try->($zone, 'download_cache_zone zone=grants:1m 2;', 'invalid number of arguments');
my $key = 'download_cache_key $uri $cookie_user;';
$try->($key, 'download_cache_key;', 'invalid number of arguments');
$try->($key, 'download_cache_key 1 2 3 4 5 6 7 8;', 'invalid number of arguments');
$try->($key, 'download_cache_key $uri "";', 'a part of the key is empty, so nothing would ever be remembered');
$try->($key, 'download_cache_key $uri $no_such_variable;', 'unknown "no_such_variable" variable');
$try->($key, 'download_cache_key $uri ${;', '');
$try->($key, 'download_cache_key $uri $cookie_connect.sid;', 'nginx reads "$cookie_connect" and then text');
$try->($key, 'download_cache_key "$uri$http_x-y";', 'nginx reads "$http_x" and then text');
$try->($key, "$key $key", 'is duplicate');
my $valid = 'download_cache_valid 1m;';
$try->($valid, "download_cache_valid $_;", 'is not a time, such as 30s') for 'x', '1x', '-1', "''", '1.5s', '1m denied=x', '1m denied=', '1m denied=-1';
$try->($valid, 'download_cache_valid 1m 1m;', 'denied=TIME is expected');
$try->($valid, 'download_cache_valid 1m Denied=1m;', 'denied=TIME is expected');
$try->($valid, 'download_cache_valid denied=1m;', 'is not a time');
$try->($valid, 'download_cache_valid;', 'invalid number of arguments');
$try->($valid, 'download_cache_valid 1 denied=1 1;', 'invalid number of arguments');
$try->($valid, "$valid $valid", 'is duplicate');
$try->($valid, "download_cache_lock $_;", '') for 'yes', "''", 'ON off', 'on; download_cache_lock off';
$try->($valid, 'download_cache_lock on; download_cache_lock on;', 'is duplicate');
$try->($valid, "download_cache_use_stale $_;", 'is not a time, such as 30s') for 'on', '1x', "''", 'error';
$try->($valid, 'download_cache_use_stale 1m 2m;', 'invalid number of arguments');
$try->($valid, 'download_cache_use_stale off; download_cache_use_stale 1m;', 'is duplicate');
my $cache = 'download_cache grants;';
$try->($cache, "$cache $cache", 'is duplicate');
$try->($cache, "$cache download_cache off;", 'is duplicate');
$try->($cache, 'download_cache;', 'invalid number of arguments');
$try->($cache, 'download_cache grants 1m;', 'invalid number of arguments');
my $ready = 'return 200 ready;';
$try->($ready, 'download_revoke; download object /_ask;', '"download_revoke" needs a location of its own');
$try->($ready, 'download object /_ask; download_revoke;', '"download_revoke" needs a location of its own');
$try->($ready, 'download_revoke; proxy_pass http://app;', '"download_revoke" needs a location of its own');
$try->($ready, 'proxy_pass http://app; download_revoke;', '"download_revoke" needs a location of its own');
$try->($ready, 'download_revoke; download_revoke;', 'is duplicate');
$try->($ready, 'download_revoke on;', 'invalid number of arguments');
$try->($ready, 'if ($arg_a) { download_revoke; }', 'is not allowed here');
$try->($valid, 'download_revoke;', 'is not allowed here');
$try->($ready, 'if ($arg_a) { download_cache grants; }', 'is not allowed here');
$try->($valid, 'download_cache_zone zone=b:1m;', 'is not allowed here');



=== config: off needs no key, and an inherited cache does not disturb other locations
--- http_config
server {
    listen unix:$TEST_NGINX_SERVER_ROOT/html/a.sock;
    download_cache grants;
    location /off/ { download object /_ask; download_cache off; }
    location /storage/ { download storage files; }
    location /proxied/ { proxy_pass http://app; }
    location = /revoke { download_revoke; }
}
--- request
GET /ready
--- response_body: ready
