# vi:ft=
# download_explain: what it says of each way a request can go, what it must not say, and that
# nothing comes of an explained request but the explanation.
#
# `story` is Perl that runs before the request of the block. The app answers as says() tells it;
# explained() gives what /NAME is explained by to a user, and get() what the user gets. Each
# explanation is seen to be whole, and without the bytes of any file.
use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use JSON::PP ();
use Links;
use Time::HiRes qw(sleep time);
use Asked;
use Wire;

our ($secret, $key) = ('open sesame', 'a key of 32 bytes, or even more?');
our $bytes = 'BYTES OF A FILE';     # all files have them

master_on();
worker_connections(1024);
log_level('info');

add_block_preprocessor(sub {
    my $block = shift;
    workers($block->worker_processes // 1);
    my $explain = $block->explain // 'download_explain $explain;';
    delete $ENV{TEST_NGINX_WORKER_USER};
    if (defined $block->as_nobody && $> == 0 && (my @nobody = getpwnam 'nobody')) {
        $ENV{TEST_NGINX_WORKER_USER} = 'nobody ' . getgrgid $nobody[3];
    }
    my $http = <<'END';
map $http_x_explain $explain { default 0; "open sesame" 1; }
download_cache_zone zone=grants:1m;
download_storage linked root=$TEST_NGINX_SERVER_ROOT/html/files symlinks=on;
download_rule /app/media/2026/ files:sub;
download_rule /app/media/ files;
download_rule /app/inner/ inner;
types { text/plain txt; application/pdf pdf; text/html html; }
END
    my $server = <<'END';
location /dl/ { download object /_ask$uri?$args; }
location /kept/ { download object /_ask$uri; download_cache grants; download_cache_key $uri $cookie_user; download_cache_valid 1m denied=1m; }
location /store/ { download storage files; }
location /path/ { download path $TEST_NGINX_SERVER_ROOT/html/files/$arg_name; }
location /web/ { download http http://127.0.0.1:$TEST_NGINX_RAND_PORT_1/files/$arg_name; }
location /virtual/ { download virtual /inner/$arg_name; }
location /signed/ { download storage files; download_signature hmac-sha256 key_file=keys; }
location /app/ { rewrite ^/app/(.*) /_ask/$1 break; proxy_pass http://app; download_intercept all; }
END
    prepare($block, http => $http, server => "$explain\n$server", names => '$secret, $key, $bytes', files => [
        ['../conf/keys', "$main::key\n"], map { ["files/$_", $main::bytes, '202401020304.05'] } qw(a.txt a.pdf sub/b.txt),
    ]);
});

# A response that must be an explanation, and nothing else; read.
sub read_explanation {
    my ($r, $what) = @_;
    my $json = eval { JSON::PP->new->utf8->decode($r->{body}) };
    my @wrong = grep { $_ } (
        $r->{status} != 200 && "status $r->{status}", field($r, 'Content-Type') ne 'application/json' && 'type ' . field($r, 'Content-Type'),
        field($r, 'Cache-Control') ne 'no-store' && 'Cache-Control: ' . field($r, 'Cache-Control'), !$r->{whole} && 'breaks off',
        $r->{head} !~ /^Transfer-Encoding/mi && field($r, 'Content-Length') ne length $r->{body} && 'length ' . field($r, 'Content-Length'),
        (map { my $value = field($r, $_); $value ne '' && "$_: $value" } qw(Set-Cookie Content-Disposition Content-Encoding Content-Range ETag Last-Modified Location)),
        ref $json ne 'HASH' && 'no JSON', $r->{body} =~ /\Q$main::bytes\E/ && 'bytes of a file');
    is(join('; ', @wrong), '', "$what: explained") or diag("$r->{head}\n$r->{body}");
    return ref $json eq 'HASH' ? { %$json, raw => $r->{body} } : { raw => $r->{body}, outcome => {} };
}

sub explained {
    my ($name, $user, @lines) = @_;
    return read_explanation(get($name, $user, "X-Explain: $main::secret", @lines), $name);
}

# In a word or two: status, and what failed.
sub outcome { my $e = shift; return join ' ', $e->{outcome}{status} // 'none', $e->{outcome}{failure} // () }

# The header fields of a response or an answer: name: value (who says so); in the order of names.
sub fields {
    my $of = shift;
    return map { "$_->{name}: $_->{value}" . ($_->{why} ? " ($_->{why})" : '') } sort { $a->{name} cmp $b->{name} } @{ $of // [] };
}

no_long_string();
run_tests();

__DATA__

=== each view
--- story
my ($port) = slurp(servroot() . '/conf/nginx.conf') =~ m{url=http://127\.0\.0\.1:(\d+)/};
my $files = servroot() . '/html/files';
says('dl/a', file_grant('a.txt'));
my %views = (
    object => ['dl/a', { storage => 'files', path => "$files/a.txt", size => 15 }],
    storage => ['store/a.txt', { storage => 'files', path => "$files/a.txt", size => 15 }],
    path => ['path/?name=a.txt', { path => "$files/a.txt", size => 15 }],
    http => ['web/?name=a.txt', { storage => 'origin', path => '/_fetch/a.txt', url => "http://127.0.0.1:$port/files/a.txt" }],
    virtual => ['virtual/?name=a.txt', { path => '/inner/a.txt' }],
);
for my $view (sort keys %views) {
    my ($name, $file) = @{ $views{$view} };
    my $e = explained($name);
    is($e->{view}, $view, "$view: its name");
    is($e->{uri}, '/' . $name =~ s/\?.*//r, "$view: the URI");
    is(outcome($e), 200, "$view: the outcome");
    is_deeply($e->{file}, $file, "$view: the file");
    is(exists $e->{asked} ? 1 : 0, $view eq 'object' ? 1 : 0, "$view: whether the app was asked");
    is(exists $e->{$_}, '', "$view: no $_") for qw(cache signature rules dropped);
    ok($e->{response}{headers} || $e->{response}{completed_by}, "$view: a response");
    is(get($name)->{body}, $bytes, "$view: without the secret, the file");
}



=== a file, and who says what of it
--- config
location /opt/ {
    download object /_ask$uri;
    download_basename named.pdf;
    download_mimetype text/x-own;
    download_encoding br;
    download_header X-Option yes;
    download_header X-Both of-the-option;
    add_header X-Added yes;
}
--- story
says('dl/plain', file_grant('a.txt', '', 'Set-Cookie: session=VERYSECRET; Path=/', 'X-App: of the app', 'ETag: "of-the-grant"', 'X-Accel-Expires: 7', 'Keep-Alive: 5'));
my $e = explained('dl/plain');
is(outcome($e), 200, 'granted');
is_deeply([fields($e->{response}{headers})], ['Content-Disposition: attachment; filename="a.txt" (the file\'s name)', 'Content-Length: 15 (the file)',
    'Content-Type: text/plain (types and default_type)', 'ETag: "65937d25-f" (the file)', 'Last-Modified: Tue, 02 Jan 2024 03:04:05 GMT (the file)',
    'Set-Cookie: (26 bytes) (the app\'s answer)'], 'what the client would be told');
my %dropped = map { ($_->{name}, $_->{why}) } @{ $e->{dropped} };
like($dropped{'X-App'}, qr/the grant's headers/, 'a field of the answer is no field of the file');
like($dropped{ETag}, qr/the grant/, 'nor is its ETag');
is($dropped{'Set-Cookie'}, undef, 'Set-Cookie is not dropped');
is($e->{asked}{status}, 200, 'the status of the answer');
is($e->{asked}{body}, 'whole', 'its end');
is($e->{asked}{begins}, undef, 'its beginning is the grant');
is_deeply($e->{grant}, { file => { storage => 'files', path => 'a.txt' } }, 'the grant');
like($e->{asked}{seconds}, qr/^0(?:\.\d+)?$/, 'how long it took');
is($e->{asked}{uri}, '/_ask/dl/plain', 'what was asked');
unlike($e->{raw}, qr/VERYSECRET/, 'the cookie is masked');

says('dl/full', file_grant('a.txt', '"basename":"q3.pdf","mimetype":"text/x-a","encoding":"gzip","etag":"\"v1\"","modified":1700000000,"headers":{"X-A":"1","Cache-Control":"private"}'));
$e = explained('dl/full');
my %said = map { ("$_->{name}: $_->{value}", $_->{why}) } @{ $e->{response}{headers} };
is($said{$_}, 'the grant', "$_: by the grant") for 'Content-Disposition: attachment; filename="q3.pdf"', 'Content-Type: text/x-a', 'Content-Encoding: gzip', 'ETag: "v1"',
    'Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT';
is($said{$_}, "the grant's headers", "$_: by the grant's headers") for 'X-A: 1', 'Cache-Control: private';

says('opt/a', file_grant('a.txt', '"headers":{"X-Both":"of-the-grant"}'));
$e = explained('opt/a');
%said = map { ("$_->{name}: $_->{value}", $_->{why}) } @{ $e->{response}{headers} };
is($said{'Content-Disposition: attachment; filename="named.pdf"'}, 'download_basename', 'download_basename');
is($said{'Content-Type: text/x-own'}, 'download_mimetype', 'download_mimetype');
is($said{'Content-Encoding: br'}, 'download_encoding', 'download_encoding');
is($said{'X-Option: yes'}, 'download_header', 'download_header');
is($said{'X-Both: of-the-grant'}, "the grant's headers", 'which yields to the grant');
is($said{'X-Both: of-the-option'}, undef, '... altogether');



=== the app does not grant
--- config
location /down/ { download object /_down; }
location /_down { internal; proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/html/nobody.sock; }
location /late/ { download object /_late$uri; }
location /_late/ { internal; rewrite ^/_late/(.*) /_ask/$1 break; proxy_pass http://app; proxy_read_timeout 300ms; }
location /small/ { download object /_ask$uri; download_grant_max_size 100; }
--- story
my $grant = 'application/vnd.nginx-download.grant+json';
my %cases = (       # status and failure; who has to act; what is said of it; how the body begins
    'dl/403' => [answer(403, 'not for you', 'X-Why: because'), '403 denied', 'client', qr/^the app answered 403$/, 'not for you'],
    'dl/404' => [answer(404), '404 denied', 'client', qr/answered 404/, undef],
    'dl/401' => [answer(401, 'who?', 'WWW-Authenticate: Basic realm=a'), '401 denied', 'client', qr/answered 401/, 'who?'],
    'dl/302' => [answer(302, '', 'Location: /login'), '302 redirected', 'client', qr/answered 302/, undef],
    'dl/304' => ["HTTP/1.1 304 X\r\n\r\n", '304', undef, undef, undef],
    'dl/500' => [answer(500, 'Traceback'), '502 app_error', 'app', qr/answered 500/, 'Traceback'],
    'dl/html' => [answer(200, '<html>Log in', 'Content-Type: text/html'), '502 not_a_grant', 'app', qr/Content-Type "text\/html"/, '<html>Log in'],
    'dl/204' => [answer(204), '502 not_a_grant', 'app', qr/answered 204/, undef],
    'dl/junk' => [answer(200, '{"fil', "Content-Type: $grant"), '502 grant_invalid', 'app', qr/\S/, '{"fil'],
    'dl/field' => [answer(200, '{"file":{"content":"x"},"nmae":"y"}', "Content-Type: $grant"), '502 grant_invalid', 'app', qr/nmae/, '{"file":{"content":"x"},"nmae":"y"}'],
    'dl/binary' => [answer(200, "\xff\xfe\0\x01", "Content-Type: $grant"), '502 grant_invalid', 'app', qr/\S/, "\x{fffd}\x{fffd}\0\x01"],
    'dl/long' => [answer(200, 'x' x 5000, "Content-Type: $grant"), '502 grant_invalid', 'app', qr/\S/, 'x' x 300],
    'dl/coded' => [answer(200, 'x', "Content-Type: $grant", 'Content-Encoding: gzip'), '502 not_a_grant', 'app', qr/Content-Encoding "gzip"/, 'x'],
    'small/a' => [answer(200, ' ' x 200, "Content-Type: $grant"), '502 grant_too_large', 'app', qr/100 bytes/, 0],
    'dl/cut' => [file_grant('a.txt'), '502 answer_cut', 'app', qr/broke off/, 0, cut => 5],
    'late/a' => [file_grant('a.txt'), '504 app_timeout', 'app', qr/in time/, 0, after => 2],
    'down/a' => ['', '502 app_unavailable', 'app', qr/is it running/, 0],
);
for my $name (sort keys %cases) {
    my ($answer, $outcome, $fault, $detail, $begins, @how) = @{ $cases{$name} };
    says($name, $answer, @how);
    my $e = explained($name);
    is(outcome($e), $outcome, "$name: the outcome");
    is($e->{outcome}{fault}, $fault, "$name: whose fault");
    $detail ? like($e->{outcome}{detail}, $detail, "$name: what the log says") : is($e->{outcome}{detail}, undef, "$name: no failure");
    is($e->{asked}{begins}, $begins, "$name: how the answer begins") unless defined $begins && $begins eq '0';
    is($e->{grant}, undef, "$name: no grant");
    is($e->{file}, undef, "$name: no file");
    my ($status) = $outcome =~ /^(\d+)/;
    is(get($name)->{status}, $status, "$name: as without the secret") unless $name eq 'late/a';
}
my $e = explained('dl/403');
is_deeply([map { $_->{name} } @{ $e->{dropped} // [] }], [], 'nothing of a denial is dropped: it is passed on');
is(field(get('dl/403'), 'X-Why'), 'because', '... as can be seen');
ok((grep { $_ eq 'X-Why: because' } fields($e->{asked}{headers})), 'the fields of the answer');
is(explained('dl/cut')->{asked}{body}, 'broke off', 'a body that breaks off');
is(explained('small/a')->{asked}{body}, 'larger than download_grant_max_size', 'a body that is too large');
--- no_error_log
[alert]
[emerg]
--- error_log
app_unavailable
[crit]



=== the file cannot be sent
--- as_nobody
--- story
my $root = servroot() . '/html';
chmod 0755, servroot(), $root, "$root/files";
make_file('outside.txt', $bytes);
make_file('files/closed.txt', $bytes);
chmod 0, "$root/files/closed.txt";
symlink 'a.txt', "$root/files/link.txt";
symlink '../outside.txt', "$root/files/out.txt";
symlink 'loop', "$root/files/loop";
my %cases = (
    missing => ['"storage":"files","path":"none.txt"', '404 missing', 2, qr/"none\.txt" in storage "files" .*does not exist/, 'app'],
    'not-there' => ['"storage":"files","path":"a.txt/x"', '404 missing', 20, qr/does not exist/, 'app'],
    folder => ['"storage":"files","path":"sub"', '404 not_a_file', undef, qr/a directory/, 'app'],
    link => ['"storage":"files","path":"link.txt"', '404 symlink', undef, qr/symbolic link/, 'nginx.conf or the machine'],
    loop => ['"storage":"linked","path":"loop"', '404 symlink', undef, qr/symbolic link/, 'nginx.conf or the machine'],
    out => ['"storage":"linked","path":"out.txt"', '404 outside_root', undef, qr/leads out of it/, 'app'],
    up => ['"storage":"files","path":"../outside.txt"', '404 outside_root', undef, qr/\.\./, 'app'],
    storage => ['"storage":"none","path":"a.txt"', '502 unknown_storage', undef, qr/"none"/, 'app'],
    rule => ['"path":"/srv/other/a.txt"', '404 no_rule', undef, qr{"/srv/other/a\.txt"}, 'nginx.conf or the machine'],
    location => ['"location":"/elsewhere/a.txt"', '404 no_rule', undef, qr{"/elsewhere/a\.txt"}, 'nginx.conf or the machine'],
    url => ['"url":"http://example.com/a.txt"', '404 no_rule', undef, qr{example\.com}, 'nginx.conf or the machine'],
    descriptor => ['"descriptor":3', '502 no_descriptor', undef, qr/there is no descriptor 3/, 'app'],
    closed => ['"storage":"files","path":"closed.txt"', '404 unreadable', 13, qr/may not be read/, 'nginx.conf or the machine'],
);
my ($worker) = workers_of(master());
my $is_root = (stat "/proc/$worker")[4] == 0;
for my $name (sort keys %cases) {
    my ($file, $outcome, $errno, $detail, $fault) = @{ $cases{$name} };
    next if $name eq 'closed' && $is_root;
    says("dl/$name", grant(qq({"file":{$file}})));
    my $e = explained("dl/$name");
    is(outcome($e), $outcome, "$name: the outcome") or diag($e->{raw});
    is($e->{outcome}{errno}, $errno, "$name: the error number") unless $name eq 'loop';
    like($e->{outcome}{detail} // '', $detail, "$name: what the log says");
    is($e->{outcome}{fault}, $fault, "$name: whose fault");
    ok($e->{grant}{file}, "$name: the grant is shown");
    is($e->{response}, undef, "$name: no response");
    is(get("dl/$name")->{status}, $outcome =~ s/ .*//r, "$name: as without the secret");
}
is(outcome(explained('store/none.txt')), '404 missing', 'a storage');
is(outcome(explained('store/link.txt')), '404 symlink', 'a link in a storage');
is(outcome(explained('path/?name=../outside.txt')), '404 bad_path', 'a path that leads up');
is(outcome(explained('web/?name=..%2f..%2fx')) =~ s/^(\d).*/$1/r, 4, 'a URL that leads up');



=== rules: all that were held against the path, up to the one that matched
--- story
my %cases = (
    '/app/media/2026/b.txt' => ['/app/media/2026 files 1'],
    '/app/media/a.txt' => ['/app/media/2026 files 0', '/app/media files 1'],
    '/app/media/2026-old/a.txt' => ['/app/media/2026 files 0', '/app/media files 1'],
    '/srv/a.txt' => ['/app/media/2026 files 0', '/app/media files 0', '/app/inner inner 0'],
);
my $number = 0;
for my $path (sort keys %cases) {
    my $name = 'dl/' . ++$number;
    says($name, grant(qq({"file":{"path":"$path"}})));
    my $e = explained($name);
    my @rules = map { ($_->{prefix} =~ s{(?<=.)/$}{}r) . " $_->{storage} " . ($_->{matched} ? 1 : 0) } @{ $e->{rules} };
    s/ files:sub / files / for @rules;
    is_deeply(\@rules, $cases{$path}, $path) or diag($e->{raw});
}
says('dl/no', file_grant('a.txt'));
is(explained('dl/no')->{rules}, undef, 'no path, no rules');



=== by another location, by another server, content
--- story
my ($port) = slurp(servroot() . '/conf/nginx.conf') =~ m{url=http://127\.0\.0\.1:(\d+)/};
my %cases = (
    location => ['{"file":{"location":"/inner/a.txt?token=VERYSECRET"},"basename":"b.pdf"}', { storage => 'inner', path => '/inner/a.txt' }],
    missing => ['{"file":{"location":"/inner/none.txt"}}', { storage => 'inner', path => '/inner/none.txt' }],
    'inner-storage' => ['{"file":{"storage":"inner","path":"a.txt"}}', { storage => 'inner', path => '/inner/a.txt' }],
    url => [qq({"file":{"url":"http://127.0.0.1:$port/files/a.txt"}}), { storage => 'origin', path => '/_fetch/a.txt', url => "http://127.0.0.1:$port/files/a.txt" }],
    'url-storage' => ['{"file":{"storage":"origin","path":"sub/b.txt"}}', { storage => 'origin', path => '/_fetch/sub/b.txt', url => "http://127.0.0.1:$port/files/sub/b.txt" }],
    content => ['{"file":{"content":"short"},"etag":"\"c1\""}', undef],
    base64 => ['{"file":{"base64":"AAEC"}}', undef],
);
for my $name (sort keys %cases) {
    my ($json, $file) = @{ $cases{$name} };
    says("dl/$name", grant($json));
    my $e = explained("dl/$name");
    is(outcome($e), 200, "$name: the outcome");
    is_deeply($e->{file}, $file, "$name: where it is");
    if ($file) { like($e->{response}{completed_by}, qr/internal location/, "$name: who makes the response") }
    else { is((grep { /^Content-Length: (?:5|3) / } fields($e->{response}{headers})), 1, "$name: its length") or diag($e->{raw}) }
}
is(get('dl/location')->{body}, $bytes, 'without the secret, the file');



=== the decision cache: miss, hit, denied, not remembered; nothing is changed in it
--- story
says('kept/a', file_grant('a.txt'));
my $e = explained('kept/a');
is("$e->{cache}{zone} $e->{cache}{state}", 'grants miss', 'a miss');
is_deeply($e->{cache}{key}, ['(7 bytes)', '(3 bytes)'], 'the key, masked');
is($e->{cache}{expires_in_ms}, undef, 'which does not expire');
is(outcome($e), 200, 'the outcome');
ok($e->{asked}, 'the app was asked');
is(explained('kept/a')->{cache}{state}, 'miss', 'nothing is remembered of an explanation');
is(calls('kept/a'), 2, 'asked in earnest each time');
get('kept/a');
is(calls('kept/a'), 3, 'a request asks');
$e = explained('kept/a');
is($e->{cache}{state}, 'hit', 'a hit');
ok($e->{cache}{expires_in_ms} > 50_000 && $e->{cache}{expires_in_ms} <= 60_000, 'and when it expires');
is($e->{asked}, undef, 'the app was not asked');
is_deeply($e->{grant}, { file => { storage => 'files', path => 'a.txt' } }, 'the grant');
like($e->{file}{path}, qr{/files/a\.txt$}, 'the file');
is((grep { /^Content-Disposition: attachment; filename="a\.txt"/ } fields($e->{response}{headers})), 1, 'the response');
get('kept/a');
explained('kept/a') for 1 .. 3;
is(calls('kept/a'), 3, 'nobody asked since');
is(get('kept/a')->{body}, $bytes, 'the file');
rename servroot() . '/html/files/a.txt', servroot() . '/html/files/moved.txt';
is(outcome(explained('kept/a')), '404 missing', 'a hit, and the file is gone');
rename servroot() . '/html/files/moved.txt', servroot() . '/html/files/a.txt';

says('kept/no', answer(403, 'no'));
explained('kept/no') for 1 .. 2;
is(calls('kept/no'), 2, 'a denial is not remembered of an explanation');
get('kept/no');
$e = explained('kept/no');
like($e->{cache}{state}, qr/denied/, 'a denial');
is(outcome($e), '403 denied', 'the outcome');
is(calls('kept/no'), 3, 'the app was not asked');

says('kept/zero', file_grant('a.txt', '"cache":{"ttl":0}'));
get('kept/zero');
$e = explained('kept/zero');
like($e->{cache}{state}, qr/not to be remembered/, 'an answer that is not to be remembered');
is(outcome($e), 200, 'the outcome');
says('kept/none', file_grant('a.txt'));
$e = read_explanation(fetch('/kept/none', "X-Explain: $secret"), 'without a cookie');
like($e->{cache}{state}, qr/^not remembered: a part of the key is empty/, 'a part of the key is empty');
is_deeply($e->{cache}{key}, ['(10 bytes)', '(0 bytes)'], 'which can be seen');
is(outcome($e), 200, 'the outcome');



=== while somebody asks, and others wait
--- story
says('kept/a', file_grant('a.txt'), after => 0.5);
my @s = map { my $s = dial(); send_to($s, GET('/kept/a', 'Cookie: user=ann')); $s } 1 .. 5;
wait_for { calls('kept/a') };
my $e = explained('kept/a');
is("$e->{cache}{state} " . outcome($e), 'miss 200', 'an explanation does not wait');
is(response($_)->{body}, $bytes, 'nor does it disturb those who do') for @s;
is(calls('kept/a'), 2, 'asked for all of them, and for the explanation');



=== a stale grant stays where it is
--- config
location /stale/ { download object /_ask$uri; download_cache grants; download_cache_key $uri $cookie_user; download_cache_valid 1s; download_cache_use_stale 1h; }
--- story
says('stale/a', file_grant('a.txt'));
get('stale/a');
sleep 1.1;
says('stale/a', answer(403));
is(outcome(explained('stale/a')), '403 denied', 'a denial, which would end the grant');
says('stale/a', answer(500));
like(outcome(explained('stale/a')), qr/^(?:502 app_error|200)$/, 'what is said of an app that is down');
is(get('stale/a')->{body}, $bytes, 'the grant is still there');
is(outcome(explained('stale/a')), 200, 'and serves for a second');
--- error_log
app_error



=== signed links
--- story
my $later = time() + 600 =~ s/\..*//r;
$later = int(time) + 600;
my $good = hmac_link($key, '/signed/a.txt', "expires=$later&basename=q3.pdf");
my %cases = (
    good => [$good, '200', qr/^good$/],
    unsigned => ['/signed/a.txt', '403 unsigned', qr/\S/],
    bad => [hmac_link('another key', '/signed/a.txt', "expires=$later"), '403 bad_signature', qr/\S/],
    expired => [hmac_link($key, '/signed/a.txt', 'expires=1700000000'), '403 link_expired', qr/expired/],
    early => [hmac_link($key, '/signed/a.txt', "not_before=$later&expires=" . ($later + 9)), '403 link_not_yet', qr/\S/],
);
for my $name (sort keys %cases) {
    my ($link, $outcome, $verdict) = @{ $cases{$name} };
    my $e = explained($link =~ s{^/}{}r);
    is(outcome($e), $outcome, "$name: the outcome");
    like($e->{signature} // '', $verdict, "$name: the verdict");
    my ($code) = $link =~ /signature=(.*)/;
    unlike($e->{raw}, qr/\Q$code\E/, "$name: the signature is masked") if $code;
    unlike($e->{raw}, qr/\Q$key\E/, "$name: the key is not shown");
    is($e->{uri}, '/signed/a.txt', "$name: the URI");
    ok((grep { /^Content-Disposition: .*q3\.pdf" \(the signed link\)/ } fields($e->{response}{headers})), 'who says the name') if $name eq 'good';
}



=== intercepted responses: the app's fields, what is dropped, and the file that is to be removed
--- config
location /both/ { download object /_both$uri; download_intercept all; }
location /_both/ { internal; rewrite ^/_both/(.*) /_ask/$1 break; proxy_pass http://app; download_intercept all; }
--- story
my $media = '/app/media';
my @more = ('Content-Type: text/x-app', 'X-App: yes', 'Set-Cookie: session=VERYSECRET', 'ETag: "app"', 'Connection: close');
my %cases = (
    'app/accel' => ["X-Accel-Redirect: $media/a.txt", 200], 'app/sendfile' => ["X-Sendfile: $media/a.txt", 200],
    'app/lighttpd' => ["X-LIGHTTPD-send-file: $media/a.txt", 200], 'app/sendfile2' => ["X-Sendfile2: $media/a.txt 3-9", 200],
    'app/none' => ["X-Sendfile: $media/none.txt", '404 missing'], 'app/rule' => ['X-Sendfile: /other/a.txt', '404 no_rule'],
    'app/up' => ["X-Sendfile: $media/../../x", '404 outside_root'], 'app/internal' => ['X-Accel-Redirect: /inner/a.txt', 200],
    'app/two' => ["X-Sendfile: $media/a.txt\r\nX-Accel-Redirect: $media/a.txt", '502 ambiguous'],
);
for my $name (sort keys %cases) {
    my ($field, $outcome) = @{ $cases{$name} };
    says($name =~ s{^app/}{}r, answer(200, $bytes, $field, @more));
    my $e = explained($name);
    is(outcome($e), $outcome, "$name: the outcome") or diag($e->{raw});
    is($e->{view}, 'intercept', "$name: the view");
    unlike($e->{raw}, qr/VERYSECRET/, "$name: the cookie is masked");
    my %said = map { ($_->{name}, "$_->{value} ($_->{why})") } @{ $e->{response}{headers} // [] };
    if ($outcome eq 200 && $name !~ /internal/) {
        is($said{'X-App'}, "yes (the app's response)", "$name: a field of the app");
        is($said{'Set-Cookie'} =~ /^\(\d+ bytes\)/ ? 1 : 0, 1, "$name: its cookie");
        is($said{$_}, undef, "$name: no $_") for qw(X-Accel-Redirect X-Sendfile X-Sendfile2);
        like($e->{file}{path}, qr{/files/a\.txt$}, "$name: the file") unless $name =~ /sendfile2/;
        my $r = get($name);
        is($r->{status} . ' ' . length $r->{body}, '200 ' . ($name =~ /sendfile2/ ? 7 : length $bytes), "$name: without the secret, the file");
    }
}
make_file('files/temporary.txt', $bytes);
says('both/temporary', answer(200, '', "X-Sendfile-Temporary: $media/temporary.txt"));
is(outcome(explained('both/temporary')), 200, "temporary, asked for and explained: $_") for 1 .. 2;
says('temporary', answer(200, '', "X-Sendfile-Temporary: $media/temporary.txt"));
is(outcome(explained('app/temporary')), 200, "temporary, explained: $_") for 1 .. 3;
ok(-e servroot() . '/html/files/temporary.txt', 'it is still there');
is(get('app/temporary')->{body}, $bytes, 'it is sent');
ok(!-e servroot() . '/html/files/temporary.txt', 'and gone');
says('page', answer(200, 'a page', 'Content-Type: text/html'));
is(get('app/page', 'ann', "X-Explain: $secret")->{body}, 'a page', 'a page is a page');
says('denied', answer(403, 'no'));
is(get('app/denied', 'ann', "X-Explain: $secret")->{body}, 'no', 'a denial without a file is what it is');



=== an intercepted grant
--- story
says('grant', file_grant('a.txt', '', 'X-App: yes', 'Set-Cookie: session=VERYSECRET'));
my $e = explained('app/grant');
is("$e->{view} " . outcome($e), 'intercept 200', 'the outcome');
is_deeply($e->{grant}, { file => { storage => 'files', path => 'a.txt' } }, 'the grant');
unlike($e->{raw}, qr/VERYSECRET/, 'the cookie is masked');
says('bad', grant('{"file":1}'));
is(outcome(explained('app/bad')), '502 grant_invalid', 'an invalid one');
is(get('app/grant')->{body}, $bytes, 'without the secret, the file');



=== what an app refers to out of proxy_cache is refused, and not explained
--- http_config
proxy_cache_path $TEST_NGINX_SERVER_ROOT/proxy_cache keys_zone=pages:1m;
--- config
location /paged/ { rewrite ^/paged/(.*) /_ask/$1 break; proxy_pass http://app; download_intercept all; proxy_cache pages; proxy_cache_key $uri; proxy_cache_valid 1m; }
location /fill/ { rewrite ^/fill/(.*) /_ask/$1 break; proxy_pass http://app; proxy_ignore_headers X-Accel-Redirect; proxy_cache pages; proxy_cache_key $uri; proxy_cache_valid 1m; }
--- story
for (['accel', 'X-Accel-Redirect: /app/media/a.txt'], ['sendfile', 'X-Sendfile: /app/media/a.txt'], ['grant', 'Content-Type: application/vnd.nginx-download.grant+json']) {
    my ($name, $field) = @$_;
    says($name, answer(200, '{"file":{"storage":"files","path":"a.txt"}}' . ' ' x 500, $field, 'Cache-Control: max-age=60'));
    get("fill/$name");
    my $plain = get("paged/$name");
    is(calls($name), 1, "$name: out of the cache");
    is($plain->{status}, 502, "$name: refused");
    my $r = get("paged/$name", 'ann', "X-Explain: $secret");
    is("$r->{whole} $r->{status} $r->{body}", "1 $plain->{status} $plain->{body}", "$name: with the secret as well");
    my ($said) = raw(GET("/paged/$name", "X-Explain: $secret")) =~ /\r\n\r\n(.*)/s;
    is($said, $plain->{body}, "$name: and nothing else on the connection");
}
--- timeout: 5
--- no_error_log
[alert]


=== what is masked
--- story
my @secrets = map { "VERYSECRET$_" } 0 .. 9;
says('kept/a', file_grant('a.txt', '', "Set-Cookie: session=$secrets[0]", "set-cookie: other=$secrets[1]"));
my $e = explained("kept/a?token=$secrets[2]", $secrets[3], "Authorization: Bearer $secrets[4]", "Proxy-Authorization: Basic $secrets[5]", "X-Api-Key: $secrets[6]");
unlike($e->{raw}, qr/VERYSECRET/, 'nothing of cookies, credentials and arguments');
says('dl/a', file_grant('a.txt'));
$e = explained("dl/a?token=$secrets[2]&flag&x=&a=1");
is($e->{asked}{args}, 'token=(11 bytes)&flag&x&a=(1 bytes)', 'the arguments of the question');
unlike($e->{raw}, qr/VERYSECRET/, 'masked');
says('dl/no', answer(401, 'no', "WWW-Authenticate: Basic realm=a", "Authorization: $secrets[4]", "Cookie: $secrets[3]", "Set-Cookie: a=$secrets[0]"));
unlike(explained("dl/no?token=$secrets[2]")->{raw}, qr/VERYSECRET/, 'in a denial');
unlike(explained("path/?name=a.txt&token=$secrets[2]")->{raw}, qr/VERYSECRET/, 'without an app');
unlike($_->{raw}, qr/\Q$secret\E/, 'the secret itself is not shown') for $e;
says('dl/to', answer(302, '', "Location: /login?token=$secrets[2]"));
unlike(explained('dl/to')->{raw}, qr/VERYSECRET/, 'arguments of Location');
says('dl/cookie', file_grant('a.txt', qq("headers":{"Set-Cookie":"a=$secrets[0]"})));
unlike(explained('dl/cookie')->{raw}, qr/VERYSECRET/, "a cookie in the grant's headers");
my ($port) = slurp(servroot() . '/conf/nginx.conf') =~ m{url=http://127\.0\.0\.1:(\d+)/};
says('dl/url', grant(qq({"file":{"url":"http://127.0.0.1:$port/files/a.txt?X-Amz-Signature=$secrets[2]"}})));
unlike(JSON::PP::encode_json(explained('dl/url')->{file}), qr/VERYSECRET/, 'the signature of a URL on another server');



=== failures are logged as ever, and the access log tells of the explanation
--- story
says('dl/a', file_grant('none.txt'));
explained('dl/a');
my @lines = grep { /download object: missing: "none\.txt" in storage "files"/ } split /^/, slurp(servroot() . '/logs/error.log');
is(scalar @lines, 1, 'once');
like($lines[0], qr/\[error\].*\(2: No such file/, 'with its level and error number');
--- error_log
download object: missing:



=== HEAD, and other methods
--- story
says('dl/a', file_grant('a.txt'));
my $r = get('HEAD dl/a', 'ann', "X-Explain: $secret");
is("$r->{status} " . field($r, 'Content-Type'), '200 application/json', 'HEAD');
cmp_ok(field($r, 'Content-Length'), '>', 100, 'the length of the explanation');
is(field($r, 'Content-Disposition'), '', 'and nothing of the file');
is(get('POST dl/a', 'ann', "X-Explain: $secret", 'Content-Length: 0')->{status}, 405, 'POST');
my $s = dial();
send_to($s, GET('/dl/a', "X-Explain: $secret", 'Connection: keep-alive', 'Content-Length: 5') . 'xxxxx'
    . GET('HEAD /dl/a', "X-Explain: $secret", 'Connection: keep-alive') . GET('/dl/a', 'Connection: keep-alive') . GET('/ready'));
read_explanation(response($s), 'with a body');
is(response($s, head => 1)->{status}, 200, 'HEAD, pipelined');
is(response($s)->{body}, $bytes, 'the file, on the same connection');
is(response($s)->{body}, 'ready', 'and another request');



=== whom it is for
--- http_config
map $http_x_wish $wish { default $http_x_wish; none ""; }
--- config
location /wish/ { download storage files; download_explain $wish; }
location /off/ { download storage files; download_explain 0; }
location /empty/ { download storage files; download_explain ""; }
location /nested/ { download storage files; location /nested/sub/ { expires 1h; } }
--- story
is(get("wish/a.txt", 'ann', "X-Wish: $_")->{body}, $bytes, "\"$_\": the file") for '', '0', 'none';
read_explanation(get("wish/a.txt", 'ann', "X-Wish: $_"), "\"$_\"") for '1', 'no', 'off', '00', ' 0 0', 'false';
is(get("$_/a.txt", 'ann', "X-Explain: $secret")->{body}, $bytes, "$_: the file") for qw(off empty);
is(get('store/a.txt', 'ann', "X-Explain: $_")->{body}, $bytes, "X-Explain: $_: the file") for 'open', 'Open Sesame2', '1', 'open sesame ajar';
is(outcome(explained('nested/sub/b.txt')), 200, 'a nested location inherits it');



=== ranges and conditions are not heeded
--- config
location /gz/ { download storage files; gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any; }
location /expiring/ { download storage files; expires 1h; add_header X-Added yes; }
location /slow/ { download storage files; limit_rate 100k; }
--- story
says('dl/a', file_grant('a.txt'));
says('kept/a', file_grant('a.txt'));
says('dl/in', grant('{"file":{"content":"content"}}'));
says('dl/sent', answer(403, 'no'));
says('dl/at', grant('{"file":{"location":"/inner/a.txt"},"etag":"\"i1\"","modified":1700000000}'));
get('kept/a');
my $now = 'Fri, 01 Jan 2100 00:00:00 GMT';
for my $name (qw(dl/a kept/a store/a.txt dl/in dl/sent dl/none virtual/?name=a.txt app/sf)) {
    says('sf', answer(200, '', 'X-Sendfile: /app/media/a.txt'));
    for ('Range: bytes=0-3', 'Range: bytes=-5', 'Range: bytes=0-1,4-5', 'Range: bytes=90000-', 'If-None-Match: *', 'If-None-Match: "65937d25-f"',
            "If-Modified-Since: $now", 'If-Match: "other"', 'If-Unmodified-Since: Fri, 01 Jan 1999 00:00:00 GMT') {
        my $r = get($name, 'ann', "X-Explain: $secret", $_);
        my $json = eval { JSON::PP::decode_json($r->{body}) };
        is($r->{status} . ($json ? ' whole' : ' in part'), '200 whole', "$name, $_");
    }
}
is(get('dl/at', 'ann', "X-Explain: $secret", $_)->{status}, 200, "dl/at, $_") for 'If-None-Match: "i1"', 'If-Match: "i2"', "If-Modified-Since: $now";
my $r = get('gz/a.txt', 'ann', "X-Explain: $secret", 'Accept-Encoding: gzip');
is("$r->{status} " . field($r, 'Content-Type') . ' ' . field($r, 'Content-Encoding'), '200 application/json gzip', 'gzip');
explained('slow/a.txt');
$r = get('expiring/a.txt', 'ann', "X-Explain: $secret");
ok(eval { JSON::PP::decode_json($r->{body}) }, 'with expires');
like(field($r, 'Cache-Control'), qr/no-store/, 'which does not make it cacheable');



=== error_page
--- config
location /paged/ { download object /_ask$uri; error_page 403 404 502 /sorry; }
location = /sorry { internal; return 200 sorry; }
location /fallback/ { download storage files; error_page 404 = @other; }
location @other { download object /_ask/other; }
--- story
says('paged/no', file_grant('none.txt'));
is(get('paged/no')->{body}, 'sorry', 'a page');
is(outcome(explained('paged/no')), '404 missing', 'the explanation comes first');
says('other', file_grant('a.txt'));
is(get('fallback/none')->{body}, $bytes, 'another location');
is(outcome(explained('fallback/none')), '404 missing', 'the explanation is of the first');
--- error_log
missing



=== in subrequests
--- config
location = /page.html { ssi on; download_explain 0; }
location /ssi/ { download object /_ask$uri; }
--- user_files eval
[['page.html', '{"a":<!--#include virtual="/dl/a" -->,"b":<!--#include virtual="/dl/no" -->,"c":<!--#include virtual="/store/a.txt" -->}']]
--- story
says('dl/a', file_grant('a.txt'), after => 0.2);
says('dl/no', answer(403, 'no'));
my $r = get('page.html', 'ann', "X-Explain: $secret");
my $json = eval { JSON::PP::decode_json($r->{body}) };
is(join(' ', map { outcome($json->{$_} // {}) } qw(a b c)), '200 403 denied 200', 'three explanations in a page') or diag($r->{body});
unlike($r->{body}, qr/\Q$bytes\E/, 'and no file');
is(get('page.html')->{body}, qq({"a":$bytes,"b":no,"c":$bytes}), 'without the secret, the files');



=== many at once, with an app that takes its time, and clients that go away
--- worker_processes: 2
--- story
says('dl/a', file_grant('a.txt'), after => 0.4);
says('dl/no', answer(403, 'no'), after => 0.4);
my $before = do { explained('dl/a'); sleep 0.2; descriptors() };
my @requests = map { (GET('/dl/a', "X-Explain: $secret"), GET('/dl/a'), GET('/dl/no', "X-Explain: $secret")) } 1 .. 10;
my @gone = map { my $s = dial(); send_to($s, GET('/dl/a', "X-Explain: $secret")); $s } 1 .. 6;
my $start = time;
my @r = burst(@requests);
cmp_ok(time - $start, '<', 8, 'together');
$_ % 2 ? close $gone[$_] : reset_of($gone[$_]) for 0 .. 5;
my ($wrong, @outcomes) = (0);
for my $i (0 .. $#r) {
    if ($i % 3 == 1) { $wrong++ unless $r[$i]{body} eq $bytes; next }
    push @outcomes, outcome(eval { JSON::PP::decode_json($r[$i]{body}) } // {});
}
is($wrong, 0, 'the files are right');
is(join(',', @outcomes), join(',', ('200', '403 denied') x 10), 'the explanations are right');
wait_for { descriptors() <= $before } 10;
cmp_ok(descriptors(), '<=', $before, 'no descriptor more');



=== names and values that are no UTF-8
--- story
my $r = get("store/\xff\xfe.txt", 'ann', "X-Explain: $secret");
my $e = read_explanation($r, 'a URI that is no UTF-8');
is(outcome($e), '404 missing', 'the outcome');
says('dl/a', answer(403, "\xff\"\\\x01", "X-Odd: \xff\"\\"));
is(outcome(explained('dl/a')), '403 denied', 'an answer that is no UTF-8');
explained('store/%22%5C%01%0d%0a.txt');



=== config: the client's own variables
--- must_die
--- http_config
server { listen unix:$TEST_NGINX_SERVER_ROOT/html/a.sock; location / { download storage files; download_explain $arg_explain; } }
--- error_log
"$arg_explain" is the client's to choose, so that anybody could ask for explanations: use a variable of map or geo that lets some in



=== config: mistakes
--- story
my $conf = slurp(servroot() . '/conf/nginx.conf');
my $bad = servroot() . '/conf/bad.conf';
my $try = sub {
    my ($to, $said) = @_;
    my $text = $conf;
    $text =~ s/^download_explain \$explain;/$to/m or die;
    make_file($bad, $text);
    my $out = `$ENV{TEST_NGINX_BINARY} -t -e /dev/null -p @{[servroot()]}/ -c $bad 2>&1`;
    return is($?, 0, "$to: accepted") || diag($out) unless defined $said;
    isnt($? >> 8, 0, "$to: refused");
    like($out, qr/\[emerg\].*\Q$said\E/, "$to: why");
};
my $his = "is the client's to choose";
for ('$arg_x', '$http_x', '${cookie_x}', '$http_x$explain', '"$explain$http_x"', '$request_uri', '$args', '$uri', '$host', '$cookie_a', 'x$query_string', '"a ${arg_b} c"',
        '$request', '$request_method', '$http_authorization', '$document_uri', '$is_args', '$ARG_x', '$Http_X', '$request_body', '$remote_user') {
    $try->("download_explain $_;", $his);
}
$try->('download_explain;', 'invalid number of arguments');
$try->('download_explain a b;', 'invalid number of arguments');
$try->('download_explain $no_such_variable;', 'unknown "no_such_variable" variable');
$try->('download_explain $explain; download_explain $explain;', 'is duplicate');
$try->("download_explain $_;") for '$explain', '0', '""', '$remote_addr', '"$explain"', '${explain}';
$try->("location ~ ^/cap/(.*) { download_explain $_; download object /_ask; }", $his) for '$1', '${1}';
$try->('download_explain $proxy_add_x_forwarded_for;', $his);
